"""Every effect of every flow, disturbed in every way it can be (catalogue F-PR-08, F-PR-09).

``make faultpoints`` runs all of it, with stores in files and in Redis; by default, what all drivers and stores share is run once.
"""

import contextlib
import logging
import os

import pytest

from tests.catalogue import fault_flows as flows
from tests.catalogue.fault_lab import Lab
from tests.catalogue.faultpoints import REACHED, all_kinds
from tests.catalogue.helpers import Stage

EVERYWHERE = ("cookie", "revocation", "store")
#: Each flow, and where sessions live when it is run; ``form`` and ``rules`` are middlewares with these options.
FLOWS = {
    flows.visit: EVERYWHERE,
    flows.visit_of_an_old_provider: ("store",),
    flows.visit_after_hours: ("store",),
    flows.callback: (*EVERYWHERE, "form"),
    flows.callback_again: EVERYWHERE,
    flows.new_keys: ("store",),
    flows.replay: EVERYWHERE,
    flows.login: ("store",),
    flows.resume: ("revocation", "store"),
    flows.public: ("revocation", "store"),
    flows.gone: ("store",),
    flows.denied: ("rules",),
    flows.session: ("revocation", "store"),
    flows.small_pages: ("store",),
    flows.refresh: ("store",),
    flows.refresh_late: ("store",),
    flows.refused: ("store",),
    flows.rival: ("store",),
    flows.logout: EVERYWHERE,
    flows.logout_asked: EVERYWHERE,
    flows.backchannel: EVERYWHERE,
    flows.backchannel_of_another: ("store",),
    flows.frontchannel: EVERYWHERE,
    flows.everywhere: ("revocation", "store"),
    flows.socket: ("revocation", "store"),
}

PLACES = {
    "cookie": {"tokens": False},
    "revocation": {"tokens": False, "revocation": "memory://"},
    "store": {"tokens": True, "store": "memory://"},
    "sqlite": {"tokens": True, "store": "sqlite:///{folder}/sessions.db"},
    "redis": {"tokens": True, "store": "{redis}?prefix={name}:"},
    "form": {"tokens": True, "store": "memory://", "response_mode": "form_post"},
    "rules": {"tokens": False, "allow": ["nobody@example.com"]},
}
ALL = os.environ.get("FAULTPOINTS") == "all"


def cases():
    for flow, places in FLOWS.items():
        for place in (*places, *(("sqlite", "redis") if ALL and "store" in places else ())):
            yield flow, place, "asgi"
            if flow.__name__ != "socket" and (ALL or place == ("store" if "store" in places else places[0])):
                yield flow, place, "wsgi"


CASES = list(cases())
#: What was enumerated in this process.
DONE = set()
#: What no single disturbance of a single request leads to, and where it is tested.
ELSEWHERE = {
    'stored: yield Report("session.changed_meanwhile", logging.DEBUG)': "needs a second request: the state machine in test_f_pr_races",
    'gate: yield Report("session.not_prolonged", logging.WARNING, code=error.code, detail=error.detail)': "needs a cookie from a version of us "
    "that allowed longer ones: tests/flows/test_gate",
    'gate: yield Report("session.other_worker", logging.WARNING, detail=ELSEWHERE)': "needs a cookie from another worker's memory: "
    "test_memory_workers",
}


@pytest.fixture(autouse=True)
def _every_effect_is_seen(monkeypatch):
    """The drivers carry out at once what needs no I/O; here all effects take the one way on which they are counted and disturbed."""
    monkeypatch.setattr("oidc_middleware.drive._AT_ONCE", ())


def run(lab, flow, index=None, fault=None):
    """One run of *flow*, with the effect of that *index* disturbed. The ``(index, fault)`` that a run can have."""
    lab.begin()
    scenario = flow(lab)
    step = next(scenario)
    lab.faults.disturb(index, fault)
    outcome = step()
    points = lab.faults.points(cancels=lab.stage.shell == "asgi", thorough=ALL)
    lab.settled()
    lab.faults.calm()
    lab.judge(outcome)
    with pytest.raises(StopIteration):
        scenario.send(outcome)
    lab.faults.assert_released()
    return points


def enumerate_all(request, caplog, flow, place, shell):
    """Run *flow* undisturbed, then once for everything that can happen to it; how many that were."""
    caplog.set_level(logging.DEBUG)
    options = dict(PLACES[place])
    if "store" in options:
        folder, redis = request.getfixturevalue("tmp_path"), request.getfixturevalue("redis_url") if place == "redis" else ""
        options["store"] = options["store"].format(folder=folder, name=folder.name, redis=redis)
    with contextlib.closing(Stage(shell, caplog)) as stage:
        lab = Lab(stage, **options)
        points = run(lab, flow)
        for index, fault in points:
            try:
                run(lab, flow, index, fault)
            except BaseException as error:
                error.add_note(f"{flow.__name__}, effect {index}: {fault}, {lab.faults.disturbed}")
                raise
    DONE.add((flow, place, shell))
    return len(points)


@pytest.mark.row("F-PR-08", "F-PR-09")
@pytest.mark.parametrize(("flow", "place", "shell"), CASES, ids=lambda value: getattr(value, "__name__", value))
def test_whatever_fails_wherever_it_does(request, caplog, flow, place, shell):
    assert enumerate_all(request, caplog, flow, place, shell) > 0


@pytest.mark.row("F-PR-09")
def test_no_flow_and_no_effect_is_left_out(request, caplog):
    for case in CASES:
        if case not in DONE and case[1] not in ("sqlite", "redis") and case[2] == "asgi":
            enumerate_all(request, caplog, *case)
    assert set(REACHED.missed()) == set(ELSEWHERE)
    assert all_kinds() - REACHED.kinds == set()
