"""An adversary for the rules of the certified walk: small worlds that change at the worst moment.

A world is a handful of rows and a server that answers page by page. Each answer is made at two
instants, as databases do it: the rows of the page at one, the count of all rows at a later one. A
row may leave, and where the world allows it enter or come back, between any two instants, and the
instants of requests that are under way together mix in any order. Whatever the rules accept is
then compared with the truth: a row that was there all the time must be in it, once.

``python -m tests.support.adversary --worlds 300000`` tries many more than the tests do.
"""

from __future__ import annotations

import argparse
import json
import random
from collections import Counter
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import attrs

from omnichat_async.calls import Page
from omnichat_async.paging import RowKind
from omnichat_async.walk.known import Known
from omnichat_async.walk.leaf import Ask, Cut, Found, Outcome
from omnichat_async.walk.reader import read_range
from omnichat_async.walk.rules import handed_out
from omnichat_async.windows import Window

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["SCENARIOS", "Scenario", "Verdict", "World", "try_worlds"]

Order = Literal["time", "descending", "id", "fresh"]
KEYED = RowKind(key=("id",), time="time", moves=True)
UNKEYED = RowKind()
NO_PROOF = {"cut", "stuck", "weak"}


@attrs.frozen(kw_only=True)
class Scenario:
    """What may happen in a kind of world. `width` is the range in ms, None for a list without."""

    width: int | None = 8
    enter: bool = False
    return_: bool = False
    kind: RowKind = KEYED
    orders: tuple[Order, ...] = ("time", "descending", "id", "fresh")
    most_rows: int = 9
    most_changes: int = 4


SCENARIOS: dict[str, Scenario] = {
    "a range that rows leave": Scenario(),
    "a crowded millisecond that rows leave": Scenario(width=1),
    "a crowded millisecond that empties in order": Scenario(
        width=1, orders=("time", "id"), most_rows=16, most_changes=14
    ),
    "rows without a key": Scenario(kind=UNKEYED),
    "a list that rows leave and enter": Scenario(width=None, enter=True),
}


@attrs.define
class Verdict:
    """What became of many worlds: certificates by name (and "cut", "stuck"), and how many of the
    accepted readings lost a row that stayed, or had one twice. A weak one is no proof, and does
    not count as accepted."""

    outcomes: Counter[str] = attrs.field(factory=Counter)
    lost: int = 0
    doubled: int = 0
    lost_by: Counter[str] = attrs.field(factory=Counter)

    @property
    def accepted(self) -> int:
        """Readings that ended with a certificate."""
        return sum(n for name, n in self.outcomes.items() if name not in NO_PROOF)


