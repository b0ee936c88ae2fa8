"""The claims of an ID token: catalogue ID-15 to ID-21, ID-28 to ID-37, NO, CI-05; OIDC Core 3.1.3.7."""

import json

import pytest

from oidc_middleware.errors import LoginError, ProviderError
from oidc_middleware.protocol.hashes import id_token_hash
from oidc_middleware.protocol.id_token import IDToken
from oidc_middleware.protocol.keys import ALGORITHMS
from tests.protocol.forge import (
    ABSENT,
    CLIENT_ID,
    ISSUER,
    NONCE,
    NOW,
    SECRET,
    assert_refused,
    claims,
    id_token,
    key_for,
    key_set,
    raw_id_token,
    rsa,
    verify,
)

TIME = int(NOW)


def test_a_flawless_token_is_accepted():
    token = id_token(sid="s-1", auth_time=NOW - 10.5, email="ada@example.com")
    result = verify(token)
    assert (result.issuer, result.subject, result.sid, result.auth_time, result.raw) == (ISSUER, "248289761001", "s-1", TIME - 11, token)
    assert result.claims["email"] == "ada@example.com"


@pytest.mark.row("ID-37")
def test_claims_are_a_read_only_mapping_and_never_attributes():
    result = verify(
        id_token(**{"validate_sub": "x", "__class__": "y", "iss.": "z", "a.b": {"c": 1}, "subject": "mallory", "raw": "r", "issuer": "evil"})
    )
    assert (result.subject, result.issuer, type(result)) == ("248289761001", ISSUER, IDToken)
    assert result.claims["__class__"] == "y"
    with pytest.raises(TypeError):
        result.claims["sub"] = "mallory"
    with pytest.raises(AttributeError):
        result.raw = "x"


def test_nothing_of_the_token_is_printed():
    token = id_token(email="ada@example.com")
    text = repr(verify(token))
    assert token not in text
    assert "ada" not in text


@pytest.mark.row("ID-31")
@pytest.mark.parametrize("token", [None, "", 7, [], {}, True, b"a.b.c"])
def test_no_token_is_no_login(token):
    assert_refused("id_token_missing", token)


@pytest.mark.row("ID-15", "MX-04", "MX-06", "ID-33")
@pytest.mark.parametrize(
    "issuer",
    [ABSENT, None, "", "https://other.example.com", f"{ISSUER}/", f"{ISSUER}1", ISSUER[:-1], "https://Login.example.com",
     "HTTPS://login.example.com", f"{ISSUER}:443",
     "http://login.example.com", [ISSUER], {"iss": ISSUER}, 7, True, "https://login.exаmple.com", "https://login.xn--exmple-4nf.com", f" {ISSUER}",
     f"{ISSUER}\u200b",
     f"{ISSUER}/{{tenantid}}", "login.example.com"],
)  # fmt: skip
def test_the_issuer_is_exact(issuer):
    assert_refused("id_token_issuer", id_token(iss=issuer))


@pytest.mark.row("ID-16")
@pytest.mark.parametrize(
    "audience",
    [ABSENT, None, "", f"{CLIENT_ID}1", CLIENT_ID[:-1], CLIENT_ID.upper(), [], [CLIENT_ID, "evil"], ["evil", CLIENT_ID], ["evil"], [{}], [CLIENT_ID,
     {}], [CLIENT_ID, None],
     [CLIENT_ID, 7], [[CLIENT_ID]], {CLIENT_ID: 1}, {"aud": CLIENT_ID}, 7, True, f"{CLIENT_ID} evil", f"{CLIENT_ID},evil", [f"{CLIENT_ID} "]],
)  # fmt: skip
def test_the_audience_is_ours_alone(audience):
    assert_refused("id_token_audience", id_token(aud=audience))
    assert_refused("id_token_audience", id_token(aud=audience, azp=CLIENT_ID))


