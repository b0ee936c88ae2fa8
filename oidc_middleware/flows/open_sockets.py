"""Which WebSockets are open in this process, and what ends them."""

from __future__ import annotations

from typing import Protocol

from oidc_middleware.flows.stored import user_index
from oidc_middleware.sessions.session import Session


class Attended(Protocol):
    """An open socket, as far as ending it goes; :class:`~oidc_middleware.flows.sockets.Watch` is one."""

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
    """The sockets that are open in this process, by what ends them."""

    def __init__(self) -> None:
        self._watches: dict[str, set[Attended]] = {}

    def __len__(self) -> int:
        return len({watch for watches in self._watches.values() for watch in watches})

    def add(self, watch: Attended) -> None:
        for key in watch.keys:
            self._watches.setdefault(key, set()).add(watch)

    def remove(self, watch: Attended) -> None:
        for key in watch.keys:
            watches = self._watches.get(key, set())
            watches.discard(watch)
            if not watches:
                self._watches.pop(key, None)

    def wake(self, key: str) -> None:
        """Something was ended: whoever hangs on *key* looks again."""
        for watch in tuple(self._watches.get(key, ())):
            watch.wake()

    def end(self, session: Session) -> None:
        """*session* was signed out in this browser."""
        for watch in tuple(self._watches.get(key_of(session), ())):
            watch.end()


def key_of(session: Session) -> str:
    """A name for this one session, wherever it lives."""
    return f"{user_index(session.issuer, session.subject)}:{session.created!r}:{session.issued!r}"
