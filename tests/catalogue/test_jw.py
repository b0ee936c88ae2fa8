"""Catalogue 1.6, JW: key sets, seen from a login."""

from concurrent.futures import ThreadPoolExecutor

import anyio
import pytest

from oidc_middleware.testing import Sent, run_async
from oidc_middleware.testing.keys import ProviderKeys, make_key, public_jwk, rsa_key
from tests.catalogue.helpers import codes_on, landed, shown

BAD_KEYS = [
    {},
    {"kty": "RSA", "kid": "no-n"},
    {"kty": "RSA", "kid": "odd-n", "n": "!!", "e": "AQAB"},
    {"kty": "EC", "kid": "curve", "crv": "P-999", "x": "AA", "y": "AA"},
    {"kty": "EC", "kid": "off", "crv": "P-256", "x": "A" * 43, "y": "A" * 43},
    {"kty": "AKP", "kid": "future", "alg": "ML-DSA-44", "pub": "AA"},
    {"kty": ["RSA"]},
    {"kty": 1, "n": {}},
    None,
    "key",
    [],
    7,
]


@pytest.mark.row("JW-01")
@pytest.mark.parametrize("before", [False, True])
def test_jw_01(stage, before):
    """Bad keys among good ones are skipped and reported; the good ones work."""
    stage.provider.jwks_edit = lambda document: {"keys": [*BAD_KEYS, *document["keys"]] if before else [*document["keys"], *BAD_KEYS]}
    assert landed(stage.browser().login("/deep")) == "/deep"
    assert [record for record in stage.caplog.records if "keys.skipped" in record.getMessage()]
    stage.assert_nothing_leaked()


@pytest.mark.row("JW-02")
@pytest.mark.parametrize(
    "answer",
    [
        {"json": {"keys": []}},
        {"json": {}},
        {"json": []},
        {"json": {"keys": {}}},
        {"json": {"keys": None}},
        {"body": b"<html>", "headers": {"content-type": "text/html"}},
        {"status": 204, "body": b""},
        {"status": 304, "body": b""},
        {"status": 404, "json": {}},
        {"body": b""},
        {"body": b'{"keys": ['},
    ],
)
def test_jw_02(stage, answer):
    """Nothing usable: no login without keys from before, and no change for anybody who has them."""
    stage.provider.script("jwks", **answer)
    browser = stage.browser()
    location = browser.start_login("/deep")
    page = browser.finish_login(location)
    assert (page.status, codes_on(page)[0]) in {(502, "jwks_invalid"), (503, "keys_unavailable"), (502, "id_token_key_unknown")}
    assert stage.session_of(browser) == {}
    stage.provider.unscript()
    stage.clock.advance(61)
    stage.accepts()
    stage.provider.script("jwks", **answer)
    for _ in range(3):
        stage.clock.advance(3_601)
        assert landed(stage.browser().login("/deep")) == "/deep", "the keys from before were dropped"
    stage.assert_nothing_leaked(page)


@pytest.mark.row("JW-03")
def test_jw_03(stage):
    filler = [public_jwk(rsa_key(0), kid=f"filler-{number}") for number in range(1_000)]
    stage.provider.jwks_edit = lambda document: {"keys": [*document["keys"], *filler]}
    assert landed(stage.browser().login("/deep")) == "/deep"
    assert len(stage.rp.provider.keys.value.keys) <= 100
    stage.restart()
    stage.provider.jwks_edit = lambda document: {"keys": document["keys"], "padding": "x" * 600_000}
    page = stage.browser().login("/deep")
    assert (page.status, codes_on(page)) == (502, ["response_too_large"])


@pytest.mark.row("JW-04")
def test_jw_04(stage):
    """A secret or private key in a public key set: never used, whatever it would verify."""
    secret = b"a-published-secret-of-32-bytes-0"
    private = {**make_key("RSA", 300).as_dict(private=True), "kid": "private"}
    stage.provider.jwks_edit = lambda document: {"keys": [*document["keys"], {"kty": "oct", "kid": "oct", "k": "YS1wdWJsaXNoZWQ"}, private]}

    def signed_with_the_secret(provider):
        provider.id_token_key, provider.id_token_alg = secret, "HS256"
        provider.id_token_header["kid"] = "oct"

    def signed_with_the_private_key(provider):
        provider.id_token_key = rsa_key(300)
        provider.id_token_header["kid"] = "private"

    stage.refuses_tokens(signed_with_the_secret, code="id_token_algorithm")
    stage.refuses_tokens(signed_with_the_private_key, code="id_token_key_unknown")
    assert private["d"] not in stage.caplog.text


@pytest.mark.row("JW-05")
@pytest.mark.parametrize(
    "url", ["http://op.example/jwks", "http://169.254.169.254/jwks", "file:///etc/passwd", "//op.example/jwks", "https://u:p@op.example/jwks"]
)
def test_jw_05(stage, url):
    stage.provider.metadata_edits["jwks_uri"] = url
    page = stage.browser().navigate("/", follow=False)
    assert (page.status, codes_on(page), page.all("set-cookie")) == (502, ["metadata_endpoint_insecure"], [])
    assert [request.endpoint for request in stage.provider.requests] == ["discovery"]


