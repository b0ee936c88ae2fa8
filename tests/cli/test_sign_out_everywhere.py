"""``oidc-middleware sign-out-everywhere`` beside a running app: one user's sessions end, nobody else's, and it says so only when it is so."""

from __future__ import annotations

import logging
import time

import pytest

from oidc_middleware.stores import open_sync
from oidc_middleware.testing import run_async
from tests.catalogue.helpers import Stage
from tests.conformance.party import BASE_URL, SECRET_KEY


@pytest.fixture(params=["asgi", "wsgi"])
def stage(request, caplog):
    caplog.set_level(logging.DEBUG)
    stage = Stage(request.param, caplog)
    stage.clock.set(time.time() - 60)  # the command asks the real clock
    yield stage
    store = stage.app._world.store
    if store is not None:
        closed = store.close()
        if request.param == "asgi":
            run_async(closed)


@pytest.fixture(params=["sqlite", "redis"])
def place(request, tmp_path):
    """The URL of a store that the app and the command share."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/sessions.db"
    return f"{request.getfixturevalue('redis_url')}?prefix={tmp_path.name}:"


@pytest.fixture(params=["store", "revocation"])
def setting(request):
    return request.param


def settings_of(shell, stage, **more):
    """The app's own settings, as variables."""
    shell.settings(**{**stage.provider.options(), "base_url": BASE_URL, "secret_key": SECRET_KEY, **more})
    shell.secrets |= {SECRET_KEY, stage.provider.client_secret}


def signed_in(stage, subject):
    stage.provider.user["sub"] = subject
    browser = stage.browser()
    assert browser.login("/start").status == 200
    return browser


def lives(*browsers):
    return [browser.fetch("/api").status == 200 for browser in browsers]


@pytest.mark.row("SF-07")
def test_all_sessions_of_one_user_end_and_no_others(shell, stage, place, setting):
    stage.restart(**{setting: place})
    ada, also_ada, bob = signed_in(stage, "ada"), signed_in(stage, "ada"), signed_in(stage, "bob")
    assert lives(ada, also_ada, bob) == [True, True, True]
    settings_of(shell, stage, **{setting: place})
    assert shell("sign-out-everywhere", "--issuer", stage.provider.issuer, "--subject", "ada") == 0
    assert shell.err == ""
    first, second = shell.out.splitlines()
    assert first == f"Signed out everywhere: ada of {stage.provider.issuer}."
    assert second == (
        "2 sessions ended." if setting == "store" else "Every session that began until now is over. Workers hear of it within 5 seconds."
    )
    stage.clock.advance(6)
    assert lives(ada, also_ada, bob) == [False, False, True]
    stage.clock.set(time.time() + 1)
    assert lives(signed_in(stage, "ada")) == [True], "and may sign in again"


def test_as_json(shell, stage, place, setting):
    stage.restart(**{setting: place})
    signed_in(stage, "ada")
    settings_of(shell, stage, **{setting: place})
    answer = shell.json("sign-out-everywhere", "--subject", "ada", code=0)
    assert answer == {"result": "done", "subject": "ada", "issuer": stage.provider.issuer, "sessions": 1 if setting == "store" else None}


def test_nobody_of_that_name(shell, stage, place):
    stage.restart(store=place)
    ada = signed_in(stage, "ada")
    settings_of(shell, stage, store=place)
    assert shell("sign-out-everywhere", "--subject", "ada@example.com") == 0
    assert "no session to end" in shell.out
    assert lives(ada) == [True]


@pytest.mark.row("F-ST-01")
def test_a_store_that_is_away(shell, stage, redis_server):
    redis = redis_server()
    stage.restart(store=redis.url)
    ada = signed_in(stage, "ada")
    settings_of(shell, stage, store=redis.url.replace("://", "://user:secret-horse@"))
    shell.secrets.add("horse")
    redis.stop()
    assert shell("sign-out-everywhere", "--subject", "ada") == 1
    assert shell.out == ""
    assert "store_unavailable" in shell.err
    assert "run the command again" in shell.err
    answer = shell.json("sign-out-everywhere", "--subject", "ada", code=1)
    assert (answer["result"], answer["code"]) == ("failed", "store_unavailable")
    assert ada.fetch("/api").status == 503


