"""The certified walk against servers of every kind, in virtual time."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import random
import re
from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from omnichat_async.errors import (
    BadRequest,
    DecodeError,
    Incomplete,
    InvalidRequest,
    ServerError,
    Unauthorized,
)
from omnichat_async.limits import RateLimiter
from omnichat_async.paging import Listing, ListQuery, RowKind, Source
from omnichat_async.windows import Window
from tests.support.clock import assert_nothing_left, run_virtual
from tests.support.moving import (
    CONTACTS,
    DAY_MS,
    MESSAGES,
    START_MS,
    MovingApi,
    Population,
    blocks_of,
    office_hours,
)
from tests.support.pages import asked, unread

if TYPE_CHECKING:
    from collections.abc import Callable

    from omnichat_async.calls import Call, Page
    from omnichat_async.walk import CertifiedWalk, Leaf

WEEK = Window(START_MS, START_MS + 7 * DAY_MS)
TIMES = office_hours(2_300, 7, random.Random(3))
CROWD = [START_MS + DAY_MS] * 3_000


def api_of(times: list[int] | None = None, **options: Any) -> MovingApi:
    order = options.pop("order", "id")
    population = Population(TIMES if times is None else times, order=order)
    return MovingApi(population=population, **options)


async def leaves_of(walk: CertifiedWalk) -> list[Leaf]:
    return [leaf async for leaf in walk.leaves()]


def ids(leaves: list[Leaf]) -> list[int]:
    return [row["id"] for leaf in leaves for row in leaf.rows]


def walked(api: MovingApi, window: Window = WEEK, kind: RowKind = MESSAGES, **options: Any) -> Any:
    """The leaves of a walk over what does not move, after a look at what every walk must keep."""
    walk = api.listing(window, kind).walk(**options)
    leaves = run_virtual(leaves_of(walk))
    check(api, window, walk, leaves)
    return walk, leaves


def check(api: MovingApi, window: Window, walk: CertifiedWalk, leaves: list[Leaf]) -> None:
    assert walk.horizon is not None
    closed = Window(window.after, walk.horizon)
    got, stable = Counter(ids(leaves)), api.population.stable(closed)
    assert not stable - got.keys()
    assert all(got[number] == 1 for number in stable)
    ranges = [leaf.window for leaf in leaves]
    assert all(a and b and a.before == b.after for a, b in pairwise(ranges))
    assert getattr(ranges[0], "after", None) == window.after
    assert getattr(ranges[-1], "before", None) == walk.horizon
    times = [row["updatedAt"] for leaf in leaves for row in leaf.rows]
    assert times == sorted(times)
    assert walk.stats.requests == api.requests
    assert walk.stats.rows == len(times)
    assert walk.stats.on_the_way == 0


# ---- servers -----------------------------------------------------------------------------------

SERVERS: dict[str, dict[str, Any]] = {
    "plain": {},
    "without totals": {"total": lambda _: None},
    "with totals of 0": {"total": lambda _: 0},
    "that count up to 1,000": {"total": lambda true: min(true, 1_000)},
    "that count up to 700": {"total": lambda true: min(true, 700)},
    "that give 50 rows for 100": {"cap": 50},
    "that give 37 rows for 100": {"cap": 37},
    "that refuse pages past the end": {"past_end": "404"},
    "that repeat the last page": {"past_end": "last"},
    "that repeat the last page and do not count": {"past_end": "last", "total": lambda _: None},
    "that refuse 7 days": {"widest": 7 * DAY_MS - 1},
    "that reach 1,000 rows deep": {"depth": 1_000},
}


@pytest.mark.parametrize("order", ["asc", "desc", "id", "none"])
@pytest.mark.parametrize("server", SERVERS)
def test_every_row_once_whatever_the_server(server: str, order: str) -> None:
    api = api_of(order=order, **SERVERS[server])
    kind = MESSAGES if "depth" not in SERVERS[server] else blocks_of(400, MESSAGES)
    walk, _ = walked(api, kind=kind)
    assert not walk.stats.weak
    assert not walk.stats.incomplete


@pytest.mark.parametrize("server", SERVERS)
def test_the_text_of_rows_stands_in_their_place(server: str) -> None:
    def leaves(**options: Any) -> list[Leaf]:
        return run_virtual(
            leaves_of(api_of(**SERVERS[server]).listing(WEEK, MESSAGES).walk(**options))
        )

    ordinary = leaves()
    kept = leaves(as_text=True)
    assert [list(map(json.loads, leaf.rows)) for leaf in kept] == [leaf.rows for leaf in ordinary]
    assert [(leaf.window, leaf.certificate, leaf.requests) for leaf in kept] == [
        (leaf.window, leaf.certificate, leaf.requests) for leaf in ordinary
    ]


@pytest.mark.parametrize("rows", [0, 1, 99, 100, 101, 200, 300])
@pytest.mark.parametrize("past_end", ["empty", "404", "last"])
def test_any_number_of_rows_at_the_border_of_a_page(rows: int, past_end: str) -> None:
    api = api_of(TIMES[:rows], past_end=past_end)
    walked(api)
    assert api.requests <= rows // 100 + 3


@pytest.mark.parametrize("order", ["asc", "desc", "id"])
def test_3000_rows_in_one_millisecond(order: str) -> None:
    api = api_of(CROWD, order=order)
    _, leaves = walked(api)
    assert api.requests <= 35
    assert any(leaf.window.before - leaf.window.after == 1 for leaf in leaves if leaf.window)


@pytest.mark.slow
def test_3000_rows_in_one_millisecond_in_a_new_order_each_time() -> None:
    walk, _ = walked(api_of(CROWD, order="none"))
    assert walk.stats.by_certificate["union"] == 1


@pytest.mark.slow
@pytest.mark.parametrize(("updates", "certificate"), [(1.0, "double"), (10.0, "backward")])
def test_3000_rows_of_one_millisecond_that_move_away(updates: float, certificate: str) -> None:
    walk, _ = walked(api_of(CROWD, updates=updates), kind=CONTACTS)
    assert walk.stats.by_certificate[certificate] == 1


def test_the_size_of_a_page_is_learnt_once() -> None:
    api = api_of(cap=50)
    walk, _ = walked(api)
    assert walk.stats.requests <= 46 * 1.15 + 3


def test_five_sparse_years_are_261_requests() -> None:
    draw = random.Random(5)
    whole = Window(START_MS - 1_827 * DAY_MS, START_MS)
    times = [draw.randrange(whole.after, whole.before) for _ in range(700)]
    api = api_of(times)
    walk, leaves = walked(api, whole)
    assert api.requests == 261 == len(leaves)
    assert walk.stats.by_certificate == {"atomic": 261}


# ---- rows --------------------------------------------------------------------------------------


@attrs.define
class FixedApi:
    """A server of given rows that are all in one range, or of a list without ranges."""

    rows: list[Any]
    kind: RowKind
    window: Window | None = None
    requests: int = 0
    total: Callable[[int], int | None] = lambda true: true
    before_each: Callable[[], None] = lambda: None

    def listing(self, **options: Any) -> Listing[Any]:
        query: ListQuery[Any] = ListQuery(
            path="/rows", model=None, window=self.window, kind=self.kind
        )
        source: Source[Any] = Source(
            fetch=unread(self.fetch),
            fetch_now=self.fetch,
            concurrency=lambda: 4,
            server_now=lambda: float(START_MS + 400 * DAY_MS),
        )
        return Listing(query, source, **options)

    async def fetch(self, call: Call[Page[Any]]) -> Page[Any]:
        from omnichat_async.calls import Page

        await asyncio.sleep(0.1)
        self.requests += 1
        self.before_each()
        skip = (asked(call)["page"] - 1) * asked(call)["pageSize"]
        rows = self.rows[skip : skip + asked(call)["pageSize"]]
        return Page(list(rows), self.total(len(self.rows)))


def test_a_report_is_never_cut_and_people_without_a_code_are_not_merged() -> None:
    rows = [{"name": f"T{n % 100}", "employeeCode": None, "n": n} for n in range(250)]
    api = FixedApi(rows, RowKind(aggregated=True), WEEK)
    (leaf,) = run_virtual(leaves_of(api.listing().walk()))
    assert leaf.window == WEEK
    assert leaf.certificate == "count"
    assert sorted(row["n"] for row in leaf.rows) == list(range(250))


def test_equal_rows_of_a_report_that_fills_pages_are_kept_and_called_weak() -> None:
    rows = [{"name": "Same", "employeeCode": None} for _ in range(150)]
    walk = FixedApi(rows, RowKind(aggregated=True), WEEK).listing().walk()
    (leaf,) = run_virtual(leaves_of(walk))
    assert leaf.rows == rows
    assert walk.stats.weak == [WEEK]


def test_equal_events_are_as_many_as_there_are() -> None:
    """Rows without a key, many of them equal: short ranges keep each of them."""
    api = api_of([time // 1_000 * 1_000 for time in TIMES])
    honest = api.rows
    api.rows = lambda *ask: [{"tag": "x"} for _ in honest(*ask)]  # type: ignore[method-assign]
    leaves = run_virtual(leaves_of(api.listing(WEEK, RowKind()).walk()))
    assert sum(len(leaf.rows) for leaf in leaves) == len(TIMES)
    assert {leaf.certificate for leaf in leaves} == {"atomic"}


def test_a_list_without_a_range_is_read_twice() -> None:
    api = FixedApi([{"id": str(n)} for n in range(450)], RowKind(key=("id",)))
    walk = api.listing().walk()
    (leaf,) = run_virtual(leaves_of(walk))
    assert (leaf.window, leaf.certificate, len(leaf.rows)) == (None, "double", 450)
    assert api.requests == 11  # the first page, and five pages twice
    assert walk.horizon is None
    assert not walk.clamped


def test_a_list_that_grows_all_the_time_is_read_until_two_passes_agree() -> None:
    api = FixedApi([{"id": str(n)} for n in range(450)], RowKind(key=("id",)))

    def grow() -> None:
        if api.requests < 9:
            api.rows.insert(0, {"id": f"new {api.requests}"})

    api.before_each = grow
    (leaf,) = run_virtual(leaves_of(api.listing().walk()))
    assert {str(n) for n in range(450)} <= {row["id"] for row in leaf.rows}


def test_a_list_that_counts_more_than_it_gives_is_incomplete() -> None:
    api = FixedApi(
        [{"id": str(n)} for n in range(250)], RowKind(key=("id",)), total=lambda true: true + 7
    )
    with pytest.raises(Incomplete, match="the list could not be certified"):
        run_virtual(leaves_of(api.listing().walk()))


def test_a_row_that_is_no_object_and_one_without_an_id_are_rows() -> None:
    rows: list[Any] = [{"id": n} for n in range(120)] + [None, 7, {"name": "no id"}]
    (leaf,) = run_virtual(leaves_of(FixedApi(rows, RowKind(key=("id",))).listing().walk()))
    assert len(leaf.rows) == 123


# ---- what cannot be certified ------------------------------------------------------------------


def test_a_range_that_counts_more_than_it_gives_is_never_passed_over() -> None:
    api = api_of(TIMES[:50], total=lambda true: true + 7)
    with pytest.raises(Incomplete, match="counts 57 rows and gives 50"):
        run_virtual(leaves_of(api.listing(WEEK, MESSAGES).walk()))


def test_a_range_that_cannot_be_certified_is_recorded_on_request() -> None:
    api = api_of(TIMES[:50], total=lambda true: true + 7)
    walk = api.listing(WEEK, MESSAGES).walk(on_incomplete="record")
    (leaf,) = run_virtual(leaves_of(walk))
    assert (leaf.certificate, len(leaf.rows), leaf.window) == ("none", 50, WEEK)
    assert "counts 57" in leaf.reason
    assert walk.stats.incomplete == [WEEK]


def test_a_server_that_ignores_the_range_is_found_out() -> None:
    api = api_of()
    honest = api.fetch

    async def fetch(call: Call[Page[Any]]) -> Page[Any]:
        query = re.sub(
            r"after=\d+&before=\d+", f"after={WEEK.after}&before={WEEK.before}", call.query
        )
        return await honest(attrs.evolve(call, query=query))

    api.fetch = fetch  # type: ignore[method-assign]
    kind = blocks_of(200, CONTACTS)
    with pytest.raises(Incomplete, match="does not filter by time"):
        run_virtual(leaves_of(api.listing(WEEK, kind).walk()))
    assert api.requests < 60


@pytest.mark.slow
def test_a_crowd_in_a_new_order_each_time_and_without_a_count_is_incomplete() -> None:
    api = api_of(CROWD, order="none", total=lambda _: None)
    with pytest.raises(Incomplete, match="one millisecond"):
        run_virtual(leaves_of(api.listing(WEEK, MESSAGES).walk()))


# ---- what is closed ----------------------------------------------------------------------------


def test_the_walk_ends_a_minute_before_the_servers_now() -> None:
    api = api_of(ends_ms=START_MS + 3 * DAY_MS)
    walk, leaves = walked(api)
    assert walk.clamped
    assert walk.horizon < START_MS + 3 * DAY_MS + 1_000_000 + 60_000
    assert walk.horizon >= START_MS + 3 * DAY_MS + 1_000_000 - 60_000
    assert leaves[-1].window.before == walk.horizon
    assert all(window.before <= api.ends_ms + 1_001_000 - 60_000 for window, _ in api.asked)


def test_lag_is_a_choice() -> None:
    api = api_of(ends_ms=START_MS + 3 * DAY_MS)
    walk, _ = walked(api, lag_s=3600)
    assert walk.horizon < START_MS + 3 * DAY_MS + 1_001_000 - 3_600_000


def test_a_range_that_lies_ahead_is_empty() -> None:
    api = api_of(ends_ms=START_MS - DAY_MS)
    walk = api.listing(WEEK, MESSAGES).walk()
    assert run_virtual(leaves_of(walk)) == []
    assert walk.clamped
    assert walk.horizon == WEEK.after
    assert api.requests == 0


def learning(api: MovingApi) -> None:
    """The server's time is known from its first answer on."""
    api.clock = lambda now: now if api.requests else None


