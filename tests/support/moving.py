"""A population of contacts that move while they are read, and a server of pages over it.

Every contact has a number and a time. An update gives one the present time, so it leaves the range
it was in. The page of an answer and its count are made at two instants, between which updates fall.
"""

from __future__ import annotations

import asyncio
import random
from bisect import bisect_left, insort
from typing import TYPE_CHECKING, Any, Literal

import attrs

from omnichat_async.calls import Page
from omnichat_async.errors import BadRequest
from omnichat_async.limits import RateLimiter
from omnichat_async.paging import Listing, ListQuery, RowKind, Source
from omnichat_async.windows import Window
from tests.support.pages import asked, unread

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from omnichat_async.calls import Call

__all__ = [
    "CONTACTS",
    "DAY_MS",
    "MESSAGES",
    "START_MS",
    "MovingApi",
    "Population",
    "office_hours",
]

Order = Literal["asc", "desc", "id", "none"]
DAY_MS = 86_400_000
START_MS = 1_700_000_000_000
CONTACTS = RowKind(key=("id",), time="updatedAt", moves=True, block=500)
MESSAGES = RowKind(key=("id",), time="updatedAt")


def blocks_of(rows: int, kind: RowKind) -> RowKind:
    """The same kind, read in blocks of so many rows."""
    return RowKind(**{**vars(kind), "block": rows})


def office_hours(rows: int, days: int, draw: random.Random) -> list[int]:
    """Times of rows: by day more than by night, and one in twenty stamped in bulk."""
    times: list[int] = []
    while len(times) < rows:
        day = START_MS + draw.randrange(days) * DAY_MS
        time = day + int(draw.gauss(14, 3) % 24 * 3_600_000)
        times += [time] * (draw.randint(20, 80) if draw.random() < 0.001 else 1)
    return times[:rows]


class Population:
    """Rows by number: where each is in time now, and where it was at first."""

    def __init__(self, times: Iterable[int], *, order: Order = "asc", seed: int = 1) -> None:
        self.draw = random.Random(seed)
        self.order: Order = order
        self.time = dict(enumerate(times))
        self.moved: set[int] = set()
        self._by_time = sorted((time, number) for number, time in self.time.items())

    def move(self, number: int, now_ms: int) -> None:
        """Update one row: its time is now."""
        del self._by_time[bisect_left(self._by_time, (self.time[number], number))]
        self.time[number] = now_ms
        insort(self._by_time, (now_ms, number))
        self.moved.add(number)

    def move_any(self, now_ms: int) -> None:
        """Update a row drawn at random."""
        self.move(self.draw.randrange(len(self.time)), now_ms)

    def stable(self, window: Window) -> set[int]:
        """The rows of a range that have never moved."""
        return {number for _, number in self._within(window)} - self.moved

    def page(self, window: Window, number: int, size: int) -> list[dict[str, Any]]:
        """One page at this moment."""
        skip = (number - 1) * size
        found = self._within(window)
        if self.order == "desc":
            found.reverse()
        elif self.order == "id":
            found.sort(key=lambda each: each[1])
        elif self.order == "none":
            self.draw.shuffle(found)
        return [{"id": n, "updatedAt": time} for time, n in found[skip : skip + size]]

    def count(self, window: Window) -> int:
        """The rows of a range at this moment."""
        first = bisect_left(self._by_time, (window.after,))
        return bisect_left(self._by_time, (window.before,)) - first

    def _within(self, window: Window) -> list[tuple[int, int]]:
        first = bisect_left(self._by_time, (window.after,))
        return self._by_time[first : bisect_left(self._by_time, (window.before,))]


@attrs.define(kw_only=True, slots=False)
class MovingApi:
    """A server of a population in virtual time, and the source of a walk over it.

    `updates` rows a second move. `cap` rows are given at most, whatever is asked; `total` makes
    the count that is sent from the true one; `depth` rows and no more can be paged through;
    `widest` is the widest range in ms; `past_end` is what comes for a page that there is not.
    """

    population: Population
    updates: float = 0.0
    round_trip_s: float = 0.2
    cap: int | None = None
    depth: int | None = None
    widest: int | None = None
    total: Callable[[int], Any] = lambda true: true
    past_end: Literal["empty", "404", "last"] = "empty"
    clock: Callable[[float], float | None] = lambda now: now
    limiter: RateLimiter = attrs.field(factory=RateLimiter)
    requests: int = 0
    asked: list[tuple[Window, int]] = attrs.field(factory=list)
    in_flight: int = 0
    ends_ms: int = START_MS + 400 * DAY_MS
    """The server's time when the loop's is 0."""
    _updated_s: float | None = None

    def listing(
        self, window: Window, kind: RowKind = CONTACTS, *, at_once: int = 10, **options: Any
    ) -> Listing[dict[str, Any]]:
        """A listing of what is here."""
        query: ListQuery[dict[str, Any]] = ListQuery(
            path="/rows", model=None, window=window, kind=kind
        )
        source: Source[dict[str, Any]] = Source(
            fetch=unread(self.fetch),
            fetch_now=self.fetch,
            concurrency=lambda: at_once,
            server_now=lambda: self.clock(self.now_ms()),
        )
        return Listing(query, source, **options)

    def now_ms(self) -> int:
        """The server's time."""
        return self.ends_ms + int(asyncio.get_running_loop().time() * 1000)

    async def fetch(self, call: Call[Page[Any]]) -> Page[Any]:
        window = Window(asked(call)["after"], asked(call)["before"])
        number, size = asked(call)["page"], asked(call)["pageSize"]
        await self.limiter.acquire(lane="bulk")
        self.in_flight += 1
        try:
            draw = self.population.draw
            half = self.round_trip_s / 2
            await asyncio.sleep(half * draw.uniform(0.75, 1.25))
            self.requests += 1
            self.asked.append((window, number))
            self.update()
            rows = self.rows(window, number, size)
            await asyncio.sleep(0.004)
            self.update()
            true = self.population.count(window)
            await asyncio.sleep(half * draw.uniform(0.75, 1.25))
        finally:
            self.in_flight -= 1
        return Page(rows, self.total(true))

    def rows(self, window: Window, number: int, size: int) -> list[dict[str, Any]]:
        """What is on a page, or the server's refusal."""
        if self.widest is not None and window.before - window.after > self.widest:
            raise BadRequest(status=400, code="INVALID_REQUEST_PARAMETERS")
        size = size if self.cap is None else min(size, self.cap)
        if self.depth is not None and number * size > self.depth:
            raise BadRequest(status=400, code="INVALID_REQUEST_PARAMETERS")
        rows = self.population.page(window, number, size)
        if not rows and number > 1 and self.past_end != "empty":
            if self.past_end == "404":
                raise BadRequest(status=404, code="NO_SUCH_PAGE")
            last = max(1, -(-self.population.count(window) // size))
            rows = self.population.page(window, last, size)
        return rows

    def update(self) -> None:
        """Let happen what has happened since the last time."""
        now = asyncio.get_running_loop().time()
        if self._updated_s is None:
            self._updated_s = now
        while self.updates and (wait := self.population.draw.expovariate(self.updates)) >= 0:
            if self._updated_s + wait > now:
                break  # memoryless: what is left of the wait is drawn anew
            self._updated_s += wait
            self.population.move_any(self.ends_ms + int(self._updated_s * 1000))
        self._updated_s = now
