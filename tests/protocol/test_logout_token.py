"""Logout tokens: catalogue LT-02 to LT-08, LT-10 to LT-13; Back-Channel Logout 1.0 2.4, 2.6."""

import json

import pytest

from oidc_middleware.errors import ConfigError, OIDCError, ProviderError
from oidc_middleware.protocol.keys import KeySet
from oidc_middleware.protocol.logout_token import ExpectedLogoutToken
from tests.protocol import forge
from tests.protocol.forge import ABSENT, CLIENT_ID, ISSUER, NOW, SECRET, ec, key_set, okp, rsa, signed
from tests.protocol.logout_forge import EVENT, SUBJECT, TIME, assert_refused, logout_claims, logout_token, verify

NO_KEYS = KeySet((), ())


def test_a_flawless_token_is_accepted():
    token = verify(logout_token())
    assert (token.issuer, token.subject, token.sid, token.jti, token.issued_at, token.valid_until) == (ISSUER, SUBJECT, "s-1", "j-1", NOW, NOW + 180)
    with pytest.raises(AttributeError):
        token.subject = "mallory"


@pytest.mark.row("LT-04")
def test_the_conformance_suites_token_is_accepted():
    """Without ``typ``, with an unknown claim, ``aud`` as text (module oidcc-client-test-rp-backchannel-rpinitlogout)."""
    assert verify(logout_token(typ=ABSENT, unknown_claim=["x"])).sid == "s-1"


@pytest.mark.row("LT-02")
@pytest.mark.parametrize(
    "token",
    [None, "", 7, True, [], {}, b"a.b.c", "garbage", "a.b", "a.b.c", "a.b.c.d", "a.b.c.d.e", "..", "é.é.é", "\x00", "x" * 200_000, "." * 200_000],
    ids=lambda value: str(value)[:12],
)
def test_garbage_is_refused_and_worth_no_keys(token):
    assert_refused(token)
    assert_refused(token, NO_KEYS)


@pytest.mark.row("LT-02")
@pytest.mark.parametrize("payload", [b"", b"[]", b"null", b"{", b'{"iss":1,"iss":2}', b'{"iat":NaN}', b"\xff", b'"' + ISSUER.encode() + b'"'])
def test_a_payload_that_is_no_object_is_refused_and_worth_no_keys(payload):
    token = signed(payload, {"alg": "RS256", "typ": "logout+jwt", "kid": rsa().kid}, rsa(), "RS256")
    assert_refused(token)
    assert_refused(token, NO_KEYS)


@pytest.mark.row("LT-02", "LT-03")
@pytest.mark.parametrize(
    "changes",
    [{"exp": TIME - 61}, {"iss": "https://evil.example"}, {"aud": "other"}, {"iat": TIME - 301}, {"jti": ABSENT}, {"events": {}}, {"nonce": "n"},
     {"sub": ABSENT, "sid": ABSENT}],
)  # fmt: skip
def test_only_a_token_that_might_be_good_is_worth_a_key_fetch(changes):
    assert_refused(logout_token(**changes), NO_KEYS)
    assert_refused(logout_token(), NO_KEYS, code="id_token_key_unknown")


@pytest.mark.row("LT-03")
def test_an_unknown_key_is_told_apart():
    for token in (logout_token(key=rsa(2)), logout_token(header={"kid": "other"}), logout_token(key=rsa(2), header={"kid": ABSENT})):
        assert isinstance(assert_refused(token, code="id_token_key_unknown"), ProviderError)
    assert verify(logout_token(header={"kid": ABSENT}))


@pytest.mark.row("LT-03")
@pytest.mark.parametrize("alg", ["none", "None", "NONE", "", None, 7, "HS256"])
def test_unsigned_tokens_are_refused(alg):
    """Module oidcc-client-test-rp-backchannel-rpinitlogout-alg-none."""
    head, payload, signature = logout_token(header={"alg": alg}).split(".")
    assert_refused(f"{head}.{payload}.")
    assert_refused(f"{head}.{payload}.{signature}")
    assert_refused(logout_token().rpartition(".")[0] + ".")


