"""Work that a request waits for, but not for ever: ``ack="handled"``."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from omnichat_async.webhooks.refusal import WebhookRefused

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from omnichat_async.webhooks.inbox import Record

__all__ = ["AtOnce"]

_log = logging.getLogger("omnichat_async.webhooks")

_ANSWER_AFTER_S = 10.0
_EVENT_BYTES = 4096
"""What an event takes in memory, about, besides its body."""


class AtOnce:
    """Runs the handlers of requests. `max_bytes` bounds the memory of all that are not through."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._running: set[asyncio.Task[Any]] = set()

    async def run(self, work: Coroutine[Any, Any, int], records: list[Record], began: float) -> int:
        """What `work` returns, or the number of records while it goes on, from 10 s after the
        request `began`, in the loop's time.

        Raises WebhookRefused, with status 503 if too much is going on.
        """
        size = sum(len(each.body) + _EVENT_BYTES for each in records)
        if self._running and self._bytes + size > self._max_bytes:
            work.close()
            raise WebhookRefused("too many events are being handled at once", status=503)
        self._bytes += size
        task = asyncio.create_task(work, name="webhooks: request")
        self._running.add(task)
        task.add_done_callback(lambda ended: self._ended(ended, size))
        left = began + _ANSWER_AFTER_S - asyncio.get_running_loop().time()
        done, _ = await asyncio.wait({task}, timeout=max(0.0, left))
        return task.result() if done else len(records)

    def _ended(self, task: asyncio.Task[Any], size: int) -> None:
        self._running.discard(task)
        self._bytes -= size
        if not task.cancelled():
            task.exception()  # a refusal that came after its request was answered

    async def idle(self) -> None:
        """Wait until nothing goes on."""
        while self._running:
            await asyncio.wait(self._running)

    async def stop(self, drain: float) -> None:
        """Wait for what goes on, for so many seconds at most. What is cut off is lost."""
        left = set(self._running)
        try:
            if left:
                await asyncio.wait(left, timeout=drain)
        finally:
            if lost := sum(not task.done() for task in left):
                _log.error("the handlers of %d requests were cut off: their events are lost", lost)
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)
