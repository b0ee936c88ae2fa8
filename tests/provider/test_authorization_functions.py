"""The framework-free functions of the provider's side: what they accept, and what they refuse."""

import re

import pytest

from oidc_middleware.provider import Client, FatalRequest, RequestRefused, openid_authorization_validator, validate_authorization_request

CALLBACK = "https://app.example.com/cb"
CLIENTS = {
    "web": Client("web", "secret", [CALLBACK]),
    "spa": Client("spa", redirect_uris=[CALLBACK]),
    "native": Client("native", redirect_uris=["com.example.app:/cb"]),
}
CHALLENGE = {"code_challenge": "c" * 43, "code_challenge_method": "S256"}


def request(**changes):
    asked = {"client_id": "web", "redirect_uri": CALLBACK, "response_type": "code", "scope": "openid profile", "state": "s", **changes}
    return {name: value for name, value in asked.items() if value is not None}


def test_returns_scopes_and_everything_that_was_asked():
    asked = request(
        nonce="n",
        display="popup",
        prompt="login consent",
        max_age="0",
        ui_locales="fr-CA fr en",
        id_token_hint="a.b.c",
        login_hint="ada@example.com",
        acr_values="gold silver",
        claims='{"userinfo": {"email": {"essential": true}}, "id_token": {"auth_time": null}, "other": 1}',
        **CHALLENGE,
    )
    scopes, info = validate_authorization_request(asked, CLIENTS)
    assert scopes == ["openid", "profile"]
    assert info == {
        "client_id": "web",
        "redirect_uri": CALLBACK,
        "response_type": "code",
        "response_mode": "query",
        "state": "s",
        "scopes": ["openid", "profile"],
        "nonce": "n",
        "display": "popup",
        "prompt": {"login", "consent"},
        "max_age": 0,
        "ui_locales": ["fr-CA", "fr", "en"],
        "id_token_hint": "a.b.c",
        "login_hint": "ada@example.com",
        "acr_values": ["gold", "silver"],
        "claims": {"userinfo": {"email": {"essential": True}}, "id_token": {"auth_time": None}, "other": 1},
        **CHALLENGE,
    }


def test_defaults_of_what_was_not_asked():
    _, info = validate_authorization_request(request(state=None), CLIENTS)
    assert info["prompt"] == set()
    assert info["ui_locales"] == info["acr_values"] == []
    assert info["claims"] == {}
    assert {info[name] for name in ("state", "nonce", "display", "max_age", "id_token_hint", "login_hint", "code_challenge")} == {None}


def test_takes_query_strings_pairs_mappings_and_a_function():
    query = "client_id=web&redirect_uri=https%3A%2F%2Fapp.example.com%2Fcb&response_type=code&scope=openid+profile&state=s"
    expected = validate_authorization_request(request(), CLIENTS)
    assert validate_authorization_request(query, CLIENTS) == expected
    assert validate_authorization_request(list(request().items()), CLIENTS) == expected
    assert validate_authorization_request(request(), CLIENTS.get) == expected


def test_an_empty_parameter_counts_as_left_out():
    _, info = validate_authorization_request(request(nonce="", max_age="", prompt=""), CLIENTS)
    assert (info["nonce"], info["max_age"], info["prompt"]) == (None, None, set())


def test_leaves_out_scopes_that_are_not_supported():
    scopes, info = validate_authorization_request(request(scope="openid email root email"), CLIENTS, supported_scopes=("openid", "email"))
    assert scopes == info["scopes"] == ["openid", "email"]


