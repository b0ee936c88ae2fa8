"""What a store asks of Redis, as plans: generators that yield commands and receive their answers, for the blocking and the asyncio client alike.

On a cluster every command touches one key, as keys live apart there and nothing is atomic across them; a single server is told of more at a time.
What must hold across keys holds by order: ``create`` writes the session, then its place in the indexes, then looks at the marks; ``delete_index``
marks, then looks into the index. Whichever comes first, one of the two sees the other (catalogue LT-16), and a deletion that stopped midway goes on
when it is repeated (LT-18). No command scans (DS-09), no answer is unpickled (CK-25).

Times of expiry are in the values, by the caller's clock; Redis's own time to live removes what nobody asks for any more, some time later.
"""

from __future__ import annotations

import itertools
import struct
from collections.abc import Callable, Generator
from typing import Any, Final, TypeVar
from zlib import crc32

from oidc_middleware.clock import SystemClock
from oidc_middleware.errors import Unavailable
from oidc_middleware.stores import redis_scripts as scripts
from oidc_middleware.stores.base import BATCH, Record, unavailable
from oidc_middleware.stores.believed import Believed

Result = TypeVar("Result")
Command = tuple[str | bytes, ...]
Plan = Generator[list[Command], list[Any], Result]

#: Format, version (0 is a tombstone), expiry, length of what describes the session (its key, time of issue, indexes); then the sealed data.
_HEAD: Final = struct.Struct(">4sQdI")
_FORMAT: Final = b"oid1"
_VERSION: Final = struct.Struct(">Q")
_TIME: Final = struct.Struct(">d")

#: An index with more members is looked through for dead ones, this many at a time, with every few that are added.
_TIDY: Final = 16
_TIDY_EVERY: Final = 8
#: What the index lives longer than the session was given: sessions are kept up one by one.
_SPARE: Final = 3600.0


class Refused(Unavailable):
    """The server does not let us in, or does not let us do what we need."""


