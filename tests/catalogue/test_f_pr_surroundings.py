"""F-PR-17 and F-PR-20: what the environment says, and what the machine lacks."""

import os
import stat
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest

from oidc_middleware.asgi import OIDCMiddleware as AsgiMiddleware
from oidc_middleware.testing import Browser
from oidc_middleware.wsgi import OIDCMiddleware as WsgiMiddleware
from tests.catalogue.helpers import BASE_URL, codes_on, landed, login_url, shown
from tests.catalogue.real import Running, browser_at, free_port, provider_on_a_port, settings
from tests.conformance.party import SECRET_KEY
from tests.interop.programs import ROOT

PROXY_VARIABLES = ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy", "REQUEST_METHOD")


# -- F-PR-17 ------------------------------------------------------------------------------------------------------------------------------------


class _Proxy(BaseHTTPRequestHandler):
    """Hands requests on, as a company's proxy does, and remembers them."""

    def answer(self):
        self.server.seen.append(f"{self.command} {self.path}")
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        headers = {name: value for name, value in self.headers.items() if not name.lower().startswith(("proxy-", "connection"))}
        answer = httpx.request(self.command, self.path, headers=headers, content=body, trust_env=False, timeout=20)
        self.send_response(answer.status_code)
        self.send_header("content-type", answer.headers["content-type"])
        self.send_header("content-length", str(len(answer.content)))
        self.end_headers()
        self.wfile.write(answer.content)

    do_GET = do_POST = answer  # noqa: N815  # the names that http.server calls

    def log_message(self, *_):
        """``seen`` is its log."""


@pytest.fixture
def proxy():
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Proxy)
    server.daemon_threads = True
    server.seen, server.url = [], f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.shutdown()
    thread.join(10)
    server.server_close()


@pytest.fixture
def environ(monkeypatch):
    """Without a variable about proxies."""
    for name in PROXY_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def signs_in(stage, provider, **options):
    """A login with a client of our own, whose calls go wherever the environment says. The page it ends on."""
    shell, probe = (AsgiMiddleware, stage._asgi_probe) if stage.shell == "asgi" else (WsgiMiddleware, stage._wsgi_probe)
    app = shell(probe, **provider.options(), base_url=BASE_URL, secret_key=SECRET_KEY, **options)
    return Browser(app, base_url=BASE_URL, provider=provider, clock=provider.clock).login(login_url("/deep"))


@pytest.mark.row("F-PR-17", "DI-12")
@pytest.mark.parametrize(
    ("variables", "trust_env", "through"),
    [
        ({"HTTP_PROXY": "{proxy}"}, True, True),
        ({"http_proxy": "{proxy}"}, True, True),
        ({"ALL_PROXY": "{proxy}"}, True, True),
        ({"HTTP_PROXY": "{proxy}"}, False, False),
        ({"HTTPS_PROXY": "{proxy}"}, True, False),
        ({"HTTP_PROXY": "{proxy}", "NO_PROXY": "127.0.0.1"}, True, False),
        ({"HTTP_PROXY": "{proxy}", "NO_PROXY": "*"}, True, False),
        ({"HTTP_PROXY": "{proxy}", "NO_PROXY": "example.org"}, True, True),
    ],
)
def test_f_pr_17_calls_go_where_the_environment_says_unless_told_not_to(stage, environ, proxy, variables, trust_env, through):
    for name, value in variables.items():
        environ.setenv(name, value.format(proxy=proxy.url))
    with provider_on_a_port(BASE_URL) as provider:
        assert landed(signs_in(stage, provider, trust_env=trust_env)) == "/deep"
        asked = [f"{request.method} {request.url}" for request in provider.requests]
        assert len(asked) == 4
        assert proxy.seen == (asked if through else [])
        assert provider.complaints == []


@pytest.mark.row("F-PR-17", "DI-12")
def test_f_pr_17_a_proxy_that_is_away_is_a_provider_that_is_away(stage, environ):
    environ.setenv("HTTP_PROXY", f"http://user:hidden-horse@127.0.0.1:{free_port()}")
    with provider_on_a_port(BASE_URL) as provider:
        shell, probe = (AsgiMiddleware, stage._asgi_probe) if stage.shell == "asgi" else (WsgiMiddleware, stage._wsgi_probe)
        app = shell(probe, **provider.options(), base_url=BASE_URL, secret_key=SECRET_KEY)
        page = Browser(app, base_url=BASE_URL, provider=provider, clock=provider.clock).navigate("/deep", follow=False)
        assert (page.status, codes_on(page)) == (503, ["provider_unreachable"])
        assert provider.requests == []
        assert "hidden-horse" not in stage.caplog.text + page.text
        assert landed(signs_in(stage, provider, trust_env=False)) == "/deep"


@pytest.mark.row("F-PR-17", "DI-12")
def test_f_pr_17_a_proxy_that_cannot_be_meant_is_told_and_starts_no_other_way(stage, environ):
    environ.setenv("HTTP_PROXY", "socks9://nowhere:1")
    with provider_on_a_port(BASE_URL) as provider:
        shell, probe = (AsgiMiddleware, stage._asgi_probe) if stage.shell == "asgi" else (WsgiMiddleware, stage._wsgi_probe)
        app = shell(probe, **provider.options(), base_url=BASE_URL, secret_key=SECRET_KEY)
        page = Browser(app, base_url=BASE_URL, provider=provider, clock=provider.clock).navigate("/deep", follow=False)
        assert (page.status, codes_on(page)) == (503, ["provider_unreachable"])
        assert provider.requests == [], "no call around the proxy that somebody wanted"


