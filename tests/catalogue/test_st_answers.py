"""Catalogue 1.2, ST: what else comes with an authorization response, and what other sites make a browser do."""

from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from oidc_middleware import asgi
from oidc_middleware.testing import REMOVE, Sent, run_async
from tests.catalogue.helpers import BASE_URL, assert_strict, codes_on, landed, login_url, quoted
from tests.catalogue.helpers_redirects import links_on
from tests.conformance.party import DEEP_LINK

FORM = "application/x-www-form-urlencoded"
EVIL = "https://evil.example"


def answering(stage, **edits):
    """An attack: the provider's answer to the login, bent."""
    return lambda browser, location: browser.deliver(stage.provider.respond(location, **edits))


def asked(location):
    """The parameters of an authorization request; each occurs once."""
    parameters = parse_qs(urlsplit(location).query, keep_blank_values=True)
    assert all(len(values) == 1 for values in parameters.values())
    return {name: value for name, (value,) in parameters.items()}


def posting(stage, body, content_type=FORM):
    """An attack: the provider's answer to the login, posted as *body*, a template for its code and state."""

    def attack(browser, location):
        answer = {name: values[0] for name, values in parse_qs(stage.provider.respond(location).form).items()}
        return browser.post_form("/oidc/callback", body.format(**answer), initiator=stage.provider.issuer, headers={"content-type": content_type})

    return attack


@pytest.mark.row("ST-13")
@pytest.mark.parametrize("body", ["{0}&x=%", "{0}&x=%zz", "{0}&x=%ff", "{0}&x=\x00", "&".join(f"p{number}=1" for number in range(60)) + "&{0}"])
def test_st_13(stage, body):
    stage.restart(response_mode="form_post")
    stage.refuses_attack(posting(stage, body.format("code={code}&state={state}")), code="malformed_parameter")


@pytest.mark.row("ST-13")
@pytest.mark.parametrize(
    ("body", "content_type", "status", "code"),
    [
        ("code={code}&state={state}", "text/plain", 415, "body_unsupported"),
        ("code={code}&state={state}", "multipart/form-data; boundary=x", 415, "body_unsupported"),
        ('{{"code":"{code}","state":"{state}"}}', "application/json", 415, "body_unsupported"),
        ("code={code}&state={state}", "", 415, "body_unsupported"),
        ("code={code}&state={state}&x=" + "x" * 65_536, FORM, 413, "body_too_large"),
        ("code={code}&state={state}&x=" + "x" * 1_048_577, FORM, 413, "body_too_large"),
    ],
)
def test_st_13_a_body_of_another_kind_or_size(stage, body, content_type, status, code):
    """Not read at all, so nothing of it counts: the login it names stays usable, and so does everything else."""
    stage.restart(response_mode="form_post")
    for browser, subject in stage.both_visitors():
        location, tokens = browser.start_login(login_url("/target")), stage.count("token")
        page = posting(stage, body, content_type)(browser, location)
        assert (page.status, codes_on(page), page.all("set-cookie")) == (status, [code], [])
        assert_strict(page)
        assert all(link.startswith("/") for link in links_on(page.body))
        assert (stage.who(browser), stage.count("token")) == (subject, tokens)
        assert landed(browser.finish_login(location)) == "/target"
        stage.assert_nothing_leaked(page)


@pytest.mark.row("ST-13")
@pytest.mark.parametrize(("size", "code"), [(8_192, "body_too_large"), (1, "malformed_parameter"), (0, "malformed_parameter")])
def test_st_13_a_body_without_end(stage, monkeypatch, size, code):
    """ASGI alone hands a body over piece by piece; WSGI servers end one at its declared length, and one without a length is not read."""
    stage.restart(response_mode="form_post")
    browser = stage.browser()
    answer = stage.provider.respond(browser.start_login("/deep"))
    if stage.shell == "asgi":
        monkeypatch.setattr(asgi, "BODY_SECONDS", 0.05)
        status, read, text = run_async(_endless(stage, browser, size))
        assert status == (413 if size > 1 else 400)
        assert code in text
        assert read <= 65_536 + size
    else:
        headers = {"content-length": "", "transfer-encoding": "chunked"}
        page = browser.post_form(answer.url, answer.form, initiator=stage.provider.issuer, headers=headers)
        assert (page.status, codes_on(page)) == (400, ["state_missing"])
    assert stage.count("token") == 0
    assert landed(browser.deliver(answer)) == "/deep"


