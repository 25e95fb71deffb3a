"""A worker of a fan-out in a process of its own, to be killed, stopped or left to its end.

``python -m tests.support.fanning_out BASE_URL TOKEN JOURNAL SETTINGS`` goes on with the job of the
journal. SETTINGS is JSON: `timeout` of a call and `margin` of a lease over it, in seconds,
`concurrency`, `limit` in requests/s, and `log`, a file that says what this process did: a line for
each call before its intent is written down, and one after its result is.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from typing import Any

from omnichat_async import OmnichatClient, RateLimiter, RetryPolicy
from omnichat_async.jobs import FanOut
from omnichat_async.jobs.fanout import run as run_module
from omnichat_async.jobs.fanout.journal import Journal

__all__ = ["main"]

QUICK = RetryPolicy(base=0.01, cap=0.05)


def keep_log(path: str) -> None:
    """Write down when calls leave and when their results are safe. A kill takes no line back."""
    file = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
    leave, settle = Journal.leave, Journal.settle

    async def logged_leave(self: Journal, call: Any, *args: Any) -> bool:
        os.write(file, f"left {call.id}\n".encode())
        return await leave(self, call, *args)

    async def logged_settle(self: Journal, call: Any, *args: Any, **more: Any) -> None:
        await settle(self, call, *args, **more)
        os.write(file, f"settled {call.id}\n".encode())

    Journal.leave = logged_leave  # type: ignore[assignment,method-assign]
    Journal.settle = logged_settle  # type: ignore[method-assign]


async def main(base_url: str, token: str, journal: str, settings: dict[str, Any]) -> None:
    """Send what is pending."""
    run_module.LEASE_MARGIN_S = settings.pop("margin", 30.0)
    limiter = RateLimiter(settings.pop("limit", None))
    if (log := settings.pop("log", None)) is not None:
        keep_log(log)
    async with (
        OmnichatClient(token, base_url=base_url, limiter=limiter, retry=QUICK) as client,
        FanOut(client, journal, **settings) as job,
    ):
        await job.run()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3], json.loads(sys.argv[4])))
