"""A worker of a fan-out in a process of its own, to be killed, stopped or left to its end.

``python -m tests.support.fanning_out BASE_URL TOKEN JOURNAL SETTINGS`` goes on with the job of the
journal. SETTINGS is JSON: `timeout` of a call and `margin` of a lease over it, in seconds, and
`concurrency`.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from omnichat_async import OmnichatClient, RateLimiter, RetryPolicy
from omnichat_async.jobs import FanOut
from omnichat_async.jobs.fanout import run as run_module

__all__ = ["main"]

QUICK = RetryPolicy(base=0.01, cap=0.05)


async def main(base_url: str, token: str, journal: str, settings: dict[str, Any]) -> None:
    """Send what is pending."""
    run_module.LEASE_MARGIN_S = settings.pop("margin", 30.0)
    async with (
        OmnichatClient(token, base_url=base_url, limiter=RateLimiter(None), retry=QUICK) as client,
        FanOut(client, journal, **settings) as job,
    ):
        await job.run()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3], json.loads(sys.argv[4])))
