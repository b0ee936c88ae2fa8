"""Sessions in one file, for all workers of a machine.

Readers and the one writer do not wait for each other (WAL). Every thread of every process has a connection of its own: a connection that crossed
a fork would corrupt the file (https://sqlite.org/howtocorrupt.html#_carrying_an_open_database_across_a_fork_).
"""

from __future__ import annotations

import os
import sqlite3
import threading
import weakref
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final, TypeVar

from oidc_middleware.errors import Unavailable
from oidc_middleware.stores import sqlite_schema as sql
from oidc_middleware.stores.base import BATCH, Instant, Record, full, unavailable
from oidc_middleware.stores.turns import Turns

Result = TypeVar("Result")

#: Seconds that a write waits for another process to finish its own.
PATIENCE: Final = 1.0
#: The most that the file may grow to; whatever comes then is ``store_full``.
MAX_MEGABYTES: Final = 1024

#: Seconds after which a session is looked at again though nobody wrote to it: an older version of us, or somebody by hand, tells nobody.
SEEN_SECONDS: Final = 1.0
#: Sessions that need not be looked at again, at most; then all are.
_MOST_SEEN: Final = 4_096
#: A session that was looked at: where its turn is and what that was, its version, from when and until when that is good.
_Seen = tuple[memoryview, int, int, int, float, float]

#: To be told of the sessions that are about to be written to.
Writes = Callable[[Iterable[str]], None]

#: Connections that a child process inherited. Closing or forgetting them would touch the parent's file.
_INHERITED: Final[list[sqlite3.Connection]] = []


class Busy(Unavailable):
    """Another process is writing."""


