"""Exports: CPU, rows per second and peak memory, beside plain loops that write JSON lines.

    python -m benchmarks.bench_export [--smoke] [--json FILE]

The sandbox runs in another process, without a rate limit; each export in one of its own, whose
peak resident memory is measured. JSON lines: the same rows in turn with a loop of aiohttp and
orjson. Parquet: a million rows, and a tenth of them, so that growth would show.
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

import aiohttp
import attrs

from benchmarks.bench_paging import END, PAGE, WEEK, WEEKS, sandbox
from benchmarks.support.compare import compile_package
from benchmarks.support.report import Report, arguments
from omnichat_async import OmnichatClient
from omnichat_async.limits import RateLimiter

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from benchmarks.bench_paging import Server

MEMORY_BAR_MB = 150.0
GROWTH_BAR_MB = 25.0
CPU_BAR = 1.5
START = END - WEEKS * WEEK


@attrs.frozen
class Measured:
    """One export by one process."""

    rows: int
    seconds: float
    cpu_s: float
    peak_mb: float
    size_mb: float
    files_mb: float


# ---- what is measured, in a process of its own -------------------------------------------------


async def sdk(url: str, token: str, out: Path) -> int:
    """Export with the SDK."""
    from omnichat_async.jobs import Export

    async with OmnichatClient(token, base_url=url, limiter=RateLimiter(None)) as client:
        export = Export(client, "messages", out, after=START, before=END, platform="line")
        return (await export.run()).rows


async def plain(
    url: str,
    token: str,
    out: Path,
    *,
    loads: Callable[[bytes], Any] = json.loads,
    dumps: Callable[[Any], bytes] = lambda row: json.dumps(row, ensure_ascii=False).encode(),
) -> int:
    """What one would write without it: page after page, week after week, JSON lines."""
    found = 0
    headers = {"Authorization": f"Bearer {token}"}
    async with aiohttp.ClientSession(headers=headers) as session:
        with out.open("wb") as file:
            for after in range(START, END, WEEK):
                page, length = 0, PAGE
                while length == PAGE:
                    page += 1
                    params: dict[str, str | int] = {"platform": "line", "page": page}
                    params |= {"after": after, "before": after + WEEK, "pageSize": PAGE}
                    async with session.get(f"{url}/messages", params=params) as response:
                        response.raise_for_status()
                        rows = loads(await response.read())["content"]
                    length = len(rows)
                    found += length
                    for row in rows:
                        file.write(dumps(row) + b"\n")
    return found


async def plain_fast(url: str, token: str, out: Path) -> int:
    """The same loop with orjson."""
    import orjson

    return await plain(url, token, out, loads=orjson.loads, dumps=orjson.dumps)


WAYS: dict[str, Callable[[str, str, Path], Coroutine[Any, Any, int]]] = {
    "sdk": sdk,
    "plain": plain,
    "plain_fast": plain_fast,
}
NAMES = {"plain": "plain aiohttp + json", "plain_fast": "plain aiohttp + orjson"}


def run_one(way: str, url: str, token: str, out: Path) -> None:
    """Be the process that is measured."""
    import orjson  # noqa: F401 - imports are measured elsewhere

    import omnichat_async.jobs
    import omnichat_async.transport  # noqa: F401

    start, cpu = time.perf_counter(), time.process_time()
    rows = asyncio.run(WAYS[way](url, token, out))
    cpu, seconds = time.process_time() - cpu, time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    per_mb = 1e6 if sys.platform == "darwin" else 1e3
    files = out.iterdir() if out.is_dir() else [out]
    size = sum(each.stat().st_size for each in files) / 1e6
    found = Measured(rows, seconds, cpu, peak / per_mb, size, mapped_files_mb())
    print(json.dumps(attrs.asdict(found)))


def mapped_files_mb() -> float:
    """How much of this process is pages of files, nearly all of them libraries: what the page cache
    holds of those anyway, and has more of just after they were installed. 0 where nobody says."""
    status = Path("/proc/self/status")
    lines = status.read_text(encoding="utf-8").splitlines() if status.exists() else []
    return sum(int(line.split()[1]) for line in lines if line.startswith("RssFile:")) / 1e3


# ---- measuring ---------------------------------------------------------------------------------


async def measured(server: Server, way: str, out: Path) -> Measured:
    """Run one way to its end in a process of its own, and print what it took."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.bench_export", "--one", way),
        *(server.url, server.token, str(out)),
        stdout=subprocess.PIPE,
    )
    said, _ = await process.communicate()
    if process.returncode:
        raise SystemExit(f"{way} to {out.name} failed")
    got = Measured(**json.loads(said))
    name = NAMES.get(way) or f"Export {''.join(out.suffixes)}"
    print(
        f"  {name:<24}{got.rows:>10,} rows{got.seconds:>8.1f} s{got.rows / got.seconds:>9,.0f}"
        f" rows/s{got.cpu_s / got.rows * 1e6:>7.1f} us CPU a row{got.peak_mb:>7.0f} MB peak"
        f"{got.size_mb:>8.1f} MB written",
        flush=True,
    )
    return got


