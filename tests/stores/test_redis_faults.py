"""Redis that is down, silent, slow, full, forgetful, or not ours: always "unavailable", never "no such session", and never another's."""

from __future__ import annotations

import time

import pytest

from oidc_middleware.errors import Unavailable
from oidc_middleware.stores import Record
from tests.stores.harness import NOW, new

#: Generous, because the machine is shared: our limits are 0.5 s for a connection and 1 s for an answer.
PATIENCE = 4.0


def calls(store):
    """Every kind of call, once."""
    return {
        "get": lambda: store.get("k1", NOW),
        "create": lambda: new(store, "k9"),
        "replace": lambda: store.replace("k1", b"two", 1, ttl=60, now=NOW),
        "delete": lambda: store.delete("k9", keep=60, now=NOW),
        "delete_index": lambda: store.delete_index("sub-9", issued_until=NOW, keep=60, now=NOW),
        "mark": lambda: store.mark("sub-9", issued_until=NOW, keep=60, now=NOW),
        "marks": lambda: store.marks(("sub-1", "sub-9"), NOW),
        "holds": lambda: store.holds("sub-1", NOW),
        "claim": lambda: store.claim("jti", 60, NOW),
        "forget": lambda: store.forget("jti"),
        "acquire": lambda: store.acquire("lease", "one", 60, NOW),
        "release": lambda: store.release("lease", "one"),
        "check": store.check,
    }


def refused(call):
    """The error of *call*, which comes in time."""
    began = time.monotonic()
    with pytest.raises(Unavailable) as caught:
        call()
    assert time.monotonic() - began < PATIENCE
    assert (caught.value.status, caught.value.__cause__) == (503, None)
    return caught.value.code


@pytest.mark.row("F-ST-01")
def test_refused(opened, own_redis, shell):
    server = own_redis("--appendonly", "yes", "--appendfsync", "always")
    store = opened(server.url, shell)
    new(store)
    server.stop()
    assert {name: refused(call) for name, call in calls(store).items()} == dict.fromkeys(calls(store), "store_unavailable")
    server.start()
    assert store.get("k1", NOW) == Record(b"sealed", 1)


@pytest.mark.row("F-ST-05")
def test_restarted_between_two_requests(opened, own_redis, shell):
    server = own_redis("--appendonly", "yes", "--appendfsync", "always")
    store = opened(server.url, shell)
    new(store)
    for version in range(1, 5):
        assert store.get("k1", NOW).version == version
        server.stop()
        server.start()
        assert store.replace("k1", b"%d" % version, version, ttl=60, now=NOW)
        assert new(store, f"login-{version}")


@pytest.mark.row("F-ST-02")
@pytest.mark.slow
def test_silent(opened, own_redis, shell):
    server = own_redis()
    store = opened(server.url, shell)
    new(store)
    server.silence()
    assert {name: refused(calls(store)[name]) for name in ("get", "create", "claim")} == dict.fromkeys(
        ("get", "create", "claim"), "store_unavailable"
    )
    server.speak()
    assert store.get("k1", NOW) == Record(b"sealed", 1)
    assert store.get("k2", NOW) is None


@pytest.mark.row("F-ST-03")
@pytest.mark.slow
def test_slow(opened, redis_server, proxied, shell):
    proxy = proxied(redis_server)
    store = opened(proxy.url, shell)
    for proxy.delay in (0.05, 0.4):
        assert new(store, f"k{proxy.delay}")
        assert store.get(f"k{proxy.delay}", NOW) == Record(b"sealed", 1)
    proxy.delay = 2
    assert refused(calls(store)["get"]) == "store_unavailable"
    proxy.delay = 0
    assert store.get("k0.05", NOW) == Record(b"sealed", 1)


@pytest.mark.row("F-ST-04")
def test_emptied(opened, redis_server, shell):
    """Everyone has to sign in again; nothing else is wrong."""
    store = opened(redis_server.url, shell)
    new(store)
    with redis_server.client() as client:
        client.flushall()
        client.script_flush()
    assert store.get("k1", NOW) is None
    assert not store.replace("k1", b"late", 1, ttl=60, now=NOW)
    assert new(store)
    assert store.check() == []


@pytest.mark.row("F-ST-06")
@pytest.mark.parametrize("policy", ["allkeys-lru", "volatile-ttl"])
def test_a_server_that_forgets_is_told_at_start(opened, own_redis, shell, policy):
    server = own_redis("--maxmemory", "4mb", "--maxmemory-policy", policy)
    store = opened(server.url, shell)
    (problem,) = store.check()
    assert policy in problem
    assert "noeviction" in problem
    with server.client() as client:
        client.config_set("maxmemory-policy", "noeviction")
    assert store.check() == []


