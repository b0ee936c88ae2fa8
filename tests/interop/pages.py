"""An application of ``apps/`` behind uvicorn, with a provider of our own, and a profile of Chromium that may reach these two and nobody else."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from benchmarks.loopback import free_port
from tests.interop import programs, providers
from tests.interop.chromium import Window
from tests.interop.conftest import settings


@contextmanager
def opened(chromium: Any, app: str, **options: str) -> Iterator[tuple[str, providers.Provider, Window]]:
    """Its base URL, the provider, the profile. *options*: settings of the middleware. Nothing may complain: no page, and not the server."""
    base_url = f"http://127.0.0.1:{free_port()}"
    apps, port = programs.HERE / "apps", base_url.rpartition(":")[2]
    command = [sys.executable, "-m", "uvicorn", f"{app}:app", "--app-dir", str(apps), "--port", port, "--log-level", "warning"]
    with providers.PROVIDERS["own"]([base_url]) as provider:
        environ = {"PYTHONPATH": f"{programs.ROOT}{os.pathsep}{apps}", **settings(provider, base_url, **options)}
        with programs.Program(command, environ) as program:
            program.wait_for(f"{base_url}/health")
            window = Window(chromium, {base_url, provider.issuer})
            yield base_url, provider, window
            window.close()
            assert "Traceback" not in program.log, program.log
