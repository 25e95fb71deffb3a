"""What the limiter costs and what it reaches, beside aiolimiter as users would otherwise use it.

    python -m benchmarks.bench_limits [--smoke] [--json FILE]

The costs are measured on this process's clock. The rates are what a strict server counts: the
sandbox in a process of its own, asked over loopback by callers that always have more to send.
A refused call waits what Retry-After says and queues again.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import json
import random
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeAlias

import aiohttp
import attrs
from aiolimiter import AsyncLimiter

from benchmarks.support.compare import Figures, Rounds
from benchmarks.support.report import Report, arguments
from omnichat_async.limits import RateLimiter

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from omnichat_async.limits import Permit

LIMIT = 40
QUEUES = (1, 10_000, 100_000)
AT_ONCE = 60
PATH = "/messages"

Acquire: TypeAlias = Callable[[], Awaitable[Any]]


# ---- costs -----------------------------------------------------------------------------------


async def _queueing(acquire: Acquire, callers: int) -> float:
    """Microseconds of this loop per caller that joins the queue, tasks and all."""
    gc.collect()
    loop = asyncio.get_running_loop()
    tasks: list[asyncio.Future[Any]] = []
    start = time.perf_counter()
    tasks.extend(asyncio.ensure_future(acquire()) for _ in range(callers))
    done = loop.create_future()
    loop.call_soon(done.set_result, None)  # behind every task's first step
    await done
    spent = time.perf_counter() - start
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return spent / callers * 1e6


async def _bare() -> None:
    """What a queue cannot do without: a task that waits for a future."""
    await asyncio.get_running_loop().create_future()


async def _uncontended(acquire: Acquire, calls: int) -> float:
    """Microseconds per acquire that finds a token ready."""
    start = time.perf_counter()
    for _ in range(calls):
        await acquire()
    return (time.perf_counter() - start) / calls * 1e6


async def _grants(acquire: Acquire, grants: int) -> float:
    """Microseconds of CPU per grant while a long queue is served."""
    granted = 0
    done = asyncio.get_running_loop().create_future()

    async def work() -> None:
        nonlocal granted
        while True:
            await acquire()
            granted += 1
            if granted == grants:
                done.set_result(None)

    tasks = [asyncio.ensure_future(work()) for _ in range(100)]
    await asyncio.sleep(0.2)
    before, cpu = granted, time.process_time()
    await done
    spent = time.process_time() - cpu
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return spent / (grants - before) * 1e6


def _costs(limiter: Callable[[float], Acquire], smoke: bool) -> Figures:
    """What one limiter costs. `limiter` makes a fresh one of so many requests a second."""
    grants = 60 if smoke else 300
    found = {
        # A limit far above what a loop can ask for, so that a token always is ready.
        "ready": asyncio.run(_uncontended(limiter(1e7), 10_000)),
        "served": asyncio.run(_grants(limiter(LIMIT), grants)),
    }
    for callers in (100, 1_000) if smoke else QUEUES:
        found[f"queued {callers:,}"] = asyncio.run(_queueing(limiter(LIMIT), callers))
    return found


def costs(smoke: bool, file: str | None) -> None:
    """What a permit costs: a token is ready; one of a queue is served; many join the queue."""
    rounds = 2 if smoke else 5
    makers: dict[str, Callable[[float], Acquire]] = {
        "RateLimiter": lambda limit: RateLimiter(limit).acquire,
        "AsyncLimiter": lambda limit: AsyncLimiter(limit, 1).acquire,
    }
    report = Report("limiter", "Limiter: microseconds per permit, and per caller that queues")
    measured: dict[str, list[Figures]] = {name: [] for name in makers}
    for _ in range(rounds):
        for name, make in makers.items():
            measured[name].append(_costs(make, smoke))
    found = Rounds(measured)
    ours, theirs = makers
    for figure in found.figures[ours][0]:
        report.table(found, theirs, figure)
    print()
    report.bar("a token is ready, us", found.values(ours, "ready"), most=10)
    if not smoke:
        report.bar("queueing one of 10,000, us", found.values(ours, "queued 10,000"), most=15)
    report.save(file)
    bare = min(asyncio.run(_queueing(_bare, 1_000)) for _ in range(rounds))
    print(f"\nof the queueing, a bare task and future: {bare:.1f} us\n")


# ---- rates -----------------------------------------------------------------------------------


@attrs.define
class Line:
    """A sandbox in another process: told to report by a line on stdin, it answers with one."""

    process: asyncio.subprocess.Process
    url: str
    token: str

    async def report(self) -> dict[str, Any]:
        """The server's statistics since it was asked last."""
        assert self.process.stdin is not None
        self.process.stdin.write(b"\n")
        return await _line(self.process)


