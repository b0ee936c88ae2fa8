"""F-PR-11: a million requests of every kind leave no more behind than a thousand. ``make soak`` sends that many."""

import json
import subprocess
import sys

import pytest

from tests.catalogue.scale import scaled
from tests.interop.programs import ROOT

REQUESTS = scaled(10_000, 1_000_000)
MEGABYTE = 1_048_576
#: What a run has to have seen, or it proves nothing: every kind of answer to every kind of request.
SEEN = {
    "bad_callback 303", "bad_callback 400", "bad_cookie 302", "front_channel 200", "headers 302", "host 302", "host 400", "initiate 400", "login 200",
    "login 302", "login 303", "login 400", "login 502", "logout_token 200", "logout_token 400", "path 302", "public 200", "signed_in 200",
}  # fmt: skip


@pytest.fixture(scope="module", params=["asgi", "wsgi"])
def told(request):
    """What the process said that all those requests were sent in: nothing but ours is in its memory."""
    command = [sys.executable, "-m", "tests.catalogue.soak", request.param, str(REQUESTS)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-5_000:]
    assert "Traceback" not in done.stderr
    return json.loads(done.stdout)


@pytest.mark.soak
@pytest.mark.slow
@pytest.mark.row("F-PR-11")
def test_f_pr_11_memory_does_not_grow(told):
    assert told["growth"] <= 5 * MEGABYTE, f"{told['growth'] / MEGABYTE:.1f} MB more than after the first half"
    assert told["resident"] < 300 * MEGABYTE


@pytest.mark.soak
@pytest.mark.slow
@pytest.mark.row("F-PR-11")
def test_f_pr_11_every_cache_has_a_bound_and_keeps_to_it(told):
    assert {name: sizes for name, sizes in told["caches"].items() if sizes[0] > sizes[1]} == {}
    ours = {name: sizes for name, sizes in told["lru"].items() if not name.startswith("oidc_middleware.testing.")}
    assert len(ours) >= 6
    assert {name: sizes for name, sizes in ours.items() if sizes[1] is None or sizes[1] > 2_048} == {}
    assert told["caches"]["cookie: lane"][0] > 0
    assert told["caches"]["hosts: sites"][0] > 0


@pytest.mark.soak
@pytest.mark.slow
@pytest.mark.row("F-PR-11")
def test_f_pr_11_and_nothing_of_all_that_was_a_fault(told):
    assert not [answer for answer in told["answers"] if answer.endswith(" 500")]
    assert set(told["answers"]) >= SEEN