@pytest.mark.row("LT-03")
@pytest.mark.parametrize("alg", ["ES256", "PS256", "RS384", "RS512", "EdDSA"])
def test_a_valid_signature_of_another_algorithm_is_refused(alg):
    """Module oidcc-client-test-rp-backchannel-rpinitlogout-wrong-alg: the key is in the key set, the algorithm is not ours."""
    keys = key_set(rsa(), ec(), okp())
    assert_refused(logout_token(alg), keys)
    assert verify(logout_token(alg), keys, algs=(alg,)).jti == "j-1"
    assert_refused(logout_token("RS256"), keys, algs=(alg,))


@pytest.mark.row("LT-03")
def test_no_key_of_the_provider_is_a_shared_secret():
    public = json.dumps(forge.public(rsa())).encode()
    token = signed(json.dumps(logout_claims()), {"alg": "HS256", "typ": "logout+jwt"}, forge.OctKey.import_key(public), "HS256")
    assert_refused(token)
    assert_refused(token, algs=("HS256",), client_secret=SECRET)
    assert verify(logout_token("HS256"), algs=("HS256",), client_secret=SECRET).sid == "s-1"
    with pytest.raises(ConfigError):
        verify(logout_token("HS256"), algs=("HS256",))


@pytest.mark.row("LT-03")
def test_a_changed_token_is_refused():
    head, payload, signature = logout_token().split(".")
    _, other_payload, other_signature = logout_token(sub="mallory").split(".")
    assert_refused(f"{head}.{other_payload}.{signature}")
    assert_refused(f"{head}.{payload}.{other_signature}")
    assert_refused(f"{head}.{payload}.{signature[:-4]}")


@pytest.mark.row("LT-04", "LT-13")
@pytest.mark.parametrize("typ", ["JWT", "jwt", "at+jwt", "application/at+jwt", "", None, 7, ["logout+jwt"], "logout+jwt ", "secevent+jwt", "logout"])
def test_tokens_of_another_type_are_refused(typ):
    assert_refused(logout_token(typ=typ))
    assert_refused(logout_token(typ=typ), allow_untyped=False)


@pytest.mark.row("LT-04")
def test_the_type_in_any_case_and_absent_where_allowed():
    for typ in ("logout+jwt", "LOGOUT+JWT", "Logout+Jwt"):
        assert verify(logout_token(typ=typ), allow_untyped=False)
    assert verify(logout_token(typ=ABSENT))
    assert_refused(logout_token(typ=ABSENT), allow_untyped=False)


@pytest.mark.row("LT-04")
@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "x"},
        {"aud": "x"},
        {"iat": ABSENT},
        {"exp": ABSENT},
        {"jti": ABSENT},
        {"events": ABSENT},
        {"nonce": "n"},
        {"sub": ABSENT, "sid": ABSENT},
    ],
)
def test_an_untyped_token_keeps_all_other_rules(changes):
    assert_refused(logout_token(typ=ABSENT, **changes))


@pytest.mark.row("LT-05")
@pytest.mark.parametrize("issuer", [ABSENT, None, "", f"{ISSUER}/", f"{ISSUER}INVALID", ISSUER.upper(), [ISSUER], {}, 7, True, f" {ISSUER}"])
def test_the_issuer_is_exact(issuer):
    """Module oidcc-client-test-rp-backchannel-rpinitlogout-wrong-iss."""
    assert_refused(logout_token(iss=issuer))


@pytest.mark.row("LT-06")
@pytest.mark.parametrize(
    "audience",
    [ABSENT, None, "", f"{CLIENT_ID}INVALID", [], ["evil"], [CLIENT_ID, "evil"], [CLIENT_ID, None], [[CLIENT_ID]], [{}], {CLIENT_ID: 1}, 7, True,
     f"{CLIENT_ID} evil"],
)  # fmt: skip
def test_the_audience_is_ours_alone(audience):
    """Module oidcc-client-test-rp-backchannel-rpinitlogout-wrong-aud."""
    assert_refused(logout_token(aud=audience))


