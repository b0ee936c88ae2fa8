"""Redis on several machines: a master fails over, a part of a cluster is gone, keys move."""

from __future__ import annotations

import pytest
import redis

from oidc_middleware.errors import Unavailable
from oidc_middleware.stores import Record
from tests.stores.groups import Cluster, Watched, until
from tests.stores.harness import NOW, new

pytestmark = pytest.mark.slow


@pytest.fixture
def own_watched(tmp_path):
    group = Watched(tmp_path)
    yield group
    group.stop()


@pytest.fixture
def own_cluster(tmp_path):
    group = Cluster(tmp_path)
    yield group
    group.stop()


def answered(call):
    """Whether *call* is answered; "unavailable" is the only other thing that it may say."""
    try:
        call()
    except Unavailable as error:
        return error.code != "store_unavailable"
    return True


@pytest.mark.row("F-ST-08")
def test_failover(opened, own_watched, shell):
    store = opened(own_watched.url, shell)
    new(store)
    store.delete_index("sub-2", issued_until=NOW, keep=600, now=NOW)
    with own_watched.master.client() as client:
        assert client.wait(1, 5_000) == 1
    own_watched.master.stop()
    assert not answered(lambda: store.get("k1", NOW))
    until(lambda: answered(lambda: new(store, "k2")))
    assert store.get("k1", NOW) == Record(b"sealed", 1)
    assert not new(store, "k3", indexes=("sub-2",)), "the logout is remembered"
    assert store.check() == []


@pytest.mark.row("F-ST-08")
def test_a_master_that_was_demoted(opened, own_watched, shell):
    """Its connections are alive, and say that it is a replica."""
    store = opened(own_watched.url, shell)
    new(store)
    with own_watched.master.client() as client:
        assert client.wait(1, 5_000) == 1
    with own_watched.sentinel.client() as sentinel:
        until(lambda: sentinel.execute_command("SENTINEL FAILOVER", "main"))
    until(lambda: own_watched.replica.client().info("replication")["role"] == "master")
    with own_watched.master.client() as client:  # as the sentinel will say later
        client.execute_command("REPLICAOF", "127.0.0.1", str(own_watched.replica.port))
    until(lambda: answered(lambda: new(store, "k2")))
    assert store.replace("k1", b"two", 1, ttl=60, now=NOW)
    assert own_watched.replica.client().exists("oidc:s:k2")


@pytest.mark.row("F-ST-08")
def test_no_sentinel_and_unknown_service(opened, own_watched, shell):
    store = opened(own_watched.url.replace("/main/", "/other/"), shell)
    assert not answered(lambda: store.get("k1", NOW))
    assert not answered(store.check)
    own_watched.sentinel.stop()
    assert not answered(lambda: opened(own_watched.url, shell).get("k1", NOW))


@pytest.mark.row("F-ST-08")
def test_a_key_moves_to_another_server(opened, own_cluster, shell):
    """MOVED, and ASK while it is under way."""
    store = opened(own_cluster.url, shell)
    for number in range(30):
        new(store, f"k{number}")
    client = redis.RedisCluster("127.0.0.1", own_cluster.servers[0].port)
    slot = client.keyslot("oidc:s:k7")
    source = client.nodes_manager.get_node_from_slot(slot)
    target = next(node for node in client.get_primaries() if node.name != source.name)
    ids = {node.name: client.execute_command("CLUSTER MYID", target_nodes=node).decode() for node in (source, target)}
    client.execute_command("CLUSTER SETSLOT", slot, "IMPORTING", ids[source.name], target_nodes=target)
    client.execute_command("CLUSTER SETSLOT", slot, "MIGRATING", ids[target.name], target_nodes=source)
    source.redis_connection.execute_command("MIGRATE", "127.0.0.1", target.port, "oidc:s:k7", 0, 5_000)
    assert store.get("k7", NOW) == Record(b"sealed", 1)
    assert store.replace("k7", b"two", 1, ttl=60, now=NOW)
    for node in (target, source):
        client.execute_command("CLUSTER SETSLOT", slot, "NODE", ids[target.name], target_nodes=node)
    assert store.get("k7", NOW) == Record(b"two", 2)
    assert store.delete_index("sub-1", issued_until=NOW, keep=60, now=NOW) == 30
    client.close()


@pytest.mark.row("F-ST-08", "LT-18")
def test_a_part_of_the_cluster_is_gone(opened, own_cluster, shell):
    store = opened(own_cluster.url, shell)
    for number in range(12):
        new(store, f"k{number}", indexes=(f"sub-{number}",))
    lost = own_cluster.servers[2]
    lost.stop()
    there = [answered(lambda number=number: store.get(f"k{number}", NOW)) for number in range(12)]
    assert 0 < sum(there) < 12
    for number in range(12):
        if there[number]:
            assert store.get(f"k{number}", NOW) == Record(b"sealed", 1)
    lost.start()
    until(lambda: answered(lambda: [store.get(f"k{number}", NOW) for number in range(12)]))