async def compare(rows: int, suffixes: list[str]) -> list[Measured]:
    """All ways over the same rows."""
    print(f"{rows:,} messages in {WEEKS} weeks, no rate limit")
    with tempfile.TemporaryDirectory() as folder:
        async with sandbox(rows=rows, limit=None) as server:
            found = [await measured(server, "plain", Path(folder) / "plain.jsonl")]
            found += [
                await measured(server, "sdk", Path(folder) / f"rows{suffix}") for suffix in suffixes
            ]
    return found


async def json_lines(smoke: bool, file: str | None) -> bool:
    """CPU of an export to JSON lines beside the loop with orjson; whether every row arrived."""
    rows, rounds = (10_000, 1) if smoke else (200_000, 5)
    report = Report("export_to_json_lines", "Export to JSON lines: CPU beside a loop by hand")
    ways = ["plain_fast", "sdk"]
    ratios, complete = [], True
    with tempfile.TemporaryDirectory() as folder:
        async with sandbox(rows=rows, limit=None) as server:
            for number in range(rounds):
                found = {
                    way: await measured(server, way, Path(folder) / f"{way}-{number}.jsonl")
                    for way in (ways if number % 2 else ways[::-1])
                }
                complete = complete and all(each.rows == rows for each in found.values())
                ratios.append(found["sdk"].cpu_s / found["plain_fast"].cpu_s)
    report.bar("CPU of an export to .jsonl over aiohttp + orjson by hand", ratios, most=CPU_BAR)
    report.save(file)
    return complete


async def measure(smoke: bool, file: str | None) -> bool:
    """All of it; whether every row arrived and memory did not grow with them.

    The peak itself is printed beside its bar: most of it is the libraries of this interpreter.
    """
    many, few = (60_000, 20_000) if smoke else (1_000_000, 100_000)
    others = [] if smoke else [".jsonl", ".csv", ".sqlite"]
    small = await compare(few, [*others, ".parquet"])
    large = await compare(many, [".parquet"])
    complete = (
        await json_lines(smoke, file)
        and all(each.rows == few for each in small)
        and all(each.rows == many for each in large)
    )
    peak, growth = large[-1].peak_mb, large[-1].peak_mb - small[-1].peak_mb
    files = large[-1].files_mb
    print(f"  parquet: peak {peak:.0f} MB (bar {MEMORY_BAR_MB:g}; {files:.0f} MB of it "
          f"are library files in the page cache), growth {growth:.0f} MB (bar {GROWTH_BAR_MB:g}), "
          f"{'complete' if complete else 'ROWS MISSING'}")  # fmt: skip
    return complete and growth <= GROWTH_BAR_MB


def main() -> int:
    """Measure and print; 1 if rows are missing or memory grows with them."""
    parser = arguments("bench_export")
    parser.add_argument("--one", nargs=4, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one is not None:
        way, url, token, out = given.one
        run_one(way, url, token, Path(out))
        return 0
    compile_package()
    return 0 if asyncio.run(measure(given.smoke, given.json)) else 1


if __name__ == "__main__":
    sys.exit(main())