def test_the_first_answer_tells_the_time_and_is_the_first_page() -> None:
    api = api_of(TIMES[:50])
    learning(api)
    walked(api)
    assert api.requests == 1


def test_a_first_page_of_a_range_that_is_not_closed_does_not_count() -> None:
    api = api_of(ends_ms=START_MS + 3 * DAY_MS)
    learning(api)
    walk, _ = walked(api)
    assert walk.clamped
    assert walk.stats.probes >= 1


def test_a_first_answer_that_refuses_tells_the_time_too() -> None:
    api = api_of(widest=7 * DAY_MS - 1)
    learning(api)
    walked(api)


def test_without_a_date_this_machines_clock_counts_with_a_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:
    api = api_of(clock=lambda _: None)
    walk, _ = walked(api)
    assert not walk.stats.server_clock
    assert "sends no Date" in caplog.text
    assert not walk.clamped  # the rows are of 2023


def test_a_horizon_that_is_given_is_kept() -> None:
    horizon = START_MS + 2 * DAY_MS
    walk, _ = walked(api_of(), horizon=horizon)
    assert walk.horizon == horizon


def test_a_horizon_that_is_not_closed_is_not_believed() -> None:
    api = api_of(ends_ms=START_MS + 3 * DAY_MS)
    walk, _ = walked(api, horizon=START_MS + 5 * DAY_MS)
    assert walk.horizon < START_MS + 3 * DAY_MS + 1_001_000