class Plans:
    """The plans of one store. *together*: whether one command may name keys of several kinds, as on a single server."""

    def __init__(self, prefix: str, *, together: bool, local_seconds: float = 0) -> None:
        self._prefix = prefix
        self._believed = Believed(local_seconds) if local_seconds else None
        self._together = together
        self._process = SystemClock.random(9).hex()
        self._count = itertools.count()

    def get(self, key: str, now: float) -> Plan[Record | None]:
        """See :class:`~oidc_middleware.stores.base.SyncStore`, here and below."""
        begun = self._believed.begin() if self._believed else 0
        (value,) = yield [("GET", self._name("s", key))]
        record = _record(value, key, now)
        if self._believed and record:
            _, _, expires, length = _HEAD.unpack_from(value)
            indexes = value[_HEAD.size : _HEAD.size + length].decode("ascii", "replace").split("\n")[2:]
            self._believed.keep(begun, key, record.version, expires=expires, indexes=tuple(indexes), asked=now)
        return record

    def still(self, key: str, version: int, now: float) -> bool:
        """See :class:`~oidc_middleware.stores.base.Instant`: only with ``local_seconds`` is there anything to tell."""
        return self._believed is not None and self._believed.still(key, version, now)

    def quickest(self) -> Callable[[str, int, float], bool]:
        """See :class:`~oidc_middleware.stores.base.Instant`."""
        return self.still if self._believed is None else self._believed.still

    def _doubt(self, name: str, plan: Plan[Result]) -> Plan[Result]:
        """*plan*, which writes to *name*: what this process heard before it was done counts no more."""
        try:
            return (yield from plan)
        finally:
            if self._believed:
                self._believed.doubt(name)

    def create(self, key: str, data: bytes, *, ttl: float, indexes: tuple[str, ...], issued_at: float, now: float) -> Plan[bool]:
        name, about = self._name("s", key), "\n".join((key, repr(float(issued_at)), *indexes)).encode()
        value = _HEAD.pack(_FORMAT, 1, now + ttl, len(about)) + about + data
        (stored,) = yield [scripts.create(name, value, now, _lasting(ttl, key))]
        if not stored:
            return False
        joins = [scripts.join(self._name("i", index), key, issued_at, _lasting(2 * ttl + _SPARE, index)) for index in indexes]
        sizes = (yield joins) if joins else []
        _refuse_foreign(sizes)
        latest = yield from self.marks(indexes, now)
        if latest is not None and latest >= issued_at:
            yield [("UNLINK", name)]
            yield [("ZREM", self._name("i", index), key) for index in indexes]
            return False
        for index, size in zip(indexes, sizes, strict=True):
            if size > _TIDY and size % _TIDY_EVERY == 0:
                yield from self._tidy(index)
        return True

    def replace(self, key: str, data: bytes, version: int, *, ttl: float, now: float) -> Plan[bool]:
        return self._doubt(key, self._replace(key, data, version, ttl, now))

    def _replace(self, key: str, data: bytes, version: int, ttl: float, now: float) -> Plan[bool]:
        if version < 1:
            return False
        versions, expires = (_VERSION.pack(version), _VERSION.pack(version + 1)), _TIME.pack(now + ttl)
        (about,) = yield [scripts.replace(self._name("s", key), *versions, expires, data, now, _lasting(ttl, key))]
        if about is None:
            return False
        _, issued_at, *indexes = about.decode().split("\n")
        joins = [scripts.join(self._name("i", index), key, float(issued_at), _lasting(2 * ttl + _SPARE, index)) for index in indexes]
        if joins:
            yield joins
        return True

    def delete(self, key: str, *, keep: float, now: float) -> Plan[bool]:
        return self._doubt(key, self._delete(key, keep, now))

    def _delete(self, key: str, keep: float, now: float) -> Plan[bool]:
        return bool((yield from self._bury([key], keep, now, always=True)))

    def delete_index(self, index: str, *, issued_until: float, keep: float, now: float) -> Plan[int]:
        return self._doubt(index, self._delete_index(index, issued_until, keep, now))

    def _delete_index(self, index: str, issued_until: float, keep: float, now: float) -> Plan[int]:
        total: int = 0
        full, name = False, self._name("i", index)
        try:
            yield from self.mark(index, issued_until=issued_until, keep=keep, now=now)
            while self._together:  # one script a batch, and what the index names need not travel (catalogue F-PR-14)
                ((ended, looked),) = yield [self._end(index, issued_until, keep, now)]
                total += ended
                if looked < BATCH:
                    return total
        except Unavailable as error:
            if error.code != "store_full":
                raise
            full = True
        look: Command = ("ZRANGEBYSCORE", name, "-inf", repr(float(issued_until)), "LIMIT", "0", str(BATCH))
        (members,) = yield [look]
        while members:
            total += yield from self._bury([member.decode() for member in members], keep, now, always=False)
            _, members = yield [("ZREM", name, *members), look]
        if full:  # now there may be room; if there is none, whoever asked must ask again
            yield from self.mark(index, issued_until=issued_until, keep=keep, now=now)
        return total

    def mark(self, index: str, *, issued_until: float, keep: float, now: float) -> Plan[None]:
        yield [scripts.mark(self._name("m", index), issued_until, now + keep, _lasting(keep, index), now)]

    def marks(self, indexes: tuple[str, ...], now: float) -> Plan[float | None]:
        names = [self._name("m", index) for index in indexes]
        if not names:
            return None
        if self._together:
            (values,) = yield [("MGET", *names)]
        else:
            values = yield [("GET", name) for name in names]
        return max((mark for value in values or () if (mark := _mark(value, now)) is not None), default=None)

    def holds(self, index: str, now: float) -> Plan[bool]:
        for start in itertools.count(0, BATCH):  # the newest first: what is tidied away meanwhile is at the other end
            (members,) = yield [("ZREVRANGE", self._name("i", index), str(start), str(start + BATCH - 1))]
            if not members:
                break
            keys = [member.decode() for member in members]
            beginnings = yield [("GETRANGE", self._name("s", key), "0", str(_HEAD.size + len(key))) for key in keys]
            if any(_record(beginning, key, now) for key, beginning in zip(keys, beginnings, strict=True)):
                return True
            if len(members) < BATCH:
                break
        return False

    def claim(self, key: str, ttl: float, now: float) -> Plan[bool]:
        owner = f"{self._process}-{next(self._count)}"  # so that the client library may repeat the command when it lost the answer
        (granted,) = yield [scripts.own(self._name("c", key), owner, now + ttl, _lasting(ttl, key), now)]
        return bool(granted)

    def forget(self, key: str) -> Plan[None]:
        yield [("UNLINK", self._name("c", key))]

    def acquire(self, key: str, owner: str, ttl: float, now: float) -> Plan[bool]:
        (granted,) = yield [scripts.own(self._name("l", key), owner, now + ttl, _milliseconds(ttl), now)]
        return bool(granted)

    def release(self, key: str, owner: str) -> Plan[None]:
        yield [scripts.disown(self._name("l", key), owner)]

    def check(self) -> Plan[list[str]]:
        name = self._name("c", "check")
        try:
            yield [("GET", name)]
            yield [scripts.own(name, "check", 0, 1000, 0)]
            (answer,) = yield [("INFO",)]
        except Refused as error:
            return [f"the Redis server refuses what is needed: {error.detail}"]
        except Unavailable as error:
            if error.code != "store_full":
                raise
            return ["the Redis server has no room for new sessions: raise its maxmemory"]
        return sorted({problem for server in ([answer] if "redis_version" in answer else answer.values()) for problem in _judged(server)})

    def _name(self, kind: str, key: str) -> str:
        return f"{self._prefix}{kind}:{key}"

    def _bury(self, keys: list[str], keep: float, now: float, *, always: bool) -> Plan[int]:
        """Put tombstones in place of sessions: how many there were. A server that is full gets rid of the sessions at least."""
        names, stone = [self._name("s", key) for key in keys], self._stone(keep, now)
        try:
            buries = zip(names, keys, strict=True)
            ended = yield [scripts.bury(name, stone, now, _lasting(keep, key), always=always) for name, key in buries]
        except Unavailable as error:
            if error.code != "store_full":
                raise
            ended = yield [("UNLINK", name) for name in names]
        return sum(ended)

    def _end(self, index: str, issued_until: float, keep: float, now: float) -> Command:
        lasting, step = _lasting(keep, index), _milliseconds(_spread(keep) / BATCH)
        return scripts.end(self._name("i", index), self._name("s", ""), self._stone(keep, now), issued_until, now, lasting, step, BATCH)

    def _stone(self, keep: float, now: float) -> bytes:
        return _HEAD.pack(_FORMAT, 0, now + keep, 0)

    def _tidy(self, index: str) -> Plan[None]:
        """Take sessions that are no more out of *index*, oldest first: it would grow with every login of an account that many share."""
        name = self._name("i", index)
        (members,) = yield [("ZRANGE", name, "0", str(_TIDY - 1))]
        heads = yield [("GETRANGE", self._name("s", member.decode()), "0", str(_HEAD.size - 1)) for member in members]
        gone = [member for member, head in zip(members, heads, strict=True) if not head or head[4:12] == _VERSION.pack(0)]
        if gone:
            yield [("ZREM", name, *gone)]


