"""The authorization request and its options: catalogue ST-18, PK-01, PK-02, PK-04, 1.18 CF-01; OIDC Core 3.1.2.1."""

import json
from urllib.parse import parse_qsl, urlsplit

import pytest

from oidc_middleware.protocol.authorization import authorization_request, authorize_params_problems
from oidc_middleware.protocol.authorize_params import OURS
from oidc_middleware.protocol.pkce import code_challenge

VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
OWN = {
    "client_id": "dash & co",
    "redirect_uri": "https://dash.example.com/oidc/callback",
    "state": "the-state",
    "nonce": "the-nonce",
    "code_challenge": code_challenge(VERIFIER),
}


def request(endpoint: str = "https://op.example/authorize", **changes) -> dict[str, str]:
    url = authorization_request(endpoint, **({"scopes": ("openid", "email")} | OWN | changes))
    pairs = parse_qsl(urlsplit(url).query, keep_blank_values=True, strict_parsing=True)
    assert len(dict(pairs)) == len(pairs), "a name occurs twice"
    return dict(pairs)


@pytest.mark.row("PK-01", "PK-02", "PK-04")
def test_the_request_has_everything_and_no_secret():
    assert request() == OWN | {"response_type": "code", "scope": "openid email", "code_challenge_method": "S256"}
    assert VERIFIER not in authorization_request("https://op.example/authorize", scopes=["openid"], **OWN)


def test_the_response_mode_is_named_only_when_it_is_not_the_default():
    assert "response_mode" not in request()
    assert request(response_mode="form_post")["response_mode"] == "form_post"


@pytest.mark.row("ST-18")
def test_every_name_occurs_once_and_ours_win():
    hostile = dict.fromkeys(OURS, "evil")
    for parameters in (request(extra=hostile), request(f"https://op.example/a?{'&'.join(f'{name}=evil' for name in OWN)}&st%61te=evil&state=evil2")):
        assert "evil" not in {value[:4] for value in parameters.values()}
        assert parameters == request()
    assert request("https://op.example/a?tenant=x&prompt=none", extra={"prompt": "login"})["prompt"] == "login"


@pytest.mark.parametrize("name", ["state", "nonce", "code_challenge"])
@pytest.mark.parametrize("value", ["a&b=c", "a b", "a+b", "é", "%41", "a#b", "-._~", ""])
def test_what_is_new_in_every_login_arrives_whatever_it_is(name, value):
    url = authorization_request("https://op.example/authorize", scopes=("openid", "email"), **OWN | {name: value})
    assert dict(parse_qsl(urlsplit(url).query, keep_blank_values=True, strict_parsing=True)) == request() | {name: value}
    assert url.isascii()
    assert url.count("&") == 7


def test_the_endpoints_own_query_is_kept():
    assert request("https://op.example/a?tenant=a%26b&p=B2C_1")["tenant"] == "a&b"


def test_extra_values_of_every_kind():
    claims = {"id_token": {"acr": {"essential": True}}}
    extra = {
        "prompt": ["login", "consent"],
        "ui_locales": ("de-CH", "en"),
        "max_age": 0,
        "claims": claims,
        "x": None,
        "flag": True,
        "off": False,
        "hd": "ä b&c",
    }
    parameters = request(extra=extra)
    assert json.loads(parameters.pop("claims")) == claims
    expected = {"prompt": "login consent", "ui_locales": "de-CH en", "max_age": "0", "flag": "true", "off": "false", "hd": "ä b&c"}
    assert {name: parameters[name] for name in expected} == expected
    assert "x" not in parameters
    assert "%20" in authorization_request("https://op.example/", scopes=["openid", "email"], **OWN), "a plus sign is read as such by some providers"


