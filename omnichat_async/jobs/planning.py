"""What an export will cost, before it is begun."""

from __future__ import annotations

import asyncio
import math
import time
from typing import TYPE_CHECKING, Any

import attrs

from omnichat_async.codec import compact
from omnichat_async.windows import Window, split

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterable

    from omnichat_async.client import OmnichatClient
    from omnichat_async.jobs.streams import Stream

__all__ = ["ExportPlan", "WindowPlan", "plan_export", "requests_for"]

PAGE = 100
BLOCK, MOVING_BLOCK = 5_000, 500
"""Rows that are proved together; fewer where rows may leave meanwhile."""
AT_ONCE = 8


@attrs.frozen(kw_only=True)
class WindowPlan:
    """One window of at most 7 days: its rows as the server counts them now, and the bytes of
    those on its first page as compact lines of JSON. None where nobody asked, or the server does
    not count."""

    window: Window
    rows: int | None = None
    sample_rows: int = 0
    sample_bytes: int = 0


@attrs.frozen(kw_only=True)
class ExportPlan:
    """What an export will cost: `requests` at least, and so many `minutes` at `rate` requests/s.

    `rows` and `bytes` (as JSON lines) are None for a plan that was made offline. `asked` is how
    many requests the plan itself took.
    """

    stream: str
    window: Window
    windows: int
    asked: int
    rows: int | None
    requests: int
    rate: float
    minutes: float
    bytes: int | None

    def to_dict(self) -> dict[str, Any]:
        """All of it as JSON has it; the window is a list of its two ends in epoch ms."""
        return {
            **attrs.asdict(self, recurse=False),
            "window": list(attrs.astuple(self.window)),
            "minutes": round(self.minutes, 2),
        }


def requests_for(rows: int | None, *, moves: bool) -> int:
    """The fewest requests that read a window with so many rows and prove that they are all.

    A page that is not full proves itself. More pages need the first one read again, in each block
    of rows that is proved together.
    """
    if rows is None or rows < PAGE:
        return 1
    block = MOVING_BLOCK if moves else BLOCK
    blocks = math.ceil(rows / block) if rows > 1.5 * block else 1
    return math.ceil(rows / PAGE) + blocks + (1 if blocks > 1 else 0)


def summed(
    stream: Stream, window: Window, parts: Iterable[WindowPlan], rate: float, *, offline: bool
) -> ExportPlan:
    """The plan for all windows together."""
    parts = list(parts)
    counted = [part.rows for part in parts if part.rows is not None]
    rows = sum(counted) if counted and not offline else None
    sampled = sum(part.sample_rows for part in parts)
    per_row = sum(part.sample_bytes for part in parts) / sampled if sampled else 0.0
    requests = sum(requests_for(part.rows, moves=stream.moves) for part in parts)
    return ExportPlan(
        stream=stream.name,
        window=window,
        windows=len(parts),
        asked=0 if offline else len(parts),
        rows=rows,
        requests=requests,
        rate=rate,
        minutes=requests / rate / 60 if rate else 0.0,
        bytes=None if rows is None else round(rows * per_row),
    )


async def plan_export(
    client: OmnichatClient,
    stream: Stream,
    window: Window,
    *,
    platform: str | None = None,
    channel_id: str | None = None,
    offline: bool = False,
) -> ExportPlan:
    """What an export of `stream` over `window` will cost: one request for each of its windows of
    7 days, or none if `offline`. Raises InvalidRequest, and what the client's calls raise."""
    stream.check_filters(platform, channel_id)
    end = min(window.before, max(window.after + 1, time.time_ns() // 1_000_000))
    whole = Window(window.after, end)
    gate = asyncio.Semaphore(AT_ONCE)

    async def look(part: Window) -> WindowPlan:
        async with gate:
            page = await stream.listing(client, part, platform, channel_id, {})
        sizes = [len(compact(row).encode()) + 1 for row in page.items]
        rows = page.total
        if rows is None and len(page.items) < PAGE:
            rows = len(page.items)
        return WindowPlan(window=part, rows=rows, sample_rows=len(sizes), sample_bytes=sum(sizes))

    parts: list[WindowPlan]
    if offline:
        parts = [WindowPlan(window=part) for part in split(whole)]
    else:
        parts = await _all_of(look(part) for part in split(whole))
    return summed(stream, whole, parts, client.limiter.rate, offline=offline)


async def _all_of(looks: Iterable[Coroutine[Any, Any, WindowPlan]]) -> list[WindowPlan]:
    """What all of them return. Raises the error of the first one that fails, as a call does."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(look) for look in looks]
    except ExceptionGroup as errors:
        first = errors.exceptions[0]
        raise first from first.__cause__
    return [task.result() for task in tasks]