def test_only_what_is_left_is_read() -> None:
    left = [Window(START_MS, START_MS + DAY_MS), Window(START_MS + 3 * DAY_MS, WEEK.before)]
    api = api_of()
    leaves = run_virtual(leaves_of(api.listing(WEEK, MESSAGES).walk(ranges=left)))
    wanted = {number for part in left for number in api.population.stable(part)}
    assert sorted(ids(leaves)) == sorted(wanted)


def test_nothing_left_is_nothing_read() -> None:
    api = api_of()
    assert run_virtual(leaves_of(api.listing(WEEK, MESSAGES).walk(ranges=[]))) == []
    assert api.requests == 0


@pytest.mark.parametrize(
    "options",
    [
        {"ranges": [Window(START_MS - 1, START_MS + 5)]},
        {"ranges": [Window(START_MS + 5, START_MS + 9), Window(START_MS, START_MS + 5)]},
        {"ranges": [Window(START_MS, START_MS + 5), Window(START_MS + 4, START_MS + 9)]},
        {"ranges": [Window(START_MS + 5, START_MS + 5)]},
        {"row_budget": 0},
        {"lag_s": -1.0},
        {"on_incomplete": "ignore"},
    ],
)
def test_what_does_not_fit_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest, match=next(iter(options))):
        api_of().listing(WEEK, MESSAGES).walk(**options)


