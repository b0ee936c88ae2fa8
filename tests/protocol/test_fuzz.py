"""Whatever a provider or a browser sends, only our own errors come out (catalogue DI-10, ID-23, JW-01, UI-03, ST-11). Bounded to seconds."""

import json
import re
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from oidc_middleware.errors import OIDCError
from oidc_middleware.protocol.authorization import authorize_params_problems, parse_callback, validate_callback
from oidc_middleware.protocol.base64url import encode
from oidc_middleware.protocol.keys import process_jwks
from oidc_middleware.protocol.messages import HttpResponse
from oidc_middleware.protocol.metadata import process_discovery
from oidc_middleware.protocol.strict_json import loads
from oidc_middleware.protocol.tokens import process_tokens
from oidc_middleware.protocol.urls import endpoint_problem
from oidc_middleware.protocol.userinfo import process_userinfo
from tests.protocol.forge import (
    CLIENT_ID,
    ISSUER,
    NONCE,
    NOW,
    claims,
    ec,
    expected,
    id_token,
    json_response,
    key_set,
    okp,
    public,
    rsa,
    signed,
    verify,
)

quickly = settings(max_examples=150, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))

text = st.text(st.characters(codec="utf-8"), max_size=12)
scalar = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    text,
    st.sampled_from([ISSUER, CLIENT_ID, NONCE, NOW, "Bearer", "RS256", "sig", "enc", "RSA", "EC"]),
)
value = st.recursive(scalar, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3), max_leaves=6)
status = st.one_of(st.just(200), st.integers(100, 599))
media_type = st.sampled_from(
    ["application/json", "application/jwk-set+json", "application/jwt", "text/html", "", ";", "application/json; charset=latin-1"]
)


def changes_of(names: list[str]) -> st.SearchStrategy[dict[str, Any]]:
    """A few members of a good document, replaced by anything."""
    return st.dictionaries(st.sampled_from(names), value, max_size=4)


def ours_alone(function: Any, *arguments: Any, **keywords: Any) -> Any:
    try:
        return function(*arguments, **keywords)
    except OIDCError as found:
        error = found
    assert len(error.detail) < 2000
    assert error.detail.isprintable(), "fit for one line of a log"
    return None


def answer(document: object, code: int, kind: str) -> HttpResponse:
    return HttpResponse(code, {"content-type": kind}, document if isinstance(document, bytes) else json.dumps(document).encode())


METADATA = {
    "issuer": ISSUER, "authorization_endpoint": f"{ISSUER}/a", "token_endpoint": f"{ISSUER}/t", "jwks_uri": f"{ISSUER}/j",
    "userinfo_endpoint": f"{ISSUER}/u",
    "end_session_endpoint": f"{ISSUER}/e", "revocation_endpoint": f"{ISSUER}/r", "token_endpoint_auth_methods_supported": ["none"],
    "claims_supported": ["sub"],
    "code_challenge_methods_supported": ["S256"], "scopes_supported": ["openid"], "authorization_response_iss_parameter_supported": True,
}  # fmt: skip


@pytest.mark.row("DI-04", "DI-10")
@quickly
@given(changes_of(list(METADATA)), status, media_type)
def test_discovery(changes, code, kind):
    metadata = ours_alone(process_discovery, answer(METADATA | changes, code, kind), issuer=ISSUER)
    if metadata is not None:
        assert metadata.issuer == ISSUER
        for endpoint in (metadata.authorization_endpoint, metadata.token_endpoint, metadata.jwks_uri):
            assert endpoint_problem(endpoint) is None
        for strings in (metadata.token_endpoint_auth_methods, metadata.claims_supported, metadata.scopes_supported, metadata.code_challenge_methods):
            assert all(isinstance(item, str) for item in strings)
        assert isinstance(metadata.iss_parameter_supported, bool)


JWK_MEMBERS = ["kty", "n", "e", "d", "crv", "x", "y", "k", "use", "key_ops", "alg", "kid", "x5c", "oth"]


