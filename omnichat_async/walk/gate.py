"""Who may send now: a bounded number of requests, and those that go on with a range go first."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

__all__ = ["Gate", "Signal"]


class Signal:
    """Wakes everybody who waits for something to change."""

    def __init__(self) -> None:
        self._waiting: list[asyncio.Future[None]] = []

    async def wait(self) -> None:
        """Return after the next ``fire``."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        await future

    def fire(self) -> None:
        """Wake all who wait now."""
        waiting, self._waiting = self._waiting, []
        for future in waiting:
            if not future.done():
                future.set_result(None)


class Gate:
    """At most `slots()` requests in flight. A range that is open changes while it is read, so its
    next requests pass before those that open another."""

    def __init__(self, slots: Callable[[], int]) -> None:
        self._slots = slots
        self._opening: deque[asyncio.Future[None]] = deque()
        self._going_on: deque[asyncio.Future[None]] = deque()
        self.in_flight = 0
        self.waiting = 0

    @contextlib.asynccontextmanager
    async def slot(self, *, opening: bool) -> AsyncIterator[None]:
        """Hold one of the slots."""
        queue = self._opening if opening else self._going_on
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        queue.append(turn)
        self.waiting += 1
        self._admit()
        try:
            await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                self.waiting -= 1
            else:
                self._leave()
            raise
        try:
            yield
        finally:
            self._leave()

    def _leave(self) -> None:
        self.in_flight -= 1
        self._admit()

    def _admit(self) -> None:
        while (queue := self._going_on or self._opening) and self.in_flight < self._slots():
            turn = queue.popleft()
            if not turn.done():  # not cancelled meanwhile
                self.waiting -= 1
                self.in_flight += 1
                turn.set_result(None)