async def _endless(stage, browser, size):
    """A client that sends pieces of *size* bytes for ever; nothing at all after the first one if *size* is 1 or less."""
    import anyio

    server, sent, read = browser._sites[0][1], [], 0
    headers = (("host", "app.example.com"), ("content-type", FORM), ("accept", "text/html"))

    async def receive():
        nonlocal read
        if size <= 1 and read >= size:
            await anyio.sleep(3_600)
        read += max(size, 1)
        return {"type": "http.request", "body": b"x" * size, "more_body": True}

    async def send(message):
        sent.append(message)

    await stage.app(server.scope(Sent("POST", f"{BASE_URL}/oidc/callback", headers=headers)), receive, send)
    return sent[0]["status"], read, sent[1]["body"].decode()


@pytest.mark.row("ST-14")
@pytest.mark.parametrize("name", ["id_token", "access_token"])
def test_st_14(stage, name):
    stage.refuses_attack(answering(stage, **{name: "eyJhbGciOiJub25lIn0.e30."}), code="unexpected_parameter", survives=False)


@pytest.mark.row("ST-14")
@pytest.mark.parametrize("name", ["session_state", "token_type", "expires_in", "scope", "refresh_token", "whatever"])
def test_st_14_what_is_not_asked_for_is_not_used(stage, name):
    browser = stage.browser()
    page = browser.login(DEEP_LINK, **{name: "hostile"})
    assert landed(page) == DEEP_LINK
    assert "hostile" not in page.text
    assert "hostile" not in stage.caplog.text


@pytest.mark.row("ST-15")
@pytest.mark.parametrize(
    ("error", "code", "status"),
    [
        ("access_denied", "access_denied", 403),
        ("login_required", "provider_refused", 400),
        ("<b>x", "provider_refused", 400),
        ("", "provider_refused", 400),
    ],
)
def test_st_15(stage, error, code, status):
    edits = {"code": REMOVE, "error": error, "error_description": "<script>alert('canary-description')</script>\r\nX: y"}
    stage.refuses_attack(answering(stage, **edits), code=code, status=status, survives=False)
    for browser in stage.browsers:
        assert not [page for page in browser.history if "<script" in page.text or "canary-description" in page.text or "<b>x" in page.text]
    assert "\nX: y" not in stage.caplog.text


@pytest.mark.row("ST-15")
@pytest.mark.parametrize(("state", "code", "replay"), [(REMOVE, "state_missing", False), ("B" * 43, "no_transaction", True)])
def test_st_15_without_a_state_that_is_ours(stage, state, code, replay):
    """Anybody can send an error: it neither ends a login nor gets a line of its own onto the page."""
    edits = {"code": REMOVE, "state": state, "error": "access_denied", "error_description": "canary-description"}
    stage.refuses_attack(answering(stage, **edits), code=code, replay=replay)
    assert not [page for browser in stage.browsers for page in browser.history if "canary-description" in page.text]


def across_sites(stage, browser):
    """What a foreign page can make a browser send to our login, one by one."""
    yield browser.fetch("/oidc/login", initiator=EVIL, headers={"sec-fetch-mode": "no-cors", "sec-fetch-dest": "image", "accept": "image/*"})
    yield browser.fetch("/oidc/login", initiator=EVIL, credentials=False)
    yield browser.fetch("/oidc/login", initiator=EVIL, method="POST", headers={"content-type": FORM})
    yield browser.post_form("/oidc/login?return_to=/evils-choice", {"a": "b"}, initiator=EVIL, follow=False)
    yield browser.navigate("/oidc/login?return_to=/evils-choice", initiator=EVIL, follow=False)
    yield browser.navigate(f"/oidc/initiate?iss={quoted(stage.provider.issuer)}", initiator=EVIL, follow=False)


@pytest.mark.row("ST-16")
def test_st_16(stage):
    for browser, subject in stage.both_visitors():
        under_way = browser.start_login("/oidc/login?return_to=/mine")
        session = stage.session_of(browser)
        for page in across_sites(stage, browser):
            assert page.status in (302, 401)
            assert page.status == 302 or page.all("set-cookie") == []
            assert_strict(page)
            assert stage.session_of(browser) == session
            assert not [cookie for cookie in page.all("set-cookie") if cookie.startswith(stage.session_name)]
        assert stage.who(browser) == subject
        assert landed(browser.finish_login(under_way)) == "/mine"
        stage.assert_nothing_leaked()


