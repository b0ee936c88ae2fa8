"""What a session id is, what is in the store, and what somebody can do who writes there (catalogue CK-02, CK-24, CK-25, DS-02, DS-03, F-ST-12)."""

import hashlib
import json
import pickle
import re
from base64 import urlsafe_b64decode
from pathlib import Path

import pytest

from oidc_middleware.clock import SystemClock
from oidc_middleware.drive import SyncWorld, run
from oidc_middleware.flows.messages import Request
from oidc_middleware.sessions.packing import pack, unpack
from oidc_middleware.sessions.session import Session
from oidc_middleware.stores import open_sync
from oidc_middleware.stores.memory import MemoryStore
from oidc_middleware.testing.keys import b64url
from tests.catalogue.helpers import BASE_URL, assert_strict, codes_on, landed, login_url, raw_request
from tests.catalogue.helpers_stores import SyncRecorder, key_of, record_of, session_id

SCRIPT = {"sec-fetch-mode": "cors", "sec-fetch-dest": "empty", "accept": "*/*"}


def nobody(stage, browser):
    """The session of *browser* opens nothing, is not deleted, and a person can sign in."""
    stage.clock.advance(1)
    cookies, calls = stage.session_of(browser), len(stage.seen)
    assert stage.who(browser) is None
    page = browser.navigate("/page", follow=False)
    assert (page.status, page.location.startswith(stage.provider.issuer)) == (302, True)
    assert stage.session_of(browser) == cookies
    assert len(stage.seen) == calls
    assert not [record for record in stage.caplog.records if record.levelname == "ERROR"]
    stage.caplog.clear()


# -- ids ------------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.row("CK-24")
def test_ck_24_ids_are_256_random_bits(stage, store):
    """Drawn from the machine's own source; each bit is one as often as not."""
    site = stage.site
    now = stage.clock.now()
    request = Request("http", "GET", "https", "", "/", "", "", "", lambda _name: [], "", now)
    session = Session(issuer=stage.provider.issuer, subject="ada", claims_json="{}", created=now, seen=now, expires=now + 60)
    world = SyncWorld(None, SystemClock(), MemoryStore())
    ids = [run(site.stored.write(session, request, now), world)[0].partition(";")[0].partition("=")[2] for _ in range(2_000)]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{43}", value) for value in ids)
    numbers = [int.from_bytes(urlsafe_b64decode(value + "=")) for value in ids]
    for bit in range(256):
        assert 800 < sum(number >> bit & 1 for number in numbers) < 1_200, "nine standard deviations"


@pytest.mark.row("CK-24")
def test_ck_24_what_is_no_id_makes_no_call(stage, store):
    _, browser = stage.accepts()
    real = session_id(stage, browser)
    bad = ["", "..", "../../x", "*", "%0d%0aDEL", "A" * 42, "A" * 44, "A" * 100_000, real + "=", real[:-1] + "+", real[:-1] + "/", f'"{real}"']
    bad += [f"{real}.1", f"s:{real}", f"{real[:-1]}%", real.replace(real[5], "\xe9"), real[:20] + "\x00" + real[21:], real[:20] + "{}" + real[22:]]
    raw = stage.browser(pep3333=False)
    store.calls.clear()
    for value in bad:
        stage.clock.advance(1)
        page = raw_request(raw, "/api", cookie=f"{stage.session_name}={value}", headers=SCRIPT)
        assert (page.status, codes_on(page), page.all("set-cookie")) == (401, ["login_required"], []), value
        assert_strict(page)
    for pair in (
        f"{stage.session_name}={real}; {stage.session_name}={real}",
        f"{stage.session_name}.1={real}",
        f"{stage.session_name.upper()}={real}",
    ):
        assert raw_request(raw, "/api", cookie=pair, headers=SCRIPT).status == 401
    assert store.calls == []
    assert stage.who(browser) == stage.provider.user["sub"]


@pytest.mark.row("CK-24", "CK-22")
def test_ck_24_the_store_learns_neither_ids_nor_who_it_is(stage, store):
    stage.provider.sid = "canary-sid"
    stage.provider.user |= {"name": "Ada Canary Lovelace", "email": "canary@example.com"}
    browser = stage.browser()
    browser.login("/start")
    value = session_id(stage, browser)
    stage.clock.advance(16 * 60)
    stage.who(browser)
    browser.post_form("/oidc/logout", follow=False)
    assert {"create", "get", "replace", "delete", "claim"} <= set(store.names())
    (created,) = [(args, options) for name, args, options in store.calls if name == "create"]
    assert created[0][0] == "s:" + b64url(hashlib.sha256(value.encode()).digest())
    assert created[1]["ttl"] <= stage.site.lifetimes.idle_timeout
    told = repr(store.calls)
    for secret in (value, "canary", "Ada Canary", stage.provider.user["sub"], "example.com", *stage.provider.secrets):
        assert secret not in told
    for name, args, _ in store.calls:
        assert re.fullmatch(r"[!-~]{1,80}", args[0]), (name, args)