@pytest.mark.row("ID-16")
def test_an_audience_list_with_only_our_id_is_accepted():
    assert verify(id_token(aud=[CLIENT_ID]))
    assert verify(id_token(aud=[CLIENT_ID], azp=CLIENT_ID))


@pytest.mark.row("ID-16", "ID-17")
def test_extra_audiences_must_be_allowed_and_need_azp():
    token = id_token(aud=[CLIENT_ID, "api"], azp=CLIENT_ID)
    assert_refused("id_token_audience", token)
    assert verify(token, extra_audiences=("api", "other"))
    assert_refused("id_token_audience", id_token(aud=[CLIENT_ID, "api", "evil"], azp=CLIENT_ID), extra_audiences=("api",))
    assert_refused("id_token_audience", id_token(aud=["api"], azp=CLIENT_ID), extra_audiences=("api",))
    for azp in (ABSENT, "api", None, [CLIENT_ID]):
        assert_refused("id_token_azp", id_token(aud=[CLIENT_ID, "api"], azp=azp), extra_audiences=("api",))
    assert_refused("id_token_azp", id_token(aud=[CLIENT_ID, CLIENT_ID]))


@pytest.mark.row("ID-17")
@pytest.mark.parametrize("azp", ["other", "", None, 7, [CLIENT_ID], f"{CLIENT_ID} ", True])
def test_azp_names_us_when_it_is_there(azp):
    assert_refused("id_token_azp", id_token(azp=azp))
    assert verify(id_token(azp=CLIENT_ID))


@pytest.mark.row("ID-18")
@pytest.mark.parametrize(
    "value", [ABSENT, None, "", str(TIME + 300), True, False, [], [TIME + 300], {}, -1, 1e300, -1e300, 10**19, 253_402_300_800, 0, TIME - 3600]
)
def test_exp_is_a_sensible_time_in_the_future(value):
    assert_refused("id_token_expired", id_token(exp=value))


@pytest.mark.row("ID-18", "ID-20", "ID-19", "ID-23")
@pytest.mark.parametrize("claim", ["exp", "iat", "nbf", "auth_time", "x"])
@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e400", "9" * 5000, "9" * 21])
def test_numbers_that_are_none_are_refused_as_json(claim, number):
    payload = json.dumps(claims(**{claim: 424242})).replace("424242", number)
    assert_refused("id_token_malformed", raw_id_token(payload))
    assert verify(raw_id_token(payload.replace(number, str(TIME))), now=NOW)


@pytest.mark.row("ID-18", "F-OP-17")
def test_exp_at_the_edges_of_the_leeway():
    assert verify(id_token(exp=TIME - 59))
    assert verify(id_token(exp=TIME - 59.5))
    assert_refused("id_token_expired", id_token(exp=TIME - 60))
    error = assert_refused("id_token_expired", id_token(exp=TIME - 61))
    assert "61 s" in error.detail
    assert verify(id_token(exp=TIME + 1), leeway=0)
    assert_refused("id_token_expired", id_token(exp=TIME), leeway=0)
    assert verify(id_token(exp=253_402_300_799))
    assert assert_refused("id_token_expired", id_token(exp=ABSENT)).detail == "exp is missing"
    assert assert_refused("id_token_expired", id_token(exp="soon")).detail == "exp is 'soon'"


@pytest.mark.row("ID-19")
@pytest.mark.parametrize("value", [ABSENT, None, "", str(TIME), True, [], {}, -1, 0, 1, 1e300, TIME - 601, TIME + 61, TIME - 7 * 86400])
def test_iat_is_there_and_recent(value):
    assert_refused("id_token_iat", id_token(iat=value))


@pytest.mark.row("ID-19", "F-OP-17")
def test_iat_at_the_edges():
    assert verify(id_token(iat=TIME - 600))
    assert verify(id_token(iat=TIME + 60))
    assert verify(id_token(iat=TIME - 0.5))
    assert verify(id_token(iat=TIME - 700), max_token_age=1000)
    assert "3600 s in the future" in assert_refused("id_token_iat", id_token(iat=TIME + 3600, exp=TIME + 9000)).detail
    assert "3600 s ago" in assert_refused("id_token_iat", id_token(iat=TIME - 3600)).detail