HOSTILE_PARAMETERS = [
    {"prompt": "none"},
    {"prompt": "login none"},
    {"redirect_uri": f"{EVIL}/cb", "client_id": "evil", "response_type": "token", "response_mode": "fragment"},
    {"state": "evil", "nonce": "evil", "code_challenge": "evil", "code_challenge_method": "plain", "code_verifier": "evil"},
    {"scope": "openid offline_access admin", "claims": "{}", "request": "x", "request_uri": EVIL, "resource": EVIL, "id_token_hint": "x"},
    {"max_age": "0", "acr_values": "weak", "login_hint": "root", "display": "popup", "iss": EVIL},
]


@pytest.mark.row("ST-17", "ST-18")
@pytest.mark.parametrize("hostile", HOSTILE_PARAMETERS)
def test_st_17_and_18(stage, hostile):
    """A link starts a login and chooses nothing about it; what the operator configured stays."""
    stage.restart(authorize_params={"prompt": "consent", "acr_values": "strong", "audience": "api"})
    plain = asked(stage.browser().start_login("/oidc/login"))
    initiate = {**hostile, "iss": stage.provider.issuer, "login_hint": "ada"}  # these two it may name
    for path, query in (("/oidc/login", hostile), ("/any/page", hostile), ("/oidc/initiate", initiate)):
        parameters = asked(stage.browser().start_login(f"{path}?{urlencode(query)}", initiator=EVIL))
        assert parameters.pop("login_hint", None) == ("ada" if query is initiate else None)
        fresh = {"state", "nonce", "code_challenge"}
        assert {**parameters, **{name: plain[name] for name in fresh}} == plain
        assert all(parameters[name] not in (plain[name], *hostile.values()) for name in fresh)
    assert plain["redirect_uri"] == f"{BASE_URL}/oidc/callback"
    assert (plain["prompt"], plain["acr_values"], plain["audience"]) == ("consent", "strong", "api")


@pytest.mark.row("ST-18")
def test_st_18_from_the_endpoints_own_query(stage):
    """The address in the metadata may carry a query; what it says of our parameters does not count."""
    endpoint = f"{stage.provider.issuer}/authorize?tenant=7&state=evil&redirect_uri={quoted(EVIL)}&scope=none&client_id=evil"
    stage.provider.metadata_edits["authorization_endpoint"] = endpoint
    location = stage.browser().start_login("/")
    parameters = asked(location)
    assert parameters["tenant"] == "7"
    assert (parameters["client_id"], parameters["redirect_uri"]) == (stage.provider.client_id, f"{BASE_URL}/oidc/callback")
    assert "evil" not in parameters.values()


@pytest.mark.row("ST-19")
def test_st_19(stage):
    for path in ("/", DEEP_LINK, "/oidc/login", login_url(DEEP_LINK), f"/oidc/initiate?iss={quoted(stage.provider.issuer)}"):
        browser = stage.browser()
        page = browser.navigate(path, follow=False)
        assert (page.status, page.header("cache-control")) == (302, "no-store")
        assert_strict(page)
        back = browser.finish_login(page.location, follow=False)
        assert (back.status, back.header("cache-control")) == (303, "no-store")


@pytest.mark.row("ST-20")
@pytest.mark.parametrize(
    "headers",
    [{"sec-purpose": "prefetch"}, {"sec-purpose": "prefetch;prerender"}, {"x-moz": "prefetch"}, {"purpose": "prefetch"}, {"x-purpose": "preview"}],
)
@pytest.mark.parametrize("path", ["/", DEEP_LINK, "/oidc/login", "/oidc/initiate?iss=https%3A%2F%2Fop.example"])
def test_st_20(stage, path, headers):
    browser = stage.browser()
    for follow in (False, True):
        page = browser.navigate(path, headers=headers, follow=follow)
        assert (page.status, codes_on(page)) == (401, ["login_required"])
        assert page.all("set-cookie") == []
        assert_strict(page)
    assert stage.provider.requests == []
    assert landed(browser.login(DEEP_LINK)) == DEEP_LINK


@pytest.mark.row("ST-20")
@pytest.mark.parametrize("headers", [{"sec-fetch-mode": "no-cors", "sec-fetch-dest": "image"}, {"sec-fetch-mode": "cors", "sec-fetch-dest": "empty"}])
@pytest.mark.parametrize("path", ["/", "/oidc/login", "/oidc/initiate?iss=https%3A%2F%2Fop.example"])
def test_st_20_what_is_no_navigation_starts_no_login(stage, path, headers):
    browser = stage.browser()
    page = browser.fetch(path, headers=headers, initiator=EVIL)
    assert (page.status, codes_on(page)) == (401, ["login_required"])
    assert page.all("set-cookie") == []
