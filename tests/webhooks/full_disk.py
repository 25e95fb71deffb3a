"""A receiver whose disk is full for a while. ``python -m ... INBOX``

The disk is full in that no file may grow beyond what the inbox has. It prints what was answered
and what was handled as JSON.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
from pathlib import Path
from typing import Any

from omnichat_async.webhooks import OmnichatEvent, SqliteInbox
from tests.webhooks.support import make, post, signed, until

UNLIMITED = resource.RLIM_INFINITY


def limit(size: int) -> None:
    """Let no file of this process grow beyond so many bytes."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, UNLIMITED))


async def main(path: str) -> None:
    handled: list[str] = []
    statuses: list[int] = []
    gate, failed = asyncio.Event(), asyncio.Event()

    class Watched(SqliteInbox):
        async def done(self, job: Any) -> None:
            try:
                await super().done(job)
            except Exception:
                failed.set()
                raise

    receiver = make(inbox=Watched(path))

    @receiver.on(OmnichatEvent)
    async def handler(event: Any, _: Any) -> None:
        handled.append(event.event_id)
        await gate.wait()

    async def send(event_id: str) -> None:
        statuses.append((await post(receiver, signed(event_id=event_id)))[0])

    async with receiver:
        await send("before")
        await until(lambda: handled)
        limit(Path(f"{path}-wal").stat().st_size)  # noqa: ASYNC240
        for _ in range(3):
            await send("during")
        gate.set()
        await failed.wait()  # it was handled, and that could not be recorded
        limit(UNLIMITED)
        await send("after")
        await until(lambda: "after" in handled)
        async with asyncio.timeout(60):
            while (await receiver._inbox.counts())["done"] < 2:  # type: ignore[union-attr]
                await asyncio.sleep(0.01)
    print(json.dumps({"statuses": statuses, "handled": handled}))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
