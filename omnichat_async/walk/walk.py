"""One certified walk over a listing."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Any, Literal, Self

import attrs

from omnichat_async.errors import BadRequest, InvalidRequest
from omnichat_async.walk import rules
from omnichat_async.walk.frontier import Frontier
from omnichat_async.walk.known import Known
from omnichat_async.walk.leaf import Ask, Leaf
from omnichat_async.walk.stats import WalkStats
from omnichat_async.windows import Window

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from omnichat_async.calls import Page
    from omnichat_async.paging import ListQuery, Source

__all__ = ["CertifiedWalk", "Leaves"]

LAG_S = 60.0
LOCAL_CLOCK_OFF_S = 300.0
ROW_BUDGET = 20_000

log = logging.getLogger("omnichat_async")


class CertifiedWalk:
    """A walk that proves, range by range, that it has every row.

    Use ``Listing.walk()``. `ranges` is what is left to read, ascending and disjoint (by default
    all of it), `horizon` the one of an earlier walk that is gone on with, in epoch ms. Rows at or
    after the horizon are not read: it is the end of the range asked for, or `lag_s` seconds
    before the server's now if that is earlier. `row_budget` bounds the rows held besides the
    range that is next. `on_incomplete` says what happens to a range that cannot be certified:
    "raise" Incomplete, or "record" it as a leaf with the certificate "none". With `as_text` the
    rows are handed out as their JSON text.
    """

    def __init__(
        self,
        query: ListQuery[Any],
        source: Source[Any],
        *,
        ranges: Sequence[Window] | None = None,
        horizon: int | None = None,
        page_size: int = 100,
        concurrency: int | None = None,
        row_budget: int = ROW_BUDGET,
        lag_s: float = LAG_S,
        on_incomplete: Literal["raise", "record"] = "raise",
        as_text: bool = False,
    ) -> None:
        if on_incomplete not in {"raise", "record"}:
            given = repr(on_incomplete)
            raise InvalidRequest("on_incomplete", 'must be "raise" or "record"', given)
        if row_budget < 1:
            raise InvalidRequest("row_budget", "must be 1 or more rows", str(row_budget))
        if lag_s < 0:
            raise InvalidRequest("lag_s", "must be 0 or more seconds", str(lag_s))
        self._query = query.raw(as_text=as_text)
        self._as_text = as_text
        self._source = source
        self._ranges = _checked_ranges(query.window, ranges)
        self._known = Known.at_first(query.kind, page_size)
        self._slots = source.concurrency if concurrency is None else lambda: concurrency
        self._row_budget = row_budget
        self._lag_ms = int(lag_s * 1000)
        self._record = on_incomplete == "record"
        self._early: tuple[Ask, Page[Any]] | None = None
        self._latest = horizon
        self._horizon: int | None = None
        self._started = False
        self.stats = WalkStats()

    @property
    def horizon(self) -> int | None:
        """Where the walk ends, in epoch ms; None before its start, and for lists without ranges."""
        return self._horizon

    @property
    def clamped(self) -> bool:
        """Whether the horizon is before the end of the range asked for."""
        window = self._query.window
        return window is not None and self._horizon is not None and self._horizon < window.before

    def leaves(self) -> Leaves:
        """The leaves, in order. A walk is walked once."""
        return Leaves(self)

    async def start(self) -> Frontier:
        """Fix the horizon and make ready to read; once only."""
        if self._started:
            raise RuntimeError("a walk is walked once: ask the listing for another one")
        self._started = True
        if self._query.window is not None:
            self._horizon = await self._find_horizon()
        return Frontier(
            self._fetch,
            self._windows(),
            known=self._known,
            kind=self._query.kind,
            slots=self._slots,
            row_budget=self._row_budget,
            stats=self.stats,
            beyond=self._beyond,
            record_incomplete=self._record,
        )

    def _beyond(self, time: int) -> int:
        """How many milliseconds of what is asked for lie at or after a time."""
        end = self._horizon or 0
        return sum(max(0, min(w.before, end) - max(w.after, time)) for w in self._ranges)

    def _windows(self) -> Iterator[Window | None]:
        """The ranges to begin with, as wide as the server takes them at that moment."""
        if self._horizon is None:
            yield None
            return
        for whole in self._ranges:
            start, end = whole.after, min(whole.before, self._horizon)
            while start < end:
                window = Window(start, min(start + self._known.width, end))
                yield window
                start = window.before

    async def _find_horizon(self) -> int:
        """The end of what is closed: rows leave a range that ends there, and none enters it.

        Only the server's clock counts. Where it is not known yet, the first answer tells it, and
        holds the first page unless its range turns out not to be closed.
        """
        window = self._query.window
        assert window is not None
        latest = window.before if self._latest is None else min(window.before, self._latest)
        if not self._ranges:
            return latest
        if self._source.server_now() is None:
            await self._ask_early(latest)
        now = self._source.server_now()
        if now is None:
            log.warning(
                "the server sends no Date: this machine's clock decides what is old enough to be "
                "read, less %g minutes",
                LOCAL_CLOCK_OFF_S / 60,
            )
            self.stats.server_clock = False
            now = time.time() * 1000 - LOCAL_CLOCK_OFF_S * 1000
        return max(window.after, min(latest, int(now) - self._lag_ms))

    async def _ask_early(self, latest: int) -> None:
        first = self._ranges[0]
        end = min(first.before, first.after + self._known.width, max(latest, first.after + 1))
        ask = Ask(Window(first.after, end), 1, self._known.size)
        loop = asyncio.get_running_loop()
        sent = loop.time()
        try:
            page = await self._fetch(ask)
        except BadRequest:
            self.stats.probes += 1
            return  # it is asked again in its turn; the answer told the time
        now = self._source.server_now()
        took_ms = (loop.time() - sent) * 1000
        if now is not None and end <= now - took_ms - self._lag_ms:
            self._early = (ask, page)
        else:
            self.stats.probes += 1

    async def _fetch(self, ask: Ask) -> Page[Any]:
        early, self._early = self._early, None
        if early is not None and early[0] == ask:
            return early[1]
        read = await self._source.fetch(self._query.call(ask.window, ask.number, ask.size))
        page = read()
        if not self._as_text:
            return page
        return attrs.evolve(page, items=rules.kept(page.items, self._query.kind))


class Leaves:
    """An async iterator over the leaves of a walk. ``aclose()`` ends it early."""

    def __init__(self, walk: CertifiedWalk) -> None:
        self._walk = walk
        self._frontier: Frontier | None = None
        self._closed = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Leaf:
        if self._closed:
            raise StopAsyncIteration
        try:
            if self._frontier is None:
                self._frontier = await self._walk.start()
            leaf = await self._frontier.next()
        except GeneratorExit:  # a coroutine that is thrown away must not wait
            self.abandon()
            raise
        except BaseException:
            await self.aclose()
            raise
        if leaf is None:
            await self.aclose()
            raise StopAsyncIteration
        return leaf

    async def aclose(self) -> None:
        """Cancel what was asked for ahead and wait until it has ended."""
        self._closed = True
        frontier, self._frontier = self._frontier, None
        if frontier is not None:
            await frontier.aclose()

    def abandon(self) -> None:
        """The same without waiting, for a finalizer."""
        self._closed = True
        frontier, self._frontier = self._frontier, None
        if frontier is not None:
            frontier.abandon()

    def __del__(self) -> None:
        # A loop left with break drops its iterator: nothing it asked for may stay behind.
        self.abandon()


def _checked_ranges(window: Window | None, ranges: Sequence[Window] | None) -> list[Window]:
    if window is None:
        if ranges:
            raise InvalidRequest("ranges", "are for lists with a range of time", "some")
        return []
    if ranges is None:
        return [window]
    end = window.after
    for each in ranges:
        if not end <= each.after < each.before <= window.before:
            raise InvalidRequest(
                "ranges",
                "must be ascending, disjoint, not empty and within the range of the listing",
                f"{each.after} to {each.before} after {end}",
            )
        end = each.before
    return list(ranges)
