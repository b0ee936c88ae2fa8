"""oauthlib's OpenID Connect grant as an oracle: the same verdict on the same request, except where this provider is stricter on purpose."""

from urllib.parse import urlencode

import pytest

from oidc_middleware.provider import Client, FatalRequest, RequestRefused, add_id_token, id_token_hash, validate_authorization_request
from tests.needs import require_module

CALLBACK = "https://app.example.com/cb"
CLIENTS = {"web": Client("web", "secret", [CALLBACK])}
CHALLENGE = "c" * 43
GOOD = {"client_id": "web", "redirect_uri": CALLBACK, "response_type": "code", "scope": "openid profile", "state": "s"}


def judge(signed_in, consented, matching):
    """oauthlib's request validator with the answers of our registry and of the user at hand."""
    openid = require_module("oauthlib.openid")
    answers = {
        "validate_client_id": lambda client_id, *_: client_id == "web",
        "validate_redirect_uri": lambda _, redirect_uri, *__, **___: redirect_uri == CALLBACK,
        "get_default_redirect_uri": lambda *_, **__: None,
        "validate_response_type": lambda _, response_type, *__, **___: response_type == "code",
        "validate_scopes": lambda *_, **__: True,
        "get_default_scopes": lambda *_, **__: [],
        "is_pkce_required": lambda *_: False,
        "validate_silent_login": lambda _: signed_in,
        "validate_silent_authorization": lambda _: consented,
        "validate_user_match": lambda *_: matching,
    }
    validator = openid.RequestValidator()
    vars(validator).update(answers)
    return openid.Server(validator)


def verdict_of_oauthlib(changes, *, signed_in=True, consented=True, matching=True):
    errors = require_module("oauthlib.oauth2")
    values = {name: value if isinstance(value, list) else [value] for name, value in {**GOOD, **changes}.items() if value is not None}
    url = f"https://op.example/authorize?{urlencode(values, doseq=True)}"
    try:
        return "accepted", judge(signed_in, consented, matching).validate_authorization_request(url, "GET")
    except errors.FatalClientError:
        return "fatal", None
    except errors.OAuth2Error as error:
        return error.error, None


def verdict_of_ours(changes, *, signed_in=True, consented=True, matching=True):
    asked = {name: value for name, value in {**GOOD, **changes}.items() if value is not None}
    try:
        result = validate_authorization_request(
            asked, CLIENTS, silent_login=lambda _: signed_in, silent_consent=lambda _: consented, user_match=lambda _: matching
        )
    except FatalRequest:
        return "fatal", None
    except RequestRefused as refusal:
        return refusal.error, None
    return "accepted", result


THE_SAME = [
    {},
    {"nonce": "n", "display": "page", "ui_locales": "fr-CA fr en", "login_hint": "ada", "id_token_hint": "a.b.c"},
    {"prompt": "login"},
    {"prompt": "consent select_account"},
    {"prompt": " login "},
    {"prompt": "none"},
    {"prompt": "none login"},
    {"prompt": "none consent select_account"},
    {"claims": '{"userinfo": {"email": null}}'},
    {"claims": "{"},
    {"code_challenge": CHALLENGE, "code_challenge_method": "S256"},
    {"client_id": None},
    {"client_id": "nobody"},
    {"client_id": ["web", "web"]},
    {"redirect_uri": None},
    {"redirect_uri": "https://evil.example/"},
    {"redirect_uri": "not a uri"},
    {"redirect_uri": [CALLBACK, CALLBACK]},
    {"response_type": None},
    {"response_type": "magic"},
    {"state": None},
    {"code_challenge": CHALLENGE, "code_challenge_method": "odd"},
]


@pytest.mark.parametrize("changes", THE_SAME, ids=str)
def test_the_same_verdict(changes):
    theirs, their_result = verdict_of_oauthlib(changes)
    ours, our_result = verdict_of_ours(changes)
    assert ours == theirs
    if our_result:
        assert our_result[0] == their_result[0]
        for name in (
            "client_id",
            "redirect_uri",
            "response_type",
            "state",
            "nonce",
            "display",
            "prompt",
            "ui_locales",
            "id_token_hint",
            "login_hint",
        ):
            assert our_result[1][name] == their_result[1][name], name
        assert our_result[1]["claims"] == (their_result[1]["claims"] or {})


@pytest.mark.parametrize("known", [{"signed_in": False}, {"consented": False}, {"matching": False}, {"signed_in": False, "consented": False}])
@pytest.mark.parametrize("prompt", ["none", "login"])
def test_the_same_verdict_about_the_user(prompt, known):
    assert verdict_of_ours({"prompt": prompt}, **known)[0] == verdict_of_oauthlib({"prompt": prompt}, **known)[0]


STRICTER = {
    "plain PKCE": ({"code_challenge": CHALLENGE, "code_challenge_method": "plain"}, "accepted", "invalid_request"),
    "PKCE without method means plain": ({"code_challenge": CHALLENGE}, "accepted", "invalid_request"),
    "short challenge": ({"code_challenge": "x", "code_challenge_method": "S256"}, "accepted", "invalid_request"),
    "plain OAuth": ({"scope": "profile"}, "accepted", "invalid_scope"),
    "unknown prompt": ({"prompt": "dance"}, "accepted", "invalid_request"),
    "unknown display": ({"display": "hologram"}, "accepted", "invalid_request"),
    "max_age": ({"max_age": "-1"}, "accepted", "invalid_request"),
    "nonce twice": ({"nonce": ["a", "b"]}, "accepted", "invalid_request"),
    "claims array": ({"claims": "[]"}, "accepted", "invalid_request"),
    "request object": ({"request": "a.b.c"}, "accepted", "request_not_supported"),
    # A repeated state is fatal there; here the client is told, without a state.
    "state twice": ({"state": ["a", "b"]}, "fatal", "invalid_request"),
}


@pytest.mark.parametrize(("changes", "theirs", "ours"), STRICTER.values(), ids=STRICTER)
def test_where_this_one_is_stricter(changes, theirs, ours):
    assert verdict_of_oauthlib(changes)[0] == theirs
    assert verdict_of_ours(changes)[0] == ours


def test_the_same_hashes_and_the_same_id_token():
    common = require_module("oauthlib.common")
    grant_types = require_module("oauthlib.openid.connect.core.grant_types")
    seen = {}

    class Validator:
        def get_authorization_code_nonce(self, *args):
            return "n"

        def get_id_token(self, *args):
            return None

        def finalize_id_token(self, id_token, token, token_handler, request):
            seen.update(id_token)
            return "signed"

    code = "Qcb0Orv1zh30vL1MPRsbm-diHiMwcLyZvn1arpZv-Jxf_11jnpEX3Tgfvk"
    grant = grant_types.AuthorizationCodeGrant(Validator())
    request = common.Request("https://op.example/token", body={"code": code, "redirect_uri": CALLBACK, "client_id": "web"})
    request.scopes = ["openid"]
    assert grant.id_token_hash(code) == id_token_hash(code)
    token = grant.add_id_token({"access_token": "token", "code": code}, None, request)
    ours = add_id_token(
        {"access_token": "token", "code": code},
        sign=dict,
        scopes=["openid"],
        issuer="https://op.example",
        client_id="web",
        subject="ada",
        now=seen["iat"],
        nonce="n",
    )
    assert token["id_token"] == "signed"
    assert {name: ours["id_token"][name] for name in seen} == seen
