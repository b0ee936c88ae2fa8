"""The authorization response: catalogue ST-01 to ST-04, ST-10 to ST-15, MX-01 to MX-04, CI-04."""

import copy
import pickle

import pytest

from oidc_middleware.errors import LoginError
from oidc_middleware.protocol.authorization import CallbackParameters, ValidatedCallback, parse_callback, validate_callback
from oidc_middleware.protocol.callback import MAX_CODE_LENGTH, MAX_LENGTH, MAX_PARAMETERS

STATE = "af0ifjsldkj-0123456789_abcdefghijklmnopqrst"
ISSUER = "https://login.example.com"


def judge(raw: str, *, iss_required: bool = False) -> ValidatedCallback:
    return validate_callback(parse_callback(raw), state=STATE, issuer=ISSUER, iss_required=iss_required)


def assert_refused(code: str, raw: str, *, iss_required: bool = False) -> LoginError:
    with pytest.raises(LoginError) as caught:
        judge(raw, iss_required=iss_required)
    assert caught.value.code == code, caught.value.detail
    assert STATE not in caught.value.detail
    assert judge(f"code=abc&state={STATE}").code == "abc"
    return caught.value


@pytest.mark.parametrize(
    "raw",
    [f"code=abc&state={STATE}", f"state={STATE}&code=abc&session_state=x.y&scope=openid+email&authuser=0&hd=example.com",
     f"&&code=abc&&state={STATE}&",
     f"co%64e=a%62c&state={STATE}&flag", f"code=abc&state={STATE}&iss=https%3A%2F%2Flogin.example.com",
     f"code=abc&state={STATE}&iss=https://login.example.com"],
)  # fmt: skip
def test_an_ordinary_response_is_accepted(raw):
    assert judge(raw).code == "abc"


def test_a_code_is_decoded_once_and_may_have_any_printable_character():
    assert judge(f"code=4%2F0A%2Bb%25%3D%26+%20~!$'()*,;:@/?&state={STATE}").code == "4/0A+b%=&  ~!$'()*,;:@/?"


@pytest.mark.row("ST-01")
@pytest.mark.parametrize("raw", ["code=abc", "code=abc&state=", "code=abc&state", "error=access_denied", "", "&", "&&&", "x"])
def test_without_state_nothing_happens(raw):
    assert_refused("state_missing", raw)


@pytest.mark.row("ST-02", "ST-03", "ST-04", "ST-11")
@pytest.mark.parametrize(
    "state",
    ["other", STATE[:-1], f"{STATE}x", STATE.upper(), "%C3%A9", "%F0%9F%98%80", f"{STATE}%20", f"+{STATE}", "a" * 60_000, "%EF%BC%A1"],
    ids=lambda value: value[:20],
)  # fmt: skip
def test_another_state_is_refused_before_anything_else(state):
    for rest in ("code=abc", "error=access_denied", "code=abc&iss=https://evil.example", "id_token=x", ""):
        assert_refused("state_mismatch", f"state={state}&{rest}")


def test_an_empty_expectation_matches_nothing():
    for found in ("", "x"):
        with pytest.raises(LoginError):
            validate_callback(CallbackParameters(code="c", state=found), state="", issuer=ISSUER, iss_required=False)


@pytest.mark.row("ST-10")
@pytest.mark.parametrize(
    "raw",
    [f"code=a&state={STATE}&state={STATE}", f"state=B&code=a&state={STATE}", f"code=a&code=b&state={STATE}", f"code=a&code=a&state={STATE}",
     f"code=a&state={STATE}&iss=x&iss=y", f"code=a&error=access_denied&state={STATE}", f"code=&error=&state={STATE}",
     f"code=a&c%6Fde=b&state={STATE}", f"code=a&state={STATE}&x=1&x=2",
     "x&x", f"error=a&error=b&state={STATE}"],
)  # fmt: skip
def test_a_parameter_twice_is_refused(raw):
    assert_refused("duplicate_parameter", raw)