@pytest.mark.row("LT-06")
def test_an_audience_list_with_known_names_is_accepted():
    assert verify(logout_token(aud=[CLIENT_ID]))
    assert verify(logout_token(aud=[CLIENT_ID, "api"]), extra_audiences=("api", "other"))
    assert_refused(logout_token(aud=["api"]), extra_audiences=("api",))


@pytest.mark.row("LT-07")
@pytest.mark.parametrize("value", [ABSENT, None, "", str(TIME), True, [], {}, -1, 0, 1e300, TIME + 61, TIME - 301, TIME - 86400])
def test_iat_is_there_and_recent(value):
    assert_refused(logout_token(iat=value, exp=TIME + 9000))
    assert_refused(logout_token(iat=value, exp=ABSENT), allow_missing_exp=True)


@pytest.mark.row("LT-07")
@pytest.mark.parametrize("value", [ABSENT, None, "", str(TIME + 120), True, [], {}, -1, 1e300, 0, TIME - 60, TIME - 3600])
def test_exp_is_there_and_in_the_future(value):
    assert_refused(logout_token(exp=value))


@pytest.mark.row("LT-07")
def test_the_times_at_their_edges():
    assert verify(logout_token(iat=TIME - 300)).valid_until == NOW
    assert verify(logout_token(iat=TIME + 60, exp=TIME + 180)).issued_at == NOW + 60
    assert verify(logout_token(exp=TIME - 59)).valid_until == NOW + 1
    assert verify(logout_token(exp=TIME + 9000)).valid_until == NOW + 300
    assert verify(logout_token(exp=TIME + 1), leeway=0)
    assert_refused(logout_token(exp=TIME), leeway=0)
    assert "301 s ago" in assert_refused(logout_token(iat=TIME - 301)).detail
    assert "3600 s in the future" in assert_refused(logout_token(iat=TIME + 3600, exp=TIME + 9000)).detail
    assert "61 s ago" in assert_refused(logout_token(exp=TIME - 61)).detail


@pytest.mark.row("LT-07")
def test_without_exp_only_where_allowed_and_for_two_minutes():
    assert verify(logout_token(exp=ABSENT, iat=TIME - 120), allow_missing_exp=True).valid_until == NOW
    assert_refused(logout_token(exp=ABSENT, iat=TIME - 121), allow_missing_exp=True)
    assert_refused(logout_token(exp=None), allow_missing_exp=True)  # there, and wrong
    assert verify(logout_token(iat=TIME - 200), allow_missing_exp=True)  # with exp, the usual five minutes
    assert_refused(logout_token(exp=ABSENT))


@pytest.mark.row("LT-07")
@pytest.mark.parametrize("value", [None, str(TIME), True, -1, TIME + 61])
def test_nbf_is_a_time_that_has_come(value):
    assert_refused(logout_token(nbf=value))
    assert verify(logout_token(nbf=TIME + 60))


@pytest.mark.row("LT-08")
@pytest.mark.parametrize(
    "jti", [ABSENT, None, "", 7, True, [], {}, "x" * 257, "a\nb", "a\x00", "\u202e", "\u200b"], ids=lambda value: str(value)[:12]
)
def test_jti_is_there_and_usable(jti):
    assert_refused(logout_token(jti=jti))


@pytest.mark.row("LT-08")
@pytest.mark.parametrize("jti", ["x", "x" * 256, "3f9c1b7e-5d2a-4860-b1c7-e9f0a2d4c6e8", "a b", "ä"], ids=lambda value: value[:12])
def test_ordinary_jtis_are_kept_as_they_are(jti):
    assert verify(logout_token(jti=jti)).jti == jti


