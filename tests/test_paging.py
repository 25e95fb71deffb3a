"""The engine behind listings, against a listing in memory and in virtual time."""

from __future__ import annotations

import asyncio
import enum
import gc
import itertools
import json
import random
import sys
import threading
from typing import TYPE_CHECKING, Any, Literal

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omnichat_async.calls import Page
from omnichat_async.errors import (
    BadRequest,
    DecodeError,
    Incomplete,
    InvalidRequest,
    NotFound,
    NotSent,
    OmnichatError,
    ServerError,
    Unauthorized,
)
from omnichat_async.paging import Listing, ListQuery, Source, suggested_concurrency
from omnichat_async.paging.rules import (
    DEFAULT_CONCURRENCY,
    MAX_CONCURRENCY,
    is_last,
    is_past_end,
    same_rows,
    true_size,
)
from omnichat_async.windows import Window
from tests.support.clock import assert_nothing_left, run_virtual
from tests.support.pages import asked, unread

if TYPE_CHECKING:
    from collections.abc import Callable

    from omnichat_async.calls import Call
    from omnichat_async.paging import Rows

WEEK = 7 * 86_400_000
Row = dict[str, Any]
PastEnd = Literal["empty", "400", "404", "last"]


@attrs.define(kw_only=True)
class Api:
    """A listing in memory: rows at `times` in epoch ms, behind a delay of `latency()` seconds."""

    times: list[int]
    cap: int | None = None
    total: Callable[[int], int | None] = lambda true: true
    past_end: PastEnd = "empty"
    latency: Callable[[], float] = lambda: 0.1
    odd: frozenset[int] = frozenset()
    equal_rows: bool = False
    failures: dict[int, Exception] = attrs.field(factory=dict)
    """The error that answers the n-th request, from 1."""
    asked: list[Call[Any]] = attrs.field(factory=list)
    interactive: int = 0
    in_flight: int = 0
    worst_in_flight: int = 0

    def rows(self, after: int, before: int) -> list[Row]:
        """The truth, without any page."""
        found = [(n, time) for n, time in enumerate(sorted(self.times)) if after <= time < before]
        return [{"tag": "x"} if self.equal_rows else {"id": n} for n, _ in found]

    def listing(self, window: Window | None, *, at_once: int = 4, **options: Any) -> Listing[Row]:
        """A listing that reads from here."""
        query: ListQuery[Row] = ListQuery(path="/rows", model=None, window=window)
        source: Source[Row] = Source(
            fetch=unread(self.fetch), fetch_now=self.fetch_now, concurrency=lambda: at_once
        )
        return Listing(query, source, **options)

    async def fetch_now(self, call: Call[Page[Row]]) -> Page[Row]:
        self.interactive += 1
        return await self.fetch(call)

    async def fetch(self, call: Call[Page[Row]]) -> Page[Row]:
        self.asked.append(call)
        failure = self.failures.get(len(self.asked))
        self.in_flight += 1
        self.worst_in_flight = max(self.worst_in_flight, self.in_flight)
        try:
            await asyncio.sleep(self.latency())
        finally:
            self.in_flight -= 1
        if failure is not None:
            raise failure
        return self.answer(call)

    def answer(self, call: Call[Page[Row]]) -> Page[Row]:
        number, size = asked(call)["page"], asked(call)["pageSize"]
        size = size if self.cap is None else min(size, self.cap)
        after, before = asked(call).get("after"), asked(call).get("before")
        every = self.rows(int(after or 0), int(before or 2**62))
        if number > 1 and (number - 1) * size >= len(every) and self.past_end != "empty":
            if self.past_end != "last":
                kind = BadRequest if self.past_end == "400" else NotFound
                raise kind(status=int(self.past_end), code="NO_SUCH_PAGE")
            number = max(1, -(-len(every) // size))
        rows = every[(number - 1) * size : number * size]
        rejected = {
            place: DecodeError("$", "a row", "an odd one", raw=row)
            for place, row in enumerate(rows)
            if row.get("id") in self.odd
        }
        items = [row for place, row in enumerate(rows) if place not in rejected]
        return Page(items, self.total(len(every)), rejected=rejected)

    @property
    def windows_asked(self) -> list[int]:
        """The start of the window of each request."""
        return [asked(call)["after"] for call in self.asked]


def weekly(*counts: int) -> list[int]:
    """Times of so many rows in each week, from 0: on both borders and in between."""
    return [
        week * WEEK + (place * (WEEK - 1)) // max(1, count - 1)
        for week, count in enumerate(counts)
        for place in range(count)
    ]


def ids(rows: list[Row]) -> list[int]:
    return [row["id"] for row in rows]


async def all_of(listing: Listing[Row]) -> list[Row]:
    return [row async for row in listing]


async def gather(listing: Listing[Row], got: list[Row]) -> None:
    """Put the rows into `got`, where they stay if the walk fails."""
    async for row in listing:
        got.append(row)


async def first_of(rows: Rows[Row], count: int) -> list[Row]:
    return [await anext(rows) for _ in range(count)]


async def nothing_is_left(api: Api) -> None:
    """What was cancelled gets two turns of the loop to end."""
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert_nothing_left()
    assert api.in_flight == 0


def whole(weeks: int) -> Window:
    return Window(0, weeks * WEEK)


# ---- pure rules --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rate", "latency", "samples", "expected"),
    [
        (40.0, 0.2, 0, DEFAULT_CONCURRENCY),
        (40.0, 0.2, 5, 9),
        (36.0, 0.05, 5, 3),
        (40.0, 0.001, 5, 2),
        (1.0, 0.0, 5, 2),
        (40.0, 60.0, 5, MAX_CONCURRENCY),
        (float("inf"), 0.2, 5, 16),
    ],
)
def test_concurrency_follows_the_rate_and_the_latency(
    rate: float, latency: float, samples: int, expected: int
) -> None:
    assert suggested_concurrency(rate, latency, samples) == expected


@pytest.mark.parametrize(
    ("number", "rows", "before", "size"),
    [
        (1, 100, 0, 100),
        (1, 37, 0, 100),  # it proves nothing alone
        (1, 120, 0, 120),  # a server that knows no pageSize
        (2, 0, 37, 100),
        (2, 50, 50, 50),  # a silent cap
        (2, 50, 100, 100),
        (3, 50, 60, 100),
    ],
)
def test_the_second_page_shows_how_many_rows_a_full_one_has(
    number: int, rows: int, before: int, size: int
) -> None:
    assert true_size(100, number, rows, before) == size


@pytest.mark.parametrize(
    ("rows", "before", "total", "longest", "last"),
    [
        (0, 0, None, 0, True),
        (0, 100, 500, 100, True),
        (100, 0, 100, 0, False),  # full: the total alone ends nothing
        (100, 200, 50, 100, False),
        (30, 0, 30, 0, True),
        (30, 200, 230, 100, True),
        (30, 0, 90, 0, False),
        (30, 0, None, 0, False),
        (30, 0, None, 30, False),
        (30, 0, None, 31, True),
        (50, 0, 20, 0, False),  # the total is refuted, so it says nothing
        (50, 100, 20, 100, True),
    ],
)
def test_what_ends_a_range(
    rows: int, before: int, total: int | None, longest: int, last: bool
) -> None:
    assert is_last(rows, before, total, 100, longest) is last


@pytest.mark.parametrize(
    ("number", "total", "past_end"),
    [
        (3, None, True),
        (3, 200, True),
        (3, 201, False),
        (101, None, False),  # the depth at which search engines refuse: rows may lie there
        (101, 10_000, False),
        (102, None, True),
    ],
)
def test_what_a_refused_page_means(number: int, total: int | None, past_end: bool) -> None:
    assert is_past_end(number, 100, 100, total) is past_end


def test_pages_with_other_unreadable_rows_are_not_the_same() -> None:
    def odd(raw: object) -> Page[int]:
        return Page([], rejected={0: DecodeError("$", "a row", "none", raw=raw)})

    assert same_rows(odd({"id": 1}), odd({"id": 1}))
    assert not same_rows(odd({"id": 1}), odd({"id": 2}))
    assert not same_rows(Page([1]), Page([2]))


# ---- every row once, in order ------------------------------------------------------------------


@st.composite
def servers(draw: st.DrawFn) -> Api:
    """Servers that are odd in every combination that leaves the truth within reach."""
    counts = draw(st.lists(st.integers(0, 13), min_size=1, max_size=6))
    times = weekly(*counts)
    times += draw(st.lists(st.integers(0, len(counts) * WEEK - 1), max_size=8))
    cap = draw(st.none() | st.integers(1, 6))
    kind = draw(st.sampled_from(["true", "none"] if cap else ["true", "none", "small", "capped"]))
    past_end: PastEnd = draw(st.sampled_from(["empty", "400", "404", "last"]))
    seed = draw(st.integers(0, 2**32))
    draws = random.Random(seed)
    return Api(
        times=times,
        cap=cap,
        past_end=past_end,
        total={
            "true": lambda true: true,
            "none": lambda _: None,
            "small": lambda true: true // 2,
            "capped": lambda true: min(true, 9),
        }[kind],
        latency=lambda: draws.uniform(0.001, 1.0),
    )


@settings(max_examples=120, deadline=None)
@given(
    api=servers(),
    after=st.integers(0, 2 * WEEK),
    length=st.sampled_from([1, WEEK - 1, WEEK, WEEK + 1, 2 * WEEK]) | st.integers(1, 6 * WEEK),
    page_size=st.integers(1, 8),
    concurrency=st.sampled_from([1, 2, 3, 64]),
)
def test_a_walk_gives_each_row_once_and_in_order(
    api: Api, after: int, length: int, page_size: int, concurrency: int
) -> None:
    window = Window(after, after + length)
    listing = api.listing(window, page_size=page_size, concurrency=concurrency)
    rows = run_virtual(all_of(listing))
    assert rows == api.rows(window.after, window.before)
    assert api.worst_in_flight <= concurrency
    assert listing.checkpoint.done


def test_a_page_size_that_is_a_member_of_an_enum_is_its_number() -> None:
    class Size(int, enum.Enum):
        SMALL = 3

    api = Api(times=weekly(7))
    rows = run_virtual(all_of(api.listing(whole(1), page_size=Size.SMALL)))
    assert ids(rows) == list(range(7))
    assert {asked(call)["pageSize"] for call in api.asked} == {3}


@settings(max_examples=120, deadline=None)
@given(api=servers(), page_size=st.integers(1, 8), data=st.data())
def test_a_walk_cut_anywhere_and_resumed_is_the_whole_walk(
    api: Api, page_size: int, data: st.DataObject
) -> None:
    window = whole(6)
    every = api.rows(0, 6 * WEEK)
    if api.past_end == "last" and (api.total(1) or 0) > 1:
        api.total = lambda true: true  # two lies at once, and no memory of the page before
    cuts = sorted(data.draw(st.lists(st.integers(0, len(every)), max_size=3)))
    as_text = data.draw(st.booleans())

    async def main() -> list[Row]:
        got: list[Row] = []
        listing = api.listing(window, page_size=page_size)
        for cut in cuts:
            got += await first_of(aiter(listing), cut - len(got))
            at = listing.checkpoint
            listing = api.listing(
                window, page_size=page_size, resume_from=str(at) if as_text else at
            )
        return got + await all_of(listing)

    assert run_virtual(main()) == every


@settings(max_examples=80, deadline=None)
@given(api=servers(), page_size=st.integers(1, 8), failing=st.integers(1, 40))
def test_a_walk_that_fails_at_any_request_goes_on_from_its_error(
    api: Api, page_size: int, failing: int
) -> None:
    api.failures[failing] = ServerError(status=500)
    if api.past_end == "last" and (api.total(1) or 0) > 1:
        api.total = lambda true: true

    async def main() -> list[Row]:
        got: list[Row] = []
        listing = api.listing(whole(6), page_size=page_size)
        try:
            async for row in listing:
                got.append(row)
        except ServerError as error:
            rest = api.listing(whole(6), page_size=page_size, resume_from=error.checkpoint)
            got += await all_of(rest)
        return got

    assert run_virtual(main()) == api.rows(0, 6 * WEEK)


def test_rows_keep_their_order_when_answers_do_not() -> None:
    draws = random.Random(7)
    api = Api(times=weekly(950, 0, 430), latency=lambda: draws.expovariate(1.0))
    rows = run_virtual(all_of(api.listing(whole(3), concurrency=16)))
    assert ids(rows) == list(range(1380))


def test_a_list_without_a_range_is_read_as_one() -> None:
    api = Api(times=weekly(250))
    listing = api.listing(None)
    assert listing.window is None
    assert repr(listing) == "Listing(GET /rows)"
    assert ids(run_virtual(all_of(listing))) == list(range(250))
    assert "after" not in asked(api.asked[0])
    rest = api.listing(
        None, resume_from=attrs.evolve(listing.checkpoint, done=False, page=3, rows_before=200)
    )
    assert ids(run_virtual(all_of(rest))) == list(range(200, 250))


def test_a_total_that_falls_during_the_walk_does_not_end_it() -> None:
    count = itertools.count(500, -37)
    api = Api(times=weekly(500), total=lambda _: max(0, next(count)))
    assert ids(run_virtual(all_of(api.listing(whole(1))))) == list(range(500))


def test_a_long_queue_leaves_one_page_at_a_time() -> None:
    assert [suggested_concurrency(40.0, 0.2, 5, n) for n in (9, 10, 17, 500)] == [9, 8, 1, 1]
    assert suggested_concurrency(40.0, 0.0, 0, 50) == 1


def test_an_absurd_total_is_only_a_hint() -> None:
    api = Api(times=weekly(250), total=lambda _: 10**400)
    listing, got = api.listing(whole(1)), list[Row]()
    with pytest.raises(Incomplete):
        run_virtual(gather(listing, got))
    assert ids(got) == list(range(250))
    assert len(api.asked) < 20


def test_equal_rows_without_ids_are_not_taken_for_a_repeated_page() -> None:
    for past_end in ("empty", "400", "404"):
        api = Api(times=weekly(30), equal_rows=True, total=lambda _: None, past_end=past_end)
        rows = run_virtual(all_of(api.listing(whole(1), page_size=10)))
        assert rows == [{"tag": "x"}] * 30


def test_pages_of_nothing_but_unreadable_rows_are_not_taken_for_a_repeated_page() -> None:
    api = Api(times=weekly(6), odd=frozenset(range(6)), total=lambda _: None)

    async def main() -> list[int]:
        rows, found = aiter(api.listing(whole(1), page_size=2)), []
        while True:
            try:
                await anext(rows)
            except DecodeError as error:
                found.append(error.raw["id"])
            except StopAsyncIteration:
                return found

    assert run_virtual(main()) == list(range(6))


@pytest.mark.parametrize("status", [400, 404])
def test_a_refusal_that_the_count_does_not_explain_is_an_error(status: int) -> None:
    api = Api(times=weekly(300))
    api.failures[2] = (BadRequest if status == 400 else NotFound)(status=status)

    async def main() -> None:
        with pytest.raises((BadRequest, NotFound)) as caught:
            await all_of(api.listing(whole(1), concurrency=1))
        assert caught.value.checkpoint is not None
        assert caught.value.checkpoint.page == 2

    run_virtual(main())


def test_a_refused_first_page_is_an_error() -> None:
    api = Api(times=weekly(20, 5))
    api.failures[2] = BadRequest(status=400)  # the second window's

    async def main() -> None:
        listing = api.listing(whole(2), concurrency=1, page_size=100)
        with pytest.raises(BadRequest) as caught:
            await all_of(listing)
        assert caught.value.checkpoint is not None
        assert (caught.value.checkpoint.window, caught.value.checkpoint.page) == (WEEK, 1)

    run_virtual(main())


def test_a_400_that_means_something_else_does_not_end_a_range() -> None:
    api = Api(times=weekly(300), total=lambda _: None)
    api.failures[2] = Unauthorized(status=400)

    async def main() -> None:
        with pytest.raises(Unauthorized):
            await all_of(api.listing(whole(1)))

    run_virtual(main())


def test_a_depth_limit_is_an_error_and_not_the_end() -> None:
    class Shallow(Api):
        """Counts and shows 10,000 rows at most, as search engines do."""

        def answer(self, call: Call[Page[Row]]) -> Page[Row]:
            if asked(call)["page"] > 100:
                raise BadRequest(status=400, code="TOO_DEEP")
            return super().answer(call)

    for total in (None, 10_000):
        api = Shallow(times=weekly(10_050), total=lambda _, t=total: t)  # type: ignore[misc]

        async def main(api: Api = api) -> None:
            rows = aiter(api.listing(whole(1), concurrency=64))
            assert ids(await first_of(rows, 10_000)) == list(range(10_000))
            with pytest.raises(BadRequest):
                await anext(rows)

        run_virtual(main())


class Gappy(Api):
    """Page 3 is empty although it is there."""

    def answer(self, call: Call[Page[Row]]) -> Page[Row]:
        page = super().answer(call)
        return Page([], page.total) if asked(call)["page"] == 3 else page


@pytest.mark.parametrize("at_once", [1, 4])
def test_an_empty_page_among_rows_that_are_counted_is_no_end(at_once: int) -> None:
    api, got = Gappy(times=weekly(450)), list[Row]()
    listing = api.listing(whole(1), concurrency=at_once)
    with pytest.raises(Incomplete) as caught:
        run_virtual(gather(listing, got))
    assert ids(got) == list(range(200))
    at = caught.value.checkpoint
    assert at is not None
    assert (at.page, at.rows_before, at.done) == (3, 200, False)
    rest = run_virtual(all_of(Api(times=weekly(450)).listing(whole(1), resume_from=str(at))))
    assert ids(rest) == list(range(200, 450))


def test_rows_that_went_away_during_the_walk_are_not_missed() -> None:
    counts = iter([220, 220, 220])
    api = Api(times=weekly(200), total=lambda true: next(counts, true))
    assert len(run_virtual(all_of(api.listing(whole(1), concurrency=1)))) == 200


def test_a_count_capped_where_the_rows_end_too_is_no_end() -> None:
    class Capped(Api):
        """Counts and shows 10,000 rows at most."""

        def answer(self, call: Call[Page[Row]]) -> Page[Row]:
            deep = asked(call)["page"] > 100
            return Page([], 10_000) if deep else super().answer(call)

    api, got = Capped(times=weekly(10_050), total=lambda _: 10_000), list[Row]()
    with pytest.raises(Incomplete):
        run_virtual(gather(api.listing(whole(1)), got))
    assert len(got) == 10_000


@pytest.mark.parametrize("kind", [BadRequest, NotFound])
def test_a_refusal_without_a_code_is_a_gateways_and_no_end(kind: type[NotFound]) -> None:
    api = Api(times=weekly(350), total=lambda _: None)
    api.failures[2] = kind(status=404)
    with pytest.raises(kind):
        run_virtual(all_of(api.listing(whole(1), concurrency=1)))


@settings(max_examples=60, deadline=None)
@given(
    count=st.integers(0, 30),
    old=st.integers(1, 8),
    new=st.integers(1, 8),
    cut=st.integers(0, 30),
    total=st.sampled_from([lambda true: true, lambda _: None]),
)
def test_a_page_size_that_changed_since_the_checkpoint_is_never_passed_over(
    count: int, old: int, new: int, cut: int, total: Callable[[int], int | None]
) -> None:
    api = Api(times=weekly(count, count), cap=old, total=total)

    async def main() -> None:
        listing = api.listing(whole(2), page_size=8)
        got = await first_of(aiter(listing), min(cut, 2 * count))
        at, api.cap = listing.checkpoint, new
        rest = gather(api.listing(whole(2), page_size=8, resume_from=str(at)), got)
        (failure,) = await asyncio.gather(rest, return_exceptions=True)
        if failure is None:
            assert ids(got) == list(range(2 * count)) or (at.page == 1 and at.row > 0)
        else:
            assert isinstance(failure, Incomplete)
            assert "start over" in str(failure)
            assert old != new

    run_virtual(main())


def test_a_short_page_of_one_window_says_nothing_of_another() -> None:
    class Drifting(Api):
        """The second window's first page lags one row behind."""

        def answer(self, call: Call[Page[Row]]) -> Page[Row]:
            page = super().answer(call)
            lags = asked(call)["after"] == WEEK and len(self.asked) < 8
            return Page(page.items[:-1], page.total) if lags else page

    api = Drifting(times=weekly(450, 38), past_end="400")
    listing = api.listing(whole(2), concurrency=4)
    assert len(run_virtual(all_of(listing))) in {487, 488}
    assert listing._plan.size == 100


def test_a_page_asked_ahead_that_is_not_sent_is_asked_again_in_its_turn() -> None:
    api = Api(times=weekly(450, 50))
    api.failures = {n: NotSent("a long queue") for n in (2, 3, 4)}
    assert ids(run_virtual(all_of(api.listing(whole(2))))) == list(range(500))
    api = Api(times=weekly(450))
    api.failures = {1: NotSent("a long queue")}
    with pytest.raises(NotSent):
        run_virtual(all_of(api.listing(whole(1))))


# ---- how much is asked for, and when -----------------------------------------------------------


def test_three_sparse_years_cost_one_request_a_window() -> None:
    api = Api(times=[5, 50 * WEEK, 156 * WEEK + 3])
    rows = run_virtual(all_of(api.listing(whole(157), concurrency=8)))
    assert ids(rows) == [0, 1, 2]
    assert api.windows_asked == [week * WEEK for week in range(157)]


def test_full_pages_cost_one_request_more_and_short_ones_none() -> None:
    for count, requests in ((99, 1), (100, 2), (101, 2), (200, 3)):
        api = Api(times=weekly(count))
        assert len(run_virtual(all_of(api.listing(whole(1))))) == count
        assert len(api.asked) == requests


def test_windows_are_read_ahead_and_an_opened_one_goes_first() -> None:
    # The first page of the second window comes before the rest of the first window.
    delays = itertools.chain([0.1, 0.35, 0.36, 0.1, 0.17], itertools.repeat(0.5))
    api = Api(times=weekly(250, 250, 0, 0, 0, 0), latency=delays.__next__)

    async def main() -> None:
        pages = api.listing(whole(6), concurrency=4).pages()
        await anext(pages)
        await asyncio.sleep(1.0)
        assert [after // WEEK for after in api.windows_asked] == [0, 0, 0, 1, 2, 1, 1, 3, 4]
        assert api.worst_in_flight == 4
        await pages.aclose()

    run_virtual(main())


def test_a_window_that_proves_large_is_read_ahead_at_once_however_slow_the_head_is() -> None:
    delays = itertools.chain([0.1, 5.0], itertools.repeat(0.1))
    api = Api(times=weekly(150, 20_000), latency=delays.__next__)

    async def main() -> None:
        pages = api.listing(whole(2), concurrency=16).pages()
        await anext(pages)
        await asyncio.sleep(1.0)
        assert len(api.asked) == 33  # one was taken, and twice as many as may be in flight are held
        await pages.aclose()

    run_virtual(main())


def test_more_is_asked_for_as_soon_as_more_may_be_however_slow_the_head_is() -> None:
    delays = itertools.chain([0.1, 5.0], itertools.repeat(0.1))
    api = Api(times=weekly(20_000), latency=delays.__next__)

    async def main() -> None:
        source: Source[Row] = Source(
            fetch=unread(api.fetch),
            fetch_now=api.fetch_now,
            concurrency=lambda: 2 if len(api.asked) < 4 else 16,
        )
        query: ListQuery[Row] = ListQuery(path="/rows", model=None, window=whole(1))
        pages = Listing(query, source).pages()
        await anext(pages)
        await asyncio.sleep(1.0)
        assert api.worst_in_flight == 16
        await pages.aclose()

    run_virtual(main())


class Stubborn(Api):
    """Makes an error of a cancel. The first window proves shorter than it was said to be."""

    async def fetch(self, call: Call[Page[Row]]) -> Page[Row]:
        try:
            return await super().fetch(call)
        except asyncio.CancelledError:
            raise OSError from None

    def answer(self, call: Call[Page[Row]]) -> Page[Row]:
        page = super().answer(call)
        return Page(page.items, 2000 if asked(call)["page"] < 3 else 250)


def test_a_cancel_that_is_made_an_error_of_still_ends_what_was_asked_for() -> None:
    delays = itertools.chain([0.1] * 3, itertools.repeat(300.0))
    api = Stubborn(times=weekly(250, 5000, 5000), latency=delays.__next__)

    async def main() -> None:
        pages = api.listing(whole(3), concurrency=8).pages()
        for _ in range(3):
            await anext(pages)
        await asyncio.sleep(1.0)
        before = asyncio.get_running_loop().time()
        await pages.aclose()
        assert asyncio.get_running_loop().time() - before < 1.0
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run_virtual(main())


def test_a_cancel_that_nobody_asked_for_says_what_it_said() -> None:
    api = Api(times=weekly(450))
    api.failures = {2: asyncio.CancelledError("of a hook")}  # type: ignore[dict-item]

    async def main() -> None:
        pages = api.listing(whole(1)).pages()
        await anext(pages)
        with pytest.raises(asyncio.CancelledError, match="of a hook") as caught:
            await anext(pages)
        assert "fetch" in [entry.name for entry in caught.traceback]
        await pages.aclose()

    run_virtual(main())


class Eager(Api):
    """Has the first page at hand, and the others never."""

    async def fetch(self, call: Call[Page[Row]]) -> Page[Row]:
        if asked(call)["page"] > 1:
            await asyncio.sleep(1e9)
        return self.answer(call)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks came with Python 3.12")
def test_eager_tasks_lose_no_page() -> None:
    api = Eager(times=weekly(9500))

    async def main() -> None:
        asyncio.get_running_loop().set_task_factory(vars(asyncio)["eager_task_factory"])
        pages = api.listing(whole(1), concurrency=4).pages()

        async def read() -> list[int]:
            return [page.number async for page in pages]

        reading = asyncio.get_running_loop().create_task(read())
        await asyncio.sleep(1.0)
        await pages.aclose()
        assert await asyncio.wait_for(reading, 100) == [1]

    run_virtual(main())


@pytest.mark.parametrize("concurrency", [1, 2, 3, 16, 64])
@pytest.mark.parametrize("counted", [True, False])
def test_what_is_held_is_bounded_however_much_there_is(concurrency: int, counted: bool) -> None:
    class Endless(Api):
        """A million rows a week."""

        def answer(self, call: Call[Page[Row]]) -> Page[Row]:
            rows = [{"window": asked(call)["after"], "page": asked(call)["page"]}] * 100
            return Page(rows, 1_000_000 if counted else None)

    draws = random.Random(concurrency)
    api = Endless(times=[], latency=lambda: draws.uniform(0.1, 2.0))

    async def main() -> None:
        pages = api.listing(whole(500), concurrency=concurrency).pages()
        for taken in range(1, 120):
            await anext(pages)
            if taken % 3 == 0:
                await asyncio.sleep(draws.uniform(0, 10))  # a slow consumer
            assert len(api.asked) - taken <= 2 * concurrency
        await pages.aclose()

    run_virtual(main())
    assert api.worst_in_flight <= concurrency


def test_one_page_at_a_time_means_one_even_across_windows() -> None:
    api = Api(times=weekly(250, 30, 250), total=lambda _: None)
    assert len(run_virtual(all_of(api.listing(whole(3), concurrency=1)))) == 530
    assert api.worst_in_flight == 1


def test_the_concurrency_of_the_source_is_asked_anew_for_each_page() -> None:
    api = Api(times=weekly(5000))
    wanted = [4]

    async def main() -> None:
        query: ListQuery[Row] = ListQuery(path="/rows", model=None, window=whole(1))
        source: Source[Row] = Source(
            fetch=unread(api.fetch), fetch_now=api.fetch_now, concurrency=lambda: wanted[0]
        )
        pages = Listing(query, source).pages()
        await first_pages(pages, 5)
        assert api.worst_in_flight == 4
        wanted[0] = 12
        await first_pages(pages, 10)
        assert api.worst_in_flight == 12
        await pages.aclose()

    async def first_pages(pages: Any, count: int) -> None:
        for _ in range(count):
            await anext(pages)

    run_virtual(main())


# ---- awaiting, pages, several iterations -------------------------------------------------------


def test_awaiting_gives_the_first_page_and_asks_once_for_it_in_the_interactive_lane() -> None:
    api = Api(times=weekly(250, 250))

    async def main() -> None:
        listing = api.listing(whole(2))
        page = await listing
        assert (ids(list(page)), page.total, page.number) == (list(range(100)), 250, 1)
        assert page.window == Window(0, WEEK)
        assert (api.interactive, len(api.asked)) == (1, 1)
        rows = aiter(listing)
        await first_of(rows, 230)
        await rows.aclose()
        before = len(api.asked)
        page = await api.listing(whole(2), resume_from=listing.checkpoint)
        assert (ids(list(page)), page.number) == (list(range(230, 250)), 3)
        assert (api.interactive, len(api.asked)) == (2, before + 1)

    run_virtual(main())


def test_pages_are_the_pages_that_hold_rows() -> None:
    api = Api(times=weekly(250, 0, 200, 1))

    async def main() -> None:
        pages = [page async for page in api.listing(whole(4)).pages()]
        places = [(page.window.after // WEEK if page.window else None) for page in pages]
        assert [len(page) for page in pages] == [100, 100, 50, 100, 100, 1]
        assert [page.number for page in pages] == [1, 2, 3, 1, 2, 1]
        assert places == [0, 0, 0, 2, 2, 3]

    run_virtual(main())


def test_a_listing_can_be_iterated_again_and_twice_at_once() -> None:
    api = Api(times=weekly(250, 30))

    async def main() -> None:
        listing = api.listing(whole(2))
        every = list(range(280))
        assert [ids(rows) for rows in await asyncio.gather(all_of(listing), all_of(listing))] == [
            every,
            every,
        ]
        assert ids(await all_of(listing)) == every

    run_virtual(main())


def test_an_error_carries_the_place_of_its_own_iteration() -> None:
    api = Api(times=weekly(250))

    async def main() -> None:
        listing = api.listing(whole(1), concurrency=1)
        far, near = aiter(listing), aiter(listing)
        await first_of(far, 220)
        api.failures = dict.fromkeys(range(1, 99), ServerError(status=500))
        with pytest.raises(ServerError):
            await anext(near)
        assert ids(await first_of(far, 30)) == list(range(220, 250))
        assert listing.checkpoint.done
        with pytest.raises(ServerError) as caught:
            await anext(near)
        assert caught.value.checkpoint is not None
        assert (caught.value.checkpoint.page, caught.value.checkpoint.done) == (1, False)

    run_virtual(main())


def test_one_iterator_serves_one_task_at_a_time() -> None:
    api = Api(times=weekly(250))

    async def main() -> None:
        rows = aiter(api.listing(whole(1)))
        outcomes = await asyncio.gather(*(anext(rows) for _ in range(3)), return_exceptions=True)
        assert [type(each) for each in outcomes] == [dict, RuntimeError, RuntimeError]
        rest = [row async for row in rows]
        assert ids(rest) == list(range(1, 250))

    run_virtual(main())


# ---- leaving early -----------------------------------------------------------------------------


def test_a_break_leaves_nothing_behind() -> None:
    api = Api(times=weekly(2000, 2000))

    async def main() -> None:
        async for row in api.listing(whole(2), concurrency=16):
            if row["id"] == 150:
                break
        assert api.in_flight > 0
        await nothing_is_left(api)

    run_virtual(main())


def test_an_error_in_the_body_leaves_nothing_behind() -> None:
    api = Api(times=weekly(2000))

    async def fail_at_150() -> None:
        async for row in api.listing(whole(1), concurrency=16):
            assert row["id"] < 150

    async def main() -> None:
        with pytest.raises(AssertionError):
            await fail_at_150()
        await nothing_is_left(api)

    run_virtual(main())


def test_an_error_of_the_source_leaves_nothing_behind() -> None:
    api = Api(times=weekly(2000, 2000))
    api.failures[7] = RuntimeError("broken")

    async def main() -> None:
        listing = api.listing(whole(2), concurrency=5)
        with pytest.raises(RuntimeError, match="broken"):
            await all_of(listing)
        assert_nothing_left()
        rest = await all_of(api.listing(whole(2), resume_from=listing.checkpoint))
        assert ids(rest) == list(range(rest[0]["id"], 4000))

    run_virtual(main())


def test_a_cancelled_task_leaves_nothing_behind_at_once() -> None:
    api = Api(times=weekly(2000, 2000))
    got: list[Row] = []

    async def main() -> None:
        listing = api.listing(whole(2), concurrency=16)

        async def export() -> None:
            async for row in listing:
                got.append(row)

        task = asyncio.create_task(export())
        await asyncio.sleep(0.45)
        start = asyncio.get_running_loop().time()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert asyncio.get_running_loop().time() - start < 0.001
        assert_nothing_left()
        assert api.in_flight == 0
        rest = await all_of(api.listing(whole(2), resume_from=str(listing.checkpoint)))
        assert ids(got + rest) == list(range(4000))

    run_virtual(main())


def test_wait_for_around_anext_loses_nothing() -> None:
    draws = random.Random(3)
    api = Api(times=weekly(700, 0, 0, 300), latency=lambda: draws.uniform(0.01, 0.2))

    async def main() -> None:
        rows, got, timeouts = aiter(api.listing(whole(4), concurrency=3)), [], 0
        while True:
            try:
                got.append(await asyncio.wait_for(anext(rows), 0.1))
            except TimeoutError:
                timeouts += 1
                assert_nothing_left()
            except StopAsyncIteration:
                break
        assert timeouts > 3
        assert ids(got) == list(range(1000))

    run_virtual(main())


def test_a_cancel_among_empty_windows_keeps_what_was_gained() -> None:
    api = Api(times=[30 * WEEK])

    async def main() -> None:
        rows = aiter(api.listing(whole(31), concurrency=1))
        for _ in range(10):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(anext(rows), 0.35)
        assert await anext(rows) == {"id": 0}
        assert len(api.asked) == 31 + 10  # and those that were cancelled

    run_virtual(main())


def test_aclose_ends_the_iteration_for_good() -> None:
    api = Api(times=weekly(2000))

    async def main() -> None:
        rows = aiter(api.listing(whole(1), concurrency=8))
        await first_of(rows, 150)
        assert api.in_flight > 0
        await rows.aclose()
        assert_nothing_left()
        assert api.in_flight == 0
        asked = len(api.asked)
        assert [row async for row in rows] == []
        assert len(api.asked) == asked
        await rows.aclose()
        untouched = aiter(api.listing(whole(1)))
        await untouched.aclose()
        assert [row async for row in untouched] == []

    run_virtual(main())


@pytest.mark.parametrize("counted", [True, False])
def test_aclose_ends_a_wait_for_the_next_row_elsewhere(counted: bool) -> None:
    api = Api(times=weekly(*[200] * 9), total=lambda true: true if counted else None)

    async def main() -> None:
        listing = api.listing(whole(9), concurrency=2)
        pages = listing.pages()

        async def read() -> list[int]:
            return [len(page) async for page in pages]

        reader = asyncio.create_task(read())
        await asyncio.sleep(0.31)
        await pages.aclose()
        assert set(await reader) == {100}
        assert_nothing_left()
        assert not listing.checkpoint.done

    run_virtual(main())


def test_aclose_while_the_head_waits_for_room() -> None:
    # The look-ahead took the only place, so the head's second page cannot be asked for yet.
    api = Api(times=weekly(200, 200, 200), total=lambda _: None)

    async def main() -> None:
        pages = api.listing(whole(3), concurrency=1).pages()
        await anext(pages)
        reader = asyncio.create_task(pages.__anext__())
        await asyncio.sleep(0)
        await pages.aclose()
        with pytest.raises(StopAsyncIteration):
            await reader
        await nothing_is_left(api)

    run_virtual(main())


def test_a_dropped_iterator_takes_its_requests_along() -> None:
    api = Api(times=weekly(2000))

    async def main() -> None:
        rows = aiter(api.listing(whole(1), concurrency=8))
        await first_of(rows, 150)
        del rows
        await nothing_is_left(api)

        loop: list[Any] = [aiter(api.listing(whole(1), concurrency=8))]
        await first_of(loop[0], 150)
        loop.append(loop)
        del loop
        assert api.in_flight > 0
        gc.collect()
        await nothing_is_left(api)

    run_virtual(main())


def test_an_iterator_may_be_dropped_in_another_thread() -> None:
    api = Api(times=weekly(2000), latency=lambda: 0.005)

    async def main() -> None:
        held = [aiter(api.listing(whole(1), concurrency=8))]
        await first_of(held[0], 150)
        thread = threading.Thread(target=held.clear)
        thread.start()
        thread.join()
        await asyncio.sleep(0)
        await nothing_is_left(api)

    asyncio.run(main())


def test_an_iterator_may_outlive_its_loop() -> None:
    api = Api(times=weekly(2000), latency=lambda: 0.005)

    async def main() -> Rows[Row]:
        rows = aiter(api.listing(whole(1), concurrency=8))
        await first_of(rows, 150)
        return rows

    rows = asyncio.run(main())
    del rows
    gc.collect()
    assert api.in_flight == 0


def test_a_coroutine_that_is_thrown_away_does_not_wait_and_loses_nothing() -> None:
    api = Api(times=weekly(250))

    async def main() -> None:
        waiting = aiter(api.listing(whole(1)))
        step = waiting.__anext__()
        step.send(None)
        step.close()
        await nothing_is_left(api)
        assert ids([row async for row in waiting]) == list(range(250))

    run_virtual(main())


def test_whoever_keeps_an_error_does_not_keep_the_walk() -> None:
    api = Api(times=weekly(2000), odd=frozenset({150}))

    async def main() -> None:
        kept: list[DecodeError] = []
        try:
            async for _ in api.listing(whole(1), concurrency=8):
                pass
        except DecodeError as error:
            kept.append(error)
        await nothing_is_left(api)
        assert kept[0].raw == {"id": 150}

    run_virtual(main())


def test_requests_of_an_ended_range_are_waited_for() -> None:
    class Stubborn(Api):
        """Needs a moment to stop a request."""

        async def fetch(self, call: Call[Page[Row]]) -> Page[Row]:
            try:
                return await super().fetch(call)
            except asyncio.CancelledError:
                await asyncio.sleep(0.05)
                raise

    # The count is right again with the third page, when five more are under way.
    waits = iter([0.1, 0.2, 0.2, *[9.0] * 99])
    api = Stubborn(times=weekly(230), latency=lambda: next(waits))
    counts = iter([900, 900])
    api.total = lambda true: next(counts, true)

    async def main() -> None:
        assert len(await all_of(api.listing(whole(1), concurrency=8))) == 230
        assert_nothing_left()

    run_virtual(main())
    assert len(api.asked) == 10  # as many as the first count needs


# ---- checkpoints -------------------------------------------------------------------------------


def test_a_finished_walk_resumed_gives_nothing_and_sends_nothing() -> None:
    api = Api(times=weekly(130))

    async def main() -> None:
        listing = api.listing(whole(1))
        await all_of(listing)
        asked = len(api.asked)
        again = api.listing(whole(1), resume_from=str(listing.checkpoint))
        assert await all_of(again) == []
        assert [page async for page in again.pages()] == []
        assert list(await again) == []
        assert len(api.asked) == asked

    run_virtual(main())


def test_a_page_that_shrank_since_the_checkpoint_costs_no_row_of_the_next() -> None:
    for left in (20, 100, 120):
        api = Api(times=weekly(250, 150))

        async def main(api: Api = api, left: int = left) -> None:
            listing = api.listing(whole(2))
            rows = aiter(listing)
            await first_of(rows, 150)
            await rows.aclose()
            at = listing.checkpoint
            assert (at.page, at.row) == (2, 50)
            api.times = weekly(left, 150)
            kept = list(range(left, left + 150))
            assert ids(await all_of(api.listing(whole(2), resume_from=at))) == kept
            pages = [page async for page in api.listing(whole(2), resume_from=at).pages()]
            assert [row["id"] for page in pages for row in page] == kept

        run_virtual(main())


def test_a_resumed_walk_knows_a_repeated_last_page() -> None:
    for total in (None, 200):
        api = Api(times=weekly(200), past_end="last", total=lambda _, t=total: t)  # type: ignore[misc]

        async def main(api: Api = api) -> None:
            listing = api.listing(whole(1))
            rows = aiter(listing)
            await first_of(rows, 200)
            await rows.aclose()
            assert listing.checkpoint.page == 3
            assert await all_of(api.listing(whole(1), resume_from=listing.checkpoint)) == []

        run_virtual(main())


def refused(resume_from: object, *, page_size: int = 100, weeks: int = 2) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as caught:
        Api(times=[]).listing(whole(weeks), page_size=page_size, resume_from=resume_from)
    assert isinstance(caught.value, OmnichatError)
    return caught.value


def test_a_checkpoint_that_does_not_fit_is_refused() -> None:
    good = Api(times=[]).listing(whole(2)).checkpoint
    assert "must come from the same query" in str(refused(good, weeks=3))
    assert str(refused(good, page_size=50)).startswith("page_size: must be 100")
    elsewhere = attrs.evolve(good, window=5)
    assert "must name one of the windows" in str(refused(elsewhere))


@pytest.mark.parametrize(
    "change",
    [
        {"page": 0},
        {"page": "2"},
        {"page": True},
        {"row": -1},
        {"row": 1.5},
        {"size": 0},
        {"rows_before": 1},
        {"page": 2},
        {"page_size": None},
        {"done": "no"},
    ],
)
def test_a_checkpoint_that_was_tampered_with_is_refused(change: dict[str, Any]) -> None:
    text = json.loads(str(Api(times=[]).listing(whole(2)).checkpoint)) | change
    with pytest.raises((InvalidRequest, TypeError)) as caught:
        Api(times=[]).listing(whole(2), resume_from=json.dumps(text))
    assert isinstance(caught.value, InvalidRequest)


@pytest.mark.parametrize("rubbish", ["", "rubbish", "[]", "7", "{}", b"{}", 7, {"page": 1}])
def test_rubbish_is_no_checkpoint(rubbish: object) -> None:
    assert "resume_from: must be a checkpoint" in str(refused(rubbish))


# ---- unreadable rows ---------------------------------------------------------------------------


def test_an_unreadable_row_is_raised_in_its_turn() -> None:
    api = Api(times=weekly(30), odd=frozenset({0, 7, 8, 29}))

    async def main() -> None:
        listing = api.listing(whole(1), page_size=4)
        got: list[int] = []
        odd: list[int] = []
        places: list[tuple[object, object]] = []
        while not listing.checkpoint.done:
            try:
                async for row in listing:
                    got.append(row["id"])
            except DecodeError as error:
                odd.append(error.raw["id"])
                places.append((listing.checkpoint, error.checkpoint))
                listing = api.listing(whole(1), page_size=4, resume_from=error.checkpoint)
        assert odd == [0, 7, 8, 29]
        assert all(mine == its for mine, its in places)
        assert sorted(got + odd) == list(range(30))
        assert got == sorted(got)

    run_virtual(main())


def test_an_iterator_goes_on_behind_an_unreadable_row() -> None:
    api = Api(times=weekly(5), odd=frozenset({1}))

    async def main() -> None:
        rows = aiter(api.listing(whole(1)))
        assert await anext(rows) == {"id": 0}
        with pytest.raises(DecodeError):
            await anext(rows)
        assert ids([row async for row in rows]) == [2, 3, 4]
        assert len(api.asked) == 1

    run_virtual(main())


def test_pages_show_unreadable_rows_by_their_place() -> None:
    api = Api(times=weekly(10), odd=frozenset({1, 3, 7}))

    async def main() -> None:
        listing = api.listing(whole(1))
        (page,) = [page async for page in listing.pages()]
        assert ids(list(page)) == [0, 2, 4, 5, 6, 8, 9]
        assert {place: error.raw["id"] for place, error in page.rejected.items()} == {
            1: 1,
            3: 3,
            7: 7,
        }
        rows = aiter(listing)
        await anext(rows)
        with pytest.raises(DecodeError) as caught:
            await anext(rows)
        rest = await api.listing(whole(1), resume_from=caught.value.checkpoint)
        assert ids(list(rest)) == [2, 4, 5, 6, 8, 9]
        assert list(rest.rejected) == [3, 7]

    run_virtual(main())


@pytest.mark.parametrize(
    "options",
    [
        {"page_size": 0},
        {"page_size": 101},
        {"page_size": True},
        {"page_size": 5.0},
        {"concurrency": 0},
        {"concurrency": 65},
        {"concurrency": False},
    ],
)
def test_options_out_of_range_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest, match="must be 1 to"):
        Api(times=[]).listing(whole(1), **options)


@pytest.mark.parametrize(("field", "value"), [("query", 5), ("window", "0"), ("window", None)])
def test_a_checkpoint_object_is_judged_as_its_text_is(field: str, value: Any) -> None:
    sound = Api(times=[]).listing(whole(2)).checkpoint
    assert refused(attrs.evolve(sound, **{field: value})).field == "resume_from"
