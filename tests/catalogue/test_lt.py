"""Logout tokens at the back-channel endpoint (catalogue 1.14): what is refused, what that costs, and that it ends nothing.

Which sessions a good token ends is in ``test_lt_sessions.py``.
"""

from urllib.parse import quote, urlencode

import httpx
import pytest
from joserfc.jwk import RSAKey

from oidc_middleware.testing import REMOVE, ScriptedProvider
from oidc_middleware.testing.tokens import LOGOUT_EVENT
from tests.catalogue.helpers import codes_on
from tests.conformance.backchannel import ENDPOINT, FORM, assert_done, assert_refused, lives, post, send_logout
from tests.conformance.party import flip_signature

STRANGER = RSAKey.generate_key(2048)


@pytest.fixture(params=["store", "revocation"])
def ending(stage, request):
    """A stage whose sessions the provider can end, and a browser with one of them."""
    stage.restart(**{request.param: "memory://"})
    stage.provider.sid = "session-1"
    stage.browser_in = stage.visitor(signed_in=True)
    return stage


def forget_provider(stage):
    """As in a process that has just started: neither metadata nor keys are known."""
    stage.rp.provider.metadata.value = stage.rp.provider.keys.value = None


def refuses(stage, token, *, fetches=0, code="logout_token_invalid"):
    """*token* is refused, costs the provider so many requests, ends nothing, and the session ends by a good one."""
    forget_provider(stage)
    before = len(stage.provider.requests)
    assert_refused(send_logout(stage, token), code=code)
    assert len(stage.provider.requests) - before == fetches
    assert lives(stage.browser_in)
    stage.assert_nothing_leaked()


def accepts(stage, token):
    """*token* ends the session."""
    assert lives(stage.browser_in)
    assert_done(send_logout(stage, token))
    assert not lives(stage.browser_in)


@pytest.mark.row("LT-01")
def test_lt_01_only_a_post_with_one_token_in_a_form_is_listened_to(ending):
    token = ending.provider.logout_token()
    form = urlencode({"logout_token": token}).encode()
    forget_provider(ending)
    before = len(ending.provider.requests)
    for method in ("GET", "HEAD", "PUT", "DELETE", "OPTIONS"):
        page = post(ending, b"", method=method, path=f"{ENDPOINT}?logout_token={quote(token)}")
        assert (page.status, page.header("allow"), page.all("access-control-allow-origin")) == (405, "POST", [])
    multipart = b'--x\r\nContent-Disposition: form-data; name="logout_token"\r\n\r\n' + token.encode() + b"\r\n--x--\r\n"
    odd = [
        (b"", FORM),
        (b"token=" + token.encode(), FORM),
        (b"logout_token=", FORM),
        (form + b"&" + form, FORM),
        (form, "application/json"),
        (form, ""),
        (b'{"logout_token": "' + token.encode() + b'"}', "application/json"),
        (multipart, "multipart/form-data; boundary=x"),
        (token.encode(), "application/jwt"),
        (form + b"&x=\xff", FORM),
        (form + b"&x=" * 60, FORM),
    ]
    for body, content_type in odd:
        assert_refused(post(ending, body, content_type=content_type))
    assert_refused(post(ending, b"", path=f"{ENDPOINT}?logout_token={quote(token)}"))
    assert_refused(post(ending, form + b"&x=" + b"y" * 65_536), code="body_too_large")
    assert len(ending.provider.requests) == before
    assert lives(ending.browser_in)
    accepts(ending, token)


@pytest.mark.row("LT-02")
def test_lt_02_garbage_costs_the_provider_nothing(ending):
    head, payload, signature = ending.provider.logout_token().split(".")
    expired = ending.provider.logout_token(exp=int(ending.clock.now()) - 3600, key=STRANGER)
    deep = ending.provider.logout_token(events=LOGOUT_EVENT, key=STRANGER)
    garbage = ["garbage", ".", "..", "...", f"{head}.{payload}", f"{head}.{payload}.{signature}.x", f"{head}.!.{signature}", f"{head}..{signature}"]
    for token in [*garbage, "x" * 60_000, "é.é.é", expired, deep, f"{payload}.{payload}.{signature}"]:
        refuses(ending, token)
    forget_provider(ending)
    accepts(ending, ending.provider.logout_token())