@pytest.mark.row("JW-01", "JW-02")
@quickly
@given(st.lists(st.tuples(st.sampled_from([rsa(), ec(), okp()]), changes_of(JWK_MEMBERS)), max_size=3), status, media_type)
def test_keys(entries, code, kind):
    document = {"keys": [public(key) | changes for key, changes in entries] + [public(rsa(2))]}
    keys = ours_alone(process_jwks, answer(document, code, kind))
    if keys is not None:
        assert keys.candidates("RS256", "rsa-2")
        ours_alone(verify, id_token(), keys)
    ours_alone(process_jwks, json_response({"keys": [public(key) | changes for key, changes in entries]}))


@pytest.mark.row("JW-01", "ID-05")
@quickly
@given(st.sampled_from(["n", "e"]), st.binary(min_size=1, max_size=300), st.sampled_from(["x", "y"]), st.binary(max_size=40))
def test_odd_numbers_in_keys(rsa_member, rsa_bytes, ec_member, ec_bytes):
    entries = [
        public(rsa(), **{rsa_member: encode(rsa_bytes)}),
        public(ec(), **{ec_member: encode(ec_bytes)}),
        public(okp(), x=encode(ec_bytes)),
        public(rsa(2)),
    ]
    keys = key_set(*entries)
    assert verify(id_token(key=rsa(2)), keys)
    for alg in ("RS256", "ES256", "EdDSA"):
        ours_alone(verify, id_token(alg), keys, algs=(alg,))


TOKENS = {
    "access_token": "a",
    "token_type": "Bearer",
    "expires_in": 1,
    "refresh_token": "r",
    "id_token": "a.b.c",
    "scope": "openid",
    "error": "x",
    "error_description": "y",
}


@pytest.mark.row("ID-31", "ID-32", "DI-15")
@quickly
@given(changes_of(list(TOKENS)), status, media_type)
def test_tokens(changes, code, kind):
    result = ours_alone(process_tokens, answer(TOKENS | changes, code, kind))
    if result is not None:
        assert result.token_type == "Bearer"
        assert result.access_token.isascii()
        assert result.expires_in is None or result.expires_in > 0
        assert all(item is None or isinstance(item, str) for item in (result.refresh_token, result.scope))


@pytest.mark.row("UI-01", "UI-03")
@quickly
@given(changes_of(["sub", "iss", "aud", "exp", "email", "groups", "_claim_sources"]), status, media_type, st.booleans())
def test_userinfo(changes, code, kind, as_jwt):
    payload = json.dumps({"sub": "s", "iss": ISSUER, "aud": CLIENT_ID} | changes)
    body = signed(payload, {"alg": "RS256", "kid": "rsa-1"}, rsa(), "RS256") if as_jwt else payload
    response = answer(body.encode(), code, "application/jwt" if as_jwt else kind)
    result = ours_alone(process_userinfo, response, subject="s", expected=expected(), key_set=key_set(rsa()))
    if result is not None:
        assert result["sub"] == "s"
        assert not {"iss", "aud", "exp", "_claim_sources"} & set(result)


CLAIM_NAMES = ["iss", "sub", "aud", "exp", "iat", "nbf", "nonce", "azp", "auth_time", "acr", "at_hash", "c_hash", "sid"]
HEADER_NAMES = ["alg", "kid", "typ", "cty", "crit", "b64", "jku", "jwk", "x5u", "x5c", "x5t", "zip", "enc"]


