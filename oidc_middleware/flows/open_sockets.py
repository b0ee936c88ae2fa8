"""Which WebSockets and long answers are under way in this process, and what ends them."""

from __future__ import annotations

from typing import Final, Protocol

from oidc_middleware.flows.stored import user_index
from oidc_middleware.sessions.session import Session

#: Sign-outs remembered, for what begins to be looked after only then.
_MAX_ENDED: Final = 1_000


class Attended(Protocol):
    """An open socket, as far as ending it goes; the shell has them."""

    @property
    def keys(self) -> tuple[str, ...]:
        """What the session behind it can be ended by."""
        ...

    def wake(self) -> None:
        """Look at once whether the session still counts."""
        ...

    def end(self) -> None:
        """The session was ended by its own browser."""
        ...


class OpenSockets:
    """What is open in this process, by what ends it. Threads share it without a lock: each step is whole, and whoever is missed looks by itself."""

    def __init__(self) -> None:
        self._watches: dict[str, set[Attended]] = {}
        self._ended: dict[str, None] = {}

    def __len__(self) -> int:
        return len({watch for watches in self._watches.values() for watch in watches})

    def add(self, watch: Attended) -> None:
        """From now on *watch* is told. One that comes too late for its sign-out is told at once."""
        for key in watch.keys:
            self._watches.setdefault(key, set()).add(watch)
        if any(key in self._ended for key in watch.keys):
            watch.end()

    def remove(self, watch: Attended) -> None:
        for key in watch.keys:
            watches = self._watches.get(key, set())
            watches.discard(watch)
            if not watches:
                for other in self._watches.pop(key, ()):  # who came in this very moment stays
                    self._watches.setdefault(key, set()).add(other)

    def wake(self, key: str) -> None:
        """Something was ended: whoever hangs on *key* looks again."""
        for watch in tuple(self._watches.get(key, ())):
            watch.wake()

    def end(self, session: Session) -> None:
        """*session* was signed out in this browser."""
        key = key_of(session)
        if len(self._ended) >= _MAX_ENDED:
            self._ended.clear()
        self._ended[key] = None
        for watch in tuple(self._watches.get(key, ())):
            watch.end()


def key_of(session: Session) -> str:
    """A name for this one session: where it is kept on the server, or else who signed in, and when."""
    if session.record is not None:
        return session.record[0]
    return f"{user_index(session.issuer, session.subject)}:{session.created!r}:{session.issued!r}"