# -- F-PR-20 ------------------------------------------------------------------------------------------------------------------------------------

BARE = {
    "C": {"LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "POSIX": {"LC_ALL": "POSIX", "LANG": "", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "ascii"},
    "latin-1": {"LC_ALL": "en_US.ISO-8859-1", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "latin-1"},
}


@pytest.mark.row("F-PR-20")
@pytest.mark.interop
@pytest.mark.slow
@pytest.mark.parametrize(("server", "locale"), [("uvicorn", "C"), ("uvicorn", "POSIX"), ("gunicorn", "C"), ("gunicorn", "latin-1")])
def test_f_pr_20_nothing_is_written_and_no_locale_is_needed(server, locale, tmp_path):
    """A folder nobody may write to, no folder for temporary files, no home, no UTF-8: names with umlauts come through, and so do our pages."""
    nowhere = tmp_path / "read-only"
    nowhere.mkdir()
    nowhere.chmod(stat.S_IRUSR | stat.S_IXUSR)
    missing = str(tmp_path / "missing")
    port = free_port()
    base_url = f"http://127.0.0.1:{port}"
    bare = {**BARE[locale], "TMPDIR": missing, "TEMP": missing, "TMP": missing, "HOME": missing, "PYTHONDONTWRITEBYTECODE": "1"}
    more = () if server == "uvicorn" else ("--worker-tmp-dir", "/dev/shm", "--no-control-socket")  # gunicorn's own needs
    with provider_on_a_port(base_url) as provider:
        provider.user = {**provider.user, "sub": "zoë-1", "name": "Zoë Łukasz 北京", "groups": ["Größe"]}
        environ = settings(provider, base_url, OIDC_TITLE="Übersicht", **bare)
        with Running(server, port, environ, *more, cwd=nowhere) as program:
            program.ready()
            browser = browser_at(base_url, provider)
            assert browser.login(login_url("/api?q=ü")).status == 200, program.log
            assert browser.fetch("/api").json()["sub"] == "zoë-1"
            page = browser.navigate("/oidc/callback?code=c&state=\u00e9", follow=False)
            assert page.status in (303, 400)
            stranger = browser_at(base_url, provider)
            _, page = shown(stranger.navigate("/oidc/callback?code=c&state=%C3%A9", follow=False), stranger)
            assert (page.status, codes_on(page)) == (400, ["no_transaction"])
            assert "Übersicht" in page.text
            assert "Zoë Łukasz 北京" in browser.navigate("/oidc/logout", initiator=None, follow=False).text
            assert browser.fetch("/oidc/session.js").status == 200
            assert browser.post_form("/oidc/logout", follow=False).status == 303
            assert "Traceback" not in program.log
            assert "UnicodeEncodeError" not in program.log
        assert provider.complaints == []
    assert list(nowhere.iterdir()) == []
    assert not (tmp_path / "missing").exists()


@pytest.mark.row("F-PR-20")
@pytest.mark.interop
@pytest.mark.slow
def test_f_pr_20_not_a_single_file_is_opened_for_writing(tmp_path):
    """Seen by the interpreter itself, from the first import to the end of a session: whoever runs the tests may be allowed to write anywhere."""
    script = tmp_path / "script.py"
    script.write_text(_SCRIPT, encoding="utf-8")
    status, log = bare(script, tmp_path)
    assert status == 0, log
    assert log.strip().splitlines()[-1] == "signed in, nothing written"


_SCRIPT = """
import os, sys
written = []

def look(event, arguments):
    if event == "open":
        path, mode, flags = arguments
        wants = isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        if wants and not str(path).startswith("/dev/null"):
            written.append(str(path))
    elif event in ("os.mkdir", "os.rename", "os.remove", "tempfile.mkstemp", "tempfile.mkdtemp", "shutil.copyfile"):
        written.append(f"{event} {arguments}")

sys.addaudithook(look)
import locale
from oidc_middleware.asgi import OIDCMiddleware as Asgi
from oidc_middleware.wsgi import OIDCMiddleware as Wsgi
from oidc_middleware.testing import Browser, ScriptedProvider
import logging
logging.basicConfig(level=logging.DEBUG)

async def asgi(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": scope["user"].display_name.encode()})

def wsgi(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [environ["oidc_middleware.user"].display_name.encode()]

for shell, app, client in ((Asgi, asgi, "client"), (Wsgi, wsgi, "sync_client")):
    for more in ({}, {"store": "memory://", "keep_tokens": True}, {"revocation": "memory://"}):
        provider = ScriptedProvider()
        provider.user["name"] = "Zo\\u00eb \\u0141ukasz"
        made = getattr(provider, client)()
        protected = shell(app, **provider.options(), base_url="https://app.example.com", secret_key="k" * 16 + "0123456789abcdef", http_client=made,
                          clock=provider.clock, title="\\u00dcbersicht", **more)
        browser = Browser(protected, provider=provider)
        assert browser.login("/x?q=\\u00fc").text == provider.user["name"]
        assert browser.stranger().navigate("/oidc/callback?state=a&code=b").status == 400
        assert browser.post_form("/oidc/logout").status == 200
assert written == [], written
print("signed in, nothing written")
"""


def bare(script, folder):
    """Run *script* where there is nothing; its exit code and what it said."""
    missing = str(folder / "missing")
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1", "TMPDIR": missing, "HOME": missing, **BARE["C"]}
    done = subprocess.run([sys.executable, str(script)], env=environ, cwd="/", capture_output=True, timeout=120, check=False)
    return done.returncode, (done.stderr + done.stdout).decode("utf-8", "replace")
