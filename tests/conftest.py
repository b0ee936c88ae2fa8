"""What holds for every test: no skip goes unnoticed, and no ``OIDC_*`` variable of the machine reaches a test."""

from __future__ import annotations

import os
from collections.abc import Generator
from typing import Any

import hypothesis
import pytest

from oidc_middleware import audit

#: Set by ``make test STRICT=1``: whatever would be skipped fails.
STRICT = os.environ.get("OIDC_TEST_NO_SKIP", "") not in ("", "0")

for _name in [name for name in os.environ if name.startswith("OIDC_") and name != "OIDC_TEST_NO_SKIP"]:
    del os.environ[_name]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    return _strict((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    return _strict((yield))


def _strict(report: Any) -> Any:
    """*report*, with a skip turned into a failure under ``STRICT=1``: what is missing can be installed, unless it is a part of the machine."""
    if STRICT and report.skipped:
        reason = str(report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr)
        if reason.startswith("Skipped: this machine has no "):
            return report
        report.outcome = "failed"
        report.longrepr = f"{reason} (STRICT=1: nothing may be skipped)"
    return report


@pytest.fixture(scope="session", autouse=True)
def _the_log_is_waited_for() -> None:
    """A busy machine is no log that hangs: what a request wrote is there when it is over."""
    audit.PATIENCE = 20.0


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Generator[str, None, None]:
    """A Redis of our own for tests that do nothing bad to it, each with a ``?prefix=`` of its own."""
    from tests.stores.servers import Server  # needs redis, and few tests do

    server = Server(tmp_path_factory.mktemp("redis")).start()
    yield server.url
    server.stop()


@pytest.fixture
def patient_redis_url(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The same, for tests that are not about its faults: on a busy machine an answer may take longer than a user should wait for one."""
    for limit in ("CONNECT", "READ", "QUEUE"):
        monkeypatch.setattr(f"oidc_middleware.stores.redis.{limit}", 30.0)
    return redis_url


hypothesis.settings.register_profile("default", deadline=None, max_examples=60, derandomize=True, database=None)
hypothesis.settings.register_profile("fuzz", deadline=None, max_examples=5_000, suppress_health_check=list(hypothesis.HealthCheck))
hypothesis.settings.load_profile("default")