@pytest.mark.row("LT-02")
def test_lt_02_a_provider_that_is_away_is_told_to_come_again(ending):
    forget_provider(ending)
    ending.provider.script("jwks", raises=httpx.ConnectError("refused"), times=1)
    token = ending.provider.logout_token()
    assert_refused(send_logout(ending, token), code="provider_unreachable", retry=True)
    assert lives(ending.browser_in)
    ending.clock.advance(5)
    accepts(ending, token)


@pytest.mark.row("LT-03")
def test_lt_03_signatures_that_are_none(ending):
    provider = ending.provider
    kid, key = provider.keys.signer("RS256")
    refuses(ending, provider.logout_token(alg="none"))
    refuses(ending, provider.logout_token(alg="ES256"))
    refuses(ending, provider.logout_token(alg="RS512"))
    refuses(ending, provider.logout_token(alg="HS256", key=key.as_pem(private=False), header={"kid": kid}))
    refuses(ending, provider.logout_token(alg="HS256", key=provider.client_secret.encode()))
    refuses(ending, flip_signature(provider.logout_token()), fetches=2)
    refuses(ending, provider.logout_token(key=STRANGER), fetches=2)
    accepts(ending, provider.logout_token())


@pytest.mark.row("LT-03", "JW-07", "DS-09")
def test_lt_03_a_storm_of_unknown_keys_is_one_fetch_a_minute(ending):
    def storm():
        before = ending.count("jwks")
        for number in range(40):
            assert_refused(send_logout(ending, ending.provider.logout_token(key=STRANGER, header={"kid": f"unknown-{number}"})))
            ending.clock.advance(1)
        return ending.count("jwks") - before

    assert storm() == 1
    ending.clock.advance(21)
    assert storm() == 1
    assert lives(ending.browser_in)
    accepts(ending, ending.provider.logout_token())


@pytest.mark.row("LT-03", "JW-06")
def test_lt_03_keys_are_looked_for_again_when_the_provider_has_new_ones(ending):
    stale = ending.provider.logout_token(sid="another")
    ending.provider.rotate_keys()
    accepts(ending, ending.provider.logout_token())
    assert ending.count("jwks") == 2
    assert_refused(send_logout(ending, stale))
    assert ending.count("jwks") == 2


@pytest.mark.row("LT-04")
def test_lt_04_a_token_of_another_type_is_none(ending):
    for typ in ("JWT", "at+jwt", "id_token+jwt", "", None, 1, ["logout+jwt"]):
        refuses(ending, ending.provider.logout_token(header={"typ": typ}))
    accepts(ending, ending.provider.logout_token(header={"typ": "logout+jwt"}))


@pytest.mark.row("LT-04")
def test_lt_04_a_token_without_type_has_to_keep_all_other_rules(ending):
    refuses(ending, ending.provider.logout_token(events=REMOVE))
    accepts(ending, ending.provider.logout_token())


@pytest.mark.row("LT-05")
def test_lt_05_another_issuer(ending):
    for issuer in ("https://other.example", ending.provider.issuer + "/", ending.provider.issuer.upper(), REMOVE, None, [ending.provider.issuer]):
        refuses(ending, ending.provider.logout_token(iss=issuer))


@pytest.mark.row("LT-05", "MX-10")
def test_mx_10_another_provider_ends_nothing_here(ending):
    other = ScriptedProvider(issuer="https://other.example", clock=ending.clock)
    other.sid = ending.provider.sid
    refuses(ending, other.logout_token())
    refuses(ending, other.logout_token(iss=ending.provider.issuer), fetches=3)
    accepts(ending, ending.provider.logout_token())


@pytest.mark.row("LT-06")
def test_lt_06_another_audience(ending):
    for audience in ("other", ["other"], ["app", "other"], [], "", ["app", 1], {"app": 1}, "APP", REMOVE):
        refuses(ending, ending.provider.logout_token(aud=audience))
    accepts(ending, ending.provider.logout_token(aud=["app"]))


@pytest.mark.row("LT-07")
def test_lt_07_times(ending):
    now = int(ending.clock.now())
    for iat in (REMOVE, now + 90, now - 301, "1", None, True, float("inf")):
        refuses(ending, ending.provider.logout_token(iat=iat, exp=now + 3600))
    for exp in (REMOVE, now - 61, 0, "9999999999", None):
        refuses(ending, ending.provider.logout_token(exp=exp))
    accepts(ending, ending.provider.logout_token(iat=now + 30, exp=now + 150))