# ---- order, memory, faults ---------------------------------------------------------------------


@pytest.mark.parametrize("at_once", [1, 2, 30])
def test_requests_in_flight_are_bounded(at_once: int) -> None:
    api = api_of(limiter=RateLimiter(None))
    worst = 0
    honest = api.rows

    def rows(*ask: Any) -> Any:
        nonlocal worst
        worst = max(worst, api.in_flight)
        return honest(*ask)

    api.rows = rows  # type: ignore[method-assign, assignment]
    walk = api.listing(WEEK, CONTACTS, at_once=at_once).walk()
    check(api, WEEK, walk, run_virtual(leaves_of(walk)))
    assert worst <= at_once
    assert worst > at_once / 2


@pytest.mark.slow
@pytest.mark.parametrize("kind", [MESSAGES, CONTACTS])
def test_rows_held_are_bounded_while_nobody_takes_them(kind: RowKind) -> None:
    days, budget, block = 56, 3_000, 500
    api = api_of(office_hours(30_000, days, random.Random(1)), updates=1.0)
    window = Window(START_MS, START_MS + days * DAY_MS)
    walk = api.listing(window, blocks_of(block, kind)).walk(row_budget=budget)

    async def slowly() -> list[Leaf]:
        got = []
        async for leaf in walk.leaves():
            got.append(leaf)
            await asyncio.sleep(3)
        return got

    check(api, window, walk, run_virtual(slowly(), limit_s=36_000))
    # The budget, the range that is next, and a page for each request under way.
    assert walk.stats.peak_rows <= budget + 2 * 5_000 + 10 * 100
    assert walk.stats.peak_rows > budget / 2