@pytest.mark.row("ST-10")
def test_names_are_case_sensitive_and_plus_is_a_space():
    assert judge(f"code=a&state={STATE}&State=x&CODE=y&Error=z").code == "a"


@pytest.mark.row("ST-11", "ST-12", "ST-13", "CI-04")
@pytest.mark.parametrize(
    "raw",
    ["code=%00&state=x", "state=%00", "code=a%0d%0ab&state=x", "state=a%7f", "iss=a%09", "error=a%0a", "state=%C2%85", "%00=x", "state%0a=x", "=x",
     "=", "code=%", "code=%4",
     "code=%zz", "code=%e9&state=x", "code=%ff", "%ff=x", "x=%ed%a0%80", "x=%c0%80", "code=é", "code=a b", "code=a\nb", "code=a\x00", "x=\x7f",
     "code=\u2028",
     "x=" + "a" * MAX_LENGTH, "&".join(f"p{number}=1" for number in range(MAX_PARAMETERS + 1))],
    ids=lambda value: ascii(value)[:25],
)  # fmt: skip
def test_malformed_parameters_are_refused(raw):
    assert_refused("malformed_parameter", raw)


@pytest.mark.row("ST-13")
def test_bounds_are_where_they_say():
    many = "&".join(f"p{number}=1" for number in range(MAX_PARAMETERS - 2))
    assert judge(f"code=abc&state={STATE}&{many}").code == "abc"
    head = f"code=abc&state={STATE}&x="
    assert judge(head + "a" * (MAX_LENGTH - len(head))).code == "abc"


