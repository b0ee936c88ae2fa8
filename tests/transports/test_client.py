"""How the client lives: one per process and event loop, made at first use, nothing kept between logins, nobody's own client changed."""

from __future__ import annotations

import gc
import subprocess
import sys
import textwrap
import threading

import anyio
import httpx
import pytest

from oidc_middleware.errors import Unavailable
from oidc_middleware.transports import client as module
from oidc_middleware.transports.client import AsyncHttp, SyncHttp
from tests.transports.harness import get, post, reply


def answering(provider, head=""):
    """A provider that keeps its connections and counts requests."""

    def script(peer):
        while data := peer.read_request():
            op.requests.append(data)
            peer.send(reply(b"{}", head))

    op = provider(script)
    return op


def run_python(program: str, *arguments: str) -> str:
    """The output of a program in a fresh interpreter; whatever it wrote to stderr fails the test."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(program), *arguments], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.stderr, done.returncode) == ("", 0), done.stderr
    return done.stdout


def test_httpx_is_loaded_with_the_first_call_only():
    output = run_python("""
        import sys
        from oidc_middleware.transports.client import AsyncHttp, SyncHttp
        AsyncHttp(None, trust_env=True), SyncHttp(None, trust_env=True)
        print([name for name in ("httpx", "httpcore", "h11", "ssl") if name in sys.modules and name != "ssl"])
        import threading; print(threading.active_count())
    """)
    assert output == "[]\n1\n"


@pytest.mark.row("JW-09", "F-PR-07")
@pytest.mark.parametrize("proxied", [False, True])
def test_one_tls_context_for_each_process_and_at_most_one_client_for_each_event_loop(provider, monkeypatch, proxied):
    op = answering(provider)
    contexts = []
    monkeypatch.setattr(
        httpx, "create_ssl_context", lambda make=httpx.create_ssl_context, **options: contexts.append(make(**options)) or contexts[-1]
    )
    http = AsyncHttp(None, trust_env=False)
    http._process.get_own().proxied = proxied

    async def three_calls():
        return [(await http.send(get(op.url))).status for _ in range(3)]

    for _ in range(3):  # loops one after the other, as test clients make them
        assert anyio.run(three_calls) == [200] * 3
    together = threading.Barrier(2, timeout=10)
    results = []

    def loop():
        together.wait()
        results.append(anyio.run(three_calls))

    threads = [threading.Thread(target=loop) for _ in range(2)]  # loops at the same time
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert results == [[200] * 3] * 2
    assert op.connections == len(op.requests) == 15
    assert len(contexts) == 1
    [process] = http._process.values()
    assert proxied <= len(process.clients) <= 3 * proxied  # those of ended loops do not pile up


def test_an_ended_event_loop_leaves_no_socket(provider):
    op = answering(provider)
    http = AsyncHttp(None, trust_env=False)
    http._process.get_own().proxied = True
    anyio.run(http.send, get(op.url))
    [process] = http._process.values()
    [(client, _)] = process.clients.values()
    assert client.is_closed


def test_a_forgotten_transport_leaves_no_socket(provider):
    op = answering(provider)
    http = SyncHttp(None, trust_env=False)
    http._http._process.get_own().proxied = True
    http.send(get(op.url))
    [process] = http._http._process.values()
    [(client, _)] = process.clients.values()
    assert not client.is_closed
    del http, process
    gc.collect()
    another = SyncHttp(None, trust_env=False)
    another._http._process.get_own().proxied = True
    for _ in range(100):  # a call goes through the same background loop, so the closing comes along
        another.send(get(op.url))
        if client.is_closed:
            break
    assert client.is_closed


@pytest.mark.row("F-PR-06")
def test_a_forked_child_makes_its_own(provider):
    op = answering(provider)
    output = run_python(
        """
        import os, sys, warnings, anyio, threading
        warnings.simplefilter("ignore", DeprecationWarning)  # newer Pythons warn of fork with threads; gunicorn --preload does it all the same
        from oidc_middleware.protocol.messages import HttpRequest
        from oidc_middleware.transports.client import AsyncHttp, SyncHttp
        request = HttpRequest("jwks", "GET", sys.argv[1])
        sync, http = SyncHttp(None, trust_env=False), AsyncHttp(None, trust_env=False)
        def calls():
            return [sync.send(request).status, sync.send(request).status, anyio.run(http.send, request).status]
        assert calls() == [200] * 3
        children = []
        for _ in range(2):
            child = os.fork()
            if not child:
                try:
                    ok = calls() == [200] * 3 and threading.active_count() == 1
                    os._exit(0 if ok else 1)
                finally:
                    os._exit(2)
            children.append(child)
        print([os.waitpid(child, 0)[1] for child in children])
        assert calls() == [200] * 3
        """,
        op.url,
    )
    assert output == "[0, 0]\n"
    assert len(op.requests) == 12
    assert op.connections == 12  # none is shared


def test_the_interpreter_ends_while_connections_are_open(provider):
    op = answering(provider)
    output = run_python(
        """
        import sys
        from oidc_middleware.protocol.messages import HttpRequest
        from oidc_middleware.transports.client import SyncHttp
        print(SyncHttp(None, trust_env=False).send(HttpRequest("jwks", "GET", sys.argv[1])).status)
        http = SyncHttp(None, trust_env=False)
        http.send(HttpRequest("jwks", "GET", sys.argv[1]))
        """,
        op.url,
    )
    assert output == "200\n"


@pytest.mark.row("F-PR-07")
@pytest.mark.parametrize("proxied", [False, True])
def test_many_threads_at_once(provider, monkeypatch, proxied):
    """Each makes its own calls; where a proxy may be on the way, one background loop makes those of all."""
    op = answering(provider)
    http = SyncHttp(None, trust_env=False)
    http._process.get_own().proxied = proxied
    if not proxied:
        monkeypatch.setattr(module, "BACKGROUND", None)
    results = []
    threads = [threading.Thread(target=lambda: results.extend(http.send(get(op.url)).status for _ in range(20))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert results == [200] * 160
    assert op.connections == 160
    assert [thread.name for thread in threading.enumerate()].count("oidc_middleware HTTP") == 1 or not proxied


@pytest.mark.row("DS-06")
def test_too_many_threads_at_once(provider):
    op = provider(lambda peer: (peer.read_request(), peer.wait()))
    for client in (None, httpx.Client()):
        results = []
        http = SyncHttp(client, trust_env=False, deadline=1.5, max_concurrent=3)

        def one(http=http, results=results):
            try:
                http.send(get(op.url))
            except Unavailable as error:
                results.append(error.code)

        threads = [threading.Thread(target=one) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        assert sorted(results) == ["provider_busy"] * 5 + ["provider_timeout"] * 3
        if client:
            client.close()


def test_the_providers_cookies_are_not_kept(provider):
    op = answering(provider, "Set-Cookie: tracking=1; Path=/\r\n")
    for http in (SyncHttp(None, trust_env=False), SyncHttp(None, trust_env=True)):
        http.send(get(op.url))
        http.send(post(op.url))
    assert len(op.requests) == 4
    assert not any(b"cookie" in data.lower() for data in op.requests)


@pytest.mark.row("DI-03")
def test_a_users_client_keeps_its_settings_and_stays_open(provider):
    op = answering(provider)
    with httpx.Client(follow_redirects=True, auth=("someone", "else"), headers={"X-Gateway": "1"}) as client:
        assert SyncHttp(client, trust_env=False).send(post(op.url)).status == 200
        assert not client.is_closed
        assert client.follow_redirects
    assert b"x-gateway: 1" in op.requests[0].lower()
    assert b"authorization: basic ahvzaa==" in op.requests[0].lower()  # our client authentication, not the client's


@pytest.mark.row("F-PR-07")
def test_a_users_asynchronous_client_under_wsgi(provider):
    op = answering(provider)
    client = httpx.AsyncClient()
    http = SyncHttp(client, trust_env=False)
    assert [http.send(get(op.url)).status for _ in range(3)] == [200] * 3
    assert not client.is_closed
    assert op.connections == 1
    module.BACKGROUND.get_own().call(client.aclose())


def test_a_client_without_network():
    def handler(request):
        assert request.headers["accept-encoding"] == "identity"
        return httpx.Response(200, json={"seen": request.url.path})

    transport = httpx.MockTransport(handler)
    with httpx.Client(transport=transport) as client:
        assert SyncHttp(client, trust_env=False).send(get("http://op/keys")).body == b'{"seen":"/keys"}'
        assert anyio.run(AsyncHttp(client, trust_env=False).send, get("http://op/keys")).body == b'{"seen":"/keys"}'
    with pytest.raises(Unavailable) as caught:
        SyncHttp(client, trust_env=False).send(get("http://op/keys?secret"))  # closed by its owner
    assert (caught.value.code, caught.value.detail) == ("provider_unreachable", "discovery: RuntimeError")


@pytest.mark.row("DI-12", "F-PR-17")
@pytest.mark.parametrize("trust", [True, False])
def test_proxy_variables_count_only_when_trusted(provider, monkeypatch, trust):
    proxy, op = answering(provider, "X-Proxy: 1\r\n"), answering(provider)
    monkeypatch.setenv("HTTP_PROXY", proxy.url.removesuffix("/endpoint"))
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    assert SyncHttp(None, trust_env=trust).send(get(op.url)).status == 200
    assert (len(proxy.requests), len(op.requests)) == ((1, 0) if trust else (0, 1))


@pytest.mark.row("DI-12", "F-PR-17")
def test_no_proxy_is_honoured(provider, monkeypatch):
    proxy, op = answering(provider), answering(provider)
    monkeypatch.setenv("HTTP_PROXY", proxy.url.removesuffix("/endpoint"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    assert SyncHttp(None, trust_env=True).send(get(op.url)).status == 200
    assert (len(proxy.requests), len(op.requests)) == (0, 1)


@pytest.mark.row("DI-12", "DI-11")
def test_a_private_authority_is_named_by_ssl_cert_file(provider, monkeypatch, tmp_path):
    import ssl

    import trustme

    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    op = provider(lambda peer: (peer.read_request(), peer.send(reply(b"{}"))), context)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    assert SyncHttp(None, trust_env=True).send(get(op.url)).status == 200
    with pytest.raises(Unavailable) as caught:
        SyncHttp(None, trust_env=False).send(get(op.url))
    assert (caught.value.code, caught.value.sent) == ("provider_unreachable", False)


@pytest.mark.row("DI-12")
def test_unusable_surroundings_are_an_error_of_ours(monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere/ca.pem")
    with pytest.raises(Unavailable) as caught:
        SyncHttp(None, trust_env=True).send(get("https://127.0.0.1:1/"))
    assert (caught.value.code, caught.value.detail) == ("provider_unreachable", "discovery: FileNotFoundError")


@pytest.mark.row("F-PR-08")
def test_a_cancelled_call_gives_its_place_back(provider):
    op = provider(lambda peer: (peer.read_request(), peer.wait()))

    async def scenario():
        http = AsyncHttp(None, trust_env=False, max_concurrent=1)
        with anyio.move_on_after(0.1) as scope:
            await http.send(get(op.url))
        assert scope.cancelled_caught
        op.script = lambda peer: (peer.read_request(), peer.send(reply(b"{}")))
        return (await http.send(get(op.url))).status

    assert anyio.run(scenario) == 200