def _milliseconds(seconds: float) -> int:
    return max(1, int(seconds * 1000))


def _lasting(seconds: float, key: str) -> int:
    """How long Redis keeps what counts for *seconds*, in milliseconds: longer by up to a sixteenth and a minute, which *key* decides.

    What was written in one second, by everybody who came back at nine or by a logout of thousands, is not removed in one second, in which Redis
    would serve nobody else (catalogue F-PR-13). Nothing counts longer for it: that is for the times in the values to say.
    """
    return _milliseconds(seconds + crc32(key.encode()) / 2**32 * _spread(seconds))


def _spread(seconds: float) -> float:
    return seconds / 16 + 60


def _record(value: object, key: str, now: float) -> Record | None:
    """The session in *value*, if it is one of ours and of this key (catalogue F-ST-11, F-ST-12)."""
    if type(value) is not bytes or len(value) < _HEAD.size:
        return None
    form, version, expires, length = _HEAD.unpack_from(value)
    if form != _FORMAT or not version or not expires > now or not value.startswith(key.encode() + b"\n", _HEAD.size):
        return None
    return Record(value[_HEAD.size + length :], version)


def _mark(value: object, now: float) -> float | None:
    try:
        issued_until, expires = (float(part) for part in value.split(b" ")) if isinstance(value, bytes) else (0.0, 0.0)
    except ValueError:
        return None
    return issued_until if expires > now else None


def _refuse_foreign(sizes: list[Any]) -> None:
    if any(type(size) is not int for size in sizes):
        raise unavailable("redis", "something else is stored under the name of an index")


def _judged(server: Any) -> list[str]:
    """What is wrong with one server, by its ``INFO``."""
    policy, version = str(server.get("maxmemory_policy", "")), str(server["redis_version"])
    problems = []
    if policy and policy != "noeviction":
        problems.append(
            f"the Redis server has maxmemory-policy {policy}: when memory is short it forgets sessions, logouts and used tokens; set it to noeviction"
        )
    if version.partition(".")[0].isdecimal() and int(version.partition(".")[0]) < 6:
        problems.append(f"the Redis server is of version {version}; it must be 6 or newer")
    return problems
