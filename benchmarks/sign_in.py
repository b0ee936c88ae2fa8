"""CPU time of a whole sign-in, redirect and callback, in this process; the provider is another one. And what of it is not HTTP.

python benchmarks/sign_in.py            milliseconds for each sign-in, ASGI and WSGI
python benchmarks/sign_in.py --profile  and where they go, by cProfile
"""

from __future__ import annotations

import asyncio
import cProfile
import json
import pstats
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import subjects
from figures import Figure
from joserfc import jwt
from joserfc.jwk import RSAKey
from loopback import free_port

from oidc_middleware.asgi import OIDCMiddleware as AsgiMiddleware
from oidc_middleware.protocol.messages import HttpRequest, HttpResponse
from oidc_middleware.testing.exchange import Sent
from oidc_middleware.testing.servers import AsgiServer, WsgiServer
from oidc_middleware.wsgi import OIDCMiddleware as WsgiMiddleware

SIGN_INS: Final = 200
_CLAIMS: Final = {"sub": "ada", **subjects.CLAIMS}


class Provider:
    """Answers as a provider does to whom it trusts. The code is the nonce."""

    def __init__(self, issuer: str) -> None:
        self._issuer = issuer
        self._key = RSAKey.generate_key(2048, {"kid": "first", "use": "sig", "alg": "RS256"})

    def answer(self, path: str, body: str) -> bytes:
        """The JSON document at *path*."""
        return json.dumps(self._document(path.rpartition("/")[2], body)).encode()

    def _document(self, name: str, body: str) -> dict[str, Any]:
        if name == "openid-configuration":
            endpoints = {f"{each}_endpoint": f"{self._issuer}/{each}" for each in ("authorization", "token", "userinfo")}
            return {"issuer": self._issuer, "jwks_uri": f"{self._issuer}/keys", "response_types_supported": ["code"],
                    "code_challenge_methods_supported": ["S256"], "subject_types_supported": ["public"],
                    "id_token_signing_alg_values_supported": ["RS256"], **endpoints}  # fmt: skip
        if name == "keys":
            return {"keys": [self._key.as_dict(private=False)]}
        if name == "userinfo":
            return _CLAIMS
        now, nonce = int(time.time()), parse_qs(body)["code"][0]
        claims = {"iss": self._issuer, "sub": "ada", "aud": "bench", "exp": now + 300, "iat": now, "nonce": nonce}
        token = jwt.encode({"alg": "RS256", "kid": "first"}, claims, self._key)
        return {"access_token": "a" * 43, "token_type": "Bearer", "expires_in": 300, "scope": "openid profile email", "id_token": token}


async def _serve(provider: Provider, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
            length = int(head.partition("content-length: ")[2].partition("\r\n")[0] or 0)
            body = provider.answer(head.split(" ")[1], (await reader.readexactly(length)).decode("latin-1"))
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
    except (ConnectionError, asyncio.IncompleteReadError):
        writer.close()


async def _provide(port: int) -> None:
    provider = Provider(f"http://127.0.0.1:{port}")
    async with await asyncio.start_server(partial(_serve, provider), "127.0.0.1", port) as server:
        print("ready", flush=True)
        await server.serve_forever()


class _Told:
    """In the place of HTTP: the provider in this process, whose own time is not counted."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self.seconds = 0.0

    def send(self, request: HttpRequest) -> HttpResponse:
        begin = time.process_time()
        body = self._provider.answer(urlsplit(request.url).path, request.body.decode())
        self.seconds += time.process_time() - begin
        return HttpResponse(200, {"content-type": "application/json"}, body)


class _AsyncTold(_Told):
    async def send(self, request: HttpRequest) -> HttpResponse:  # type: ignore[override]  # the same for a coroutine
        return super().send(request)


def _visit(path: str, cookie: str = "") -> Sent:
    return Sent("GET", subjects.BASE_URL + path, (*subjects.HEADERS, *((("cookie", cookie),) if cookie else ())))


def _back(page: Any) -> Sent:
    """From the redirect to the provider to the way back."""
    asked = parse_qs(urlsplit(page.header("location")).query)
    cookie = "; ".join(line.partition(";")[0] for line in page.all("set-cookie"))
    return _visit(f"/oidc/callback?code={asked['nonce'][0]}&state={asked['state'][0]}", cookie)


def _made(shell: str, issuer: str, told: _Told | None) -> Callable[[int], None]:
    """What signs in so many times."""
    options: dict[str, Any] = {"issuer": issuer, "client_id": "bench", "secret_key": subjects.SECRET, "base_url": subjects.BASE_URL}
    kind: Any = AsgiMiddleware if shell == "asgi" else WsgiMiddleware
    app = kind(subjects.tiny_asgi if shell == "asgi" else subjects.tiny_wsgi, client_secret="s" * 32, **options)
    if told is not None:
        app._world.transport = told  # noqa: SLF001  # there is no other way to take the network out
    runner, wsgi, asgi = asyncio.Runner(), WsgiServer(app, validate=False), AsgiServer(app)

    async def signed_in(count: int) -> None:
        for _ in range(count):
            done = await asgi.call(_back(await asgi.call(_visit("/page"))))
            assert done.status == 303, done

    def sign_in(count: int) -> None:
        for _ in range(count):
            done = wsgi(_back(wsgi(_visit("/page"))))
            assert done.status == 303, done

    return (lambda count: runner.run(signed_in(count))) if shell == "asgi" else sign_in


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def measure(rounds: int = 5) -> list[Figure]:
    """Milliseconds of CPU for a sign-in, and for what is not HTTP in it."""
    port = free_port()
    child = subprocess.Popen([sys.executable, __file__, "--provider", str(port)], stdout=subprocess.PIPE)
    figures = []
    try:
        assert child.stdout is not None
        assert child.stdout.readline() == b"ready\n"
        for shell in ("asgi", "wsgi"):
            told = (_AsyncTold if shell == "asgi" else _Told)(Provider("http://127.0.0.1:9"))
            for name, sign_in, other in (
                (f"{shell.upper()}: a sign-in", _made(shell, f"http://127.0.0.1:{port}", None), None),
                ("  of which not HTTP", _made(shell, "http://127.0.0.1:9", told), told),
            ):
                sign_in(30)
                spent = []
                for _ in range(rounds):
                    begin, theirs = _cpu(), other.seconds if other else 0.0
                    sign_in(SIGN_INS)
                    spent.append(1e3 * (_cpu() - begin - ((other.seconds - theirs) if other else 0.0)) / SIGN_INS)
                figures.append(Figure(name, "ms", tuple(spent)))
                if "--profile" in sys.argv and other is None:
                    profile = cProfile.Profile()
                    profile.runcall(sign_in, SIGN_INS)
                    pstats.Stats(profile).sort_stats("cumulative").print_stats(60)
    finally:
        child.terminate()
        child.wait()
    return figures


if __name__ == "__main__":
    if "--provider" in sys.argv:
        asyncio.run(_provide(int(sys.argv[-1])))
    else:
        for line in measure():
            print(line.line())
