"""The side of a benchmark that runs in a fresh process: it does one thing and prints figures.

Only the standard library is used here, because the peers run where nothing of ours is installed.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import time
import tracemalloc
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

__all__ = ["Read", "answer", "importing", "keeping", "reading", "repeating"]

Read: TypeAlias = Callable[[str, int], Awaitable[int]]
"""Reads all of so many pages from a base URL and returns how many rows there were."""

WARM_UP = 30


def answer(cases: dict[str, Callable[..., dict[str, float]]]) -> None:
    """Run the case that the command line names, once for each line that comes in, and print its
    figures."""
    name, *arguments = sys.argv[1:]
    print("ready", flush=True)
    for _ in sys.stdin:
        print(json.dumps(cases[name](*arguments)), flush=True)


def reading(read: Read) -> Callable[..., dict[str, float]]:
    """A case that reads pages: CPU and wall, in microseconds per row, after a warm-up.

    Its arguments are the server's root and the number of pages.
    """

    async def run(root: str, pages: int) -> dict[str, float]:
        await read(f"{root}/{WARM_UP}/v1", WARM_UP)
        gc.collect()
        wall, cpu = time.perf_counter(), time.process_time()
        rows = await read(f"{root}/{pages}/v1", pages)
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        assert rows == pages * 100, f"{rows} rows of {pages} pages"
        return {"cpu_us": cpu / rows * 1e6, "wall_us": wall / rows * 1e6}

    return lambda root, pages: asyncio.run(run(root, int(pages)))


def repeating(prepare: Callable[[], tuple[Callable[[], Any], int]]) -> dict[str, float]:
    """Repeat some work for about half a second; the median CPU, in microseconds per item.

    `prepare` gives the work and how many items it handles.
    """
    work, items = prepare()
    work()
    spent: list[float] = []
    until = time.process_time() + 0.5
    while time.process_time() < until or len(spent) < 5:
        start = time.process_time_ns()
        work()
        spent.append((time.process_time_ns() - start) / 1000 / items)
    return {"cpu_us": sorted(spent)[len(spent) // 2]}


def keeping(read: Callable[[list[bytes]], list[Any]]) -> Callable[..., dict[str, float]]:
    """A case that keeps what it reads from page bodies: bytes of Python memory per row."""

    def run(pages: str) -> dict[str, float]:
        from benchmarks.support.rows import page_bytes

        bodies = [
            b'{"content":' + page_bytes(n) + b',"totalElements":1}' for n in range(int(pages))
        ]
        read(bodies)  # as a process that has read before
        gc.collect()
        tracemalloc.start()
        kept = read(bodies)
        gc.collect()
        used, _ = tracemalloc.get_traced_memory()
        return {"bytes": used / len(kept)}

    return run


def importing(work: Callable[..., Any]) -> Callable[..., dict[str, float]]:
    """A case that imports and perhaps makes a first request: CPU in milliseconds."""

    def run(*arguments: str) -> dict[str, float]:
        start = time.process_time()
        work(*arguments)
        return {"cpu_ms": (time.process_time() - start) * 1000, "modules": float(len(sys.modules))}

    return run