@pytest.mark.row("LT-07")
@pytest.mark.parametrize("place", ["store", "revocation"])
def test_lt_07_a_provider_from_before_exp_was_required(stage, place):
    stage.restart(**{place: "memory://"}, allow_missing_exp=True)
    stage.provider.sid = "session-1"
    stage.browser_in = stage.accepts()[1]
    stage.clock.advance(101)
    now = int(stage.clock.now())
    for wrong in ({"exp": REMOVE, "iat": now - 121}, {"exp": None}, {"exp": now - 61}, {"exp": REMOVE, "iat": REMOVE}):
        refuses(stage, stage.provider.logout_token(**wrong))
    accepts(stage, stage.provider.logout_token(exp=REMOVE, iat=now - 100))
    stage.refuses_tokens(lambda provider: provider.id_token_claims.update(exp=REMOVE), code="id_token_expired")


@pytest.mark.row("LT-08")
def test_lt_08_a_token_has_a_name(ending):
    for jti in (REMOVE, "", None, 7, "x" * 257, "a\nb"):
        refuses(ending, ending.provider.logout_token(jti=jti))


@pytest.mark.row("LT-10")
def test_lt_10_the_event(ending):
    wrong = (REMOVE, None, [], [LOGOUT_EVENT], LOGOUT_EVENT, {}, {"http://other": {}})
    for events in (*wrong, {LOGOUT_EVENT: None}, {LOGOUT_EVENT: []}, {LOGOUT_EVENT: True}):
        refuses(ending, ending.provider.logout_token(events=events))
    accepts(ending, ending.provider.logout_token(events={LOGOUT_EVENT: {"x": 1}, "http://other": {}}))


@pytest.mark.row("LT-11")
def test_lt_11_a_nonce(ending):
    for nonce in ("n", "", None, 0):
        refuses(ending, ending.provider.logout_token(nonce=nonce))


@pytest.mark.row("LT-13")
def test_lt_13_other_tokens_of_the_provider_end_nothing(ending):
    id_token = ending.provider.issued_id_tokens[-1]
    access_token = next(iter(ending.provider.tokens))
    refuses(ending, id_token)
    refuses(ending, access_token)
    refuses(ending, ending.provider.logout_token(header={"typ": "at+jwt"}, events=REMOVE, jti=REMOVE))


@pytest.mark.row("LT-13")
@pytest.mark.parametrize(("header", "code", "status"), [({}, "nonce_missing", 400), ({"typ": "logout+jwt"}, "id_token_header", 502)])
def test_lt_13_a_logout_token_signs_nobody_in(stage, header, code, status):
    def bend(provider):
        provider.id_token_edit = lambda _token: provider.logout_token(header=header)

    stage.refuses_tokens(bend, code=code, status=status)


@pytest.mark.row("LT-15")
def test_lt_15_an_encrypted_token_is_refused(ending):
    head, payload, _ = ending.provider.logout_token().split(".")
    refuses(ending, f"{head}.{payload}.{payload}.{payload}.{payload}")


@pytest.mark.row("LT-17")
def test_lt_17_without_a_place_to_end_sessions_there_is_no_endpoint(stage):
    stage.restart()
    stage.provider.sid = "session-1"
    browser = stage.visitor(signed_in=True)
    page = send_logout(stage, stage.provider.logout_token())
    assert (page.status, codes_on(page), page.all("cache-control")) == (404, ["not_found"], ["no-store"])
    assert lives(browser)


@pytest.mark.row("LT-20")
def test_lt_20_cookies_count_for_nothing(ending):
    """The signature is the only authority: a foreign page that makes a browser post here ends nothing, and learns nothing."""
    victim = ending.browser_in
    for data in ({}, {"logout_token": "garbage"}):
        page = victim.post_form(ENDPOINT, data, initiator="https://evil.example")
        assert_refused(page)
    cookie = victim.cookies.header("https://app.example.com/x", ending.clock.now())
    for site in ("cross-site", "same-origin"):
        headers = [("cookie", cookie), ("origin", "https://evil.example"), ("sec-fetch-site", site)]
        assert_refused(send_logout(ending, "garbage", headers=headers))
        assert_done(send_logout(ending, ending.provider.logout_token(sub="somebody-else", sid="another"), headers=headers))
    assert lives(victim), "neither its cookie nor its origin says whose session is meant"
    assert_done(send_logout(ending, ending.provider.logout_token(), headers=[("origin", "https://evil.example"), ("sec-fetch-site", "cross-site")]))
    assert not lives(victim)