@pytest.mark.row("JW-05", "DI-03")
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_jw_05_redirects(stage, status):
    stage.provider.script("jwks", status=status, headers={"location": "http://169.254.169.254/jwks"}, body=b"")
    page = stage.browser().login("/deep")
    assert (page.status, codes_on(page)) == (502, ["response_redirected"])
    assert {request.url for request in stage.provider.received("jwks")} == {"https://op.example/jwks"}
    assert not [request for request in stage.provider.requests if "169.254" in request.url]


@pytest.mark.row("JW-06")
def test_jw_06_a_withdrawn_key_is_refused(stage):
    """The old key signs on after it was withdrawn: refused once the new set was read, and read again at most once a minute."""
    stage.accepts()
    old = stage.provider.keys
    stage.provider.keys = ProviderKeys(first_rsa=20)
    assert landed(stage.browser().login("/")) == "/"
    assert stage.count("jwks") == 2
    kid, key = old.signer("RS256")
    stage.provider.id_token_key, stage.provider.id_token_header = key, {"kid": kid}
    stage.clock.advance(60)
    page = stage.browser().login("/")
    assert (page.status, codes_on(page)) == (502, ["id_token_key_unknown"])
    assert stage.count("jwks") == 3


def at_once(stage, requests):
    """The answers to *requests*, all sent at the same moment: tasks in one loop, or threads."""
    server = stage.browser()._sites[0][1]
    if stage.shell == "wsgi":
        with ThreadPoolExecutor(len(requests)) as pool:
            return list(pool.map(server, requests))

    async def all_of_them():
        pages = []

        async def one(request):
            pages.append(await server.call(request))

        async with anyio.create_task_group() as group:
            for request in requests:
                group.start_soon(one, request)
        return pages

    return run_async(all_of_them())


def prepared(stage, browser, answer):
    return browser._prepared(Sent("GET", answer.url), stage.provider.issuer, [answer.url], {"accept": "text/html"}, top_level=True)


def cold_start(stage, count):
    """``(browsers, answers)``: logins begun with an earlier process, whose users all come back to one that has just started."""
    browsers = [stage.browser() for _ in range(count)]
    answers = [stage.provider.respond(browser.start_login("/")) for browser in browsers]
    early = stage.provider
    stage.restart()
    stage.provider.grants = early.grants
    for browser in browsers:
        browser._sites = stage.browser()._sites
    stage.provider.script("jwks", delay=0.02)
    return browsers, answers


@pytest.mark.row("JW-08")
@pytest.mark.parametrize("count", [20, 60])
def test_jw_08(stage, count):
    """Everybody comes back at the same moment (threads on WSGI): one discovery, one key set. Beyond twenty calls at a time: 503 (DS-06)."""
    browsers, answers = cold_start(stage, count)
    stage.provider.script("discovery", delay=0.02)
    pages = at_once(stage, [prepared(stage, browser, answer) for browser, answer in zip(browsers, answers, strict=True)])
    assert (stage.count("discovery"), stage.count("jwks")) == (1, 1)
    assert (count if count <= 20 else 15) <= sum(page.status == 303 for page in pages) <= stage.count("token") <= count
    assert {code for page in pages for code in codes_on(page)} <= ({"provider_busy"} if count > 20 else set())


@pytest.mark.row("JW-08")
def test_jw_08_an_error_is_shared_and_soon_forgotten(stage):
    browsers, answers = cold_start(stage, 20)
    stage.provider.script("discovery", delay=0.02, status=500, body=b"")
    pages = at_once(stage, [prepared(stage, browser, answer) for browser, answer in zip(browsers, answers, strict=True)])
    pages = [shown(page, browser)[1] for page, browser in zip(pages, browsers, strict=True)]
    assert {(page.status, *codes_on(page)) for page in pages} == {(503, "provider_unavailable")}
    assert (stage.count("discovery"), stage.count("token")) == (1, 0)
    stage.provider.unscript()
    stage.clock.advance(5)
    assert landed(browsers[0].deliver(answers[0])) == "/", "the failure was remembered for too long, or the login was lost with it"


@pytest.mark.row("JW-09")
def test_jw_09(stage):
    """One middleware, used from several event loops or threads in turn."""
    for _ in range(3):
        browser = stage.browser()
        if stage.shell == "asgi":
            request = browser._prepared(Sent("GET", "https://app.example.com/deep"), None, [], {"accept": "text/html"}, top_level=True)
            page = anyio.run(browser._sites[0][1].call, request)
        else:
            with ThreadPoolExecutor(1) as pool:
                page = pool.submit(browser.navigate, "/deep", follow=False).result()
        assert page.status == 302
        browser.cookies.receive(page.url, page.all("set-cookie"), stage.clock.now())
        assert landed(browser.finish_login(page.location)) == "/deep"
        stage.clock.advance(3_601)
    assert stage.count("discovery") == 3
