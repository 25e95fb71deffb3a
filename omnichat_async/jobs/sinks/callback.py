"""A sink that is a coroutine function."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from omnichat_async.jobs.sinks.base import Receipt, Sink

if TYPE_CHECKING:
    import os
    import sqlite3
    from collections.abc import Awaitable, Callable, Sequence

    from omnichat_async.jobs.ledger import Done, Job
    from omnichat_async.jobs.sinks.base import Batch
    from omnichat_async.jobs.streams import Stream

__all__ = ["CallbackSink"]


class CallbackSink(Sink):
    """Awaits `deliver` with every batch, **at least once**: after a crash the last one comes
    again, with the same ``batch.key``. What it raises ends the export, which can be gone on
    with. `checkpoint` is the file that says which ranges are done. A cancel waits for a delivery
    that has begun, so give it a time limit. Make it inside the event loop that runs the export.
    """

    upserts = True
    delivers = True

    def __init__(
        self, deliver: Callable[[Batch], Awaitable[None]], *, checkpoint: str | os.PathLike[str]
    ) -> None:
        self.path = self.checkpoint = Path(checkpoint)
        self._deliver = deliver
        self._loop = asyncio.get_running_loop()

    def open(
        self, job: Job, stream: Stream, done: Sequence[Done], database: sqlite3.Connection
    ) -> None:
        """There is nothing to get ready."""

    def write(self, batch: Batch) -> Receipt:
        async def delivered() -> None:
            await self._deliver(batch)

        asyncio.run_coroutine_threadsafe(delivered(), self._loop).result()
        return Receipt()

    def finish(self) -> None:
        """There is nothing to round off."""

    def close(self) -> None:
        """There is nothing to let go of."""