GOOD = [
    {},
    {"prompt": "login"},
    {"prompt": "login consent"},
    {"prompt": ["select_account"]},
    {"prompt": "none"},
    {"prompt": "create"},
    {"prompt": None},
    {"max_age": 0},
    {"max_age": 3600, "prompt": "none"},
    {"max_age": 0, "prompt": "login"},
    {"display": "popup"},
    {"ui_locales": "de-CH en"},
    {"ui_locales": ["zh-Hant-TW"]},
    {"claims_locales": "fr"},
    {"acr_values": "urn:a 2"},
    {"acr_values": ["urn:a"]},
    {"login_hint": "ada@example.com"},
    {"id_token_hint": "a.b.c"},
    {"claims": {"userinfo": {"email": None, "groups": {"essential": True}}, "id_token": {"acr": {"values": ["1"]}}}},
    {"claims": '{"id_token":{"auth_time":{"essential":true}}}'},
    {"claims": {"userinfo": None, "id_token": {}}},
    {"hd": "example.com", "domain_hint": "x", "kc_idp_hint": "y", "level": 3, "audience": ["a", "b"], "resource": "https://api"},
]


@pytest.mark.parametrize("params", GOOD, ids=str)
def test_usable_authorize_params(params):
    assert authorize_params_problems(params) == []


BAD = [
    ({"prompt": "none login"}, "none"),
    ({"prompt": ["none", "consent"]}, "none"),
    ({"prompt": "logn"}, "logn"),
    ({"prompt": "login login"}, "repeats"),
    ({"prompt": "login  consent"}, "one or more"),
    ({"prompt": ""}, "one or more"),
    ({"prompt": []}, "one or more"),
    ({"prompt": 7}, "one or more"),
    ({"prompt": ["login consent"]}, "one or more"),
    ({"prompt": [1]}, "one or more"),
    ({"max_age": -1}, "at least 0"),
    ({"max_age": "3600"}, "integer"),
    ({"max_age": True}, "integer"),
    ({"max_age": 1.5}, "integer"),
    ({"max_age": 0, "prompt": "none"}, "contradicts"),
    ({"max_age": 0, "prompt": ["none"]}, "contradicts"),
    ({"display": "fullscreen"}, "page"),
    ({"display": ["page"]}, "page"),
    ({"ui_locales": "de_CH"}, "language"),
    ({"ui_locales": ""}, "language"),
    ({"ui_locales": ["de", ""]}, "language"),
    ({"ui_locales": 1}, "language"),
    ({"acr_values": "a  b"}, "one space"),
    ({"acr_values": []}, "one space"),
    ({"acr_values": {}}, "one space"),
    ({"login_hint": "a\r\nb"}, "one line"),
    ({"login_hint": ""}, "one line"),
    ({"login_hint": 7}, "one line"),
    ({"id_token_hint": "x" * 5000}, "one line"),
    ({"claims": "[]"}, "JSON"),
    ({"claims": "{"}, "JSON"),
    ({"claims": '{"id_token":1,"id_token":2}'}, "JSON"),
    ({"claims": []}, "mapping"),
    ({"claims": {}}, "empty"),
    ({"claims": {"id_token": ["acr"]}}, "id_token"),
    ({"claims": {"userinfo": {"email": True}}}, "userinfo"),
    ({"claims": {"userinfo": {7: None}}}, "userinfo"),
    ({"foo": {"a": 1}}, "foo"),
    ({"foo": "a\nb"}, "foo"),
    ({"foo": [frozenset()]}, "foo"),
    ({"foo bar": "x"}, "parameter name"),
    ({"": "x"}, "parameter name"),
    ({"x\n": "x"}, "parameter name"),
    *[({name: "x"}, "cannot be overridden") for name in sorted(OURS)],
    ({"state": None}, "cannot be overridden"),
]


@pytest.mark.row("ST-18", "CF-01")
@pytest.mark.parametrize(("params", "words"), BAD, ids=lambda value: ascii(value)[:40])
def test_every_problem_names_the_setting(params, words):
    problems = authorize_params_problems(params)
    assert len(problems) == 1
    assert problems[0].startswith("authorize_params: ")
    assert words in problems[0]
    assert "\n" not in problems[0]


def test_all_problems_are_told_at_once():
    assert len(authorize_params_problems({"prompt": "none x", "max_age": -1, "state": "s", "display": 1})) == 5
