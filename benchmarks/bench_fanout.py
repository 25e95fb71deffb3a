"""Fan-outs: how many recipients a second, and in how much memory.

    python -m benchmarks.bench_fanout [--smoke]

The sandbox and the fan-out each run in a process of their own. Speed and memory: a broadcast to a
million people without a limit, with the peak of the process that plans and sends. Pace: under the
limit of 40 requests/s, where 150 recipients a call make 6,000 recipients/s at most.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.bench_paging import Server, sandbox
from omnichat_async import OmnichatClient, RateLimiter
from omnichat_async.jobs import FanOut, Message
from omnichat_async.models import Text

if TYPE_CHECKING:
    from collections.abc import Iterator

LINE = "1650000000"
LIMIT = 40
A_CALL = 150
MEMORY_BAR_MB = 120.0
PACE_BAR = 0.9 * LIMIT * A_CALL


def people(count: int) -> Iterator[dict[str, str]]:
    """Rows as a file or a query would give them."""
    return ({"to": f"U{number:032x}", "name": f"Person {number}"} for number in range(count))


async def fan_out(server: Server, count: int, limit: int | None) -> dict[str, float]:
    """Plan and send; seconds of both, and the peak of this process in MB."""
    message = Message.broadcast(
        subject="Spring sale", platform="line", channel_id=LINE, messages=[Text("It has begun")]
    )
    with tempfile.TemporaryDirectory() as folder:
        async with (
            OmnichatClient(server.token, base_url=server.url, limiter=RateLimiter(limit)) as client,
            FanOut(client, Path(folder) / "journal") as job,
        ):
            start = time.perf_counter()
            plan = await job.plan(message, people(count))
            planned = time.perf_counter()
            status = await job.run()
            ended = time.perf_counter()
    assert (plan.recipients, status.sent, status.unknown) == (count, count, 0)
    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if sys.platform == "darwin":
        kilobytes /= 1024
    return {"plan": planned - start, "run": ended - planned, "peak_mb": kilobytes / 1024}


async def in_child(server: Server, count: int, limit: int | None) -> dict[str, float]:
    """The same in a process of its own, whose peak is its own."""
    given = json.dumps({"url": server.url, "token": server.token, "count": count, "limit": limit})
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.bench_fanout", "--child", given),
        stdout=subprocess.PIPE,
    )
    out, _ = await process.communicate()
    assert process.returncode == 0
    result: dict[str, float] = json.loads(out)
    return result


async def free_running(count: int) -> bool:
    """Without a limit; whether memory stays below the bar."""
    async with sandbox(rows=10, limit=None) as server:
        small = await in_child(server, count // 10, None)
        large = await in_child(server, count, None)
    for people_count, found in ((count // 10, small), (count, large)):
        print(
            f"  {people_count:>9,} recipients: planned {people_count / found['plan']:>9,.0f}/s, "
            f"sent {people_count / found['run']:>9,.0f}/s, peak {found['peak_mb']:.1f} MB"
        )
    print(f"  memory bar {MEMORY_BAR_MB:g} MB\n")
    return large["peak_mb"] <= MEMORY_BAR_MB


async def paced(count: int) -> bool:
    """At 40/s; whether nothing but the limit holds it up, and the limit is kept."""
    async with sandbox(rows=10, limit=LIMIT) as server:
        found = await in_child(server, count, LIMIT)
        stats: dict[str, Any] = await server.control("GET", "stats")
    rate = count / found["run"]
    print(
        f"  {count:>9,} recipients: {rate:,.0f}/s of {LIMIT * A_CALL:,} (bar {PACE_BAR:,.0f}), "
        f"{stats['refused']} x 429\n"
    )
    return rate >= PACE_BAR


async def measure(smoke: bool) -> bool:
    """All of it."""
    print("a broadcast without a limit")
    lean = await free_running(100_000 if smoke else 1_000_000)
    print(f"a broadcast at {LIMIT} requests/s")
    fast = await paced(60_000 if smoke else 360_000)
    return lean and fast


def main() -> int:
    """Measure and print; 1 if a bar is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bench_fanout")
    parser.add_argument("--smoke", action="store_true", help="less of everything")
    parser.add_argument("--child", type=json.loads, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child is not None:
        server = Server(given.child["url"], given.child["token"])
        print(json.dumps(asyncio.run(fan_out(server, given.child["count"], given.child["limit"]))))
        return 0
    return 0 if asyncio.run(measure(given.smoke)) else 1


if __name__ == "__main__":
    sys.exit(main())
