"""Ranges of time and checkpoints."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnichat_async.errors import InvalidRequest
from omnichat_async.windows import (
    MAX_WINDOW,
    Checkpoint,
    Window,
    fingerprint,
    is_sound,
    split,
    to_ms,
    whole_range,
)

DAY_MS = 86_400_000
WEEK_MS = 7 * DAY_MS
THREE_YEARS_MS = 3 * 366 * DAY_MS
TAIPEI = timezone(timedelta(hours=8))
FIXED = Checkpoint(query="q1", window=1000, page=3, row=7, page_size=100, size=50, rows_before=100)

ms = st.integers(0, 4_000_000_000_000)
times = st.datetimes(datetime(1970, 1, 2), datetime(2262, 1, 1)).map(  # noqa: DTZ001
    lambda at: at.replace(tzinfo=TAIPEI)
)


# ---- reading times -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0, 0),
        (1_604_647_464_032, 1_604_647_464_032),
        (datetime(1970, 1, 1, tzinfo=UTC), 0),
        (datetime(1970, 1, 1, 8, tzinfo=TAIPEI), 0),
        (datetime(2020, 11, 6, 7, 24, 24, 32_000, tzinfo=UTC), 1_604_647_464_032),
        (datetime(1970, 1, 1, microsecond=1, tzinfo=UTC), 1),
        (datetime(1970, 1, 1, microsecond=999, tzinfo=UTC), 1),
        (datetime(1970, 1, 1, microsecond=1000, tzinfo=UTC), 1),
        (datetime(1970, 1, 1, microsecond=1001, tzinfo=UTC), 2),
    ],
)
def test_a_time_becomes_epoch_milliseconds(value: datetime | int, expected: int) -> None:
    result = to_ms("after", value)
    assert (result, type(result)) == (expected, int)


@pytest.mark.parametrize(
    ("value", "limit", "given"),
    [
        (True, "must be an aware datetime or epoch milliseconds (int)", "bool"),
        (False, "must be an aware datetime or epoch milliseconds (int)", "bool"),
        (1.5, "must be an aware datetime or epoch milliseconds (int)", "float"),
        ("2024-01-01", "must be an aware datetime or epoch milliseconds (int)", "str"),
        (None, "must be an aware datetime or epoch milliseconds (int)", "NoneType"),
        (datetime(2024, 1, 1, tzinfo=UTC).date(), "must be an aware datetime", "date"),
        (-1, "must not be before 1970", "less"),
        (-(2**9_000), "must not be before 1970", "less"),
        (datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC), "must not be before 1970", "less"),
        (253_402_300_800_000, "must be epoch milliseconds before the year 10000", "more"),
        (2**9_000, "must be epoch milliseconds before the year 10000", "more"),
    ],
)
def test_anything_else_is_refused_by_name(value: Any, limit: str, given: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        to_ms("updated_after", value)
    assert (caught.value.field, caught.value.given) == ("updated_after", given)
    assert caught.value.limit.startswith(limit)


def test_a_naive_datetime_gets_one_helpful_sentence() -> None:
    with pytest.raises(InvalidRequest) as caught:
        to_ms("after", datetime(2024, 1, 1))  # noqa: DTZ001
    assert str(caught.value) == (
        "after: needs a time zone, because the API counts in UTC and a naive datetime could "
        "mean any zone; use datetime(..., tzinfo=timezone.utc) or .astimezone(); "
        "given: a naive datetime"
    )


@given(times, ms)
def test_rounding_up_keeps_exactly_the_rows_asked_for(edge: datetime, row_ms: int) -> None:
    row = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=row_ms)
    assert (row_ms >= to_ms("after", edge)) == (row >= edge)
    assert (row_ms < to_ms("before", edge)) == (row < edge)


@given(ms)
def test_a_window_says_its_ends_as_utc_times(after: int) -> None:
    window = Window(after, after + 1)
    assert (window.start.tzinfo, window.end.tzinfo) == (UTC, UTC)
    assert (to_ms("a", window.start), to_ms("b", window.end)) == (after, after + 1)


# ---- ranges and windows ------------------------------------------------------------------------


def test_a_range_is_read_from_both_kinds_of_time() -> None:
    assert whole_range(5, datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)) == Window(5, 1000)


@pytest.mark.parametrize(("after", "before", "given"), [(7, 7, "0 ms later"), (9, 7, "2 ms later")])
def test_an_empty_or_turned_range_is_refused(after: int, before: int, given: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        whole_range(after, before, ("tagged_after", "tagged_before"))
    assert str(caught.value) == f"tagged_after: must be earlier than tagged_before; given: {given}"


def test_a_range_names_the_end_that_is_wrong() -> None:
    for after, before, field in ((-1, 5, "first"), (0, -5, "second")):
        with pytest.raises(InvalidRequest) as caught:
            whole_range(after, before, ("first", "second"))
        assert caught.value.field == field


def test_the_longest_window_is_a_week() -> None:
    assert timedelta(milliseconds=WEEK_MS) == MAX_WINDOW


@pytest.mark.parametrize(
    ("span", "widths"),
    [
        (1, [1]),
        (WEEK_MS - 1, [WEEK_MS - 1]),
        (WEEK_MS, [WEEK_MS]),
        (WEEK_MS + 1, [WEEK_MS, 1]),
        (2 * WEEK_MS, [WEEK_MS, WEEK_MS]),
    ],
)
def test_a_span_is_cut_at_whole_weeks_from_its_start(span: int, widths: list[int]) -> None:
    assert [w.before - w.after for w in split(Window(123, 123 + span))] == widths


@given(ms, st.integers(1, THREE_YEARS_MS), st.sampled_from([WEEK_MS, DAY_MS, 3 * DAY_MS + 1]))
def test_windows_are_adjacent_and_their_union_is_the_span(
    after: int, length: int, width: int
) -> None:
    whole = Window(after, after + length)
    windows = list(split(whole, timedelta(milliseconds=width)))
    assert windows[0].after == whole.after
    assert windows[-1].before == whole.before
    assert all(left.before == right.after for left, right in pairwise(windows))
    assert all(0 < each.before - each.after <= width for each in windows)
    assert len(windows) == -(-length // width)


@given(ms, st.integers(1, THREE_YEARS_MS), st.data())
def test_every_moment_of_a_span_lies_in_one_window(
    after: int, length: int, data: st.DataObject
) -> None:
    windows = list(split(Window(after, after + length)))
    moment = data.draw(st.integers(after - 1, after + length))
    inside = [w for w in windows if w.after <= moment < w.before]
    assert len(inside) == (after <= moment < after + length)


# ---- checkpoints -------------------------------------------------------------------------------


@given(
    query=st.text(),
    window=st.none() | ms,
    page=st.integers(1, 10**9),
    row=st.integers(0, 10**6),
    page_size=st.integers(1, 100),
    size=st.integers(1, 1000),
    done=st.booleans(),
)
def test_a_checkpoint_comes_back_from_its_text(**fields: Any) -> None:
    fields["rows_before"] = (fields["page"] - 1) * fields["size"]
    checkpoint = Checkpoint(**fields)
    text = str(checkpoint)
    assert "\n" not in text
    assert Checkpoint.parse(text) == checkpoint


def test_the_text_of_a_checkpoint_is_a_format_that_must_not_change() -> None:
    assert str(FIXED) == (
        '{"v":2,"query":"q1","window":1000,"page":3,"row":7,"page_size":100,"size":50,"done":false,'
        '"rows_before":100}'
    )


@pytest.mark.parametrize("more", [{}, {"cursor": "new field"}])
def test_a_checkpoint_of_another_format_says_which(more: dict[str, Any]) -> None:
    text = json.dumps({**json.loads(str(FIXED)), "v": 1, **more})
    with pytest.raises(InvalidRequest) as caught:
        Checkpoint.parse(text)
    assert str(caught.value) == "resume_from: must be of format 2; given: format 1"


RUBBISH: dict[str, Any] = {
    "not a string": 5,
    "none": None,
    "empty": "",
    "not JSON": "{",
    "not UTF-8": b"\xff",
    "a list": "[1]",
    "a string": '"v"',
    "a number": "1",
    "an empty object": "{}",
    "only a version": '{"v":2}',
    "one field too few": str(FIXED).replace('"page":3,', ""),
    "one field too many": str(FIXED).replace('"page":3,', '"page":3,"more":1,'),
    "deep nesting": "[" * 100_000,
}
BAD_FIELDS: list[tuple[str, Any]] = [
    ("query", 5),
    ("window", "1000"),
    ("window", True),
    ("page", "3"),
    ("page", 0),
    ("page", None),
    ("page", 1.5),
    ("row", -1),
    ("row", "7"),
    ("page_size", 0),
    ("page_size", True),
    ("size", 0),
    ("size", [50]),
    ("rows_before", 1),
    ("rows_before", True),
    ("done", 0),
    ("done", None),
]
RUBBISH |= {
    f"{field}={value!r}": json.dumps({**json.loads(str(FIXED)), field: value})
    for field, value in BAD_FIELDS
}


@pytest.mark.parametrize("text", RUBBISH.values(), ids=RUBBISH.keys())
def test_rubbish_is_no_checkpoint(text: Any) -> None:
    with pytest.raises(InvalidRequest) as caught:
        Checkpoint.parse(text)
    assert str(caught.value) == (
        "resume_from: must be a checkpoint of this package; given: something else"
    )


def test_a_checkpoint_stays_as_it_is() -> None:
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        FIXED.page = 4  # type: ignore[misc]


# ---- fingerprints ------------------------------------------------------------------------------


def test_a_fingerprint_differs_for_every_parameter() -> None:
    base = {"platform": "line", "channelId": "c"}
    window = Window(1, 2)
    prints = [
        fingerprint("/messages", base, window),
        fingerprint("/contacts", base, window),
        fingerprint("/messages", base, Window(1, 3)),
        fingerprint("/messages", base, Window(0, 2)),
        fingerprint("/messages", base, None),
        fingerprint("/messages", {**base, "platform": "whatsapp"}, window),
        fingerprint("/messages", {**base, "channelId": "d"}, window),
        fingerprint("/messages", {"platform": "line", "channel": "c"}, window),
        fingerprint("/messages", {"platform": "c", "channelId": "line"}, window),
        fingerprint("/messages", {"platform": "line"}, window),
        fingerprint("/messages", {**base, "more": 1}, window),
        fingerprint("/messages", {**base, "more": "1"}, window),
        fingerprint("/messages", {}, window),
    ]
    assert len(set(prints)) == len(prints)
    assert all(len(each) == 16 and set(each) <= set("0123456789abcdef") for each in prints)


def test_a_fingerprint_ignores_order_and_what_is_not_sent() -> None:
    one = fingerprint("/messages", {"a": 1, "b": "x", "c": None}, None)
    assert one == fingerprint("/messages", {"b": "x", "a": 1}, None)


def test_a_fingerprint_is_the_same_in_the_next_version() -> None:
    """Checkpoints that lie on disk are compared with it."""
    assert fingerprint("/messages", {"platform": "line"}, Window(1, 2)) == "076bb897fbb6a704"


def test_a_range_in_epoch_seconds_is_told_from_one_in_milliseconds() -> None:
    seconds, ms = (1_795_284_363, 1_795_370_763), (1_795_284_363_000, 1_795_370_763_000)
    for after, before in (seconds, (seconds[0], ms[1]), (ms[0], seconds[1]), (0, seconds[1])):
        with pytest.raises(InvalidRequest, match="look like seconds: 1795"):
            whole_range(after, before)
    first, second = (datetime(1970, 1, day, tzinfo=UTC) for day in (21, 22))
    assert whole_range(first, second) == Window(20 * DAY_MS, 21 * DAY_MS)
    assert whole_range(0, 4 * WEEK_MS) == Window(0, 4 * WEEK_MS)
    assert whole_range(1_795_284_363_000, 1_795_370_763_000).after == 1_795_284_363_000


def test_what_is_no_checkpoint_at_all() -> None:
    assert is_sound(FIXED)
    assert not is_sound(None)
    assert not is_sound(str(FIXED))
    assert not is_sound(json.loads(str(FIXED)))
