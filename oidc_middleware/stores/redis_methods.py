"""The methods of the Redis stores, which are plans being run; how, the stores say. Knows nothing of the Redis library."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from oidc_middleware.errors import Unavailable
from oidc_middleware.stores.base import Instant, Record
from oidc_middleware.stores.redis_plans import Command, Plan, Plans

Result = TypeVar("Result")


class SyncMethods(Instant):
    """For the blocking client. ``_send`` sends commands and returns their answers, or raises ``Unavailable``."""

    _plans: Plans

    def _send(self, commands: list[Command]) -> list[Any]:
        raise NotImplementedError

    def _run(self, plan: Plan[Result]) -> Result:
        try:
            commands = next(plan)
            while True:
                try:
                    answers = self._send(commands)
                except Unavailable as error:
                    commands = plan.throw(error)
                else:
                    commands = plan.send(answers)
        except StopIteration as end:
            result: Result = end.value
            return result

    def still(self, key: str, version: int, now: float) -> bool:
        """See :class:`~oidc_middleware.stores.base.Instant`."""
        return self._plans.still(key, version, now)

    def quickest(self) -> Callable[[str, int, float], bool]:
        return self._plans.quickest()

    def get(self, key: str, now: float) -> Record | None:
        """See :class:`~oidc_middleware.stores.base.SyncStore`, here and below."""
        return self._run(self._plans.get(key, now))

    def create(self, key: str, data: bytes, *, ttl: float, indexes: tuple[str, ...], issued_at: float, now: float) -> bool:
        return self._run(self._plans.create(key, data, ttl=ttl, indexes=indexes, issued_at=issued_at, now=now))

    def replace(self, key: str, data: bytes, version: int, *, ttl: float, now: float) -> bool:
        return self._run(self._plans.replace(key, data, version, ttl=ttl, now=now))

    def delete(self, key: str, *, keep: float, now: float) -> bool:
        return self._run(self._plans.delete(key, keep=keep, now=now))

    def delete_index(self, index: str, *, issued_until: float, keep: float, now: float) -> int:
        return self._run(self._plans.delete_index(index, issued_until=issued_until, keep=keep, now=now))

    def mark(self, index: str, *, issued_until: float, keep: float, now: float) -> None:
        return self._run(self._plans.mark(index, issued_until=issued_until, keep=keep, now=now))

    def marks(self, indexes: tuple[str, ...], now: float) -> float | None:
        return self._run(self._plans.marks(indexes, now))

    def holds(self, index: str, now: float) -> bool:
        return self._run(self._plans.holds(index, now))

    def claim(self, key: str, ttl: float, now: float) -> bool:
        return self._run(self._plans.claim(key, ttl, now))

    def forget(self, key: str) -> None:
        return self._run(self._plans.forget(key))

    def acquire(self, key: str, owner: str, ttl: float, now: float) -> bool:
        return self._run(self._plans.acquire(key, owner, ttl, now))

    def release(self, key: str, owner: str) -> None:
        return self._run(self._plans.release(key, owner))

    def check(self) -> list[str]:
        return self._run(self._plans.check())


class AsyncMethods(Instant):
    """For the asyncio client."""

    _plans: Plans

    async def _send(self, commands: list[Command]) -> list[Any]:
        raise NotImplementedError

    async def _run(self, plan: Plan[Result]) -> Result:
        try:
            commands = next(plan)
            while True:
                try:
                    answers = await self._send(commands)
                except Unavailable as error:
                    commands = plan.throw(error)
                else:
                    commands = plan.send(answers)
        except StopIteration as end:
            result: Result = end.value
            return result

    def still(self, key: str, version: int, now: float) -> bool:
        """See :class:`~oidc_middleware.stores.base.Instant`."""
        return self._plans.still(key, version, now)

    def quickest(self) -> Callable[[str, int, float], bool]:
        return self._plans.quickest()

    async def get(self, key: str, now: float) -> Record | None:
        """See :class:`~oidc_middleware.stores.base.AsyncStore`, here and below."""
        return await self._run(self._plans.get(key, now))

    async def create(self, key: str, data: bytes, *, ttl: float, indexes: tuple[str, ...], issued_at: float, now: float) -> bool:
        return await self._run(self._plans.create(key, data, ttl=ttl, indexes=indexes, issued_at=issued_at, now=now))

    async def replace(self, key: str, data: bytes, version: int, *, ttl: float, now: float) -> bool:
        return await self._run(self._plans.replace(key, data, version, ttl=ttl, now=now))

    async def delete(self, key: str, *, keep: float, now: float) -> bool:
        return await self._run(self._plans.delete(key, keep=keep, now=now))

    async def delete_index(self, index: str, *, issued_until: float, keep: float, now: float) -> int:
        return await self._run(self._plans.delete_index(index, issued_until=issued_until, keep=keep, now=now))

    async def mark(self, index: str, *, issued_until: float, keep: float, now: float) -> None:
        return await self._run(self._plans.mark(index, issued_until=issued_until, keep=keep, now=now))

    async def marks(self, indexes: tuple[str, ...], now: float) -> float | None:
        return await self._run(self._plans.marks(indexes, now))

    async def holds(self, index: str, now: float) -> bool:
        return await self._run(self._plans.holds(index, now))

    async def claim(self, key: str, ttl: float, now: float) -> bool:
        return await self._run(self._plans.claim(key, ttl, now))

    async def forget(self, key: str) -> None:
        await self._run(self._plans.forget(key))

    async def acquire(self, key: str, owner: str, ttl: float, now: float) -> bool:
        return await self._run(self._plans.acquire(key, owner, ttl, now))

    async def release(self, key: str, owner: str) -> None:
        return await self._run(self._plans.release(key, owner))

    async def check(self) -> list[str]:
        return await self._run(self._plans.check())