@pytest.mark.row("F-ST-07")
def test_full(opened, own_redis, shell):
    server = own_redis("--maxmemory-policy", "noeviction")
    store = opened(server.url, shell)
    for number in range(20):
        new(store, f"k{number}", indexes=("sub-1" if number < 10 else "sub-2",))
    with server.client() as client:
        client.config_set("maxmemory", 1)
        assert refused(calls(store)["create"]) == "store_full"
        assert refused(calls(store)["replace"]) == "store_full"
        assert refused(calls(store)["claim"]) == "store_full"
        assert store.get("k1", NOW) == Record(b"sealed", 1)
        assert store.delete("k1", keep=60, now=NOW), "signing out works"
        assert store.get("k1", NOW) is None
        assert refused(lambda: store.delete_index("sub-1", issued_until=NOW, keep=60, now=NOW)) == "store_full", "the mark was not kept: ask again"
        assert [number for number in range(20) if store.get(f"k{number}", NOW)] == list(range(10, 20))
        assert "no room" in store.check()[0]
        client.config_set("maxmemory", 0)
    assert store.delete_index("sub-2", issued_until=NOW, keep=60, now=NOW) == 10
    assert new(store, "k1", issued_at=NOW + 1)


@pytest.mark.row("F-ST-08")
def test_read_only_replica(opened, own_redis, shell):
    master, server = own_redis(), own_redis()
    store = opened(server.url, shell)
    new(store)
    with server.client() as client:
        client.config_set("replica-serve-stale-data", "yes")
        client.execute_command("REPLICAOF", "127.0.0.1", str(master.port))
        assert refused(calls(store)["replace"]) == "store_unavailable"
        assert refused(calls(store)["create"]) == "store_unavailable"
        client.execute_command("REPLICAOF", "NO", "ONE")
    assert new(store, "k2")


class TestRefusedByTheServer:
    """F-ST-09: told at the start, unavailable while running, and no password anywhere."""

    @pytest.mark.row("F-ST-09")
    def test_wrong_password(self, opened, own_redis, shell, caplog):
        server = own_redis("--requirepass", "right-horse")
        store = opened(f"redis://:wrong-horse@127.0.0.1:{server.port}/0", shell)
        assert len(store.check()) == 1
        with pytest.raises(Unavailable) as caught:
            store.get("k1", NOW)
        said = [*store.check(), caught.value.detail, repr(caught.value), repr(getattr(store, "store", store)), caplog.text]
        assert not any("horse" in text for text in said)
        assert "refuses" in store.check()[0]
        right = opened(f"redis://:right-horse@127.0.0.1:{server.port}/0", shell)
        assert right.check() == []
        assert new(right)

    @pytest.mark.row("F-ST-09")
    def test_password_changed_while_running(self, opened, own_redis, shell):
        server = own_redis()
        store = opened(server.url, shell)
        new(store)
        with server.client() as client:
            client.config_set("requirepass", "new-horse")
            for connection in client.client_list():
                if connection["cmd"] != "client|list":
                    client.client_kill(connection["addr"])
            assert refused(calls(store)["get"]) == "store_unavailable"
            client.config_set("requirepass", "")
        assert store.get("k1", NOW) == Record(b"sealed", 1)

    @pytest.mark.row("F-ST-09")
    @pytest.mark.parametrize("allowed", ["+get +info", "+eval +set +info"])
    def test_user_who_may_too_little(self, opened, own_redis, shell, allowed):
        server = own_redis()
        with server.client() as client:
            client.execute_command(
                "ACL", "SETUSER", "app", "on", ">secret-horse", "~oidc:*", "+hello", "+select", "+client", "+ping", *allowed.split()
            )
        (problem,) = opened(f"redis://app:secret-horse@127.0.0.1:{server.port}/0", shell).check()
        assert "permissions" in problem
        assert "secret-horse" not in problem

    @pytest.mark.row("F-ST-09")
    def test_wrong_database_and_no_tls(self, opened, own_redis, shell):
        server = own_redis()
        assert "refuses" in opened(f"redis://127.0.0.1:{server.port}/99", shell).check()[0]
        store = opened(f"rediss://127.0.0.1:{server.port}/0", shell)
        assert refused(store.check) == "store_unavailable"


