"""When UserInfo is asked, what the ID token must say, and what a session keeps."""

import json
from dataclasses import replace
from types import SimpleNamespace

import pytest

from oidc_middleware.errors import LoginError, ProviderError
from oidc_middleware.flows.claims import expected_id_token, new_session, session_cookies, userinfo_claims
from oidc_middleware.flows.metadata import provider_metadata
from oidc_middleware.protocol.id_token import IDToken
from oidc_middleware.protocol.keys import KeySet
from tests.flows.hand import METADATA, Driver, json_response, party

SCOPED = {"scopes": ["openid", "profile", "email"]}
FULL = {"name": "Ada", "email": "ada@example.com"}


def asked(claims, *, endpoint=True, answer=None, **options):
    """``(claims, purposes)``: what UserInfo added to an ID token with *claims*, and the calls it took."""
    rp = party(**options)
    document = METADATA if endpoint else {name: value for name, value in METADATA.items() if name != "userinfo_endpoint"}
    driver = Driver(json_response(document), json_response(answer or {"sub": "ada", "email": "from-userinfo@example.com"}))
    metadata = driver.run(provider_metadata(rp.provider, rp.settings))
    id_token = IDToken({"sub": "ada", **claims}, "raw")
    tokens = SimpleNamespace(access_token="t")
    expected = expected_id_token(rp.settings, nonce="n", access_token="t")
    more = driver.run(userinfo_claims(id_token, tokens, metadata, expected, KeySet(()), rp))
    return dict(more), driver.fetched[1:]


@pytest.mark.parametrize(
    ("claims", "options", "due"),
    [
        (FULL, SCOPED, False),
        ({"email": "x"}, SCOPED, True),
        ({"name": "Ada"}, SCOPED, True),
        ({"family_name": "L", "email": "x"}, SCOPED, False),
        ({}, {"scopes": ["openid"]}, False),
        ({}, {"scopes": ["openid", "offline_access"]}, False),
        ({}, {"scopes": ["openid", "groups"]}, True),
        ({"groups": []}, {"scopes": ["openid", "groups"]}, False),
        (FULL, {**SCOPED, "userinfo": "always"}, True),
        ({}, {**SCOPED, "userinfo": "never"}, False),
        ({}, {"scopes": ["openid"], "allow": "group:admins"}, True),
        ({"groups": ["admins"]}, {"scopes": ["openid"], "allow": "group:admins"}, False),
        ({}, {"scopes": ["openid"], "session_claims": ["department"]}, True),
        ({"department": "x"}, {"scopes": ["openid"], "session_claims": ["department"]}, False),
        ({}, {"scopes": ["openid"], "authorize_params": {"claims": {"userinfo": {"picture": None}}}}, True),
        ({}, {"scopes": ["openid"], "authorize_params": {"claims": '{"userinfo":{"picture":null}}'}}, True),
        ({"picture": "x"}, {"scopes": ["openid"], "authorize_params": {"claims": {"userinfo": {"picture": None}}}}, False),
        ({}, {"scopes": ["openid"], "authorize_params": {"claims": {"id_token": {"picture": None}}}}, False),
    ],
)
def test_userinfo_is_asked_for_what_is_promised_and_missing(claims, options, due):
    more, purposes = asked(claims, **options)
    assert purposes == (["userinfo"] if due else [])
    assert more.get("email") == ("from-userinfo@example.com" if due else None)


def test_a_provider_without_userinfo_is_enough_unless_it_has_to_be_asked():
    assert asked({}, endpoint=False, **SCOPED) == ({}, [])
    assert asked({}, endpoint=False, userinfo="never") == ({}, [])
    with pytest.raises(ProviderError) as caught:
        asked(FULL, endpoint=False, userinfo="always")
    assert (caught.value.code, "always" in caught.value.detail) == ("userinfo_invalid", True)


@pytest.mark.row("UI-01")
def test_userinfo_about_somebody_else_is_not_taken():
    with pytest.raises(ProviderError) as caught:
        asked({}, answer={"sub": "eve", "email": "eve@example.com"}, **SCOPED)
    assert caught.value.code == "userinfo_sub_mismatch"


@pytest.mark.parametrize(
    ("params", "max_age", "acr"),
    [
        ({}, None, ()),
        ({"max_age": 60}, 60, ()),
        ({"max_age": 0}, 0, ()),
        ({"acr_values": "urn:a urn:b"}, None, ("urn:a", "urn:b")),
        ({"acr_values": ["urn:a", "urn:b"]}, None, ("urn:a", "urn:b")),
    ],
)
@pytest.mark.row("ID-30")
def test_what_is_asked_of_the_provider_is_demanded_of_its_token(params, max_age, acr):
    settings = party(authorize_params=params, leeway=7, id_token_algs=["ES256"], extra_audiences=["other"], client_secret="s" * 40).settings
    expected = expected_id_token(settings, nonce="n", access_token="t")
    assert (expected.max_age, expected.acr_values) == (max_age, acr)
    assert (expected.issuer, expected.client_id, expected.nonce, expected.access_token) == (settings.issuer, "app", "n", "t")
    assert (expected.algs, expected.leeway, tuple(expected.extra_audiences)) == (("ES256",), 7, ("other",))
    assert expected.client_secret == "s" * 40


