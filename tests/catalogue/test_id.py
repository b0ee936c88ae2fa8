"""Catalogue 1.5, ID: ID tokens, where the conformance modules have none. The checks one by one are in ``tests/protocol``; here a whole login fails.

Each refusal is judged by the oracle: one token request, no session, the one from before alive, other logins usable, nothing in the log.
"""

import json
import time
from base64 import urlsafe_b64decode

import pytest

from oidc_middleware.testing import REMOVE
from oidc_middleware.testing.keys import ProviderKeys, b64url, make_key, public_jwk, rsa_key, sign_compact
from tests.catalogue.helpers import assert_strict, codes_on, landed
from tests.conformance.party import DEEP_LINK


def parts(token):
    """``(header, claims)`` of a token."""
    return tuple(json.loads(urlsafe_b64decode(segment + "==")) for segment in token.split(".")[:2])


def header(**members):
    return lambda provider: provider.id_token_header.update(members)


def claims(**members):
    return lambda provider: provider.id_token_claims.update(members)


def edit(change):
    """A bend: the finished token becomes *change(token)*."""

    def bend(provider):
        provider.id_token_edit = lambda token: _noted(provider, change(token))

    return bend


def payload(change):
    """A bend: the payload becomes the bytes *change(claims)*, properly signed."""

    def bend(provider):
        kid, key = provider.keys.signer("RS256")
        provider.id_token_edit = lambda token: _noted(provider, sign_compact({"alg": "RS256", "kid": kid}, change(parts(token)[1]), key, "RS256"))

    return bend


def _noted(provider, token):
    if isinstance(token, str) and token:
        provider.secrets.add(token)
    return token


@pytest.mark.row("ID-05")
@pytest.mark.filterwarnings("ignore:Key size should be")
def test_id_05(stage):
    """A key too short, one for encryption, one for another algorithm: none of them verifies anything."""
    weak = rsa_key(900, 1024)
    members = [
        (weak, {}),
        (rsa_key(1), {"use": "enc"}),
        (rsa_key(1), {"alg": "PS256"}),
        (rsa_key(1), {"key_ops": ["encrypt"]}),
        (make_key("P-256"), {}),
    ]
    for key, extra in members:
        stage.restart()
        jwk = {**public_jwk(key), "kid": "odd", **extra}
        stage.provider.jwks_edit = lambda document, jwk=jwk: {"keys": [*document["keys"], jwk]}

        def bend(provider, key=key):
            provider.id_token_header["kid"] = "odd"
            if key.key_type == "RSA":
                provider.id_token_key = key

        stage.refuses_tokens(bend, code="id_token_key_unknown")


@pytest.mark.row("ID-08")
@pytest.mark.parametrize("position", [0, 1, 2, 3])
def test_id_08(stage, position):
    """Several keys under one name: each that fits is tried, wherever the right one stands; the fifth is not."""
    kid, right = stage.provider.keys.signer("RS256")
    jwk = public_jwk(right, kid=kid, use="sig")
    others = [public_jwk(rsa_key(100 + number), kid=kid, use="sig") for number in range(4)]

    def document(at):
        return {"keys": [*others[:at], jwk, *others[at:]]}

    stage.provider.jwks_edit = lambda _: document(position)
    assert landed(stage.browser().login(DEEP_LINK)) == DEEP_LINK
    if position == 3:
        stage.restart()
        stage.provider.jwks_edit = lambda _: {
            **document(4),
            "keys": [{**key, "kid": stage.provider.keys.signer("RS256")[0]} for key in document(4)["keys"]],
        }
        page = stage.browser().login(DEEP_LINK)
        assert (page.status, codes_on(page)) == (502, ["id_token_signature"])


@pytest.mark.row("ID-10")
@pytest.mark.parametrize("kid", [1, None, [], ["RSA"], {"a": 1}, True, "k" * 5_000])
def test_id_10(stage, kid):
    stage.refuses_tokens(header(kid=kid), code="id_token_header")


@pytest.mark.row("ID-10")
@pytest.mark.parametrize("kid", ["../../etc/passwd", "' OR 1=1 --", "a\nb", "\x00", "http://evil.example/key", "é"])
def test_id_10_names_of_no_key(stage, kid):
    stage.refuses_tokens(header(kid=kid), code="id_token_key_unknown")
    assert {request.endpoint for request in stage.provider.requests} == {"discovery", "jwks", "token", "userinfo"}


@pytest.mark.row("ID-11")
@pytest.mark.parametrize("name", ["jku", "x5u", "jwk", "x5c"])
def test_id_11(stage, name):
    """The attacker's own key, offered in the header: never fetched, never used; without effect where the token is right otherwise."""
    evil = rsa_key(200)
    value = {"jwk": public_jwk(evil), "x5c": ["MIIB"]}.get(name, "https://op.example/evil/jwks")

    def bend(provider):
        provider.id_token_header.update({name: value, "kid": "evil"})
        provider.id_token_key = evil

    stage.refuses_tokens(bend, code="id_token_key_unknown")
    stage.provider.id_token_header[name] = value
    assert landed(stage.browser().login(DEEP_LINK)) == DEEP_LINK
    assert {request.endpoint for request in stage.provider.requests} == {"discovery", "jwks", "token", "userinfo"}