FATAL = {
    "no client": {"client_id": None},
    "unknown client": {"client_id": "nobody"},
    "client twice": {"client_id": ["web", "web"]},
    "no redirect_uri": {"redirect_uri": None},
    "redirect_uri twice": {"redirect_uri": [CALLBACK, CALLBACK]},
    "another host": {"redirect_uri": "https://evil.example/cb"},
    "a path more": {"redirect_uri": CALLBACK + "/x"},
    "a slash more": {"redirect_uri": CALLBACK + "/"},
    "a query more": {"redirect_uri": CALLBACK + "?x=1"},
    "a fragment": {"redirect_uri": CALLBACK + "#x"},
    "upper case": {"redirect_uri": CALLBACK.replace("app", "APP")},
    "userinfo": {"redirect_uri": "https://app.example.com@evil.example/cb"},
    "dot segments": {"redirect_uri": "https://app.example.com/x/../cb"},
    "encoded": {"redirect_uri": "https://app.example.com/%63b"},
    "control character": {"state": "a\x00b"},
    "line break": {"redirect_uri": CALLBACK + "\r\nSet-Cookie: a=b"},
    "too many": {f"x{number}": "1" for number in range(100)},
    "far too long": {"state": "s" * 20_000},
}


@pytest.mark.parametrize("changes", FATAL.values(), ids=FATAL)
def test_never_redirects_what_cannot_be_trusted(changes):
    with pytest.raises(FatalRequest) as caught:
        validate_authorization_request(request(**changes), CLIENTS)
    assert caught.value.destination is None
    assert "evil" not in str(caught.value)


@pytest.mark.parametrize("query", ["client_id=web&state=%zz", "client_id=web&state=%ff", "client_id=%", "&".join(["a=b"] * 101)])
def test_what_cannot_be_decoded_is_fatal(query):
    with pytest.raises(FatalRequest):
        validate_authorization_request(query, CLIENTS)


REFUSED = {
    "no response_type": ({"response_type": None}, "invalid_request"),
    "token": ({"response_type": "token"}, "unsupported_response_type"),
    "hybrid": ({"response_type": "code id_token"}, "unsupported_response_type"),
    "state twice": ({"state": ["a", "b"]}, "invalid_request"),
    "nonce twice": ({"nonce": ["a", "a"]}, "invalid_request"),
    "unknown twice": ({"x": ["a", "a"]}, "invalid_request"),
    "no scope": ({"scope": None}, "invalid_scope"),
    "no openid": ({"scope": "profile"}, "invalid_scope"),
    "odd scope": ({"scope": 'openid "x'}, "invalid_scope"),
    "fragment": ({"response_mode": "fragment"}, "invalid_request"),
    "request": ({"request": "a.b.c"}, "request_not_supported"),
    "request_uri": ({"request_uri": "https://app.example.com/r"}, "request_uri_not_supported"),
    "registration": ({"registration": "{}"}, "registration_not_supported"),
    "plain": ({"code_challenge": "c" * 43, "code_challenge_method": "plain"}, "invalid_request"),
    "no method": ({"code_challenge": "c" * 43}, "invalid_request"),
    "method alone": ({"code_challenge_method": "S256"}, "invalid_request"),
    "short challenge": ({"code_challenge": "c" * 42, "code_challenge_method": "S256"}, "invalid_request"),
    "odd challenge": ({"code_challenge": "c" * 42 + "=", "code_challenge_method": "S256"}, "invalid_request"),
    "display": ({"display": "hologram"}, "invalid_request"),
    "prompt": ({"prompt": "dance"}, "invalid_request"),
    "prompt case": ({"prompt": "None"}, "invalid_request"),
    "none and login": ({"prompt": "none login"}, "invalid_request"),
    "none": ({"prompt": "none"}, "login_required"),
    "negative max_age": ({"max_age": "-1"}, "invalid_request"),
    "fraction": ({"max_age": "1.5"}, "invalid_request"),
    "not a number": ({"max_age": "ten"}, "invalid_request"),
    "Arabic digits": ({"max_age": "٣"}, "invalid_request"),
    "endless": ({"max_age": "9" * 5_000}, "invalid_request"),
    "claims": ({"claims": "{"}, "invalid_request"),
    "claims array": ({"claims": "[]"}, "invalid_request"),
    "claims member": ({"claims": '{"userinfo": []}'}, "invalid_request"),
    "claims request": ({"claims": '{"userinfo": {"email": true}}'}, "invalid_request"),
    "claims essential": ({"claims": '{"id_token": {"acr": {"essential": "yes"}}}'}, "invalid_request"),
    "claims values": ({"claims": '{"id_token": {"acr": {"values": "gold"}}}'}, "invalid_request"),
    "claims twice": ({"claims": '{"userinfo": {}, "userinfo": {}}'}, "invalid_request"),
    "claims long": ({"claims": '{"x": "' + "y" * 9_000 + '"}'}, "invalid_request"),
    "long nonce": ({"nonce": "n" * 1_025}, "invalid_request"),
    "long state": ({"state": "s" * 5_000}, "invalid_request"),
}