def test_a_single_failure_does_not_stop_what_is_before_it() -> None:
    api = api_of(office_hours(4_000, 28, random.Random(1)))
    late = START_MS + 14 * DAY_MS
    honest = api.rows

    def rows(window: Window, number: int, size: int) -> Any:
        if window.after >= late:
            raise Unauthorized(status=401)
        return honest(window, number, size)

    api.rows = rows  # type: ignore[method-assign]
    got: list[Leaf] = []

    async def main() -> None:
        window = Window(START_MS, START_MS + 28 * DAY_MS)
        async for leaf in api.listing(window, MESSAGES).walk().leaves():
            got.append(leaf)

    with pytest.raises(Unauthorized):
        run_virtual(main())
    assert got[-1].window
    assert got[-1].window.before == late


def test_what_was_read_ahead_in_vain_is_read_again_in_its_turn() -> None:
    """An outage hits all requests but the head's; when the head has come, they are asked again."""
    api = api_of(office_hours(4_000, 28, random.Random(1)))
    honest, failures = api.rows, 0

    def rows(window: Window, number: int, size: int) -> Any:
        nonlocal failures
        if window.after > START_MS and api.requests < 8:
            failures += 1
            raise ServerError(status=503)
        return honest(window, number, size)

    api.rows = rows  # type: ignore[method-assign]
    window = Window(START_MS, START_MS + 28 * DAY_MS)
    walked(api, window)
    assert failures > 0


def test_an_error_of_the_head_is_raised() -> None:
    api = api_of()
    api.rows = lambda *_: (_ for _ in ()).throw(ServerError(status=503))  # type: ignore[method-assign]
    with pytest.raises(ServerError):
        run_virtual(leaves_of(api.listing(WEEK, MESSAGES).walk()))


def test_a_refusal_that_is_not_about_the_width_is_raised() -> None:
    api = api_of(widest=0)
    with pytest.raises(BadRequest):
        run_virtual(leaves_of(api.listing(WEEK, MESSAGES).walk()))
    assert api.requests <= 20


