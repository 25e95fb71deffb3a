"""One at a time in each lane, and so many in all."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

__all__ = ["Lanes"]


class Lanes:
    """Turns: first come, first served in a lane, and at most `limit` at once."""

    def __init__(self, limit: int) -> None:
        self._free = asyncio.Semaphore(limit)
        self._locks: dict[str, tuple[asyncio.Lock, int]] = {}

    @contextlib.asynccontextmanager
    async def turn(self, lane: str) -> AsyncIterator[None]:
        """Wait for a turn in this lane."""
        lock, waiting = self._locks.get(lane, (asyncio.Lock(), 0))
        self._locks[lane] = (lock, waiting + 1)
        try:
            async with lock, self._free:
                yield
        finally:
            lock, waiting = self._locks.pop(lane)
            if waiting > 1:
                self._locks[lane] = (lock, waiting - 1)
