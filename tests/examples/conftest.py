"""Examples are started as a reader would start them: as programs, on this machine."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from benchmarks.loopback import free_port

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
sys.path.insert(0, str(EXAMPLES / "demo"))  # its little browser is used here, too


def own_environment(**variables: str) -> dict[str, str]:
    """The environment of a child: this checkout importable, no settings of whoever runs the tests."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("OIDC_")}
    return {**own, "PYTHONPATH": str(ROOT), **variables}


def wait_until_it_answers(url: str, child: subprocess.Popen[bytes], seconds: float = 40) -> None:
    """Any answer below 500 will do. The wait is on the child, not on a guess how long it takes."""
    until = time.monotonic() + seconds
    while time.monotonic() < until and child.poll() is None:
        try:
            if httpx.get(url, timeout=5, trust_env=False).status_code < 500:
                return
        except httpx.TransportError:
            time.sleep(0.05)
    child.kill()
    output = child.communicate()[0].decode(errors="replace")
    raise AssertionError(f"{url} does not answer:\n{output[-3000:]}")


@pytest.fixture
def environment() -> Callable[..., dict[str, str]]:
    """Makes the environment of a child."""
    return own_environment


@pytest.fixture(scope="session")
def issuer() -> Iterator[str]:
    """A development provider that accepts any address on this machine."""
    from oidc_middleware.provider import Client, Provider
    from oidc_middleware.provider.server import address, listen, serving

    listening = listen()
    client = Client("app", "development-only-secret-0123456789abcdef", any_loopback_redirect_uri=True)
    with serving(Provider(address(listening), [client]), sock=listening) as url:
        yield url


@pytest.fixture
def start(issuer: str) -> Iterator[Callable[..., str]]:
    """Start an example; gives its address. It is ended by its handle when the test is over."""
    children: list[subprocess.Popen[bytes]] = []

    def start(script: str, **variables: str) -> str:
        port = free_port()
        settings = dict(line.split("=", 1) for line in (EXAMPLES / "dev.env").read_text().splitlines())
        environ = own_environment(**(settings | {"OIDC_ISSUER": issuer, "PORT": str(port)} | variables))
        child = subprocess.Popen([sys.executable, str(EXAMPLES / script)], env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        children.append(child)
        wait_until_it_answers(f"http://127.0.0.1:{port}/oidc/signed-out", child)
        return f"http://127.0.0.1:{port}"

    yield start
    for child in children:
        child.terminate()
        try:
            child.communicate(timeout=10)
        except subprocess.TimeoutExpired:
            child.kill()
            child.communicate()
