"""An export that is killed just before its n-th step on the disk.

``python -m tests.support.killed_export BASE_URL TOKEN FILE AFTER BEFORE N`` exports messages,
commits after every range, and goes on if there is something to go on with. Without N (0) it runs
to its end, unless somebody else kills it.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from itertools import count
from typing import TYPE_CHECKING, Any

from omnichat_async import OmnichatClient, RateLimiter
from omnichat_async.jobs import Export
from omnichat_async.jobs import export as export_module

if TYPE_CHECKING:
    from types import FrameType

STEPS = frozenset(
    {
        *("FileIO.write", "FileIO.truncate", "BufferedWriter.flush", "fsync", "open", "replace"),
        *("unlink", "mkdir", "flock", "Connection.execute", "Connection.executemany"),
    }
)
"""The C functions that change a file, its folder or a database, by qualified name."""


def kill_before(step: int) -> None:
    """Have this process killed as it is about to take its n-th step, in whatever thread."""
    steps = count(1)

    def watch(_: FrameType, event: str, function: Any) -> None:
        if event == "c_call" and function.__qualname__ in STEPS and next(steps) == step:
            os.kill(os.getpid(), signal.SIGKILL)

    threading.setprofile(watch)
    sys.setprofile(watch)


async def main(base_url: str, token: str, out: str, after: int, before: int, step: int) -> None:
    """Export until killed."""
    export_module.COMMIT_S = 0.0
    export_module.COMMIT_ROWS = 1
    async with OmnichatClient(token, base_url=base_url, limiter=RateLimiter(None)) as client:
        export = Export(
            client,
            "messages",
            out,
            after=after,
            before=before,
            platform="whatsapp",
            resume=True,
        )
        if step:
            kill_before(step)
        await export.run()
        sys.setprofile(None)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:4], *map(int, sys.argv[4:7])))  # type: ignore[arg-type]