@pytest.mark.row("ST-13", "DS-08")
@pytest.mark.parametrize(
    "raw", ["%" * MAX_LENGTH, "%4" * (MAX_LENGTH // 2), "&" * MAX_LENGTH, "=" * MAX_LENGTH, "%41" * (MAX_LENGTH // 3) + "\x00"], ids=range(5)
)
def test_hostile_input_is_judged_in_linear_time(raw):
    with pytest.raises(LoginError):
        judge(raw)


@pytest.mark.row("ST-14")
@pytest.mark.parametrize("extra", ["id_token=a.b.c", "access_token=x", "access_token=x&id_token=y&token_type=Bearer", "id_token="])
def test_tokens_through_the_browser_are_refused_and_never_kept(extra):
    raw = f"code=abc&state={STATE}&{extra}"
    error = assert_refused("unexpected_parameter", raw)
    assert "a.b.c" not in error.detail
    parameters = parse_callback(raw)
    assert not hasattr(parameters, "id_token")
    assert parameters.unexpected


@pytest.mark.row("ST-14")
def test_session_state_is_ignored():
    assert judge(f"code=abc&state={STATE}&session_state=xyz").code == "abc"


@pytest.mark.row("ST-15")
def test_the_providers_errors_are_told_only_with_the_right_state():
    error = assert_refused("access_denied", f"error=access_denied&error_description=no&state={STATE}")
    assert error.status == 403
    for name in ("server_error", "login_required", "ACCESS_DENIED", "", "x%3Cscript%3E"):
        assert assert_refused("provider_refused", f"error={name}&state={STATE}").status == 400
    assert_refused("state_mismatch", "error=access_denied&state=other")
    assert_refused("state_missing", "error=access_denied")


@pytest.mark.row("ST-15", "DI-15")
def test_a_hostile_description_stays_out_of_the_page_and_tame_in_the_log():
    error = assert_refused("provider_refused", f"error=x%3Cb%3E&error_description=%3Cscript%3E%0d%0aSet-Cookie:+a%1b[31m%E2%80%AE&state={STATE}")
    assert "<" not in error.public
    assert "script" not in error.public
    assert not {"\r", "\n", "\x1b", "\u202e"} & set(error.detail)
    long = assert_refused("provider_refused", f"error={'e' * 9000}&error_description={'d+' * 9000}&state={STATE}")
    assert len(long.detail) < 500
    # Entra ID describes errors over several lines; that is no reason to call the response malformed.
    assert_refused("access_denied", f"error=access_denied&error_description=AADSTS65004%3A+declined.%0D%0ATrace+ID%3A+1&state={STATE}")


@pytest.mark.row("MX-01", "MX-03", "MX-04", "F-OP-18")
@pytest.mark.parametrize(
    "iss",
    ["https://attacker.example", f"{ISSUER}/", "https://Login.example.com", f"{ISSUER}:443", "http://login.example.com",
     "https%253A%252F%252Flogin.example.com", "", f"{ISSUER}?x",
     "https://login.ex%C3%A4mple.com", f"{ISSUER}%20"],
)  # fmt: skip
@pytest.mark.parametrize("iss_required", [True, False])
@pytest.mark.parametrize("rest", ["code=abc", "error=access_denied", "id_token=x"])
def test_another_issuer_is_refused_whether_promised_or_not(iss, iss_required, rest):
    assert_refused("iss_mismatch", f"{rest}&state={STATE}&iss={iss}", iss_required=iss_required)


@pytest.mark.row("MX-02", "MX-03")
def test_a_promised_issuer_must_be_there():
    assert_refused("iss_missing", f"code=abc&state={STATE}", iss_required=True)
    assert_refused("iss_missing", f"error=access_denied&state={STATE}", iss_required=True)  # RFC 9207 2.4: errors too
    assert judge(f"code=abc&state={STATE}&iss={ISSUER}", iss_required=True).code == "abc"
    assert judge(f"code=abc&state={STATE}&iss={ISSUER}", iss_required=False).code == "abc"
    assert judge(f"code=abc&state={STATE}", iss_required=False).code == "abc"


@pytest.mark.row("CI-04")
def test_the_code_is_there_short_and_printable():
    assert_refused("code_missing", f"state={STATE}")
    assert_refused("code_missing", f"code=&state={STATE}")
    assert judge(f"code={'a' * MAX_CODE_LENGTH}&state={STATE}").code == "a" * MAX_CODE_LENGTH
    assert_refused("code_invalid", f"code={'a' * (MAX_CODE_LENGTH + 1)}&state={STATE}")
    assert_refused("code_invalid", f"code=%C3%A9&state={STATE}")
    assert_refused("malformed_parameter", f"code={'a' * 100_000}&state={STATE}")


@pytest.mark.row("ST-01", "ST-04", "MX-02")
def test_callers_of_the_plain_functions_may_have_sent_no_state_or_know_no_issuer():
    def plain(raw: str, **changes) -> str:
        return validate_callback(parse_callback(raw), **({"state": None, "issuer": ISSUER, "iss_required": False} | changes)).code

    assert plain("code=abc") == "abc"
    assert plain("code=abc&iss=https://any.example", issuer=None) == "abc"
    for raw, changes, code in (
        ("code=abc&state=x", {}, "state_mismatch"),
        ("code=abc&state=", {}, "state_mismatch"),
        ("code=abc", {"state": STATE}, "state_missing"),
        ("code=abc&iss=https://any.example", {}, "iss_mismatch"),
        ("code=abc", {"issuer": None, "iss_required": True}, "iss_missing"),
        ("error=access_denied", {}, "access_denied"),
    ):
        with pytest.raises(LoginError) as caught:
            plain(raw, **changes)
        assert caught.value.code == code


def test_only_the_validator_makes_a_validated_callback():
    with pytest.raises(TypeError):
        ValidatedCallback("stolen-code", object())
    with pytest.raises(TypeError):
        ValidatedCallback("stolen-code")
    callback = judge(f"code=abc&state={STATE}")
    with pytest.raises(AttributeError):
        callback.code = "stolen-code"
    with pytest.raises((TypeError, AttributeError, pickle.PicklingError)):
        pickle.loads(pickle.dumps(callback))
    with pytest.raises((TypeError, AttributeError)):
        copy.copy(callback)


def test_nothing_secret_is_printed():
    parameters = parse_callback(f"code=SECRETCODE&state={STATE}&error_description=SECRETTEXT")
    for text in (repr(parameters), str(parameters), repr(judge(f"code=SECRETCODE&state={STATE}"))):
        assert "SECRET" not in text
        assert STATE not in text