class World:
    """One small world and its server."""

    def __init__(self, scenario: Scenario, draw: random.Random) -> None:
        self._scenario = scenario
        self.kind = scenario.kind
        self._draw = draw
        self._width = scenario.width or 1
        self._next_id = 0
        self._rows: dict[int, dict[str, Any]] = {}
        for _ in range(draw.randint(0, scenario.most_rows)):
            self._enter(draw.randrange(self._width))
        self._gone: list[int] = []
        self.order: Order = draw.choice(scenario.orders)
        self._shuffle = {key: draw.random() for key in range(64)}
        self._restless = draw.choice((0.02, 0.1, 0.3))
        self._changes = draw.randint(0, scenario.most_changes)
        self._derives_counts = draw.random() < 0.5
        self._past_end = draw.choice(("empty", "refused", "last"))
        self.left: set[int] = set()
        """The ids of rows that left at any time since the reading began."""

    def present(self, window: Window | None) -> set[int]:
        """The ids of the rows in a window now."""
        return {row["id"] for row in self._within(window)}

    def answer(self, asks: Sequence[Ask]) -> list[Page[Any] | None]:
        """Answer requests that are under way together."""
        instants = [(place, step) for place in range(len(asks)) for step in (0, 1)]
        self._draw.shuffle(instants)
        seen: set[int] = set()
        rows: dict[int, list[Any] | None] = {}
        counts: dict[int, int] = {}
        for place, _ in instants:
            self._change()
            if place not in seen:  # whichever was drawn first is the page, the other the count
                seen.add(place)
                rows[place] = self._page(asks[place])
            else:
                counts[place] = self._count(asks[place], rows[place])
        self._change()
        return [
            None if (found := rows[place]) is None else Page(found, counts[place])
            for place in range(len(asks))
        ]

    def _within(self, window: Window | None) -> list[dict[str, Any]]:
        rows = self._rows.values()
        return [
            row for row in rows if window is None or window.after <= row["time"] < window.before
        ]

    def _page(self, ask: Ask) -> list[Any] | None:
        rows = self._within(ask.window)
        rows.sort(key=self._place)
        number = ask.number
        if number > 1 and (number - 1) * ask.size >= len(rows):
            if self._past_end == "refused":
                return None
            if self._past_end == "last":
                number = max(1, -(-len(rows) // ask.size))
        return [dict(row) for row in rows[(number - 1) * ask.size : number * ask.size]]

    def _count(self, ask: Ask, rows: list[Any] | None) -> int:
        short = rows is not None and 0 < len(rows) < ask.size
        if self._derives_counts and short and self._past_end != "last":
            return (ask.number - 1) * ask.size + len(rows or [])
        return len(self._within(ask.window))

    def _place(self, row: dict[str, Any]) -> Any:
        if self.order == "fresh":
            return self._draw.random()
        shuffled = self._shuffle[row["id"]]
        if self.order == "id":
            return shuffled
        return row["time"] if self.order == "time" else -row["time"], shuffled

    def _change(self) -> None:
        while self._changes and self._draw.random() < self._restless:
            self._changes -= 1
            may = self._scenario
            kind = self._draw.choice(["leave"] + ["enter"] * may.enter + ["return"] * may.return_)
            if kind == "enter":
                self._enter(self._draw.randrange(self._width))
            elif kind == "return" and self._gone:
                self._put(self._gone.pop(), self._draw.randrange(self._width))
            elif self._rows:
                gone = self._draw.choice(sorted(self._rows))
                del self._rows[gone]
                self._gone.append(gone)
                self.left.add(gone)

    def _enter(self, time: int) -> None:
        self._put(self._next_id, time)
        self._next_id += 1

    def _put(self, number: int, time: int) -> None:
        self._rows[number] = {"id": number, "time": time}


Answer: TypeAlias = "Callable[[World, Sequence[Ask]], list[Page[Any] | None]]"
"""Comes between the rules and the server."""


def _read(
    world: World, window: Window | None, known: Known, kind: RowKind, answer: Answer
) -> Outcome:
    reading = read_range(window, known, kind)
    asks = next(reading)
    while True:
        pages = answer(world, asks)
        try:
            asks = reading.send(pages)
        except StopIteration as stop:
            outcome: Outcome = stop.value
            return outcome


def _judge(
    world: World,
    window: Window | None,
    known: Known,
    kind: RowKind,
    answer: Answer,
    verdict: Verdict,
) -> None:
    world.left = set()
    before = world.present(window)
    outcome = _read(world, window, known, kind, answer)
    if isinstance(outcome, Cut):
        verdict.outcomes["cut"] += 1
        for part in outcome.parts:
            _judge(world, part, known, kind, answer, verdict)
        return
    if not isinstance(outcome, Found):
        verdict.outcomes["stuck"] += 1
        return
    verdict.outcomes[outcome.certificate] += 1
    if outcome.certificate in NO_PROOF or (
        outcome.certificate == "backward" and world.order == "fresh"
    ):
        return  # a handful of rows may be in the same order twice by chance
    stayed = before - world.left
    rows = handed_out(outcome.rows)
    got = [(row if isinstance(row, dict) else json.loads(row))["id"] for row in rows]
    if not stayed <= set(got):
        verdict.lost += 1
        verdict.lost_by[outcome.certificate] += 1
    verdict.doubled += len(set(got)) < len(got)


def try_worlds(
    scenario: Scenario,
    worlds: int,
    *,
    seed: int = 0,
    answer: Answer = World.answer,
) -> Verdict:
    """Read so many worlds; `answer` may come between the rules and the server."""
    verdict = Verdict()
    draw = random.Random(seed)
    for _ in range(worlds):
        world = World(scenario, draw)
        known = Known(size=draw.choice((2, 3)), block=draw.choice((2, 4, 8)))
        window = None if scenario.width is None else Window(0, scenario.width)
        _judge(world, window, known, scenario.kind, answer, verdict)
    return verdict


def main() -> int:
    """Try every scenario, and fail if anything was lost or doubled."""
    parser = argparse.ArgumentParser(description="look for worlds in which the walk loses rows")
    parser.add_argument("--worlds", type=int, default=300_000, help="worlds per scenario")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    failed = False
    for name, scenario in SCENARIOS.items():
        verdict = try_worlds(scenario, options.worlds, seed=options.seed)
        failed |= bool(verdict.lost or verdict.doubled)
        print(f"{name}: lost {verdict.lost}, doubled {verdict.doubled} of {verdict.accepted}")
        if verdict.lost:
            print("    lost by certificate:", dict(verdict.lost_by))
        print("   ", ", ".join(f"{key} {n}" for key, n in verdict.outcomes.most_common()))
    return int(failed)


if __name__ == "__main__":
    raise SystemExit(main())
