"""The tables of the SQLite store, and the statements on them."""

from __future__ import annotations

import sqlite3
import threading
from typing import Final

from oidc_middleware.errors import Unavailable

#: "OIDC": tells our files from others (https://sqlite.org/pragma.html, application_id).
_APPLICATION: Final = 0x4F494443
_VERSION: Final = 1
_MEGABYTE: Final = 1_048_576
_TRIES: Final = 100

#: A tombstone is a session without data.
_SCHEMA: Final = (
    "CREATE TABLE session (key TEXT PRIMARY KEY, data BLOB, version INTEGER NOT NULL, issued_at REAL NOT NULL, expires REAL NOT NULL)",
    "CREATE INDEX session_expires ON session (expires)",
    "CREATE TABLE member (name TEXT NOT NULL, key TEXT NOT NULL, PRIMARY KEY (name, key)) WITHOUT ROWID",
    "CREATE INDEX member_key ON member (key)",
    "CREATE TRIGGER session_removed AFTER DELETE ON session BEGIN DELETE FROM member WHERE key = old.key; END",
    "CREATE TRIGGER session_buried AFTER UPDATE OF data ON session WHEN new.data IS NULL BEGIN DELETE FROM member WHERE key = old.key; END",
    "CREATE TABLE mark (name TEXT PRIMARY KEY, issued_until REAL NOT NULL, expires REAL NOT NULL) WITHOUT ROWID",
    "CREATE INDEX mark_expires ON mark (expires)",
    "CREATE TABLE owner (name TEXT PRIMARY KEY, owner TEXT NOT NULL, expires REAL NOT NULL) WITHOUT ROWID",
    "CREATE INDEX owner_expires ON owner (expires)",
    f"PRAGMA application_id = {_APPLICATION}",
    f"PRAGMA user_version = {_VERSION}",
)

GET: Final = "SELECT data, version FROM session WHERE key = ? AND expires > ? AND data IS NOT NULL"
STILL: Final = "SELECT min(expires, ?) FROM session WHERE key = ? AND version = ? AND expires > ? AND data IS NOT NULL"
KNOWN: Final = "SELECT data FROM session WHERE key = ? AND expires > ?"
REMOVE: Final = "DELETE FROM session WHERE key = ?"
CREATE: Final = "INSERT INTO session (key, data, version, issued_at, expires) VALUES (?, ?, 1, ?, ?)"
REPLACE: Final = "UPDATE session SET data = ?, version = version + 1, expires = ? WHERE key = ? AND version = ? AND expires > ? AND data IS NOT NULL"
BURY: Final = """INSERT INTO session (key, data, version, issued_at, expires) VALUES (?, NULL, 0, 0, ?)
ON CONFLICT (key) DO UPDATE SET data = NULL, version = 0, expires = excluded.expires"""
JOIN: Final = "INSERT OR IGNORE INTO member (name, key) VALUES (?, ?)"
MEMBERS: Final = """SELECT member.key FROM member JOIN session ON session.key = member.key
WHERE member.name = ? AND session.issued_at <= ? AND session.expires > ? AND session.data IS NOT NULL LIMIT ?"""
HOLDS: Final = """SELECT 1 FROM member JOIN session ON session.key = member.key
WHERE member.name = ? AND session.expires > ? AND session.data IS NOT NULL LIMIT 1"""
MARKED: Final = "SELECT issued_until FROM mark WHERE name = ? AND expires > ?"
UNMARK: Final = "DELETE FROM mark WHERE name = ? AND expires <= ?"
MARK: Final = """INSERT INTO mark (name, issued_until, expires) VALUES (?, ?, ?) ON CONFLICT (name) DO UPDATE
SET issued_until = max(issued_until, excluded.issued_until), expires = max(expires, excluded.expires)"""
OWNER: Final = "SELECT owner FROM owner WHERE name = ? AND expires > ?"
OWN: Final = "INSERT OR REPLACE INTO owner (name, owner, expires) VALUES (?, ?, ?)"
DISOWN: Final = "DELETE FROM owner WHERE name = ? AND owner = ?"
SWEEP: Final = (
    "DELETE FROM session WHERE rowid IN (SELECT rowid FROM session WHERE expires <= ? LIMIT 16)",
    "DELETE FROM mark WHERE name IN (SELECT name FROM mark WHERE expires <= ? LIMIT 16)",
    "DELETE FROM owner WHERE name IN (SELECT name FROM owner WHERE expires <= ? LIMIT 16)",
)

NO_WAL: Final = "the file system does not support SQLite's write-ahead log (is it a network drive?): readers and writers wait for each other"


class NotOurs(Unavailable):
    """The file belongs to another program, or to another version of this one."""

    def __init__(self, why: str) -> None:
        super().__init__("store_unavailable", f"sqlite: the file {why}")
        self.why = why


def prepare(db: sqlite3.Connection, max_megabytes: int) -> None:
    """Make the tables if the file is new; refuse it if it is not ours."""
    if not _is_ours(db):
        _use_wal(db)
        db.execute("PRAGMA synchronous = NORMAL")
        db.execute("BEGIN IMMEDIATE")
        try:
            if not _is_ours(db):  # another process was faster
                for statement in _SCHEMA:  # one by one: executescript would commit first
                    db.execute(statement)
            db.execute("COMMIT")
        except BaseException:
            db.execute("ROLLBACK")
            raise
    db.execute("PRAGMA synchronous = NORMAL")  # a power cut may lose the last sessions, it does not corrupt the file
    (page_size,) = db.execute("PRAGMA page_size").fetchone()
    db.execute(f"PRAGMA max_page_count = {max_megabytes * _MEGABYTE // page_size}")


def _use_wal(db: sqlite3.Connection) -> None:
    """SQLite does not wait by itself when several processes make a new file at the same time: the switch is no ordinary write."""
    for _ in range(_TRIES):
        try:
            db.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                raise
            threading.Event().wait(0.01)
        else:
            return
    db.execute("PRAGMA journal_mode = WAL")


def _is_ours(db: sqlite3.Connection) -> bool:
    """False for a new file."""
    (tables,) = db.execute("SELECT count(*) FROM sqlite_master").fetchone()  # first: tables and marks come in one commit
    (application,) = db.execute("PRAGMA application_id").fetchone()
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if application == _APPLICATION:
        if version != _VERSION:
            raise NotOurs(f"was made by another version of this package (format {version}, not {_VERSION}); name a new file")
        return True
    if tables:
        raise NotOurs("is the database of another program")
    return False