def test_rows_left_comes_down_to_nothing() -> None:
    api = api_of(office_hours(20_000, 28, random.Random(1)))
    walk = api.listing(Window(START_MS, START_MS + 28 * DAY_MS), CONTACTS).walk()
    left: list[int] = []

    async def main() -> None:
        async for _ in walk.leaves():
            left.append(walk.stats.rows_left + walk.stats.rows)

    run_virtual(main())
    middle = left[len(left) // 4 :]
    assert all(10_000 < each < 40_000 for each in middle)
    assert walk.stats.rows_left == 0


# ---- leaving early -----------------------------------------------------------------------------


def test_a_loop_that_is_broken_out_of_leaves_nothing() -> None:
    api = api_of(office_hours(6_000, 14, random.Random(1)))
    window = Window(START_MS, START_MS + 14 * DAY_MS)

    async def main() -> None:
        async for _ in api.listing(window, CONTACTS).walk().leaves():
            break
        gc.collect()
        for _ in range(5):
            await asyncio.sleep(0)
        assert_nothing_left()
        assert api.in_flight == 0

    run_virtual(main())


def test_a_walk_is_walked_once() -> None:
    walk, _ = walked(api_of())
    with pytest.raises(RuntimeError, match="walked once"):
        run_virtual(leaves_of(walk))


def test_leaves_that_were_closed_are_over() -> None:
    async def main() -> None:
        leaves = api_of().listing(WEEK, CONTACTS).walk().leaves()
        await anext(leaves)
        await leaves.aclose()
        assert [leaf async for leaf in leaves] == []

    run_virtual(main())


# ---- as a listing ------------------------------------------------------------------------------


def test_an_exact_listing_gives_rows_pages_and_a_first_page() -> None:
    api = api_of()

    async def main() -> None:
        listing = api.listing(WEEK, exact=True)
        rows = [row["id"] async for row in listing]
        assert sorted(rows) == sorted(api.population.stable(WEEK))
        assert listing.checkpoint.done
        pages = [page async for page in api.listing(WEEK, exact=True).pages()]
        assert [row["id"] for page in pages for row in page.items] == rows
        assert all(page.total == len(page) and page.window for page in pages)
        before = api.requests
        assert len(await api.listing(WEEK, exact=True)) == 100
        assert api.requests == before + 1

    run_virtual(main())


@pytest.mark.parametrize("cut", [0, 1, 137, 800, 2_299, 2_300])
def test_an_exact_listing_goes_on_from_its_checkpoint(cut: int) -> None:
    """No row is lost, and only rows of the range in which it was left come again."""
    api = api_of()

    async def main() -> None:
        first = api.listing(WEEK, exact=True)
        rows = aiter(first)
        got = [(await anext(rows))["id"] for _ in range(cut)]
        await rows.aclose()
        at = first.checkpoint
        assert at.row == 0
        rest = api.listing(WEEK, exact=True, resume_from=str(at))
        again = [row["id"] async for row in rest]
        assert set(got) | set(again) == api.population.stable(WEEK)
        assert len(again) == len(set(again))
        repeated = set(got) & set(again)
        assert all(api.population.time[number] >= (at.window or 0) for number in repeated)

    run_virtual(main())


def test_page_by_page_an_exact_listing_goes_on_without_a_repetition() -> None:
    api = api_of()

    async def main() -> None:
        listing, got = api.listing(WEEK, exact=True), []
        while not listing.checkpoint.done:
            pages = listing.pages()
            page = await anext(pages, None)
            await pages.aclose()
            got += [] if page is None else [row["id"] for row in page.items]
            listing = api.listing(WEEK, exact=True, resume_from=listing.checkpoint)
        assert sorted(got) == sorted(api.population.stable(WEEK))

    run_virtual(main())


def test_an_exact_listing_whose_end_was_not_closed_yet_is_not_done() -> None:
    api = api_of(ends_ms=START_MS + 3 * DAY_MS)

    async def main() -> None:
        listing = api.listing(WEEK, exact=True)
        got = [row["id"] async for row in listing]
        assert not listing.checkpoint.done
        api.ends_ms += 30 * DAY_MS
        rest = api.listing(WEEK, exact=True, resume_from=listing.checkpoint)
        got += [row["id"] async for row in rest]
        assert rest.checkpoint.done
        assert sorted(got) == sorted(api.population.stable(WEEK))

    run_virtual(main())


def test_checkpoints_of_the_two_ways_to_walk_do_not_mix() -> None:
    api = api_of()
    exact, plain = api.listing(WEEK, exact=True), api.listing(WEEK)
    with pytest.raises(InvalidRequest, match="exact: must be True"):
        api.listing(WEEK, resume_from=exact.checkpoint)
    with pytest.raises(InvalidRequest, match="exact: must be False"):
        api.listing(WEEK, exact=True, resume_from=plain.checkpoint)


def test_an_exact_walk_that_was_cancelled_goes_on_in_the_same_iterator() -> None:
    api = api_of()

    async def main() -> None:
        rows, got = aiter(api.listing(WEEK, exact=True)), []
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.5):
                while True:
                    got.append((await anext(rows))["id"])
        assert len(got) < len(TIMES)
        got += [row["id"] async for row in rows]
        assert set(got) == api.population.stable(WEEK)

    run_virtual(main())


def test_an_odd_row_is_an_error_in_its_turn() -> None:
    from omnichat_async.models import Message

    rows = [{"id": str(n), "time": WEEK.after + n} for n in range(250)]
    rows[120]["time"] = "no time"  # comes first, since it has none to sort by
    api = FixedApi(rows, RowKind(key=("id",), time="time"), WEEK)

    async def main() -> None:
        listing = api.listing(exact=True)
        listing._plan.query.model = Message
        walk, good = aiter(listing), []
        with pytest.raises(DecodeError) as caught:
            await anext(walk)
        assert caught.value.raw == rows[120]
        assert caught.value.checkpoint is not None
        good = [row.id async for row in walk]
        assert good == [row["id"] for row in rows if row is not rows[120]]

    run_virtual(main())
