"""Catalogue 1.9, CK: what is sent as a session cookie and is none. Judged through the whole middleware, with raw ``Cookie`` headers."""

import time

import pytest

from oidc_middleware.sessions.session import encode
from oidc_middleware.testing import Cookie, session_set_cookies
from tests.catalogue.helpers import assert_strict, codes_on, landed, login_url, raw_request

SCRIPT = {"sec-fetch-mode": "cors", "sec-fetch-dest": "empty", "accept": "*/*"}


def pairs(header_values):
    """``{name: value}`` of Set-Cookie values."""
    return dict(header.partition(";")[0].split("=", 1) for header in header_values)


def session_for(stage, subject, groups=0):
    """The cookies of a session, as a login would set them."""
    return pairs(session_set_cookies(stage.app, subject, groups=[f"{subject}-{number:04d}-{'x' * 40}" for number in range(groups)]))


def header_of(cookies):
    return "; ".join(f"{name}={value}" for name, value in cookies.items())


def who(stage, cookie):
    """The subject the application sees with this ``Cookie`` header (a list: several), ``None`` for nobody; anything else is a failure."""
    calls, browser = len(stage.seen), stage.browser(pep3333=False)
    page = raw_request(browser, "/api", cookie=cookie, headers=SCRIPT)
    if page.status == 200:
        return page.json()["sub"]
    assert (page.status, codes_on(page), len(stage.seen)) == (401, ["login_required"], calls)
    assert_strict(page)
    return None


def sent_to_login(stage, cookie):
    """What a navigation with this header is answered: a redirect to the provider. Returns its Set-Cookie values that concern the session."""
    page = raw_request(stage.browser(), "/page", cookie=cookie)
    assert page.status == 302
    assert page.location.startswith(stage.provider.issuer + "/authorize?")
    return [header for header in page.all("set-cookie") if header.startswith(stage.session_name)]


@pytest.mark.row("CK-01")
@pytest.mark.parametrize("groups", [0, 70])
def test_ck_01_every_byte_counts(stage, groups):
    cookies = session_for(stage, "ada", groups)
    assert len(cookies) == (2 if groups else 1)
    assert who(stage, header_of(cookies)) == "ada"
    step = 7 if groups else 1
    for name, value in cookies.items():
        for at in range(0, len(value), step):
            changed = chr(ord(value[at]) ^ 1)
            for bent in (value[:at] + changed + value[at + 1 :], value[:at] + value[at + 1 :], value[:at] + "A" + value[at:]):
                if bent != value and ";" not in bent:
                    assert who(stage, header_of({**cookies, name: bent})) is None, (name, at)
    assert sent_to_login(stage, header_of({**cookies, stage.session_name: "broken"})) == []
    stage.assert_nothing_leaked()


@pytest.mark.row("CK-01")
def test_ck_01_parts_of_different_sessions(stage):
    ada, bob = session_for(stage, "ada", 70), session_for(stage, "bob", 70)
    stage.clock.advance(1)
    later = session_for(stage, "ada", 70)
    first, second = ada
    for mixed in (
        {first: ada[first], second: bob[second]},
        {first: bob[first], second: ada[second]},
        {first: ada[first], second: later[second]},
        {first: ada[second], second: ada[first]},
        {first: ada[first]},
        {second: ada[second]},
        {first: ada[first], second: ""},
        {first: ada[first], second: ada[second] + ada[second]},
    ):
        assert who(stage, header_of(mixed)) is None
    assert [who(stage, header_of(cookies)) for cookies in (ada, bob, later)] == ["ada", "bob", "ada"]


@pytest.mark.row("CK-01")
def test_ck_01_the_number_of_parts_counts(stage):
    """The same sealed text, cut at other places, into more parts or into none: only as it was written."""
    cookies = session_for(stage, "ada", 70)
    first, second = cookies
    text = cookies[first].partition("~")[2] + cookies[second]
    for cut in (1, 1_000, len(text) - 1):
        assert who(stage, header_of({first: f"3~{text[:cut]}", second: text[cut:-500], f"{first}.2": text[-500:]})) is None
    assert who(stage, header_of({first: text})) is None
    assert who(stage, header_of({first: f"1~{text}"})) is None
    single = session_for(stage, "bob")[first]
    assert who(stage, header_of({first: f"2~{single[:100]}", second: single[100:]})) is None
    assert (who(stage, header_of(cookies)), who(stage, header_of({first: single}))) == ("ada", "bob")