class _Open:
    """One thread's connection, closed with the thread or the store at the latest.

    By a finalizer and not by ``__del__``: in a cycle of garbage, the connection itself might go first, and warn that nobody closed it.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        #: For what every request asks: to make a cursor for each costs a tenth of the question.
        self.look = connection.cursor().execute
        self.pid = os.getpid()
        self.close = weakref.finalize(self, _release, connection, self.pid)


def _release(connection: sqlite3.Connection, pid: int) -> None:
    if pid == os.getpid():
        connection.close()
    else:
        _INHERITED.append(connection)


class SqliteStore(Instant):
    """The store in the file *path*, made at first use and readable by its owner alone.

    *patience*: seconds a write waits for other writers. *max_megabytes*: the most that the file may grow to.
    """

    def __init__(self, path: str | Path, *, patience: float = PATIENCE, max_megabytes: int = MAX_MEGABYTES) -> None:
        self._path = Path(path)
        self._patience = patience
        self._max_megabytes = max_megabytes
        self._mine = threading.local()
        self._all: weakref.WeakSet[_Open] = weakref.WeakSet()
        self._shared: Turns | None = None
        self._seen: dict[str, _Seen] = {}

    def __repr__(self) -> str:
        return f"<SqliteStore {self._path}>"

    # -- sessions ---------------------------------------------------------------------------------------------------------------------

    def get(self, key: str, now: float) -> Record | None:
        """See :class:`~oidc_middleware.stores.base.SyncStore`, here and below."""
        row = self._do(lambda db: db.execute(sql.GET, (key, now)).fetchone())
        return Record(row[0], row[1]) if row and type(row[0]) is bytes and type(row[1]) is int else None

    def still(self, key: str, version: int, now: float) -> bool:
        """See :class:`~oidc_middleware.stores.base.Instant`."""
        seen = self._seen.get(key)
        if seen is not None:
            numbers, place, number, known, asked, until = seen
            if known == version and asked <= now < until and numbers[place] == number:
                return True
        return self._look(key, version, now)

    def _look(self, key: str, version: int, now: float) -> bool:
        """What :meth:`still` says, from the file. It need not be read again until somebody writes, or for :data:`SEEN_SECONDS`."""
        try:
            look, turns = self._opened().look, self._turns()
            place = turns.place(key)
            number = turns.settled(place)
            # All of it: a statement that is not at its end keeps its view of the file, and others' writes unseen.
            rows = look(sql.STILL, (now + SEEN_SECONDS, key, version, now)).fetchall()
        except (sqlite3.Error, OSError, Unavailable):
            return False
        if rows and number is not None:
            if len(self._seen) >= _MOST_SEEN:
                self._seen.clear()
            self._seen[key] = turns.numbers, place, number, version, now, rows[0][0]
        return bool(rows)

    def create(self, key: str, data: bytes, *, ttl: float, indexes: tuple[str, ...], issued_at: float, now: float) -> bool:
        def work(db: sqlite3.Connection) -> bool:
            _sweep(db, now)
            known = db.execute(sql.KNOWN, (key, now)).fetchone()
            if known:
                return bool(known[0] == data)
            latest = _latest(db, indexes, now)
            if latest is not None and latest >= issued_at:
                return False
            db.execute(sql.REMOVE, (key,))
            db.execute(sql.CREATE, (key, data, issued_at, now + ttl))
            db.executemany(sql.JOIN, [(index, key) for index in indexes])
            return True

        return self._write(work)

    def replace(self, key: str, data: bytes, version: int, *, ttl: float, now: float) -> bool:
        def work(db: sqlite3.Connection, writes: Writes) -> bool:
            writes([key])
            if db.execute(sql.REPLACE, (data, now + ttl, key, version, now)).rowcount:
                return True
            row = db.execute(sql.GET, (key, now)).fetchone()
            return bool(row == (data, version + 1))

        return self._change(work)

    def delete(self, key: str, *, keep: float, now: float) -> bool:
        def work(db: sqlite3.Connection, writes: Writes) -> bool:
            _sweep(db, now)
            writes([key])
            there = db.execute(sql.GET, (key, now)).fetchone() is not None
            db.execute(sql.BURY, (key, now + keep))
            return there

        return self._change(work)

    def delete_index(self, index: str, *, issued_until: float, keep: float, now: float) -> int:
        self.mark(index, issued_until=issued_until, keep=keep, now=now)

        def work(db: sqlite3.Connection, writes: Writes) -> int:
            keys = db.execute(sql.MEMBERS, (index, issued_until, now, BATCH)).fetchall()
            writes(key for (key,) in keys)
            db.executemany(sql.BURY, [(key, now + keep) for (key,) in keys])
            return len(keys)

        total = 0
        while done := self._change(work):
            total += done
        return total

    # -- marks, claims, leases --------------------------------------------------------------------------------------------------------

    def mark(self, index: str, *, issued_until: float, keep: float, now: float) -> None:
        def work(db: sqlite3.Connection) -> None:
            _sweep(db, now)
            db.execute(sql.UNMARK, (index, now))
            db.execute(sql.MARK, (index, issued_until, now + keep))

        self._write(work)

    def marks(self, indexes: tuple[str, ...], now: float) -> float | None:
        return self._do(lambda db: _latest(db, indexes, now))

    def holds(self, index: str, now: float) -> bool:
        return self._do(lambda db: db.execute(sql.HOLDS, (index, now)).fetchone()) is not None

    def claim(self, key: str, ttl: float, now: float) -> bool:
        return self._own(f"claim:{key}", "", ttl, now, again=False)

    def forget(self, key: str) -> None:
        self._do(lambda db: db.execute(sql.DISOWN, (f"claim:{key}", "")))

    def acquire(self, key: str, owner: str, ttl: float, now: float) -> bool:
        return self._own(f"lease:{key}", owner, ttl, now, again=True)

    def release(self, key: str, owner: str) -> None:
        self._do(lambda db: db.execute(sql.DISOWN, (f"lease:{key}", owner)))

    def _own(self, name: str, owner: str, ttl: float, now: float, *, again: bool) -> bool:
        def work(db: sqlite3.Connection) -> bool:
            _sweep(db, now)
            known = db.execute(sql.OWNER, (name, now)).fetchone()
            if known and not (again and known[0] == owner):
                return False
            db.execute(sql.OWN, (name, owner, now + ttl))
            return True

        return self._write(work)

    # -- the file ---------------------------------------------------------------------------------------------------------------------

    def check(self) -> list[str]:
        try:
            problems: list[str] = self._do(lambda db: [] if db.execute("PRAGMA journal_mode").fetchone() == ("wal",) else [sql.NO_WAL])
            self.forget("check")  # a write, which a file that is not ours to write refuses
            self._do(lambda _: self._turns())
        except sql.NotOurs as error:
            return [f"the file {self._path} {error.why}"]
        return problems

    def close(self) -> None:
        for known in list(self._all):
            known.close()
        self._mine = threading.local()
        self._shared = None
        self._seen.clear()

    def _change(self, work: Callable[[sqlite3.Connection, Writes], Result]) -> Result:
        """As :meth:`_write`, for what others may have seen: *work* names the sessions that it writes to, before it does."""
        begun: dict[int, int] = {}
        result = self._write(lambda db: work(db, lambda keys: begun.update(self._turns().begin(keys))))
        self._turns().done(begun)  # only now, and not after an error: whether others see it is not known then
        return result

    def _write(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        """Run *work* as the only writer; all of it or nothing."""

        def whole(db: sqlite3.Connection) -> Result:
            db.execute("BEGIN IMMEDIATE")
            try:
                result = work(db)
                db.execute("COMMIT")
            except BaseException:
                if db.in_transaction:
                    db.execute("ROLLBACK")
                raise
            return result

        return self._do(whole)

    def _do(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        try:
            return work(self._opened().connection)
        except sqlite3.Error as error:
            raise self._translated(error) from None
        except OSError as error:
            raise unavailable("sqlite", error) from None

    def _opened(self) -> _Open:
        known: _Open | None = getattr(self._mine, "open", None)
        if known is None or known.pid != os.getpid():
            known = self._mine.open = _Open(self._connect())
            self._all.add(known)
        return known

    def _turns(self) -> Turns:
        """One for the process, and for those that it forks: they share the memory."""
        if self._shared is None:
            self._shared = Turns(self._path.with_name(f"{self._path.name}-turns"))
        return self._shared

    def _connect(self) -> sqlite3.Connection:
        os.close(os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600))  # SQLite gives the files beside it the same mode
        db = sqlite3.connect(self._path, timeout=max(self._patience, PATIENCE), isolation_level=None, check_same_thread=False)
        try:
            sql.prepare(db, self._max_megabytes)
            db.execute(f"PRAGMA busy_timeout = {int(self._patience * 1000)}")
        except BaseException:
            db.close()
            raise
        return db

    @staticmethod
    def _translated(error: sqlite3.Error) -> Exception:
        name = getattr(error, "sqlite_errorname", "")
        if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
            return Busy("store_unavailable", f"sqlite: another process is writing ({name})", retry_after=1)
        if name == "SQLITE_FULL":
            return full("sqlite", error)
        return unavailable("sqlite", f"{error} {name}")


def _latest(db: sqlite3.Connection, indexes: tuple[str, ...], now: float) -> float | None:
    rows = (db.execute(sql.MARKED, (index, now)).fetchone() for index in indexes)
    return max((row[0] for row in rows if row and type(row[0]) is float), default=None)


def _sweep(db: sqlite3.Connection, now: float) -> None:
    """Remove a few of those that expired: every write does a little of it."""
    for statement in sql.SWEEP:
        db.execute(statement, (now,))
