"""Several worker processes, started before and after the application was loaded, and workers that die in the middle of a login."""

from __future__ import annotations

import os
import signal
import threading
import time

import pytest

from examples.demo.browsing import Browser
from tests.interop import programs
from tests.interop.conftest import Site, settings
from tests.interop.providers import Ada

pytestmark = pytest.mark.interop

FARMS = {
    "gunicorn, loaded before the fork": ("gunicorn", "--preload", "--workers", "3"),
    "gunicorn, loaded in each worker": ("gunicorn", "--workers", "3"),
    "uvicorn, two workers": ("uvicorn", "--workers", "2"),
}


@pytest.fixture(scope="module", params=FARMS)
def farm(request, ports, running):
    server, *more = FARMS[request.param]
    base_url = f"http://127.0.0.1:{ports[server]}"
    with programs.app_server(server, ports[server], settings(running["own"], base_url), *more) as program:
        yield Site(server, program, running["own"], base_url)
        assert program.running, program.log
        assert "Traceback" not in program.log, program.log


@pytest.mark.row("F-PR-06", "F-PR-07")
def test_every_worker_signs_in_and_knows_every_session(farm):
    wrong = []

    def person(number: int) -> None:
        browser = Browser()
        try:
            farm.sign_in(browser, f"/reports/{number}")
            for _ in range(10):  # each over a connection of its own, so to whichever worker takes it
                answer = browser._client.get(f"{farm.base_url}/api/me", headers={"Connection": "close"})
                assert (answer.status_code, answer.json()["name"]) == (200, Ada.name)
        except BaseException as error:
            wrong.append(error)
        finally:
            browser.close()

    threads = [threading.Thread(target=person, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    assert wrong == []


@pytest.mark.row("F-PR-01")
def test_all_workers_are_killed_between_redirect_and_callback(farm, browser):
    browser.visit(f"{farm.base_url}/reports/north?weeks=52")
    assert browser.url.startswith(farm.provider.issuer)
    killed = farm.program.workers
    assert len(killed) >= 2
    for pid in killed:
        os.kill(pid, signal.SIGKILL)
    farm.program.wait_for(f"{farm.base_url}/health")  # from new workers
    farm.provider.sign_in(browser)
    assert (browser.url, browser.page.status_code) == (f"{farm.base_url}/reports/north?weeks=52", 200), (browser.trail, farm.program.log)
    until = time.monotonic() + 20
    while set(killed) & set(farm.program.workers) and time.monotonic() < until:
        time.sleep(0.05)  # the dead are in the list until their parent has taken note of each
    assert not set(killed) & set(farm.program.workers)
    assert browser.fetch(f"{farm.base_url}/api/me").json()["name"] == Ada.name