@pytest.mark.row("CK-02", "CK-16")
def test_ck_02(stage):
    """A cookie that another worker's key made is nobody's here, and stays where it is: the rotation may simply not have arrived."""
    old, new = "old-secret-key-0123456789-abcdefghijklmnopqr", "new-secret-key-0123456789-abcdefghijklmnopqr"
    stage.restart(secret_key=[old])
    _, browser = stage.accepts()
    cookie = header_of(stage.session_of(browser))
    stage.restart(secret_key=[new])
    assert who(stage, cookie) is None
    assert sent_to_login(stage, cookie) == []
    stage.restart(secret_key=[new, old])
    assert who(stage, cookie) == browser.fetch("/api").json()["sub"]


@pytest.mark.row("CK-02", "CK-25")
def test_ck_02_a_format_of_the_future(stage):
    session = stage.site.sessions.read(header_of(session_for(stage, "ada")), stage.clock.now()).session
    for data in (b"\x01[2" + encode(session)[2:], b"\x019" + encode(session)[1:], b"\x01[99,1]\n{}", b"\x01" + b"\x80\x04N.", b"\x01"):
        cookie = f"{stage.session_name}={stage.site.keyring.seal('session', data, stage.clock.random(12))}"
        assert who(stage, cookie) is None
        assert sent_to_login(stage, cookie) == [], "deleted by a version that is a day behind"


@pytest.mark.row("CK-03")
@pytest.mark.parametrize("count", ["99999999", "-1", "1e9", "0x2", "11", "0", "1", "02", "², ", "", "9" * 3_000])
def test_ck_03(stage, count):
    cookies, (first, second) = session_for(stage, "ada", 70), (stage.session_name, f"{stage.session_name}.1")
    part = cookies[first].partition("~")[2]
    assert who(stage, header_of({first: f"{count}~{part}", second: cookies[second]}).encode().decode("latin-1")) is None


@pytest.mark.row("CK-03")
def test_ck_03_ten_thousand_parts(stage):
    cookies = session_for(stage, "ada", 70)
    name = stage.session_name
    flood = "; ".join(f"{name}.{number}=x" for number in range(2, 10_000))
    started = time.process_time()
    assert who(stage, f"{header_of(cookies)}; {flood}") == "ada", "parts that the session does not count are not even looked at"
    assert who(stage, flood) is None
    assert who(stage, f"{name}=10~x; {flood}") is None
    assert time.process_time() - started < 20, "work that grows with the input, not milliseconds, is what this finds"
    assert len(sent_to_login(stage, f"{name}=10~x; {flood}")) <= 10
    gaps, unordered = {name: cookies[name], f"{name}.2": cookies[f"{name}.1"]}, dict(reversed(cookies.items()))
    assert who(stage, header_of(gaps)) is None
    assert who(stage, header_of(unordered)) == "ada"
    assert who(stage, f"{header_of(cookies)}; {name}.1={cookies[f'{name}.1']}") is None


@pytest.mark.row("CK-08")
@pytest.mark.parametrize("attacker_first", [False, True])
def test_ck_08(stage, attacker_first):
    """Two cookies of our name: the attacker's own valid session beside the victim's. Nobody is signed in, both go, the log says so."""
    own, planted = (header_of(session_for(stage, subject)) for subject in ("victim", "attacker"))
    both = f"{planted}; {own}" if attacker_first else f"{own}; {planted}"
    for cookie in (both, both.split("; ")):
        assert who(stage, cookie) is None
        (cleared,) = sent_to_login(stage, cookie)
        assert cleared.startswith(f"{stage.session_name}=; Max-Age=0; Path=/;")
    rejected = [record for record in stage.caplog.records if "session.rejected" in record.getMessage()]
    assert len(rejected) >= 2
    assert {record.levelname for record in rejected} == {"WARNING"}
    assert who(stage, own) == "victim"