@pytest.mark.row("ID-15", "ID-16", "ID-18", "ID-19", "ID-20", "ID-21", "ID-23", "NO-03")
@quickly
@given(changes_of(CLAIM_NAMES), st.sampled_from([{}, {"max_age": 60, "acr_values": ("a",), "access_token": "x", "code": "y"}]))
def test_claims(changes, demands):
    token = signed(json.dumps(claims(auth_time=NOW, acr="a") | changes), {"alg": "RS256", "kid": "rsa-1"}, rsa(), "RS256")
    result = ours_alone(verify, token, **demands)
    if result is not None:
        assert (result.issuer, result.claims["nonce"]) == (ISSUER, NONCE)
        assert result.subject.isprintable()
        assert result.sid is None or isinstance(result.sid, str)
        assert result.auth_time is None or isinstance(result.auth_time, int)


@pytest.mark.row("ID-01", "ID-10", "ID-11", "ID-12", "ID-14")
@quickly
@given(changes_of(HEADER_NAMES))
def test_headers(changes):
    token = signed(json.dumps(claims()), {"alg": "RS256", "kid": "rsa-1"} | changes, rsa(), "RS256")
    result = ours_alone(verify, token)
    if result is not None:
        assert not {"crit", "b64"} & set(changes)
        assert changes.get("alg", "RS256") == "RS256"


@pytest.mark.row("ID-24", "ID-25", "ID-36")
@quickly
@given(st.one_of(value, st.text(max_size=200), st.from_regex(r"\A[A-Za-z0-9_-]{0,20}(\.[A-Za-z0-9_-]{0,20}){0,5}\Z"), st.binary(max_size=20)))
def test_anything_as_a_token(token):
    assert ours_alone(verify, token) is None


@pytest.mark.row("ID-01", "ID-24")
@quickly
@given(st.data())
def test_a_token_with_any_byte_changed_is_refused(data):
    token = id_token()
    position = data.draw(st.integers(0, len(token) - 1))
    character = data.draw(st.characters(codec="latin-1").filter(lambda found: found != token[position]))
    assert ours_alone(verify, token[:position] + character + token[position + 1 :]) is None


@pytest.mark.row("ID-23", "DI-04")
@quickly
@given(st.one_of(st.text(max_size=60), st.binary(max_size=60), st.text(st.sampled_from('[]{}",:\\u0dD8 1e.-NI'), max_size=60)))
def test_strict_json_agrees_with_the_standard_library_or_refuses(data):
    try:
        found = loads(data)
    except ValueError:
        return
    assert found == json.loads(data)
    json.dumps(found, allow_nan=False, ensure_ascii=False).encode()


@pytest.mark.row("ST-10", "ST-11", "ST-12")
@quickly
@given(
    st.one_of(
        st.text(max_size=80),
        st.text(st.sampled_from("codestaierr=&%+0A7fFé\x00"), max_size=80),
        st.from_regex(r"\A((code|state|iss|error)=[a-z%0-9A-F+]{0,6}&?){0,5}\Z"),
    )
)
def test_callbacks(raw):
    parameters = ours_alone(parse_callback, raw)
    if parameters is not None:
        assert not (parameters.code is not None and parameters.error is not None)
        validated = ours_alone(validate_callback, parameters, state="s", issuer=ISSUER, iss_required=False)
        assert validated is None or (parameters.state == "s" and validated.code == parameters.code)


@pytest.mark.row("DI-02")
@quickly
@given(st.one_of(st.text(max_size=60), st.from_regex(r"\Ahttps?://[a-z0-9@:.\[\]%/\\?#_-]{0,30}\Z")))
def test_endpoints(url):
    problem = endpoint_problem(url)
    if problem is None:
        assert url.lower().startswith(("https://", "http://"))
        assert "@" not in re.split(r"[/?]", url)[2]
        assert url.isascii()


@pytest.mark.row("CF-01")
@quickly
@given(
    st.dictionaries(
        st.one_of(text, st.sampled_from(["prompt", "max_age", "display", "ui_locales", "claims", "acr_values", "login_hint", "state"])),
        value,
        max_size=4,
    )
)
def test_authorize_params(params):
    problems = authorize_params_problems(params)
    assert all(problem.startswith("authorize_params: ") and "\n" not in problem for problem in problems)