@pytest.mark.row("ID-12", "ID-13")
@pytest.mark.parametrize(
    "members", [{"crit": ["x"]}, {"crit": []}, {"crit": "exp"}, {"crit": ["b64"], "b64": False}, {"b64": False}, {"b64": True}, {"crit": None}]
)
def test_id_12_and_13(stage, members):
    stage.refuses_tokens(header(**members), code="id_token_header")


@pytest.mark.row("ID-14")
@pytest.mark.parametrize("typ", ["at+jwt", "logout+jwt", "dpop+jwt", "secevent+jwt", "application/at+jwt", "JOSE", "", None, 1])
def test_id_14(stage, typ):
    stage.refuses_tokens(header(typ=typ), code="id_token_header")


@pytest.mark.row("ID-14")
@pytest.mark.parametrize("typ", ["JWT", "jwt"])
def test_id_14_the_type_it_has(stage, typ):
    stage.provider.id_token_header["typ"] = typ
    assert landed(stage.browser().login(DEEP_LINK)) == DEEP_LINK


@pytest.mark.row("ID-17")
@pytest.mark.parametrize(
    ("members", "code"),
    [
        ({"azp": "other"}, "id_token_azp"),
        ({"azp": ""}, "id_token_azp"),
        ({"azp": ["app"]}, "id_token_azp"),
        ({"azp": None}, "id_token_azp"),
        ({"aud": ["app", "other"]}, "id_token_audience"),
        ({"aud": ["app", "other"], "azp": "app"}, "id_token_audience"),
    ],
)
def test_id_17(stage, members, code):
    stage.refuses_tokens(claims(**members), code=code)


@pytest.mark.row("ID-17")
def test_id_17_an_audience_that_was_allowed(stage):
    stage.restart(extra_audiences=["api"])
    stage.refuses_tokens(claims(aud=["app", "api"]), code="id_token_azp")
    stage.provider.id_token_claims.update(aud=["app", "api"], azp="app")
    assert landed(stage.browser().login(DEEP_LINK)) == DEEP_LINK


@pytest.mark.row("ID-20")
@pytest.mark.parametrize("nbf", [lambda _: 1_900_000_000, "1", True, None, float("1e300"), [1]])
def test_id_20(stage, nbf):
    stage.refuses_tokens(claims(nbf=nbf), code="id_token_nbf")


@pytest.mark.row("ID-22", "ID-23")
@pytest.mark.parametrize(
    "change",
    [
        lambda found: json.dumps(found).encode()[:-1] + b', "sub": "admin"}',
        lambda found: json.dumps(found).encode()[:-1] + b', "aud": "app"}',
        lambda found: b"\xef\xbb\xbf" + json.dumps(found).encode(),
        lambda found: json.dumps([found]).encode(),
        lambda found: json.dumps(found).encode() + b"x",
        lambda found: json.dumps(found).encode().replace(b'"sub"', b'"s\xffb"'),
        lambda found: json.dumps(found).encode()[:-1] + b', "x": ' + b"[" * 20_000 + b"]" * 20_000 + b"}",
        lambda found: json.dumps(found).encode()[:-1] + b', "x": NaN}',
        lambda found: json.dumps({**found, "x": "\ud800"}).encode(),
        lambda found: b"",
        lambda found: b"null",
    ],
)
def test_id_22_and_23(stage, change):
    stage.refuses_tokens(payload(change), code="id_token_malformed")