@pytest.mark.row("CK-09")
@pytest.mark.parametrize("space", ["\xa0", "\x85", "\x1c", "\x1f", "\x0b", "\x0c", "\xe2\x80\x80", "\r", "\n", "\x00", "\xc2\xa0"])
def test_ck_09(stage, space):
    own, planted = session_for(stage, "victim"), session_for(stage, "attacker")
    ((name, value),) = planted.items()
    for cookie in (f"{space}{name}={value}", f"{name}{space}={value}", f"a=b; {space}{name}={value}", f"a=b;{space}{name}={value}"):
        assert who(stage, cookie) is None
        assert who(stage, f"{header_of(own)}; {cookie}") == "victim"
    assert who(stage, f" \t{name}={value}\t ") == "attacker", "SP and HTAB alone are no part of a name (RFC 6265 5.2)"


@pytest.mark.row("CK-10")
def test_ck_10(stage):
    ((name, value),) = session_for(stage, "attacker").items()
    octal = "".join(f"\\{ord(character):03o}" for character in value)
    for cookie in (
        f"={name}={value}",
        f"$Version=1, {name}={value}",
        f'{name}="{value}"',
        f'{name}="{octal}"',
        f'x="{name}={value}"',
        f'"{name}"={value}',
        f"{name.lower()}={value}",
        f"{name.upper()}={value}",
        f"x{name}={value}",
        f"{name}",
        f"{name}x={value}",
    ):
        assert who(stage, cookie) is None, cookie.replace(value, "...")
    assert who(stage, f'$Version=1; x="1; {name}={value}; y="') == "attacker", "a quote begins nothing: browsers split at every semicolon"


@pytest.mark.row("CK-11")
@pytest.mark.parametrize("junk", ["\xa0a=1", "\xff\xfe", "a=\xc3\x28", "\x80" * 4_000, ";;;=;=;", "=" * 4_000, "é" * 100])
def test_ck_11(stage, junk):
    good = header_of(session_for(stage, "ada"))
    assert who(stage, junk) is None
    assert who(stage, f"{junk}; {good}") == "ada"
    assert who(stage, f"{stage.session_name}={junk.partition(';')[0]}") is None


@pytest.mark.row("CK-12")
def test_ck_12(stage):
    """HTTP/2 clients send each cookie in a header of its own (RFC 9113 8.2.3)."""
    cookies = [f"{name}={value}" for name, value in session_for(stage, "ada", 70).items()]
    assert who(stage, cookies) == "ada"
    assert who(stage, ["a=b", *reversed(cookies), "c=d"]) == "ada"
    assert who(stage, cookies[:1]) is None


@pytest.mark.row("CK-19")
def test_ck_19(stage):
    """Another application with the same secret, and cookies of ours that were made for something else."""
    name = stage.session_name
    ours = session_for(stage, "ada")[name]
    stage.restart(registration={"client_id": "other-app"})
    assert stage.session_name != name
    theirs = session_for(stage, "root")[stage.session_name]
    assert who(stage, f"{stage.session_name}={ours}") is None
    stage.restart()
    assert who(stage, f"{name}={theirs}") is None
    session = stage.site.sessions.read(f"{name}={ours}", stage.clock.now()).session
    for purpose in ("login", "rounds", "csrf", "post-logout"):
        assert who(stage, f"{name}={stage.site.keyring.seal(purpose, bytes([1]) + encode(session), stage.clock.random(12))}") is None
    assert who(stage, f"{name}={ours}") == "ada"


def evict(browser, prefix):
    for cookie in browser.cookies:
        if cookie.name.startswith(prefix):
            del browser.cookies._cookies[cookie.key]


@pytest.mark.row("CK-26")
def test_ck_26(stage):
    """A sibling site fills the cookie jar until ours fall out: that signs the user out, lets nobody in, and does not end in a loop."""
    _, browser = stage.accepts()
    for number in range(200):
        browser.cookies.put(Cookie(f"flood{number}", "x", host="example.com", host_only=False))
    evict(browser, "__Host-")
    assert stage.who(browser) is None
    assert landed(browser.login("/deep")) == "/deep"
    for _ in range(4):
        evict(browser, stage.session_name)
        page = browser.navigate("/deep")
    assert (page.status, codes_on(page)) == (400, ["login_loop"])
    stage.clock.advance(61)
    assert landed(browser.navigate("/deep")) == "/deep"
    assert landed(browser.navigate(login_url("/x"))) == "/x"