async def _line(process: asyncio.subprocess.Process) -> dict[str, Any]:
    assert process.stdout is not None
    found: dict[str, Any] = json.loads(await process.stdout.readline())
    return found


@contextlib.asynccontextmanager
async def _sandbox(rtt_ms: float, jitter_ms: float) -> AsyncIterator[Line]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.bench_limits", "--serve"),
        *(str(rtt_ms), str(jitter_ms)),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        yield Line(process, **await _line(process))
    finally:
        assert process.stdin is not None
        process.stdin.close()
        await process.wait()


async def serve(rtt_ms: float, jitter_ms: float) -> None:
    """Be the sandbox until stdin ends."""
    from omnichat_async.sandbox import Sandbox

    loop = asyncio.get_running_loop()
    async with Sandbox(rows=1000, limit=LIMIT, rtt_ms=rtt_ms, jitter_ms=jitter_ms) as sandbox:
        print(json.dumps({"url": sandbox.url, "token": sandbox.token}), flush=True)
        while await loop.run_in_executor(None, sys.stdin.readline):
            stats = sandbox.stats()
            sandbox.reset_stats()
            print(json.dumps(attrs.asdict(stats)), flush=True)


async def _saturate(line: Line, limiter: RateLimiter | AsyncLimiter, seconds: float) -> None:
    headers = {"Authorization": f"Bearer {line.token}"}
    now_ms = int(time.time() * 1000)
    span = {"after": str(now_ms - 86_400_000), "before": str(now_ms)}
    params = {"platform": "whatsapp", "pageSize": "1", **span}

    async with aiohttp.ClientSession(
        headers=headers, connector=aiohttp.TCPConnector(limit=0)
    ) as session:

        async def call() -> None:
            permit: Permit | None = await limiter.acquire()
            async with session.get(line.url + PATH, params=params) as response:
                await response.read()
            assert response.status in {200, 429}, response.status
            if response.status == 429:
                told = float(response.headers["Retry-After"])
                if isinstance(limiter, RateLimiter) and permit is not None:
                    limiter.throttled(permit, told)
                await asyncio.sleep(told * (1 + 0.1 * random.random()))

        async def work() -> None:
            while True:
                await call()

        tasks = [asyncio.ensure_future(work()) for _ in range(AT_ONCE)]
        done, _ = await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for task in done:
            task.result()  # it can only have failed


async def rates(smoke: bool, file: str | None) -> None:
    """What a strict server accepts of saturated traffic, and what it refuses."""
    seconds = 3.0 if smoke else 20.0
    ways = [(0, 0), (50, 20)] if smoke else [(r, j) for r in (0, 50, 200) for j in (0, 20, 80)]
    makers: dict[str, Callable[[], RateLimiter | AsyncLimiter]] = {
        "RateLimiter(40)": lambda: RateLimiter(LIMIT),
        "AsyncLimiter(40, 1)": lambda: AsyncLimiter(LIMIT, 1),
    }
    report = Report("rates", f"{seconds:g} s of saturated traffic, a strict limit of {LIMIT}/s")
    found: dict[str, list[Figures]] = {}
    name = ""
    for limiter, make in makers.items():
        for rtt_ms, jitter_ms in ways:
            async with _sandbox(rtt_ms, jitter_ms) as line:
                await _saturate(line, make(), seconds)
                seen = await line.report()
            span = seen["last_at"] - seen["first_at"]
            name = f"{limiter}, {rtt_ms} ms +- {jitter_ms}"
            found[name] = [
                {
                    "accepted/s": (seen["accepted"] - 1) / span,
                    "worst second": seen["worst_second"],
                    "429s": seen["refused"],
                }
            ]
    for figure in ("accepted/s", "worst second", "429s"):
        report.table(Rounds(found), name, figure, "")
    report.save(file)


def main() -> None:
    """Measure and print."""
    parser = arguments("bench_limits")
    parser.add_argument("--serve", nargs=2, type=float, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        asyncio.run(serve(*options.serve))
        return
    costs(options.smoke, options.json)
    asyncio.run(rates(options.smoke, options.json))


if __name__ == "__main__":
    main()