@pytest.mark.parametrize(("changes", "error"), REFUSED.values(), ids=REFUSED)
def test_refuses_and_says_where_the_refusal_goes(changes, error):
    with pytest.raises(RequestRefused) as caught:
        validate_authorization_request(request(**changes), CLIENTS)
    assert caught.value.error == error
    assert not isinstance(caught.value, FatalRequest)
    assert caught.value.destination.redirect_uri == CALLBACK
    assert caught.value.destination.state == ("s" if "state" not in changes else None)
    assert caught.value.destination.response_mode == "query"
    assert re.fullmatch(r"[\x20\x21\x23-\x5b\x5d-\x7e]+", caught.value.description)  # RFC 6749 4.1.2.1


def test_answers_in_the_mode_that_was_asked_for_where_it_can():
    with pytest.raises(RequestRefused) as caught:
        validate_authorization_request(request(response_mode="form_post", max_age="x"), CLIENTS)
    assert caught.value.destination.response_mode == "form_post"
    native = request(client_id="native", redirect_uri="com.example.app:/cb", **CHALLENGE)
    with pytest.raises(RequestRefused) as caught:
        validate_authorization_request({**native, "response_mode": "form_post"}, CLIENTS)  # a form would run in the provider's origin
    assert caught.value.destination.response_mode == "query"
    assert validate_authorization_request(native, CLIENTS)[1]["redirect_uri"] == "com.example.app:/cb"


@pytest.mark.parametrize(("client", "required", "accepted"), [("web", None, True), ("spa", None, False), ("web", True, False), ("spa", False, True)])
def test_who_has_to_use_pkce(client, required, accepted):
    if accepted:
        assert validate_authorization_request(request(client_id=client), CLIENTS, require_pkce=required)[0] == ["openid", "profile"]
    else:
        with pytest.raises(RequestRefused, match="PKCE"):
            validate_authorization_request(request(client_id=client), CLIENTS, require_pkce=required)
    assert validate_authorization_request(request(client_id=client, **CHALLENGE), CLIENTS, require_pkce=required)


def test_prompt_none_asks_who_knows():
    seen = []

    def knows(info):
        seen.append(info["client_id"])
        return True

    silent = request(prompt="none")
    _, info = validate_authorization_request(silent, CLIENTS, silent_login=knows, silent_consent=knows, user_match=knows)
    assert info["prompt"] == {"none"}
    assert seen == ["web"] * 3
    for refusing, error in (("silent_login", "login_required"), ("silent_consent", "consent_required"), ("user_match", "login_required")):
        checks = dict.fromkeys(("silent_login", "silent_consent", "user_match"), knows) | {refusing: lambda info: False}
        with pytest.raises(RequestRefused) as caught:
            validate_authorization_request(silent, CLIENTS, **checks)
        assert caught.value.error == error


def test_the_openid_part_alone():
    assert openid_authorization_validator({"scope": "profile", "prompt": "nonsense"}) == {}
    info = openid_authorization_validator({"scope": "openid", "prompt": "select_account", "max_age": "60"})
    assert (info["prompt"], info["max_age"]) == ({"select_account"}, 60)
    assert openid_authorization_validator({"nonce": "n"}, scopes=["openid"])["nonce"] == "n"
    for wrong in ({"prompt": "none consent"}, {"claims": "x"}, {"max_age": "-1"}, {"nonce": ["a", "b"]}):
        with pytest.raises(RequestRefused) as caught:
            openid_authorization_validator({"scope": "openid", **wrong})
        assert caught.value.error == "invalid_request"