# -- contents -------------------------------------------------------------------------------------------------------------------------------


class Bomb:
    """Whoever unpickles it creates a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


def forgeries(stage, key, data, foreign, path):
    """What may stand under *key* in place of *data*: somebody's random bytes, a program's own format, another version's, another session's."""
    keyring, entropy = stage.site.keyring, stage.clock.random(12)
    plain = keyring.open("stored-session", unpack(data))
    encoded = plain.partition(b"\n")[2]

    def sealed(content, purpose="stored-session"):
        return pack(keyring.seal(purpose, content, entropy))

    owner = key.encode() + b"\n"
    yield from (b"", b"\x00", b"\xff" * 300, b"null", data[:-1], data[1:], data + b"A", data[: len(data) // 2], data.swapcase(), data + data)
    assert data[:1] == b"\0", "packed"
    yield from (b"\0" + data, unpack(data).encode()[:-1], unpack(data).swapcase().encode())
    yield from (data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :] for at in range(0, len(data), 37))
    yield from (plain, json.dumps({"sub": "mallory", "user": "mallory"}).encode(), pickle.dumps(Bomb(path)))
    yield from (sealed(content) for content in (b"", owner, owner + b"{}", encoded, owner + pickle.dumps(Bomb(path)), owner + b"9" + encoded[1:]))
    yield from (
        sealed(owner[:-1] + encoded),
        sealed(owner.upper() + encoded),
        sealed(b"s:" + b"0" * 64 + b"\n" + encoded),
        sealed(owner + encoded[:-1]),
    )
    yield from (sealed(plain, "session"), sealed(encoded, "session"), sealed(plain, "login"), foreign)


@pytest.mark.row("CK-25", "F-ST-12", "CK-19", "F-PR-02")
def test_ck_25(stage, store, tmp_path):
    """Whoever writes into the store makes nobody somebody. Nothing is deleted, for a newer worker may know what we do not."""
    _, browser = stage.accepts()
    stage.provider.user = {"sub": "mallory"}
    _, bystander = stage.accepts()
    key, data = key_of(stage, browser), record_of(stage, store, browser).data
    foreign = record_of(stage, store, bystander).data
    path = tmp_path / "exploded"
    count = 0
    for bad in forgeries(stage, key, data, foreign, path):
        count += 1
        known = store.inner.get(key, stage.clock.now())
        assert store.inner.replace(key, bad, known.version, ttl=3600, now=stage.clock.now())
        stored = store.inner.get(key, stage.clock.now())
        nobody(stage, browser)
        assert store.inner.get(key, stage.clock.now()) == stored
        assert "delete" not in store.names()
        if known.version % 10 == 0:
            assert stage.who(bystander) == "mallory"
            assert store.inner.replace(key, data, known.version + 1, ttl=3600, now=stage.clock.now())
            assert stage.who(browser) == "user-subject-1234531", "as it was: it was not deleted"
    assert count > 30
    assert not path.exists()
    known = store.inner.get(key, stage.clock.now())
    store.inner.replace(key, data, known.version, ttl=3600, now=stage.clock.now())
    assert (stage.who(browser), stage.who(bystander)) == ("user-subject-1234531", "mallory")


@pytest.mark.row("CK-25", "CK-19")
def test_ck_25_another_applications_session_is_none_of_ours(stage, store):
    """Two applications, one store, one secret: the same cookie value means nothing at the other one."""
    _, browser = stage.accepts()
    other = stage.worker(client_id="other-client")
    name = other._rp.sites.fixed.sessions._name
    assert name != stage.session_name
    page = raw_request(stage.browser(other), "/api", cookie=f"{name}={session_id(stage, browser)}", headers=SCRIPT)
    assert (page.status, page.all("set-cookie")) == (401, [])
    assert stage.who(browser) == stage.provider.user["sub"]


@pytest.mark.row("CK-25", "CK-19")
def test_ck_25_a_session_in_cookies_is_none_in_a_store_and_the_other_way_round(stage, store):
    _, stored = stage.accepts()
    both = stage.browser()
    in_cookies = stage.worker(store="cookie")
    browser = stage.browser(in_cookies)
    browser.login("/start")
    moved = stage.browser()
    moved.cookies = browser.cookies
    nobody(stage, moved)
    both = stage.browser(in_cookies)
    both.cookies = stored.cookies
    assert stage.who(both) is None
    assert landed(moved.login(login_url("/moved"))) == "/moved"
    assert stage.who(moved) == stage.provider.user["sub"]
    assert list(stage.session_of(moved)) == [stage.session_name]


@pytest.mark.row("CK-02", "CK-16", "F-PR-03")
def test_ck_02_a_key_that_is_not_known_here_yet(stage, store):
    old, new = "old-secret-key-0123456789-abcdefghijklmnopqr", "new-secret-key-0123456789-abcdefghijklmnopqr"
    first = stage.browser(stage.worker(secret_key=[old]))
    first.login("/start")
    behind = stage.browser(stage.worker(secret_key=[new]))
    behind.cookies = first.cookies
    nobody(stage, behind)
    both = stage.browser(stage.worker(secret_key=[new, old]))
    both.cookies = first.cookies
    assert stage.who(both) == stage.provider.user["sub"]
    stage.clock.advance(16 * 60)
    assert stage.who(both) == stage.provider.user["sub"], "written anew, with the new key"
    assert stage.who(behind) == stage.provider.user["sub"]


# -- what costs nothing ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.row("DS-03", "DS-02")
def test_ds_03_who_is_not_signed_in_makes_no_call_at_all(stage, store):
    raw = stage.browser(pep3333=False)
    for number in range(50):
        stage.clock.advance(1)
        browser = stage.browser()
        location = browser.start_login(f"/page/{number}")
        browser.fetch("/api")
        browser.fetch("/api", method="POST", body=b"x")
        for path in ("/oidc/session", "/oidc/login?return_to=/x", "/oidc/signed-out?state=x", "/oidc/logout", "/oidc/nothing"):
            browser.navigate(path, follow=False)
        browser.navigate("/oidc/callback?code=guessed&state=guessed", follow=False)
        browser.finish_login(location, state="guessed")
        browser.post_form("/oidc/logout", follow=False)
        raw_request(raw, "/page", cookie=f"{stage.session_name}=garbage{number}")
    assert store.calls == []
    assert landed(browser.finish_login(browser.start_login("/late"))) == "/late"
    assert store.names() == ["claim", "create", "get"]


@pytest.mark.row("DS-02", "DS-03")
def test_ds_02_guessed_ids_are_looked_up_and_nothing_is_written(stage, store):
    for _ in range(50):
        guess = hashlib.sha256(stage.clock.random(8)).hexdigest()[:43]
        page = raw_request(stage.browser(), "/page", cookie=f"{stage.session_name}={guess}")
        assert page.status == 302
        assert page.location.startswith(stage.provider.issuer)
        assert raw_request(stage.browser(), "/oidc/session", cookie=f"{stage.session_name}={guess}", headers=SCRIPT).status == 401
    assert set(store.names()) == {"get"}
    assert len(store.calls) == 100


@pytest.mark.row("DS-02")
def test_ds_02_a_login_and_its_visits_cost_a_few_calls(stage, store):
    _, browser = stage.accepts()
    store.calls.clear()
    for number in range(20):
        assert browser.navigate(f"/page/{number}").url == f"{BASE_URL}/page/{number}"
    assert store.names() == ["get"] * 20
    assert store.writes() == []


@pytest.mark.row("DS-02", "DS-03", "LO-09")
def test_ds_03_signing_out_of_sessions_that_never_were_writes_nothing(stage, store):
    """Programs can send whatever browsers send: a store must not fill up with the ends of what somebody made up."""
    raw = stage.browser()
    headers = {"sec-fetch-site": "same-origin", "origin": BASE_URL, "content-type": "application/x-www-form-urlencoded", "content-length": "0"}
    for _ in range(50):
        guess = hashlib.sha256(stage.clock.random(8)).hexdigest()[:43]
        page = raw_request(raw, "/oidc/logout", cookie=f"{stage.session_name}={guess}", method="POST", headers=headers)
        assert page.status == 303
        assert any(header.startswith(f"{stage.session_name}=") and "Max-Age=0" in header for header in page.all("set-cookie"))
    assert store.writes() == []


@pytest.mark.row("F-PR-15", "CK-05")
@pytest.mark.parametrize("count", [1_000, 5_000])
def test_f_pr_15_a_store_holds_large_accounts(stage, store, count):
    groups = [f"{number:08x}-1f2e-4d3c-9b8a-5d6e7f8a9b0c" for number in range(count)]
    stage.provider.user["groups"] = groups
    _, browser = stage.accepts()
    assert browser.fetch("/api").json()["claims"]["groups"] == groups
    assert len(browser.cookies.header(BASE_URL, stage.clock.now())) < 500


@pytest.mark.row("F-PR-07")
def test_f_pr_07_a_users_own_synchronous_store_serves_both_shells(stage):
    """Under an event loop it is called in threads."""
    store = SyncRecorder(open_sync("memory://"))
    stage.restart(store=store)
    _, browser = stage.accepts()
    thief = browser.twin()
    browser.post_form("/oidc/logout")
    assert stage.who(thief) is None
    assert {"claim", "create", "get", "delete"} <= set(store.names())
