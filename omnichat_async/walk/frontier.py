"""The ordered frontier: ranges are read several at once, and end in leaves in order.

The head is the earliest range not handed out yet. It is always admitted and needs nobody else,
so nothing can lock up; ranges behind it are read ahead within the budgets of requests and rows.
"""

from __future__ import annotations

import asyncio
import heapq
from typing import TYPE_CHECKING, Any

import attrs

from omnichat_async.errors import (
    BadRequest,
    Incomplete,
    NotFound,
    NotSent,
    OutcomeUnknown,
    RateLimited,
    ServerError,
)
from omnichat_async.loops import call_from_finalizer
from omnichat_async.walk import rules
from omnichat_async.walk.gate import Gate, Signal
from omnichat_async.walk.leaf import Cut, Found, Leaf, Outcome, Stuck
from omnichat_async.walk.reader import read_range

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Sequence

    from omnichat_async.calls import Page
    from omnichat_async.paging import RowKind
    from omnichat_async.walk.known import Known
    from omnichat_async.walk.leaf import Ask
    from omnichat_async.walk.stats import WalkStats
    from omnichat_async.windows import Window

__all__ = ["Frontier"]

# Another attempt, later, may go better.
_PASSING = (NotSent, OutcomeUnknown, RateLimited, ServerError)


@attrs.define(eq=False)
class _Node:
    """One range: to be opened, being read, or ended in a leaf or an error."""

    window: Window | None
    estimate: int = 0
    first_keys: set[Any] | None = None
    task: asyncio.Task[None] | None = None
    opened: bool = False
    requests: int = 0
    in_hand: int = 0
    reserved: int = 0
    parked: int = 0
    leaf: Leaf | None = None
    error: BaseException | None = None
    put_off: bool = False

    def __lt__(self, other: _Node) -> bool:
        return (self.window or ()) < (other.window or ())  # type: ignore[operator]