@pytest.mark.row("ID-20")
@pytest.mark.parametrize("value", [None, "", str(TIME), True, [], {}, -1, 1e300, TIME + 61, TIME + 3600])
def test_nbf_is_a_time_that_has_come(value):
    assert_refused("id_token_nbf", id_token(nbf=value))
    assert verify(id_token(nbf=TIME + 60))
    assert verify(id_token(nbf=0))


@pytest.mark.row("ID-21")
@pytest.mark.parametrize(
    "subject",
    [ABSENT, None, "", 7, 1.5, True, [], ["x"], {}, "x" * 256, "a\x00b", "a\r\nb", "a\nb", "\t", " ", " a", "a ", "a\x7f", "a\x85b", "a\u202eb",
     "a\u2066b", "\u200b",
     "\ufeffa", "a\u2028b", "\u00a0", "\ue000", "\U000e0001"],
)  # fmt: skip
def test_a_subject_that_would_do_harm_later_is_refused(subject):
    assert_refused("id_token_subject", id_token(sub=subject))


@pytest.mark.row("ID-21", "ID-23")
def test_a_lone_surrogate_never_gets_as_far_as_the_claims():
    payload = json.dumps(claims(sub="MARK"))
    for sub in ("\\ud800", "a\\udfffb", "\\udc00\\ud800"):
        assert_refused("id_token_malformed", raw_id_token(payload.replace("MARK", sub)))
    assert verify(raw_id_token(payload.replace("MARK", "\\ud83d\\ude00"))).subject == "😀"


@pytest.mark.row("ID-21")
@pytest.mark.parametrize(
    "subject", ["x", "x" * 255, "ada@example.com", "a b", "Jürgen", "uid=ada,ou=People", "auth0|5f7c8ec7c33c6c004bbafe82", "李", "'\"<script>"]
)
def test_ordinary_subjects_are_kept_as_they_are(subject):
    assert verify(id_token(sub=subject)).subject == subject


@pytest.mark.row("NO-01", "NO-03")
@pytest.mark.parametrize("nonce", [ABSENT, None])
def test_a_missing_nonce_is_refused(nonce):
    assert isinstance(assert_refused("nonce_missing", id_token(nonce=nonce)), LoginError)


@pytest.mark.row("NO-02", "NO-03", "NO-04", "CI-01")
@pytest.mark.parametrize(
    "nonce",
    ["", f"{NONCE}1", NONCE[:-1], NONCE.upper(), f" {NONCE}", 7, True, [NONCE], {"nonce": NONCE}, "n" * 90_000, "é", f"{NONCE}\x00", "null1"],
    ids=lambda value: str(value)[:20],
)  # fmt: skip
def test_another_nonce_is_refused(nonce):
    assert isinstance(assert_refused("nonce_mismatch", id_token(nonce=nonce)), LoginError)


@pytest.mark.row("NO-03")
def test_the_nonce_is_compared_byte_by_byte():
    composed, decomposed = "é", "e\u0301"
    assert_refused("nonce_mismatch", id_token(nonce=composed), nonce=decomposed)
    assert_refused("nonce_mismatch", id_token(nonce="ſ"), nonce="s")
    assert verify(id_token(nonce=composed), nonce=composed)


def test_where_no_nonce_was_sent_none_is_expected():
    assert verify(id_token(nonce=ABSENT), nonce=None)
    assert verify(id_token(), nonce=None)


@pytest.mark.row("ID-30")
@pytest.mark.parametrize("value", [ABSENT, None, "", str(TIME), True, [], -1, 1e300, TIME + 61])
def test_max_age_needs_a_usable_auth_time(value):
    error = assert_refused("auth_time_missing", id_token(auth_time=value), max_age=3600)
    assert isinstance(error, LoginError)
    assert error.status == 403
    result = verify(id_token(auth_time=value))  # nobody asked: an odd value hurts nobody
    assert result.auth_time is None or value == TIME + 61


