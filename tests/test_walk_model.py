"""The rules of the certified walk against an adversary, and proof that it would find a broken one.

``nox -s model -- --worlds 300000`` tries more worlds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import pytest

from omnichat_async.walk import certificates, rules
from tests.support.adversary import SCENARIOS, Scenario, World, try_worlds

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from omnichat_async.calls import Page
    from omnichat_async.walk.leaf import Ask

WORLDS = 800
CERTIFICATES = {
    "a range that rows leave": {"atomic", "count", "union", "cut"},
    "a crowded millisecond that rows leave": {"atomic", "count", "union", "double"},
    "a crowded millisecond that empties in order": {"atomic", "count", "double", "backward"},
    "rows without a key": {"atomic", "count", "union", "cut"},
    "a list that rows leave and enter": {"atomic", "double", "stuck"},
}


@pytest.mark.parametrize("name", SCENARIOS)
def test_nothing_that_stays_is_lost_or_doubled(name: str) -> None:
    verdict = try_worlds(SCENARIOS[name], WORLDS)
    assert (verdict.lost, verdict.doubled) == (0, 0)
    # Every way to end was taken, so every one was tried.
    assert verdict.outcomes.keys() >= CERTIFICATES[name]
    assert verdict.accepted > WORLDS / 2


def keeping_text(world: World, asks: Sequence[Ask]) -> list[Page[Any] | None]:
    """Between the rules and the server: of rows only their text is kept."""
    return [
        page and attrs.evolve(page, items=rules.kept(page.items, world.kind))
        for page in world.answer(asks)
    ]


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_rules_see_no_difference_in_the_text_of_rows(name: str) -> None:
    ordinary = try_worlds(SCENARIOS[name], WORLDS)
    assert try_worlds(SCENARIOS[name], WORLDS, answer=keeping_text) == ordinary


# ---- the check can fail ------------------------------------------------------------------------


def without_reading_page_1_again() -> Callable[[World, Sequence[Ask]], list[Page[Any] | None]]:
    """Between the rules and the server: the first page 1 of a reading stands for all later ones."""
    first: dict[Any, Page[Any]] = {}

    def answer(world: World, asks: Sequence[Ask]) -> list[Page[Any] | None]:
        pages = world.answer(asks)
        for place, ask in enumerate(asks):
            page = pages[place]
            if ask.number != 1 or page is None:
                continue
            if len(asks) == 1:
                first[world, ask.window] = page
            elif (world, ask.window) in first:
                pages[place] = attrs.evolve(page, items=first[world, ask.window].items)
        return pages

    return answer


def test_a_certificate_without_page_1_again_is_caught() -> None:
    scenario = SCENARIOS["a range that rows leave"]
    verdict = try_worlds(scenario, WORLDS, answer=without_reading_page_1_again())
    assert verdict.lost


def tally_by(
    proves: Callable[[list[Any], int, Sequence[Page[Any] | None]], bool],
) -> Callable[..., certificates.Tally]:
    """The count of a certificate with another idea of what proves it."""

    def tally(
        pages: Sequence[Page[Any] | None], total: int, _size: int, _kind: object
    ) -> certificates.Tally:
        rows = [row for page in pages if page is not None for row in page.items]
        return certificates.Tally(
            rows=rows, proved=proves(rows, total, pages), total=total, checks=0
        )

    return tally


def distinct(rows: list[Any]) -> int:
    return len({row["id"] for row in rows})


@pytest.mark.parametrize(
    "proves",
    [
        lambda rows, total, _: len(rows) == total,
        lambda rows, _, pages: distinct(rows) == getattr(pages[-1], "total", -1),
    ],
    ids=["rows counted and not keys", "compared with the last count"],
)
def test_a_certificate_that_counts_wrongly_is_caught(
    proves: Callable[[list[Any], int, Sequence[Page[Any] | None]], bool],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(certificates, "tally", tally_by(proves))
    verdict = try_worlds(SCENARIOS["a range that rows leave"], WORLDS)
    assert verdict.lost


@pytest.mark.parametrize(
    "scenario",
    [
        Scenario(enter=True),  # a range that is not closed
        Scenario(width=None, return_=True),
    ],
    ids=["rows enter a range", "rows come back to a list"],
)
def test_what_the_rules_do_not_promise_is_seen_to_break(scenario: Scenario) -> None:
    """The assumptions are needed: ranges must be closed, and rows must not come back."""
    assert try_worlds(scenario, 4 * WORLDS).lost
