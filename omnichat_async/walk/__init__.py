"""A walk over a listing in leaves: ranges of time together with all of their rows."""

from __future__ import annotations

import contextlib
import math
import time
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal

import attrs

from omnichat_async.errors import Incomplete
from omnichat_async.windows import Window, split

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from omnichat_async.paging import Listing

__all__ = ["CertifiedWalk", "Leaf", "WalkStats", "walk"]

LAG_MS = 60_000
BLOCK = 5_000


@attrs.frozen(kw_only=True)
class Leaf:
    """All rows of a half-open range of time, and what says that they are all."""

    window: Window | None
    rows: list[Any]
    certificate: str
    requests: int
    reason: str = ""


@attrs.define(kw_only=True)
class WalkStats:
    """What a walk has done so far."""

    useful: int = 0
    certificates: int = 0
    probes: int = 0
    repairs: int = 0
    on_the_way: int = 0
    departures: int = 0
    leaves: int = 0
    rows: int = 0
    by_certificate: dict[str, int] = attrs.field(factory=dict)
    weak: list[Window] = attrs.field(factory=list)
    incomplete: list[Window] = attrs.field(factory=list)
    peak_rows: int = 0
    rows_left: int = 0
    window: Window | None = None

    @property
    def requests(self) -> int:
        """All requests, without the repetitions that the session makes."""
        return self.useful + self.certificates + self.probes + self.repairs + self.on_the_way


class CertifiedWalk:
    """The leaves of some ranges, in order."""

    def __init__(
        self,
        listing: Listing[Any],
        ranges: Sequence[Window],
        horizon: int | None,
        *,
        record: bool,
    ) -> None:
        self._record = record
        self._listing = listing
        self._ranges = ranges
        whole = listing.window
        assert whole is not None
        if horizon is None:
            horizon = min(whole.before, time.time_ns() // 1_000_000 - LAG_MS)
        self.horizon: int | None = horizon
        self._end = horizon
        self.clamped = horizon < whole.before
        self.stats = WalkStats()

    async def leaves(self) -> AsyncGenerator[Leaf, None]:
        """One leaf for a window of at most 7 days, or several for one with many rows."""
        for given in self._ranges:
            if given.after < self._end:
                for window in split(Window(given.after, min(given.before, self._end))):
                    async with contextlib.aclosing(self._leaves_of(window)) as leaves:
                        async for leaf in leaves:
                            yield leaf

    async def _leaves_of(self, window: Window) -> AsyncGenerator[Leaf, None]:
        rows: list[Any] = []
        requests = 0
        self.stats.window = window
        cuts, certificate = 1, "count"
        async with contextlib.aclosing(self._part(window).pages()) as pages:
            try:
                async for page in pages:
                    if requests == 0 and page.total is not None and page.total > BLOCK:
                        width = (window.before - window.after) * BLOCK / page.total
                        cuts = math.ceil((window.before - window.after) / width)
                        break
                    requests += 1
                    rows += page.items
            except Incomplete:
                if not self._record:
                    raise
                certificate = "none"
        if cuts == 1:
            self.stats.useful += max(1, requests)
            kinds = self.stats.by_certificate
            kinds[certificate] = kinds.get(certificate, 0) + 1
            self.stats.peak_rows = max(self.stats.peak_rows, len(rows))
            yield Leaf(window=window, rows=rows, certificate=certificate, requests=max(1, requests))
            return
        span = window.before - window.after
        edges = [window.after + span * n // cuts for n in range(cuts + 1)]
        for after, before in pairwise(edges):
            async with contextlib.aclosing(self._leaves_of(Window(after, before))) as leaves:
                async for leaf in leaves:
                    yield leaf

    def _part(self, window: Window) -> Listing[Any]:
        plan = self._listing._plan  # noqa: SLF001
        query = attrs.evolve(plan.query, window=window)
        return type(self._listing)(query, plan.source, page_size=plan.page_size)


def walk(
    listing: Listing[Any],
    *,
    ranges: Sequence[Window],
    horizon: int | None,
    on_incomplete: Literal["raise", "record"] = "raise",
) -> CertifiedWalk:
    """A walk over what is left of a listing."""
    return CertifiedWalk(listing, ranges, horizon, record=on_incomplete == "record")