def with_last_character(token):
    """The same signature, spelt with other unused bits at its end."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return token[:-1] + alphabet[alphabet.index(token[-1]) ^ 1]


@pytest.mark.row("ID-24", "ID-26", "ID-27", "ID-36")
@pytest.mark.parametrize(
    "change",
    [
        lambda token: token + "==",
        lambda token: token + "\n",
        lambda token: " " + token,
        lambda token: token.replace(".", ". ", 1),
        with_last_character,
        lambda token: token.rpartition(".")[0],
        lambda token: token + ".x",
        lambda token: token + ".x.y",
        lambda token: b64url(b'{"alg":"dir","enc":"A256GCM","zip":"DEF"}') + "..AAAA.AAAA.AAAA",
        lambda token: b64url(b'{"alg":"PBES2-HS256+A128KW","enc":"A256GCM","p2c":2147483648}') + ".AAAA.AAAA.AAAA.AAAA",
        lambda token: json.dumps(dict(zip(("protected", "payload", "signature"), token.split("."), strict=True))),
        lambda token: "..",
        lambda token: "x" * 200_000,
    ],
)
def test_id_24_and_26_and_27_and_36(stage, change):
    stage.refuses_tokens(edit(change), code="id_token_malformed")


@pytest.mark.row("ID-25")
def test_id_25(stage):
    """A huge token is refused before anything is computed on it; a long header of a provider that sends certificates is not huge."""
    stage.refuses_tokens(edit(lambda token: token.replace(".", "." + "A" * 262_144, 1)), code="id_token_malformed")
    stage.refuses_tokens(edit(lambda token: "A" * 2_000_000), code="response_too_large")
    stage.refuses_tokens(header(x5c=["A" * 9_000]), code="id_token_malformed")
    stage.provider.id_token_header["x5c"] = ["MIIC" * 1_000]
    started = time.process_time()
    assert landed(stage.browser().login(DEEP_LINK)) == DEEP_LINK
    assert time.process_time() - started < 20, "work that grows with the input, not milliseconds, is what this finds"


@pytest.mark.row("ID-29")
def test_id_29(stage):
    """``c_hash`` belongs to the hybrid flow, which is off: a code flow's ID token does not need one, and logs in with a right one."""
    stage.provider.id_token_claims["c_hash"] = REMOVE
    assert landed(stage.browser().login(DEEP_LINK)) == DEEP_LINK


@pytest.mark.row("ID-30")
@pytest.mark.parametrize(
    ("auth_time", "code"),
    [(REMOVE, "auth_time_missing"), (lambda now: now - 361, "auth_too_old"), (1, "auth_too_old"), (0, "auth_too_old"), ("1", "auth_time_missing")],
)
def test_id_30(stage, auth_time, code):
    stage.restart(authorize_params={"max_age": 300})
    stage.refuses_tokens(claims(auth_time=auth_time), code=code, status=403)
    assert {parameters["max_age"] for parameters in stage.provider.authorizations} == {"300"}


@pytest.mark.row("ID-30")
@pytest.mark.parametrize("acr", [REMOVE, "weak", "", None, ["strong"], "STRONG", "strong "])
def test_id_30_the_strength_of_the_sign_in(stage, acr):
    stage.restart(authorize_params={"acr_values": "strong stronger"})
    stage.provider.id_token_claims["acr"] = "stronger"
    stage.refuses_tokens(claims(acr=acr), code="acr_insufficient", status=403)


@pytest.mark.row("ID-33")
@pytest.mark.parametrize("issuer", ["https://op.example/{tenantid}", "https://op.example/other-tenant", "https://op.example/{tenantid}/v2.0"])
def test_id_33(stage, issuer):
    """Another tenant of the same provider, whose key would verify: the issuer is one string, no template."""
    stage.refuses_tokens(claims(iss=issuer, tid="other-tenant"), code="id_token_issuer")


@pytest.mark.row("ID-35")
@pytest.mark.parametrize("exp", [lambda exp: exp + 10 * 365 * 86_400, lambda exp: exp - 290])
def test_id_35(stage, exp):
    """A session lasts as configured: the ID token's ``exp`` is about the token, however far or near it is."""
    stage.provider.id_token_claims["exp"] = exp
    _, browser = stage.accepts()
    subject, began = stage.provider.user["sub"], stage.clock.now()
    assert max(cookie.expires for cookie in browser.cookies) <= began + 28_800
    stage.clock.advance(3_599)
    assert stage.who(browser) == subject
    stage.clock.set(began + 28_800)
    assert stage.who(browser) is None


@pytest.mark.row("ID-37")
def test_id_37(stage):
    """Claims are looked up by name and never become attributes or methods; the application's view of them cannot be changed."""
    odd = {
        "validate_sub": "x",
        "__class__": "x",
        "__init__": {"a": 1},
        "iss.": "x",
        "a.b": [1],
        "claims": {},
        "is_authenticated": False,
        "identity": "root",
    }
    stage.provider.id_token_claims.update(odd)
    claims_seen, browser = stage.accepts()
    assert {name: claims_seen[name] for name in odd} == odd
    page = browser.fetch("/api")
    assert (page.json()["sub"], page.status) == (stage.provider.user["sub"], 200)


@pytest.mark.row("ID-01", "ID-09", "JW-07")
def test_id_09_a_storm_of_unknown_keys_costs_one_fetch(stage):
    stage.accepts()
    before = stage.count("jwks")
    for number in range(12):
        stage.provider.id_token_header["kid"] = f"unknown-{number}"
        page = stage.browser().login("/")
        assert (page.status, codes_on(page)) == (502, ["id_token_key_unknown"])
        assert_strict(page)
        stage.clock.advance(1)
    assert stage.count("jwks") == before + 1
    stage.provider.id_token_header.clear()
    stage.provider.keys = ProviderKeys(first_rsa=40)
    stage.clock.advance(60)
    assert landed(stage.browser().login("/deep")) == "/deep"
    assert stage.count("jwks") == before + 2