@pytest.mark.row("F-ST-12", "CK-25")
@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"oid1",
        b"\x80\x05cos\nsystem\n.",
        b'{"sub": "eve"}',
        b"\xff" * 300,
        b"oid2" + b"\0" * 40,
        b"oid1" + b"\xff" * 40,
        "list",
        "hash",
        "stream",
    ],
    ids=repr,
)
def test_what_is_not_ours_is_absent(opened, redis_server, shell, value):
    store = opened(redis_server.url, shell)
    new(store, "mine")
    with redis_server.client() as client:
        for kind in "sicml":
            _put(client, f"oidc:{kind}:k1", value)
        client.delete("oidc:i:k1")
        assert store.get("k1", NOW) is None
        assert not store.replace("k1", b"x", 1, ttl=60, now=NOW)
        assert not store.delete("k1", keep=60, now=NOW)
        assert store.marks(("k1",), NOW) is None
        _put(client, "oidc:s:k1", value)
        assert new(store, "k1", indexes=("sub-1", "k1"))
        assert store.claim("k1", 60, NOW)
        store.release("k1", "one")
        assert store.acquire("k1", "one", 60, NOW)
        store.mark("k1", issued_until=NOW - 1, keep=60, now=NOW)
        assert store.marks(("k1",), NOW) == NOW - 1
        _put(client, "oidc:i:other", "list")
        assert refused(lambda: new(store, "k3", indexes=("other",))) == "store_unavailable"
    assert store.get("mine", NOW) == Record(b"sealed", 1)
    assert store.get("k1", NOW) == Record(b"sealed", 1)


def _put(client, name, value):
    client.delete(name)
    match value:
        case "list":
            client.lpush(name, "x")
        case "hash":
            client.hset(name, "a", "b")
        case "stream":
            client.xadd(name, {"a": "b"})
        case _:
            client.set(name, value)


@pytest.mark.row("CK-25", "F-ST-11")
def test_a_value_moved_to_another_key_is_absent(opened, redis_server, shell):
    """It carries its own key."""
    store = opened(redis_server.url, shell)
    new(store, "k1")
    new(store, "k12")
    with redis_server.client() as client:
        client.set("oidc:s:eve", client.get("oidc:s:k1"))
        client.set("oidc:s:k1", client.get("oidc:s:k12"))
    assert store.get("eve", NOW) is None
    assert store.get("k1", NOW) is None
    assert store.get("k12", NOW) == Record(b"sealed", 1)


@pytest.mark.row("F-ST-13")
@pytest.mark.slow
def test_the_answer_of_a_write_is_lost(opened, redis_server, proxied, shell):
    """It was written; the same write again says so."""
    proxy = proxied(redis_server)
    store = opened(proxy.url, shell)
    assert store.get("k1", NOW) is None
    proxy.swallow = True
    assert refused(lambda: new(store)) == "store_unavailable"
    proxy.swallow = False
    assert new(store)
    proxy.swallow = True
    assert refused(lambda: store.replace("k1", b"two", 1, ttl=60, now=NOW)) == "store_unavailable"
    proxy.swallow = False
    assert store.replace("k1", b"two", 1, ttl=60, now=NOW)
    assert store.get("k1", NOW) == Record(b"two", 2)
    assert store.delete_index("sub-1", issued_until=NOW, keep=60, now=NOW) == 1


@pytest.mark.row("F-ST-05", "F-ST-13")
def test_a_connection_that_breaks_is_replaced_and_the_call_made_once_more(opened, redis_server, proxied, shell):
    """Whether the server had carried it out already or not."""
    proxy = proxied(redis_server)
    store = opened(proxy.url, shell)
    assert store.get("k1", NOW) is None
    done = {}
    for name in ("create", "get", "replace", "claim", "acquire", "marks", "mark", "check"):
        proxy.cut_next = True
        done[name] = {**calls(store), "create": lambda: new(store)}[name]()
        assert not proxy.cut_next
    assert done == {
        "create": True,
        "get": Record(b"sealed", 1),
        "replace": True,
        "claim": True,
        "acquire": True,
        "marks": None,
        "mark": None,
        "check": [],
    }
    assert not store.claim("jti", 60, NOW)
    assert store.get("k1", NOW) == Record(b"two", 2)


@pytest.mark.row("LT-18")
def test_deleting_fails_midway_and_is_completed_when_repeated(opened, redis_server, proxied, shell):
    direct = opened(redis_server.url, shell)
    for number in range(1_203):
        new(direct, f"k{number}")
    proxy = proxied(redis_server)
    store = opened(proxy.url, shell)
    store.get("k1", NOW)
    proxy.cut_after = 2
    assert refused(lambda: store.delete_index("sub-1", issued_until=NOW, keep=60, now=NOW)) == "store_unavailable"
    left = sum(direct.get(f"k{number}", NOW) is not None for number in range(1_203))
    assert 0 < left < 1_203
    assert not new(direct, "late"), "the mark came first"
    proxy.cut_after = None
    assert store.delete_index("sub-1", issued_until=NOW, keep=60, now=NOW) == left
    assert not any(direct.get(f"k{number}", NOW) for number in range(1_203))