def test_a_store_that_is_full(shell, stage, redis_server):
    redis = redis_server("--maxmemory-policy", "noeviction")
    stage.restart(revocation=redis.url)
    signed_in(stage, "ada")
    settings_of(shell, stage, revocation=redis.url)
    with redis.client() as client:
        client.config_set("maxmemory", 1)
    assert shell("sign-out-everywhere", "--subject", "ada") == 1
    assert "store_full" in shell.err


def test_a_file_that_is_not_there_is_not_made(shell, stage, tmp_path):
    """A relative path, and another folder than the app's: it would end nobody's sessions, and say that it was done."""
    settings_of(shell, stage, store=f"sqlite:///{tmp_path}/sessions.db")
    assert shell("sign-out-everywhere", "--subject", "ada") == 1
    assert "does not exist" in shell.err
    assert list(tmp_path.iterdir()) == []
    open_sync(f"sqlite:///{tmp_path}/sessions.db").check()
    assert shell("sign-out-everywhere", "--subject", "ada") == 0


@pytest.mark.row("LT-17")
@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, "revocation: signing a user out everywhere needs store, or revocation in cookie mode"),
        ({"store": "memory://"}, "store: is in the memory of the app's own process"),
        ({"revocation": "memory://"}, "revocation: is in the memory of the app's own process"),
        ({"store": "sqlite://", "session_lifetime": "x"}, "store: must name a file"),
    ],
)
def test_settings_with_which_nothing_would_end(shell, stage, settings, words):
    settings_of(shell, stage, **settings)
    assert shell("sign-out-everywhere", "--subject", "ada") == 2
    assert shell.out == ""
    assert words in shell.err
    answer = shell.json("sign-out-everywhere", "--subject", "ada", code=2)
    assert answer["result"] == "unusable"
    assert any(problem.startswith(words) for problem in answer["problems"])


@pytest.mark.parametrize("subject", ["", "  "])
def test_nobody_is_no_subject(shell, stage, subject, tmp_path):
    settings_of(shell, stage, store=f"sqlite:///{tmp_path}/s.db")
    assert shell("sign-out-everywhere", "--subject", subject) == 2
    assert "subject: is empty" in shell.err


def test_the_issuer(shell, stage, place, monkeypatch, tmp_path):
    """From the option or the variable; if both say something, the same."""
    stage.restart(store=place)
    ada = signed_in(stage, "ada")
    settings_of(shell, stage, store=place, issuer=None)
    assert shell("sign-out-everywhere", "--subject", "ada") == 2
    assert "issuer: is required" in shell.err
    (tmp_path / "issuer").write_text(stage.provider.issuer)
    for name, value in (("issuer", stage.provider.issuer), ("issuer_file", str(tmp_path / "issuer"))):
        shell.settings(issuer=None, issuer_file=None)
        shell.settings(**{name: value})
        assert shell("sign-out-everywhere", "--subject", "ada", "--issuer", stage.provider.issuer + "/") == 2
        assert "issuer: --issuer is not what OIDC_ISSUER says" in shell.err
    assert lives(ada) == [True]
    shell.settings(issuer_file=None)
    assert shell("sign-out-everywhere", "--subject", "ada", "--issuer", stage.provider.issuer) == 0
    assert lives(ada) == [False]


def test_a_subject_of_any_characters(shell, stage, place):
    stage.restart(store=place)
    subject = "--'auth0|5f\"; $(x) & <b>"
    browser = signed_in(stage, subject)
    settings_of(shell, stage, store=place)
    assert shell("sign-out-everywhere", f"--subject={subject}") == 0
    assert shell.out.endswith("1 session ended.\n")
    assert lives(browser) == [False]


def test_what_was_typed_drives_no_terminal(shell, stage, place):
    settings_of(shell, stage, store=place)
    stage.restart(store=place)
    signed_in(stage, "ada")
    assert shell("sign-out-everywhere", "--subject", "ada\x1b[31m") == 0
    assert "\x1b" not in shell.out
    assert shell.json("sign-out-everywhere", "--subject", "ada\x1b[31m", code=0)["subject"] == "ada\x1b[31m"
    assert "\x1b" not in shell.out