@pytest.mark.row("LT-10")
@pytest.mark.parametrize(
    "events",
    [ABSENT, None, "", EVENT, [], [EVENT], [{EVENT: {}}], {}, {f"{EVENT}INVALID": {}}, {EVENT.upper(): {}}, {EVENT: None}, {EVENT: []}, {EVENT: ""},
     {EVENT: True}, {EVENT: 1}, 7, True],
)  # fmt: skip
def test_the_event_is_a_back_channel_logout(events):
    """Modules oidcc-client-test-rp-backchannel-rpinitlogout-no-event and -wrong-event."""
    assert_refused(logout_token(events=events))


@pytest.mark.row("LT-10")
def test_the_event_may_say_more_and_have_company():
    assert verify(logout_token(events={EVENT: {"reason": "closed"}, "https://schemas.openid.net/other": 7}))


@pytest.mark.row("LT-11")
@pytest.mark.parametrize("nonce", ["n", "", None, 0, False, [], {}])
def test_a_nonce_is_refused_whatever_it_is(nonce):
    """Module oidcc-client-test-rp-backchannel-rpinitlogout-with-nonce."""
    assert_refused(logout_token(nonce=nonce))


@pytest.mark.row("LT-12")
def test_whom_it_is_about():
    for changes, found in (
        ({}, (SUBJECT, "s-1")),
        ({"sid": ABSENT}, (SUBJECT, None)),
        ({"sub": ABSENT}, (None, "s-1")),
        ({"sid": "!#$%&'()*+,-./:;<=>?@[]^_`{|}~"}, (SUBJECT, "!#$%&'()*+,-./:;<=>?@[]^_`{|}~")),
    ):
        token = verify(logout_token(**changes))
        assert (token.subject, token.sid) == found
    assert_refused(logout_token(sub=ABSENT, sid=ABSENT))


@pytest.mark.row("LT-12")
@pytest.mark.parametrize("value", [None, "", 7, True, False, 0, [], ["s-1"], {}, "a\nb", "a\x00b", "\u202e"])
def test_what_is_there_of_sub_and_sid_is_usable(value):
    for changes in ({"sub": value}, {"sid": value}, {"sub": value, "sid": ABSENT}, {"sid": value, "sub": ABSENT}):
        assert_refused(logout_token(**changes))


@pytest.mark.row("LT-12")
@pytest.mark.parametrize("subject", ["x" * 256, " a", "a ", " "], ids=lambda value: value[:4])
def test_a_subject_that_could_not_sign_in_cannot_be_signed_out(subject):
    assert_refused(logout_token(sub=subject))
    with pytest.raises(OIDCError):
        forge.verify(forge.id_token(sub=subject))


@pytest.mark.row("LT-13")
@pytest.mark.parametrize("header", [{}, {"typ": "JWT"}, {"typ": "logout+jwt"}, {"typ": "at+jwt"}])
def test_an_id_token_or_access_token_is_no_logout_token(header):
    changes = {"exp": TIME + 120, "jti": "j-1", "sid": "s-1"}
    assert_refused(forge.id_token(header=header, **changes))
    assert_refused(forge.id_token(header=header, nonce=ABSENT, **changes))
    assert_refused(forge.id_token(header=header, nonce=ABSENT, scope="openid", client_id=CLIENT_ID, **changes))


@pytest.mark.row("LT-13")
@pytest.mark.parametrize("typ", [ABSENT, "logout+jwt"])
def test_a_logout_token_is_no_id_token(typ):
    token = logout_token(typ=typ)
    assert verify(token)
    with pytest.raises(OIDCError) as caught:
        forge.verify(token)
    assert caught.value.code == ("nonce_missing" if typ is ABSENT else "id_token_header")


def test_nothing_of_the_secret_is_printed():
    assert SECRET not in repr(ExpectedLogoutToken(ISSUER, CLIENT_ID, client_secret=SECRET))