@pytest.mark.row("ID-30")
def test_max_age_is_enforced_here():
    assert verify(id_token(auth_time=TIME - 3600), max_age=3600)
    assert verify(id_token(auth_time=TIME - 3660), max_age=3600)
    error = assert_refused("auth_too_old", id_token(auth_time=TIME - 3661), max_age=3600)
    assert error.status == 403
    assert verify(id_token(auth_time=TIME - 3661))
    assert verify(id_token(auth_time=NOW - 0.25), max_age=0)
    assert_refused("auth_too_old", id_token(auth_time=TIME - 1), max_age=0, leeway=0)
    assert verify(id_token(auth_time=NOW), max_age=0, leeway=0)


@pytest.mark.row("ID-30")
@pytest.mark.parametrize("acr", [ABSENT, None, "", "urn:low", ["urn:high"], 2, True, "urn:HIGH", "urn:high urn:low"])
def test_acr_is_enforced_here(acr):
    error = assert_refused("acr_insufficient", id_token(acr=acr), acr_values=("urn:high", "2"))
    assert error.status == 403
    assert verify(id_token(acr=acr))
    assert verify(id_token(acr="urn:high"), acr_values=("urn:high", "2"))


@pytest.mark.row("ID-28", "CI-05")
@pytest.mark.parametrize("alg", [*ALGORITHMS, "HS256", "HS384", "HS512"])
def test_at_hash_binds_the_access_token_with_every_algorithm(alg):
    keys = key_set(key_for(alg))
    settings = {"algs": (alg,), "client_secret": SECRET if alg.startswith("HS") else None}
    token = id_token(alg, at_hash=id_token_hash("access-token", alg))
    assert verify(token, keys, access_token="access-token", **settings)
    assert isinstance(assert_refused("id_token_at_hash", token, keys, access_token="access-tokem", **settings), ProviderError)


@pytest.mark.row("ID-28")
@pytest.mark.parametrize(
    "value",
    [None, "", "x", 7, True, [], {}, id_token_hash("other"), id_token_hash("access-token") + "=", id_token_hash("access-token", "RS512"), "é"],
)
def test_a_wrong_at_hash_is_refused(value):
    assert_refused("id_token_at_hash", id_token(at_hash=value), access_token="access-token")


@pytest.mark.row("ID-28", "ID-29")
def test_the_hashes_are_optional_in_the_code_flow():
    assert verify(id_token(), access_token="access-token", code="code")
    assert verify(id_token(at_hash="x", c_hash="y"))  # nothing to compare with


@pytest.mark.row("ID-29")
def test_a_wrong_c_hash_is_refused():
    assert verify(id_token(c_hash=id_token_hash("the-code")), code="the-code")
    for value in ("", None, 7, id_token_hash("another-code"), id_token_hash("the-code")[:-1]):
        assert_refused("id_token_c_hash", id_token(c_hash=value), code="the-code")


@pytest.mark.row("ID-34")
def test_who_the_user_is_never_depends_on_the_email():
    one, two = verify(id_token(email="ada@example.com", email_verified=False)), verify(id_token(email="admin@example.com", preferred_username="root"))
    assert (one.issuer, one.subject) == (two.issuer, two.subject)


@pytest.mark.parametrize(("sid", "usable"), [("s", "s"), ("", None), (None, None), (7, None), ("a\nb", None), (ABSENT, None)])
def test_sid_is_text_or_nothing(sid, usable):
    assert verify(id_token(sid=sid)).sid == usable


def test_the_signature_comes_before_the_claims():
    """Claims of a token that nobody signed are not even looked at, so no error tells what they should be."""
    assert_refused("id_token_signature", id_token(key=rsa(2), header={"kid": "rsa-1"}, iss="evil", aud="evil", exp=0, nonce="x"))
    assert_refused("id_token_issuer", id_token(iss="evil", aud="evil", exp=0, nonce="x"))
