"""One meaning for each JSON text: catalogue ID-22, ID-23, DI-10, Appendix A 11."""

import json

import pytest

from oidc_middleware.protocol.strict_json import MAX_DEPTH, loads, loads_object


@pytest.mark.parametrize(
    "text",
    ['{"a": 1, "b": [true, false, null, -1.5e3, "\\u00e9\\ud83d\\ude00 \\" [{"]}', "[]", '"x"', "0", '{"a":{"a":{"a":1}}}', "{}", " [1] \n", '""'],
)
def test_ordinary_json_means_what_it_always_means(text):
    assert loads(text) == json.loads(text)
    assert loads(text.encode()) == json.loads(text)


@pytest.mark.row("ID-22", "ID-23", "DI-10")
@pytest.mark.parametrize(
    "data",
    [
        '{"sub":"a","sub":"b"}',
        '{"x":{"sub":"a","su\\u0062":"b"}}',
        "NaN",
        '{"exp":Infinity}',
        '{"exp":-Infinity}',
        '{"exp":1e400}',
        '{"exp":-1e999}',
        '{"exp":' + "9" * 21 + "}",
        '{"exp":' + "9" * 5000 + "}",
        "\ufeff{}",
        b"\xef\xbb\xbf{}",
        b'{"a":"\xff"}',
        '{"a":1}'.encode("utf-16"),
        '{"a":1}'.encode("utf-32-le"),
        '{"a":"\\ud800"}',
        '{"a":["\\uDFFF x"]}',
        '{"\\ud800":1}',
        '{"a":"\ud800"}',
        "[" * 100_000,
        "[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1),
        '{"a":' * 5000 + "1" + "}" * 5000,
        "{} {}",
        "{}x",
        "{",
        '{"a":"\n"}',
        "",
        b"",
        "'a'",
        "{a:1}",
        "[1,]",
        "// x\n1",
        "01",
        "\x00",
    ],
)
def test_anything_ambiguous_is_refused_without_repeating_it(data):
    with pytest.raises(ValueError) as caught:
        loads(data)
    assert type(caught.value) is ValueError, "JSONDecodeError and UnicodeDecodeError carry the whole text"
    assert len(str(caught.value)) < 120
    assert loads('{"a":1}') == {"a": 1}


@pytest.mark.row("ID-23")
def test_depth_is_bounded_where_it_says():
    deepest = "[" * MAX_DEPTH + "]" * MAX_DEPTH
    assert loads(deepest) == json.loads(deepest)
    assert loads("[" * 3 + "]" * 3, max_depth=3) == [[[]]]
    with pytest.raises(ValueError, match="nested"):
        loads("[[[[]]]]", max_depth=3)


def test_brackets_in_strings_and_siblings_do_not_count_as_depth():
    wide = json.dumps([["[[[[{{{{", {"]": '\\"[['}]] * 200)
    assert loads(wide) == json.loads(wide)


@pytest.mark.parametrize("text", ['"' + '\\"' * 200_000, "[" * 40 + '"' + "\\\\" * 200_000, '["' * 100_000, "[" * 40 + '"abc\\'])
def test_the_depth_scan_is_linear_on_hostile_strings(text):
    with pytest.raises(ValueError):
        loads(text)


@pytest.mark.row("ID-32")
def test_numbers_out_of_range_can_count_as_unknown():
    text = '{"expires_in":1e400,"x":' + "9" * 5000 + ',"y":7,"z":1.5}'
    assert loads(text, huge_numbers_as_none=True) == {"expires_in": None, "x": None, "y": 7, "z": 1.5}
    with pytest.raises(ValueError, match="range"):
        loads(text)


@pytest.mark.row("ID-23")
@pytest.mark.parametrize("text", ["[]", "null", '"{}"', "1", "true"])
def test_an_object_is_an_object(text):
    with pytest.raises(ValueError, match="not a JSON object"):
        loads_object(text)
    assert loads_object(b'{"a":"\xc3\xa9"}') == {"a": "é"}
