"""What the journal of a fan-out is compared by: the SDK, and SQLite by hand.

python -m benchmarks.journals CASE RECIPIENTS
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import sqlite3
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.bench_fanout import LINE, people
from benchmarks.support.child import answer
from omnichat_async import OmnichatClient
from omnichat_async.jobs import FanOut, Message
from omnichat_async.models import Text

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine


async def plan(folder: Path, count: int) -> None:
    """As a fan-out writes them down."""
    message = Message.broadcast(
        subject="Sale", platform="line", channel_id=LINE, messages=[Text("It has begun")]
    )
    url = "http://127.0.0.1:9/v1"
    async with OmnichatClient("t", base_url=url) as sdk, FanOut(sdk, folder / "journal") as job:
        planned = await job.plan(message, people(count))
    assert planned.recipients == count


async def plan_by_hand(folder: Path, count: int) -> None:
    """As one writes it by hand."""
    database = sqlite3.connect(folder / "journal", isolation_level=None)
    with contextlib.closing(database):
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = FULL")
        database.execute("CREATE TABLE people (n INTEGER PRIMARY KEY, address TEXT UNIQUE)")
        source = people(count)
        while rows := [(person["to"],) for person in itertools.islice(source, 5_000)]:
            database.execute("BEGIN")
            database.executemany("INSERT OR IGNORE INTO people (address) VALUES (?)", rows)
            database.execute("COMMIT")


def planning(
    work: Callable[[Path, int], Coroutine[None, None, None]],
) -> Callable[..., dict[str, float]]:
    """A case that writes recipients down: CPU and wall, in microseconds each."""

    def run(people: str) -> dict[str, float]:
        figures = {}
        for count in (1_000, int(people)):  # the first to warm up
            with tempfile.TemporaryDirectory() as folder:
                wall, cpu = time.perf_counter(), time.process_time()
                asyncio.run(work(Path(folder), count))
                figures = {
                    "cpu_us": (time.process_time() - cpu) / count * 1e6,
                    "wall_us": (time.perf_counter() - wall) / count * 1e6,
                }
        return figures

    return run


if __name__ == "__main__":
    answer({"journal": planning(plan), "by_hand": planning(plan_by_hand)})
