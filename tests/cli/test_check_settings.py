"""``oidc-middleware check``: settings that work and may not be meant, and the store behind them."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from oidc_middleware.cli.check.faults import told
from oidc_middleware.errors import ProviderError
from oidc_middleware.stores import open_sync
from tests.cli.conftest import BASE_URL, SECRET, OnSocket


@pytest.fixture
def away(shell):
    """Settings of a provider that is not there: only what the settings say is of interest."""
    provider = OnSocket()
    provider.close()
    return shell.at(provider)


def test_all_mistakes_at_once_and_nobody_is_asked(shell, provider):
    shell.at(provider, issuer="http://login.example.com", session_lifetime="300x", alow="@example.com", client_id=None)
    assert shell("check") == 2
    assert shell.out == ""
    lines = shell.err.splitlines()
    assert lines[0] == "oidc_middleware is not configured correctly:"
    assert {line.strip(" -").partition(":")[0] for line in lines[1:]} == {"issuer", "session_lifetime", "OIDC_ALOW", "client_id"}
    answer = shell.json("check", code=2)
    assert answer["result"] == "unusable"
    assert [f"  - {problem}" for problem in answer["problems"]] == lines[1:], "the same words as the library's"
    assert provider.paths == []


@pytest.mark.parametrize(
    ("settings", "level", "about", "words"),
    [
        ({"base_url": None}, "warning", "base_url", "loopback"),
        ({"base_url": None, "allowed_hosts": "a.example.com b.example.com:8443"}, "note", "base_url", "each host"),
        ({"base_url": "http://127.0.0.1:8000"}, "note", "base_url", "for development"),
        ({"base_url": "http://app.example.com", "insecure_allow_http": "true"}, "warning", "base_url", "is not https"),
        ({"insecure_allow_http": "true"}, "warning", "insecure_allow_http", "take over sessions"),
        ({}, "ok", "base_url", BASE_URL),
        ({}, "warning", "revocation", "within its 8 hours"),
        ({}, "note", "allow", "everyone"),
        ({"session_lifetime": "90000"}, "warning", "session_lifetime", "longer than a day"),
        ({"store": "memory://"}, "warning", "store", "one process"),
        ({"revocation": "memory://"}, "warning", "revocation", "one process"),
        ({"trusted_proxies": "10.0.0.0/8"}, "note", "trusted_proxies", "no effect"),
    ],
)
def test_what_the_settings_tell(away, settings, level, about, words):
    away.settings(**settings)
    assert words in away.check(code=1)[level][about]


@pytest.mark.parametrize("settings", [{"store": "sqlite:///s.db"}, {"revocation": "sqlite:///s.db"}, {"session_lifetime": "86400"}])
def test_sessions_that_can_be_ended_or_end_soon_are_nothing_to_warn_of(away, settings, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    away.settings(allow="@example.com", **settings)
    warned = away.check(code=1)["warning"]
    assert set(warned) == ({"revocation"} if "session_lifetime" in settings else set())


def test_addresses_to_register(away):
    away.settings(base_url=None, allowed_hosts="a.example.com:8443 localhost:8000", prefix="/auth")
    away.check(code=1)
    assert away.register == {
        "redirect_uri": "https://a.example.com:8443/auth/callback",
        "post_logout_redirect_uri": "https://a.example.com:8443/auth/signed-out",
        "redirect_uri 2": "http://localhost:8000/auth/callback",
        "post_logout_redirect_uri 2": "http://localhost:8000/auth/signed-out",
    }


def test_without_an_address_the_client_is_not_asked_about(shell, provider):
    found = shell.at(provider, base_url=None).check()
    assert "no redirect URI" in found["note"]["client_id"]
    assert "GET /authorize" not in provider.paths


def test_strict_counts_warnings(shell, provider):
    shell.at(provider)
    assert shell("check") == 0
    assert shell("check", "--strict") == 1
    assert json.loads(shell.out if shell("check", "--strict", "--json") else "{}")["result"] == "problems"
    shell.settings(revocation="sqlite:///s.db", allow="@example.com")
    assert shell("check", "--strict") == 0


def test_the_text_says_what_the_json_says(shell, provider):
    shell.at(provider, client_secret="another-" + SECRET)
    found = shell.json("check", code=1)
    assert shell("check") == 1
    text = shell.out
    for finding in found["findings"]:
        for words in (finding["text"], finding["advice"]):
            assert words in text or "the clocks" in words
    assert f"  redirect_uri: {BASE_URL}/oidc/callback\n" in text
    assert text.endswith("\n1 problem, 1 warning.\n")
    assert "\x1b" not in text, "no colours where no terminal is"


def test_what_a_provider_says_drives_no_terminal(shell, provider):
    provider.metadata_edits["issuer"] = "https://\x1b[31mevil\x07\r\n"
    assert shell.at(provider).__call__("check") == 1
    assert "evil" in shell.out
    assert {"\x1b", "\x07", "\r"}.isdisjoint(shell.out)


# -- the store ----------------------------------------------------------------------------------------------------------------------------


def test_a_store_in_order(shell, provider, redis_server, tmp_path):
    redis, file = redis_server(), tmp_path / "sessions.db"
    open_sync(f"sqlite:///{file}").check()
    for settings in ({"store": redis.url}, {"revocation": redis.url}, {"store": f"sqlite:///{file}"}):
        (about,) = settings
        found = shell.at(provider, store=None, revocation=None).at(provider, **settings).check()
        assert "takes what is written" in found["ok"][about]
        assert found["warning"] == {}
    with redis.client() as client:
        assert client.dbsize() <= 1, "nothing but the check's own short entry"


@pytest.mark.row("F-ST-06")
def test_a_store_that_forgets(shell, provider, redis_server):
    redis = redis_server("--maxmemory-policy", "allkeys-lru")
    found = shell.at(provider, store=redis.url).check(code=1)
    assert "noeviction" in found["problem"]["store"]


@pytest.mark.row("F-ST-09")
def test_a_store_that_refuses(shell, provider, redis_server):
    redis = redis_server("--requirepass", "right-horse")
    shell.secrets.add("horse")
    found = shell.at(provider, store=redis.url.replace("://", "://:wrong-horse@")).check(code=1)
    assert "refuses what is needed" in found["problem"]["store"]
    shell.settings(store=redis.url.replace("://", "://:right-horse@"))
    assert shell.check()["problem"] == {}


@pytest.mark.row("F-ST-01", "F-ST-09")
def test_a_store_that_is_not_there(shell, provider, redis_server):
    redis = redis_server()
    redis.stop()
    found = shell.at(provider, store=redis.url.replace("://", "://user:secret-horse@")).check(code=1)
    shell.secrets.add("horse")
    assert "store_unavailable" in found["problem"]["store"]
    assert found["ok"]["client_secret"], "and the rest is checked all the same"


def test_files(shell, provider, tmp_path):
    missing, fine, foreign = tmp_path / "nowhere" / "s.db", tmp_path / "s.db", tmp_path / "foreign.db"
    foreign.write_bytes(b"no database" * 1000)
    assert "does not exist" in shell.at(provider, store=f"sqlite:///{missing}").check(code=1)["problem"]["store"]
    assert "at the first use" in shell.at(provider, store=f"sqlite:///{fine}").check()["note"]["store"]
    assert not fine.exists(), "whoever checks as root must not own the file of the app"
    assert "store" in shell.at(provider, store=f"sqlite:///{foreign}").check(code=1)["problem"]
    assert foreign.read_bytes() == b"no database" * 1000


def test_a_folder_that_is_not_writable(shell, provider, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: (Path(path), mode) != (tmp_path, os.W_OK))  # root may write everywhere
    assert "not writable" in shell.at(provider, store=f"sqlite:///{tmp_path}/s.db").check(code=1)["problem"]["store"]


def test_no_text_of_a_fault_drives_a_terminal():
    words = told(ProviderError("metadata_invalid", "\x1b[31mevil\r\n"))
    assert words.isprintable()
    assert "evil" in words
