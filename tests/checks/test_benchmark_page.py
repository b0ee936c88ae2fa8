"""docs/benchmarks: the page and the picture say what results.json holds, and nothing else."""

from __future__ import annotations

import copy
import json
import xml.etree.ElementTree as ET
from itertools import pairwise

import pytest

from tools import benchmark_page as bench

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def results():
    return json.loads(bench.RESULTS.read_text(encoding="utf-8"))


def test_page_and_picture_are_made_from_the_results(results):
    text = bench.PAGE.read_text(encoding="utf-8")
    assert bench.page(text, results) == text, "run python tools/benchmark_page.py"
    assert bench.picture(results) == bench.PICTURE.read_text(encoding="utf-8"), "run python tools/benchmark_page.py"


def test_every_figure_reaches_the_page(results):
    """Nothing of the results can change without the page changing."""
    text = bench.PAGE.read_text(encoding="utf-8")
    for name in ("ratio", "cpu_ratio", "extra_us", "redirect_ratio", "redirect_us", "login_cpu_ms", "login_wall_ms"):
        other = copy.deepcopy(results)
        other["subjects"][-1][name] = [7777.0] * len(other["subjects"][-1][name])
        assert "7777" in bench.page(text, other)
        assert "7777" not in text
    other = copy.deepcopy(results)
    other["left_out"] = [{"name": "somebody", "server": "a server", "reason": "not installed"}]
    assert "Left out: somebody on a server: not installed" in bench.page(text, other)


def test_the_picture_changes_with_the_figures(results):
    for name in ("cpu_ratio", "login_cpu_ms"):
        other = copy.deepcopy(results)
        other["subjects"][0][name] = [value * 2 for value in other["subjects"][0][name]]
        assert bench.picture(other) != bench.picture(results)


def test_the_picture_is_well_formed_and_keeps_to_itself(results):
    root = ET.fromstring(bench.picture(results))
    width, height = (float(number) for number in root.get("viewBox").split()[2:])
    texts = list(root.iter(f"{SVG}text"))
    for one in results["subjects"]:
        assert [element.text for element in texts].count(one["name"]) >= 2  # a line in each panel
    for element in root.iter():
        assert not any("href" in name for name in element.attrib)
        for name, most in (("x", width), ("y", height), ("cx", width), ("cy", height)):
            assert 0 <= float(element.get(name, 0)) <= most
    assert "prefers-color-scheme: dark" in root.find(f"{SVG}style").text


def test_lines_of_the_picture_do_not_touch(results):
    root = ET.fromstring(bench.picture(results))
    ys = sorted({float(element.get("y")) for element in root.iter(f"{SVG}text")})
    assert all(later - earlier >= 4 for earlier, later in pairwise(ys))
    bars = [(float(bar.get("y")), float(bar.get("height"))) for bar in root.iter(f"{SVG}rect") if bar.get("class") != "ground"]
    assert len(bars) == len(results["subjects"])
    assert all(later[0] >= earlier[0] + earlier[1] for earlier, later in pairwise(bars))


def test_the_results_are_whole(results):
    rounds = results["how"]["rounds"]
    assert {one["id"] for one in results["subjects"] if one["ours"]} >= {"ours-uvicorn", "ours-gunicorn"}
    for one in results["subjects"]:
        for name in ("ratio", "cpu_ratio", "bare_us", "extra_us", "redirect_ratio", "redirect_us", "login_cpu_ms", "login_wall_ms"):
            assert len(one[name]) == rounds, (one["id"], name)
        assert all(value > 0 for value in one["cpu_ratio"] + one["login_cpu_ms"] + one["redirect_us"])
        assert one["versions"]


def test_the_page_names_its_parts_once():
    text = bench.PAGE.read_text(encoding="utf-8")
    assert text.count("<!-- results: ") == text.count("<!-- end -->") == 6
    with pytest.raises(KeyError):
        bench.page("<!-- results: nothing -->\nx\n<!-- end -->", {})


def test_an_empty_part_is_filled_and_the_next_left_alone(results):
    text = "<!-- results: floods -->\n<!-- end -->\nby hand\n<!-- results: floods -->\nold\n<!-- end -->\n"
    results["floods"] = [{"server": "a server", "requests": 12345, "seconds": 60.0, "before_mb": 50.0, "after_mb": 50.5}]
    made = bench.page(text, results)
    assert made.count("| a server | 12,345 | 60 | 50.0 | 50.5 |") == 2
    assert "\nby hand\n" in made
    assert "old" not in made


def test_an_outage_is_told_beside_the_same_round_without_it(results):
    results["outages"] = [{"server": "a server", "p99_ms": {"well": [10.0, 20.0], "silent-tokens": [20.0, 20.0], "silent": [5.0, 60.0]}}]
    made = bench.page("<!-- results: outages -->\n<!-- end -->\n", results)
    assert "| a server | 15.0 (10.0–20.0) | 20.0 (20.0–20.0) | 32.5 (5.0–60.0) | 1.50 (1.00–2.00) | 1.75 (0.50–3.00) |" in made
    results["outages"] = []
    assert "Not measured in this run." in bench.page("<!-- results: outages -->\n<!-- end -->\n", results)