class Frontier:
    """Reads `ranges`, which come in ascending order, and gives their leaves in that order.

    `fetch` asks for one page, `slots` says how many requests may be under way, `row_budget`
    bounds the rows held behind the head, and `beyond` how many ms of the ranges lie after a time.
    """

    def __init__(
        self,
        fetch: Callable[[Ask], Awaitable[Page[Any]]],
        ranges: Iterator[Window | None],
        *,
        known: Known,
        kind: RowKind,
        slots: Callable[[], int],
        row_budget: int,
        stats: WalkStats,
        beyond: Callable[[int], int] = lambda _: 0,
        record_incomplete: bool = False,
    ) -> None:
        self._fetch = fetch
        self._ranges = ranges
        self._known = known
        self._kind = kind
        self._slots = slots
        self._gate = Gate(slots)
        self._row_budget = row_budget
        self._stats = stats
        self._beyond = beyond
        self._span = 0
        self._record = record_incomplete
        self._loop = asyncio.get_running_loop()
        self._nodes: list[_Node] = []
        self._unopened: list[_Node] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._changed = Signal()
        self._reserved = self._in_hand = 0
        self._usual = 0.0
        self._failed: _Node | None = None
        self._fatal: Incomplete | None = None
        self._closed = False

    async def next(self) -> Leaf | None:
        """The next leaf, or None at the end."""
        while True:
            self._open_more()
            if self._fatal is not None:
                raise self._fatal
            if not self._nodes:
                return None
            head = self._nodes[0]
            if head.leaf is not None:
                self._nodes.pop(0)
                self._reserve(head, 0)
                self._hold(head, 0)
                self._stats.handed_out(head.leaf)
                if head.window is not None:
                    self._span += head.window.before - head.window.after
                self._stats.rows_left = self._rows_left()
                self._changed.fire()
                self._open_more()
                return head.leaf
            if head.error is not None:
                raise head.error
            await self._changed.wait()

    def cancel(self) -> None:
        """Ask for nothing more and cancel what is under way."""
        self._closed = True
        for task in self._tasks:
            task.cancel()

    async def aclose(self) -> None:
        """Cancel, and wait until every request has ended."""
        self.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    def abandon(self) -> None:
        """Cancel from a finalizer."""
        call_from_finalizer(self._loop, self.cancel)

    # ---- opening ranges ------------------------------------------------------------------------

    def _open_more(self) -> None:
        """Open ranges, the earliest first, while there is room for what they will ask for."""
        while not self._closed and (node := self._next_unopened()) is not None:
            head = self._nodes[0]
            if self._failed is not None and self._failed < node:
                return
            if node is not head and (
                node.put_off
                or not self._fits(node, max(node.estimate, self._known.size))
                or self._work() >= self._slots()
            ):
                return
            heapq.heappop(self._unopened)
            node.put_off = False
            self._reserve(node, self._known.size)
            node.task = self._loop.create_task(self._run(node))
            self._tasks.add(node.task)
            node.task.add_done_callback(self._tasks.discard)

    def _next_unopened(self) -> _Node | None:
        if not self._unopened:
            for window in self._ranges:
                node = _Node(window)
                self._nodes.append(node)
                heapq.heappush(self._unopened, node)
                break
        return self._unopened[0] if self._unopened else None

    def _work(self) -> float:
        """Requests under way, waiting, and to be expected from ranges just opened."""
        expected = sum(
            node.parked or (0 if node.opened else self._usual)
            for node in self._nodes
            if node.task is not None and node.leaf is None
        )
        return self._gate.in_flight + self._gate.waiting + expected

    def _fits(self, node: _Node, rows: int) -> bool:
        head = self._nodes[0]
        others = self._reserved - head.reserved - (0 if node is head else node.reserved)
        return node is head or others + rows <= self._row_budget

    def _reserve(self, node: _Node, rows: int) -> None:
        self._reserved += rows - node.reserved
        node.reserved = rows

    def _hold(self, node: _Node, rows: int) -> None:
        self._in_hand += rows - node.in_hand
        node.in_hand = rows
        self._stats.peak_rows = max(self._stats.peak_rows, self._in_hand)

    def _rows_left(self) -> int:
        """An estimate, from counts where the server gave them, and else from what came so far."""
        stats, known = self._stats, sum(node.in_hand or node.estimate for node in self._nodes)
        if stats.window is None or not self._span:
            return known
        end = self._nodes[-1].window if self._nodes else stats.window
        assert end is not None
        return known + stats.rows * self._beyond(end.before) // self._span

    # ---- reading one range ---------------------------------------------------------------------

    async def _run(self, node: _Node) -> None:
        try:
            self._settle(node, await self._read(node))
        except _PASSING as error:
            self._put_off(node, error)
        except Exception as error:  # noqa: BLE001 - raised where the head comes to it
            if not self._narrowed(node, error):
                self._fail(node, error)
        self._changed.fire()
        self._open_more()

    def _narrowed(self, node: _Node, error: Exception) -> bool:
        """Whether the server found the range too wide, and it was cut in two."""
        window = node.window
        if window is None or not isinstance(error, BadRequest):
            return False
        if not rules.is_width_refusal(error.code):
            return False
        if not self._known.refused_width(window.before - window.after):
            return False
        self._settle(node, Cut(rules.cut_evenly(window, 2)))
        return True

    def _fail(self, node: _Node, error: BaseException) -> None:
        """The walk ends here, so nothing behind is worth reading; what is before it is."""
        node.error = error
        if self._failed is None or node < self._failed:
            self._failed = node

    def _check_filter(self, node: _Node, first: Page[Any]) -> None:
        """Disjoint parts of a range share no row, unless the server filters by something else:
        then no part would ever be smaller than the whole."""
        seen, node.first_keys = node.first_keys, None
        if seen is None or not self._kind.key:
            return
        keys = set(rules.keys_of(first.items, self._kind))
        if keys & seen:
            self._fatal = Incomplete(
                "the server gives the same rows for two ranges of time, so it does not filter by "
                "time as documented, and nothing can be proved"
            )
            raise self._fatal
        seen |= keys

    def _put_off(self, node: _Node, error: BaseException) -> None:
        """An outage: what was read ahead is tried again once everything before it is through."""
        if node is self._nodes[0]:
            self._fail(node, error)
            return
        self._stats.on_the_way -= node.requests
        self._stats.repairs += node.requests
        node.task, node.opened, node.requests, node.parked = None, False, 0, 0
        node.put_off = True
        self._hold(node, 0)
        self._reserve(node, 0)
        heapq.heappush(self._unopened, node)

    async def _read(self, node: _Node) -> Outcome:
        reading = read_range(node.window, self._known, self._kind)
        asks = next(reading)
        while True:
            pages = await self._answers(node, asks)
            if not node.opened:
                node.opened = True
                first = pages[0]
                assert first is not None
                node.estimate = max(first.total or 0, len(first.items))
                self._check_filter(node, first)
            try:
                asks = reading.send(pages)
            except StopIteration as stop:
                outcome: Outcome = stop.value
                return outcome
            # Of what came before, the rules keep each row once.
            self._hold(node, min(node.in_hand, node.estimate))
            if len(asks) > 1 and await self._wait_for_room(node, asks) and self._kind.moves:
                # The count is old by now, and rows have left since.
                reading.close()
                self._hold(node, 0)
                reading = read_range(node.window, self._known, self._kind)
                asks = next(reading)

    async def _wait_for_room(self, node: _Node, asks: Sequence[Ask]) -> bool:
        """Wait until the rows of these pages fit the budget; False if they did at once."""
        rows = len(asks) * asks[0].size
        waited = False
        while not self._fits(node, rows):
            waited = True
            node.parked = len(asks)
            await self._changed.wait()
        node.parked = 0
        self._reserve(node, rows)
        return waited

    async def _answers(self, node: _Node, asks: Sequence[Ask]) -> list[Page[Any] | None]:
        """The answers to some requests, sent as the gate allows; after an error none is left."""
        if len(asks) == 1:
            return [await self._answer(node, asks[0])]
        tasks = [self._loop.create_task(self._answer(node, ask)) for ask in asks]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        finally:
            left = [task for task in tasks if not task.done()]
            for task in left:
                task.cancel()
            if left:
                await asyncio.wait(left)
        errors = [task.exception() for task in tasks if not task.cancelled()]
        for error in errors:
            if error is not None:
                raise error
        return [task.result() for task in tasks]

    async def _answer(self, node: _Node, ask: Ask) -> Page[Any] | None:
        async with self._gate.slot(opening=not node.opened):
            node.requests += 1
            self._stats.on_the_way += 1
            try:
                page = await self._fetch(ask)
            except (BadRequest, NotFound) as error:
                if ask.number == 1 or not error.code:  # without a code nobody of the API said so
                    raise
                return None
        self._hold(node, node.in_hand + len(page.items))
        self._open_more()
        return page

    # ---- what became of it ---------------------------------------------------------------------

    def _settle(self, node: _Node, outcome: Outcome) -> None:
        stats = self._stats
        stats.on_the_way -= node.requests
        if not isinstance(outcome, Cut):
            self._end(node, outcome)
            return
        if outcome.failed:
            stats.repairs += node.requests
        else:
            stats.probes += node.requests
        stats.departures += outcome.departures
        share = node.estimate // len(outcome.parts)
        shared: set[Any] = set()
        children = [_Node(part, estimate=share, first_keys=shared) for part in outcome.parts]
        place = self._nodes.index(node)
        self._nodes[place : place + 1] = children
        self._reserve(node, 0)
        self._hold(node, 0)
        for child in children:
            heapq.heappush(self._unopened, child)

    def _end(self, node: _Node, outcome: Found | Stuck) -> None:
        checks = outcome.checks if isinstance(outcome, Found) else 0
        self._stats.certificates += checks
        self._stats.useful += node.requests - checks
        self._usual += (node.requests - 1 - self._usual) / 8
        if isinstance(outcome, Stuck) and not self._record:
            named = _named(node.window)
            node.error = Incomplete(f"{named} could not be certified: {outcome.reason}")
            return
        rows = rules.handed_out(rules.sorted_rows(outcome.rows, self._kind))
        node.leaf = Leaf(
            window=node.window,
            rows=rows,
            certificate=outcome.certificate if isinstance(outcome, Found) else "none",
            requests=node.requests,
            reason="" if isinstance(outcome, Found) else outcome.reason,
        )
        self._hold(node, len(rows))
        self._reserve(node, len(rows) + 1)


def _named(window: Window | None) -> str:
    if window is None:
        return "the list"
    return f"the range {window.after} to {window.before} (epoch ms)"
