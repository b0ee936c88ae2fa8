"""From the settings ``store`` and ``revocation`` to a store."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading

import pytest

from oidc_middleware.errors import ConfigError
from oidc_middleware.stores import is_shared, open_async, open_sync, store_problems
from oidc_middleware.stores.memory import MemoryStore
from oidc_middleware.stores.redis_url import place_of
from tests.stores.harness import NOW

GOOD = [
    "memory://",
    "memory://?max_sessions=5",
    "sqlite:///relative.db",
    "sqlite:////absolute/path.db",
    "sqlite:///x.db?max_megabytes=10",
    "redis://localhost",
    "redis://localhost/",
    "redis://localhost:6380/3",
    "redis://user:p%40ss@localhost/0?prefix=app:&max_connections=5",
    "rediss://:secret@redis.example:6379/0?ssl_ca_certs=/etc/ca.pem",
    "redis://[::1]:6379/1",
    "redis+sentinel://user:pass@one:26379,two,[::1]:3/main/2",
    "rediss+cluster://one:7000,two:7001",
]


@pytest.mark.parametrize("target", GOOD)
def test_good_targets(target):
    assert store_problems(target) == []
    assert is_shared(target) is not target.startswith("memory")
    open_sync(target).close()


@pytest.mark.row("F-ST-09")
@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("", "must be one of"),
        ("cookie", "must be one of"),
        ("postgres://user:horse@host/db", "must be one of"),
        ("redis", "must be one of"),
        ("memory://x", "after memory://"),
        ("memory://?max_sessions=0", "positive number"),
        ("memory://?max_sessions=many", "positive number"),
        ("memory://?max_sessions=\u0663", "positive number"),
        ("memory://?max_session=5", "unknown option 'max_session'"),
        ("sqlite://", "must name a file"),
        ("sqlite:///", "must name a file"),
        ("sqlite:////", "must name a file"),
        ("sqlite:///folder/", "must name a file"),
        ("sqlite:///:memory:", "must name a file"),
        ("sqlite://file.db", "must name a file"),
        ("redis://", "host and port"),
        ("redis://horse@:6379", "host and port"),
        ("redis://host:horse", "host and port"),
        ("redis://host:0", "host and port"),
        ("redis://host:65536", "host and port"),
        ("redis://[::1]6379", "host and port"),
        ("redis://host/horse", "no database number"),
        ("redis://one,two/0", "several hosts"),
        ("redis://host?password=horse", "unknown option 'password'"),
        ("redis://host?horse", "not a URL"),
        ("redis://host/0#horse", "not a URL"),
        ("redis://ho st/0", "not a URL"),
        ("redis://[host", "not a URL"),
        ("redis://host?prefix=\u00e9", "printable ASCII"),
        ("redis+sentinel://host:26379", "service"),
        ("redis+sentinel://host:26379/main/x", "no database number"),
        ("redis+cluster://host/1", "only one"),
        (frozenset(), "lacks get, create"),
        (7, "lacks get, create"),
    ],
    ids=repr,
)
def test_bad_targets(target, said):
    (problem,) = store_problems(target)
    assert said in problem
    assert "horse" not in problem
    for opening in (open_sync, open_async):
        with pytest.raises(ConfigError) as caught:
            opening(target)
        assert caught.value.problems == (f"store {problem}",)


@pytest.mark.row("F-ST-09")
def test_the_library_is_missing(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert store_problems("redis://localhost") == ["needs the Redis library: pip install 'oidc-middleware[redis]'"]
    assert store_problems("sqlite:///x.db") == []


def test_what_a_redis_url_says():
    place = place_of("rediss+sentinel", "rediss+sentinel://us%3Aer:p%40s%2Fs@one,two:5/ma%20in/4", {"sentinel_password": "x", "ssl_keyfile": "k"})
    assert (place.form, place.hosts, place.service, place.db) == ("sentinel", (("one", 26379), ("two", 5)), "ma in", 4)
    assert (place.username, place.password, place.sentinel_password, place.tls) == ("us:er", "p@s/s", "x", {"ssl_keyfile": "k"})
    assert place_of("redis", "redis://host", {}).tls is None


class TestObjects:
    def test_a_synchronous_object_is_used_as_it_is(self, tmp_path):
        store = MemoryStore()
        assert open_sync(store) is store
        assert not is_shared(store), "it says so itself"
        other = open_sync(f"sqlite:///{tmp_path}/sessions.db")
        assert is_shared(other)
        other.close()

    def test_an_asynchronous_object_is_used_as_it_is_and_not_for_wsgi(self):
        store = open_async("memory://")
        assert store_problems(store) == []
        assert open_async(store) is store
        with pytest.raises(ConfigError, match="asynchronous"):
            open_sync(store)

    def test_a_synchronous_object_runs_in_threads_under_an_event_loop(self):
        threads = set()

        class Slow(MemoryStore):
            shared = False

            def get(self, key, now):
                threads.add(threading.current_thread())
                return super().get(key, now)

        async def run():
            store = open_async(Slow())
            assert await store.create("k1", b"sealed", ttl=60, indexes=(), issued_at=NOW, now=NOW)
            assert (await store.get("k1", NOW)).data == b"sealed"
            assert await store.marks(("x",), NOW) is None
            await store.close()

        asyncio.run(run())
        assert threads
        assert threading.current_thread() not in threads
        assert not is_shared(Slow())


@pytest.mark.parametrize(("target", "loaded"), [("memory://", set()), ("sqlite:///x.db", {"sqlite3"}), ("redis://localhost", {"redis"})])
def test_only_what_is_used_is_imported(target, loaded, tmp_path):
    program = f"import sys; from oidc_middleware.stores import open_sync; open_sync({target!r}); print(*({{'sqlite3', 'redis'}} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) == loaded


@pytest.mark.row("CK-25")
def test_nothing_is_unpickled():
    program = (
        "import sys, oidc_middleware.stores.memory, oidc_middleware.stores.sqlite, oidc_middleware.stores.redis_plans; print('pickle' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.strip() == "False"