def session(claims=None, *, scope=None, **options):
    rp = party(**options)
    id_token = IDToken({"iss": "https://op.example.com", "sub": "ada", "iat": 995, **(claims or {})}, "raw")
    return new_session(id_token, {"email": "x", "sub": "eve", "nonce": "n"}, SimpleNamespace(scope=scope), rp.settings, 1000.0), rp


@pytest.mark.row("UI-05")
def test_a_session_says_who_and_for_how_long():
    made, rp = session({"name": "Ada", "auth_time": 990, "sid": "s1", "exp": 1, "aud": "app", "azp": "app"}, session_lifetime=3600)
    assert (made.issuer, made.subject, made.created, made.seen, made.expires) == ("https://op.example.com", "ada", 1000, 1000, 4600)
    assert (made.sid, made.auth_time, made.id_token, made.scopes) == ("s1", 990, "raw", rp.settings.scopes)
    assert made.claims_json == '{"email":"x","sub":"ada","iss":"https://op.example.com","name":"Ada","auth_time":990,"sid":"s1"}'
    assert session(scope="openid  mail")[0].scopes == ("openid", "mail")


@pytest.mark.row("ID-34", "UI-05")
@pytest.mark.parametrize(("address", "proof"), [("email", "email_verified"), ("phone_number", "phone_number_verified")])
@pytest.mark.parametrize(
    ("signed", "more", "kept"),
    [
        (("a", True), ("b", False), ("a", True)),
        (("a", False), ("a", True), ("a", False)),
        (("a", None), ("b", True), ("a", None)),
        (("a", None), ("a", True), ("a", True)),
        ((None, True), ("b", False), ("b", False)),
        ((None, True), ("b", None), ("b", None)),
        ((None, None), ("b", True), ("b", True)),
        (("a", None), (None, True), ("a", None)),
        (("a", True), (None, None), ("a", True)),
    ],
)
def test_that_an_address_is_verified_is_said_of_the_address_beside_it(address, proof, signed, more, kept):
    """A UserInfo answer about another address proves nothing about the one in the ID token."""

    def document(pair):
        return {name: value for name, value in zip((address, proof), pair, strict=True) if value is not None}

    id_token = IDToken({"iss": "https://op.example.com", "sub": "ada", "iat": 995, **document(signed)}, "raw")
    made = new_session(id_token, document(more), SimpleNamespace(scope=None), party().settings, 1000.0)
    claims = json.loads(made.claims_json)
    assert {name: value for name, value in claims.items() if name in (address, proof)} == document(kept)


@pytest.mark.parametrize(("claims", "auth_time"), [({"auth_time": 9.7}, 9), ({"auth_time": True}, None), ({"auth_time": "9"}, None), ({}, None)])
def test_odd_values_are_nobodys_problem(claims, auth_time):
    made, _ = session({**claims, "sid": 7})
    assert (made.auth_time, made.sid) == (auth_time, None)


def kept(made, rp):
    """The session that a browser has after the cookies were written."""
    site = rp.sites.fixed
    cookies = session_cookies(made, rp, site, 1000.0, bytes(12), ())
    return site.sessions.read("; ".join(cookie.partition(";")[0] for cookie in cookies), 1000.0).session


BULK = {"bulk": "".join(chr(0x4E00 + number * 37 % 9000) for number in range(1500))}


@pytest.mark.row("CK-05")
def test_what_does_not_fit_goes_in_the_order_of_its_use():
    small, rp = session({"department": "r&d"})
    assert kept(small, rp).id_token == "raw"
    large_token, rp = session({"department": "r&d"})
    large_token = replace(large_token, id_token="".join(chr(33 + number * 31 % 90) for number in range(6000)))
    without = kept(large_token, rp)
    assert (without.id_token, '"department":"r&d"' in without.claims_json) == (None, True)
    large, rp = session({**BULK, "groups": ["a"], "_claim_names": {"groups": "src"}})
    essential = kept(large, rp)
    assert essential.id_token is None
    assert essential.claims_json == '{"email":"x","sub":"ada","iss":"https://op.example.com","groups":["a"],"_claim_names":{"groups":"src"}}'


@pytest.mark.row("CK-05", "AZ-01")
def test_what_the_rules_ask_about_is_kept_and_what_is_configured_is_never_dropped():
    made, rp = session({**BULK, "department": "r&d"}, allow={"claim": {"department": ["r&d"]}})
    assert '"department":"r&d"' in kept(made, rp).claims_json
    made, rp = session({"department": "r&d", "team": "x", "other": 1}, session_claims=["team"], allow={"claim": {"department": ["r&d"]}})
    assert kept(made, rp).claims_json == '{"sub":"ada","iss":"https://op.example.com","department":"r&d","team":"x"}'
    made, rp = session(BULK, session_claims=["bulk"])
    with pytest.raises(LoginError) as caught:
        kept(made, rp)
    assert caught.value.code == "session_too_large"
