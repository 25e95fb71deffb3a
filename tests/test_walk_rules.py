"""The pure rules of the certified walk."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnichat_async.calls import Page
from omnichat_async.codec import lines_of
from omnichat_async.paging import RowKind
from omnichat_async.walk import certificates, rules
from omnichat_async.walk.known import Known
from omnichat_async.windows import Window

KEYED = RowKind(key=("channel.channelId", "id"), time="time")
WINDOW = Window(1_000, 2_000)


def rows_at(times: list[int]) -> list[Any]:
    return [{"id": n, "time": time} for n, time in enumerate(times)]


# ---- rows --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "key"),
    [
        ({"id": "a", "channel": {"channelId": "1"}}, ("1", "a")),
        ({"id": "a"}, (None, "a")),
        ({"id": "a", "channel": None}, (None, "a")),
        ({"id": "", "name": "x"}, ('{"id": "", "name": "x"}',)),
        ({"id": ["a"]}, ('{"id": ["a"]}',)),
        (7, ("7",)),
    ],
)
def test_keys(row: Any, key: Any) -> None:
    assert rules.key_of(row, KEYED) == key


@pytest.mark.parametrize(
    ("row", "key"), [({"id": "a"}, "a"), ({"id": 7}, 7), ({"id": None}, ('{"id": null}',))]
)
def test_a_single_key_field_is_the_key(row: Any, key: Any) -> None:
    assert rules.key_of(row, RowKind(key=("id",))) == key


def test_without_key_fields_all_of_a_row_is_its_key() -> None:
    one, other = {"a": 1, "b": 2}, {"b": 2, "a": 1}
    assert rules.key_of(one, RowKind()) == rules.key_of(other, RowKind())
    assert rules.key_of(one, RowKind()) != rules.key_of({"a": 1}, RowKind())


def test_rows_are_sorted_by_time_and_key_and_odd_ones_come_first() -> None:
    rows = [{"id": "b", "time": 5}, {"id": "a", "time": 5}, {"id": "c"}, {"id": "d", "time": 1}]
    assert [row["id"] for row in rules.sorted_rows(rows, KEYED)] == ["c", "d", "a", "b"]
    assert rules.sorted_rows(rows, RowKind()) is rows


PARTS: st.SearchStrategy[Any] = st.sampled_from(
    ["", "a", "b", "('a',)", "0", 0, 1, True, None, [], {"id": "a"}, 0.5]
)
CHANNELS = PARTS | st.fixed_dictionaries({}, optional={"channelId": PARTS})
OBJECTS = st.fixed_dictionaries(
    {}, optional={"id": PARTS, "channel": CHANNELS, "time": st.integers(-2, 3) | PARTS}
)
PLAIN = st.fixed_dictionaries(
    {
        "id": st.sampled_from(["a", "b", "a b", "a'b"]),
        "channel": st.just({"channelId": "1"}),
        "time": st.integers(-2, 3),
    }
)
ROWS = st.lists(PLAIN, max_size=12) | st.lists(PLAIN | OBJECTS | PARTS, max_size=12)
KINDS = st.sampled_from([KEYED, RowKind(key=("id",), time="time"), RowKind(key=("id",)), RowKind()])


def one_by_one(rows: list[Any], kind: RowKind) -> list[Any]:
    """Rows in order, by the rules for a single row."""

    def place(row: Any) -> tuple[int, str]:
        time, key = rules.time_of(row, kind), rules.key_of(row, kind)
        whole = isinstance(key, tuple) and len(key) == 1
        text = key[0] if whole else str(key if isinstance(key, tuple) else (key,))
        return -1 if time is None else time, text

    return sorted(rows, key=place) if kind.time is not None else rows


@given(rows=ROWS, kind=KINDS)
def test_all_rows_at_once_are_seen_as_one_by_one(rows: list[Any], kind: RowKind) -> None:
    assert repr(rules.keys_of(rows, kind)) == repr([rules.key_of(row, kind) for row in rows])
    assert repr(rules.times_of(rows, kind)) == repr([rules.time_of(row, kind) for row in rows])
    assert repr(rules.sorted_rows(rows, kind)) == repr(one_by_one(rows, kind))


@given(rows=ROWS, kind=KINDS)
def test_the_text_of_rows_has_their_keys_times_and_order(rows: list[Any], kind: RowKind) -> None:
    held = rules.kept(rows, kind)
    assert repr(rules.keys_of(held, kind)) == repr(rules.keys_of(rows, kind))
    assert rules.times_of(held, kind) == rules.times_of(rows, kind)
    ordered = rules.handed_out(rules.sorted_rows(held, kind))
    assert ordered == lines_of(rules.sorted_rows(rows, kind))
    assert rules.kept(held, kind) == held


def test_rows_are_the_same_however_their_text_is_spelled() -> None:
    one = [("1", 5, b'{"id":"1","name":"\xe7\x8e\x8b"}'), ("2", None, b'{"id":"2"}')]
    other = [("1", 5, b'{"id": "1", "name": "\\u738b"}'), ("2", None, b'{"id":"2"}')]
    assert rules.same_rows(one, other)
    for changed in (
        [("1", 5, b'{"id":"1","name":"\xe7\x8e\x8bs"}'), one[1]],
        [("1", 6, one[0][2]), one[1]],
        [("3", 5, one[0][2]), one[1]],
        one[::-1],
        one[:1],
        [],
    ):
        assert not rules.same_rows(other, changed)
        assert not rules.same_rows(changed, other)
    assert rules.same_rows([], [])
    assert rules.same_rows([{"id": "1"}], [{"id": "1"}])
    assert not rules.same_rows([{"id": "1"}], [{"id": "2"}])


def test_a_last_page_that_comes_again_in_another_spelling_is_that_page() -> None:
    kind = RowKind(key=("id",), time="time")
    page = Page([("1", 5, b'{"id":"1"}')], 1)
    again = Page([("1", 5, b'{"id": "1"}')], 1)
    assert certificates.tally([page, again], 1, 1, kind).proved
    other = Page([("2", 5, b'{"id": "2"}')], 1)
    assert not certificates.tally([page, other], 1, 1, kind).proved


# ---- totals and pages --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("total", "size", "numbers"),
    [(0, 100, [1]), (99, 100, [1]), (100, 100, [1, 2]), (101, 100, [1, 2]), (200, 100, [1, 2, 3])],
)
def test_the_last_page_to_ask_for_is_never_a_full_one(
    total: int, size: int, numbers: list[int]
) -> None:
    assert rules.page_numbers(total, size) == numbers


@given(total=st.integers(1, 100_000), size=st.integers(3, 100))
def test_a_page_size_is_found_that_leaves_the_last_page_short(total: int, size: int) -> None:
    found = rules.page_size_for(total, size, 0)
    assert size // 2 < found <= size
    if any(total % each for each in range(size // 2 + 1, size + 1)):
        assert total % found


def test_without_a_total_the_page_size_is_another_one_each_time() -> None:
    assert [rules.page_size_for(None, 100, attempt) for attempt in range(3)] == [100, 99, 98]


def test_a_count_below_its_own_page_is_none() -> None:
    assert rules.usable_total(Page([1, 2], 2)) == 2
    assert rules.usable_total(Page([1, 2], 1)) is None
    assert rules.usable_total(Page([1, 2])) is None


@pytest.mark.parametrize(
    ("pages", "consistent"),
    [
        ([Page([1, 2], 3), Page([3], 3)], True),
        ([Page([1, 2], 3), Page([3], 2)], True),
        ([Page([1, 2]), Page([3])], True),
        ([Page([1, 2], 4), Page([3], 3)], False),
        ([Page([1, 2], 3), None], False),
    ],
)
def test_what_speaks_against_a_count_of_3(pages: list[Any], consistent: bool) -> None:
    assert rules.is_consistent(pages, 3, 2) is consistent


def test_the_page_past_full_ones_may_be_refused() -> None:
    assert rules.is_consistent([Page([1, 2], 2), None], 2, 2)


# ---- cuts --------------------------------------------------------------------------------------


def is_partition(window: Window, parts: list[Window]) -> bool:
    return (
        len(parts) >= 2
        and parts[0].after == window.after
        and parts[-1].before == window.before
        and all(a.before == b.after for a, b in pairwise(parts))
        and all(part.after < part.before for part in parts)
    )


ranges = st.integers(2, 10_000).map(lambda width: Window(1_000, 1_000 + width))
orders = st.sampled_from(["up", "down", "mixed", "outside"])


@given(
    window=ranges,
    offsets=st.lists(st.floats(0, 0.999), min_size=1, max_size=120),
    order=orders,
    total=st.none() | st.integers(0, 100_000),
    target=st.integers(1, 5_000),
)
def test_any_first_page_leads_to_a_partition(
    window: Window, offsets: list[float], order: str, total: int | None, target: int
) -> None:
    times = [window.after + int(part * (window.before - window.after)) for part in offsets]
    if order in {"up", "down"}:
        times.sort(reverse=order == "down")
    if order == "outside":
        times[0] = window.before
    assert is_partition(window, rules.cut_sample(window, rows_at(times), KEYED, total, target))


@given(window=ranges, offsets=st.lists(st.floats(0, 0.999), min_size=1, max_size=400))
def test_any_rows_seen_lead_to_a_partition(window: Window, offsets: list[float]) -> None:
    times = [window.after + int(part * (window.before - window.after)) for part in offsets]
    assert is_partition(window, rules.cut_seen(window, rows_at(times), KEYED, 100))


def test_rows_seen_are_cut_into_parts_that_fit_a_page() -> None:
    times = list(range(1_000, 2_000, 2))
    parts = rules.cut_seen(WINDOW, rows_at(times), KEYED, 100)
    counts = [sum(part.after <= time < part.before for time in times) for part in parts]
    assert max(counts) <= 95
    assert min(counts) >= 80


@pytest.mark.parametrize("where", [1_000, 1_500, 1_999])
@pytest.mark.parametrize("crowd", [100, 70])
def test_a_crowded_millisecond_becomes_a_part_of_its_own(where: int, crowd: int) -> None:
    rest = [time for time in range(1_000, 2_000, 33) if time != where][: 100 - crowd]
    rows = rows_at([where] * crowd + rest)
    for found in (
        rules.cut_seen(WINDOW, rows, KEYED, 30),
        rules.cut_sample(WINDOW, rows_at([where] * 100), KEYED, 5_000, 500),
    ):
        assert Window(where, where + 1) in found


def test_times_that_are_not_those_of_the_filter_decide_nothing() -> None:
    assert rules.cut_seen(WINDOW, rows_at([1_500] * 99 + [7]), KEYED, 100) == []
    even = rules.cut_evenly(WINDOW, 4)
    assert rules.cut_sample(WINDOW, rows_at([1_500] * 99 + [7]), KEYED, 2_000, 500) == even
    assert rules.cut_sample(WINDOW, [{"id": 1}] * 100, KEYED, 2_000, 500) == even


# ---- what is learnt ----------------------------------------------------------------------------


def test_blocks_shrink_with_failures_down_to_a_page_and_grow_back() -> None:
    known = Known.at_first(RowKind(block=500), 100)
    for _ in range(20):
        known.failed()
    assert known.block == known.one_page == 75
    assert known.worth_counting == 100
    for _ in range(64):
        known.certified(one_page=True)
    assert known.block == 200
    for _ in range(8 * 6):
        known.certified(one_page=False)
    assert known.block == 5_000


def test_a_server_that_gives_more_than_it_is_asked_for_has_pages_of_its_own() -> None:
    known = Known.at_first(RowKind(), 100)
    known.saw(250)
    assert known.size == 250
    known.capped_at(50)
    assert known.size == 50


def test_a_width_is_halved_once() -> None:
    known = Known.at_first(RowKind(), 100)
    week = known.width
    assert known.refused_width(week)
    assert known.refused_width(week)  # one that was under way already
    assert known.width == week // 2
    assert not known.refused_width(week // 2)
