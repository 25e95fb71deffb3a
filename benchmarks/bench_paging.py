"""Listings: how fast an export goes under the rate limit, and what memory it takes.

    python -m benchmarks.bench_paging [--smoke] [--json FILE]

The sandbox runs in another process. Speed: the same rows, read by a walk and by what one would
write without it, one page after the other. Memory: the peak of a long walk against a short one.
Windows: what cutting a range costs, beside doing it with datetimes.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import subprocess
import sys
import time
import tracemalloc
from typing import TYPE_CHECKING, Any

import aiohttp
import attrs

from benchmarks.support.compare import Case, run_rounds
from benchmarks.support.report import Report, arguments
from omnichat_async import OmnichatClient
from omnichat_async.limits import RateLimiter

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable

    from omnichat_async.paging import Listing

PAGE = 100
RTT_MS = 200
LIMIT = 40
END = 1_735_689_600_000  # 2025-01-01
WEEK = 7 * 86_400_000
WEEKS = 20
SPEED_BAR = 5.0
MEMORY_BAR_MB = 30.0


@attrs.frozen
class Server:
    """A sandbox in another process."""

    url: str
    token: str

    async def control(self, method: str, action: str) -> Any:
        """Ask the sandbox about itself."""
        url = f"{self.url.removesuffix('/v1')}/_sandbox/{action}"
        async with aiohttp.request(method, url) as response:
            return json.loads(await response.read() or b"null")


@contextlib.asynccontextmanager
async def sandbox(**settings: Any) -> AsyncIterator[Server]:
    """Run a sandbox with these settings in a process of its own."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.bench_paging", "--serve", json.dumps(settings)),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield Server(**json.loads(await process.stdout.readline()))
    finally:
        process.stdin.close()
        await process.wait()


async def serve(settings: dict[str, Any]) -> None:
    """Be the sandbox until stdin ends."""
    from omnichat_async.sandbox import Sandbox

    async with Sandbox(start_ms=END - WEEKS * WEEK, end_ms=END, **settings) as running:
        print(json.dumps({"url": running.url, "token": running.token}), flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


def listing(client: OmnichatClient) -> Listing[Any]:
    """All the messages there are."""
    return client.messages.list(platform="line", after=END - WEEKS * WEEK, before=END)


# ---- speed -------------------------------------------------------------------------------------


async def walk(server: Server) -> int:
    """Read everything with the SDK; the number of different messages."""
    async with OmnichatClient(server.token, base_url=server.url) as client:
        return len({message.id async for message in listing(client)})


async def one_after_another(server: Server) -> int:
    """Read everything with plain aiohttp, page after page and week after week."""
    found: set[str] = set()
    headers = {"Authorization": f"Bearer {server.token}"}
    async with aiohttp.ClientSession(headers=headers) as session:
        for after in range(END - WEEKS * WEEK, END, WEEK):
            page, length = 0, PAGE
            while length == PAGE:
                page += 1
                params: dict[str, str | int] = {"platform": "line"}
                params |= {"after": after, "before": after + WEEK, "page": page, "pageSize": PAGE}
                async with session.get(f"{server.url}/messages", params=params) as response:
                    response.raise_for_status()
                    rows = (await response.json())["content"]
                length = len(rows)
                found |= {row["id"] for row in rows}
    return len(found)


async def timed(server: Server, work: Awaitable[int]) -> tuple[float, int, dict[str, Any]]:
    """Seconds, rows and the server's statistics."""
    await server.control("POST", "reset")
    start = time.perf_counter()
    rows = await work
    return time.perf_counter() - start, rows, await server.control("GET", "stats")


async def speed(rows: int, file: str | None) -> bool:
    """Compare the two ways; whether the walk is fast enough and complete."""
    title = f"{rows:,} messages in {WEEKS} weeks, {RTT_MS} ms round trip, {LIMIT} requests/s"
    report = Report("speed_of_a_walk", title)
    async with sandbox(rows=rows, limit=LIMIT, rtt_ms=RTT_MS) as server:
        rates = []
        complete = True
        for name, way in (("one page after another", one_after_another), ("walk", walk)):
            seconds, found, stats = await timed(server, way(server))
            rates.append(found / seconds)
            complete = complete and found == rows
            print(
                f"  {name:<24}{seconds:>8.1f} s{found / seconds:>10,.0f} rows/s"
                f"{stats['requests']:>8} requests{stats['refused']:>5} x 429"
                f"{found:>10,} rows"
            )
    ratio = rates[1] / rates[0]
    print(f"  {'complete' if complete else 'ROWS MISSING'}")
    report.bar("a walk over one page after another", [ratio], least=SPEED_BAR)
    report.save(file)
    return complete and ratio >= SPEED_BAR


# ---- memory ------------------------------------------------------------------------------------


async def peak_of_a_walk(rows: int) -> float:
    """The most MB that Python held at once over a walk, above what it held before."""
    async with (
        sandbox(rows=rows, limit=None) as server,
        OmnichatClient(
            server.token, base_url=server.url, limiter=RateLimiter(limit=None)
        ) as client,
    ):
        await listing(client)  # what is imported and opened once is no cost of the walk
        tracemalloc.start()
        start = time.perf_counter()
        found = 0
        async for _ in listing(client):
            found += 1
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    seconds = time.perf_counter() - start
    print(f"  {found:>10,} of {rows:,} rows: peak {peak / 1e6:.1f} MB ({seconds:.0f} s, traced)")
    assert found == rows
    return peak / 1e6


async def memory(rows: int, file: str | None) -> bool:
    """Compare a long walk and a short one; whether memory does not grow with rows."""
    report = Report("memory_of_a_walk", "Peak memory of a walk of 10,000 rows and a long one")
    short = await peak_of_a_walk(10_000)
    growth = await peak_of_a_walk(rows) - short
    report.bar("growth of the peak, MB", [growth], most=MEMORY_BAR_MB)
    report.save(file)
    return growth <= MEMORY_BAR_MB


# ---- windows -----------------------------------------------------------------------------------


def windows(smoke: bool, file: str | None) -> None:
    """Cut ten years into windows of 7 days."""
    report = Report("windows", "Ten years in windows of 7 days: CPU in microseconds per window")
    cases = [
        Case("windows.split", "clients", ("sdk_windows",)),
        Case("datetimes by hand", "clients", ("hand_windows",)),
    ]
    found = run_rounds(cases, 1 if smoke else 5, None)
    report.table(found, cases[1].name)
    report.save(file)


async def measure(smoke: bool, file: str | None) -> bool:
    """All of it."""
    windows(smoke, file)
    fast = await speed(12_000 if smoke else 60_000, file)
    lean = await memory(100_000 if smoke else 1_000_000, file)
    return fast and lean


def main() -> int:
    """Measure and print; 1 if a bar is missed."""
    parser = arguments("bench_paging")
    parser.add_argument("--serve", type=json.loads, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve is not None:
        asyncio.run(serve(given.serve))
        return 0
    return 0 if asyncio.run(measure(given.smoke, given.json)) else 1


if __name__ == "__main__":
    sys.exit(main())
