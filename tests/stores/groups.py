"""Several Redis processes that belong together: a master with its replica and sentinels, and a cluster."""

from __future__ import annotations

import subprocess
import time

import redis

from tests.needs import require
from tests.stores.servers import Server, free_port


def until(condition, seconds=30.0):
    """Wait for *condition*, which may raise what Redis raises meanwhile."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            if condition():
                return
        except (redis.RedisError, OSError):
            pass
        time.sleep(0.05)
    raise AssertionError("it did not happen in time")


class Sentinel(Server):
    """One sentinel that watches the service ``main``."""

    program = "redis-sentinel"

    def __init__(self, folder, master: Server) -> None:
        super().__init__(folder)
        self._master = master

    def arguments(self) -> list[str]:
        file = self.folder / "sentinel.conf"
        file.write_text(
            f"port {self.port}\nbind 127.0.0.1\ndir {self.folder}\nsentinel monitor main 127.0.0.1 {self._master.port} 1\n"
            "sentinel down-after-milliseconds main 400\nsentinel failover-timeout main 2000\n",
            encoding="utf-8",
        )
        return [str(file)]


class Watched:
    """A master, a replica, and a sentinel; one more address where no sentinel is."""

    def __init__(self, folder) -> None:
        self.master = Server(folder / "master", "--repl-diskless-sync-delay", "0").start()
        self.replica = Server(folder / "replica", "--replicaof", "127.0.0.1", str(self.master.port)).start()
        self.sentinel = Sentinel(folder / "sentinel", self.master).start()
        until(lambda: self.replica.client().info("replication")["master_link_status"] == "up")
        until(lambda: self.sentinel.client().execute_command("SENTINEL", "REPLICAS", "main"))

    @property
    def url(self) -> str:
        return f"redis+sentinel://127.0.0.1:{free_port()},127.0.0.1:{self.sentinel.port}/main/0"

    def stop(self) -> None:
        for server in (self.sentinel, self.replica, self.master):
            server.stop()


class Cluster:
    """Three masters."""

    def __init__(self, folder) -> None:
        options = ("--cluster-enabled", "yes", "--cluster-node-timeout", "1000", "--cluster-require-full-coverage", "no")
        self.servers = []
        for number in range(3):
            port = free_port()
            while port > 55_000:  # the nodes talk to each other at the port plus 10,000
                port = free_port()
            self.servers.append(Server(folder / f"node-{number}", *options, port=port).start())
        addresses = [f"127.0.0.1:{server.port}" for server in self.servers]
        subprocess.run([require("redis-cli"), "--cluster", "create", *addresses, "--cluster-yes"], check=True, capture_output=True, timeout=60)
        until(lambda: all(b"cluster_state:ok" in _info(server) for server in self.servers))

    @property
    def url(self) -> str:
        return "redis+cluster://" + ",".join(f"127.0.0.1:{server.port}" for server in self.servers[:2])

    def empty(self) -> None:
        for server in self.servers:
            with server.client() as client:
                client.flushall()

    def stop(self) -> None:
        for server in self.servers:
            server.stop()


def _info(server: Server) -> bytes:
    with redis.Redis("127.0.0.1", server.port) as client:
        client.response_callbacks.clear()
        return client.execute_command("CLUSTER INFO")
