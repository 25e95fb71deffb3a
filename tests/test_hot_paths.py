"""What must not happen for every row, counted: calls, waits, tasks, objects and second passes."""

from __future__ import annotations

import asyncio
import copy
import pickle
from datetime import datetime
from typing import TYPE_CHECKING, Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnichat_async import OmnichatClient, RateLimiter, codec
from omnichat_async.codec import (
    answers,
    decode_page,
    explain,
    generate,
    rules,
    structure,
    times,
)
from omnichat_async.events import Finished
from omnichat_async.models import Channel, Contact, Message, Model, NamedChannel, Platform
from omnichat_async.models.base import local
from omnichat_async.sandbox import Sandbox
from omnichat_async.windows import EPOCH, MILLISECOND

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator

    from omnichat_async.calls import Page
    from omnichat_async.events import Event

LINE = {"platform": "line", "channelId": "1"}


# ---- decoding ----------------------------------------------------------------------------------


def test_the_detailed_pass_runs_once_for_each_odd_row_and_never_for_a_good_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    explained: list[Any] = []
    real = explain.explain

    def counted(model: Any, value: Any, path: str) -> Any:
        explained.append(path)
        return real(model, value, path)

    monkeypatch.setattr(answers, "explain", counted)
    rows: list[Any] = [{"id": str(n), "channel": LINE} for n in range(100)]
    assert len(decode_page(Message, rows)) == 100
    assert explained == []
    rows[17] = rows[18] = rows[99] = {"id": None}
    page = decode_page(Message, rows)
    assert explained == ["content[17]", "content[18]", "content[99]"]
    assert [row.id for row in page] == [str(n) for n in range(99) if n not in {17, 18}]


def test_rows_around_an_odd_one_are_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[int] = []

    class Counted(dict[int, datetime]):
        def __missing__(self, hour: int) -> datetime:
            reads.append(hour)
            return EPOCH

    expression, given = times.AS_EXPRESSION
    monkeypatch.setattr(rules, "AS_EXPRESSION", (expression, given | {"hours": Counted()}))
    monkeypatch.setattr(rules, "_generated", {})
    hour = 3_600_000
    rows: list[Any] = [{"id": "a", "time": n * hour} for n in range(10)]
    rows += [{"id": 5}, {"id": "b", "time": 99 * hour}]
    page = decode_page(Message, rows)
    assert (len(page), list(page.rejected)) == (11, [10])
    assert reads == [*range(10), 99]


def test_rows_with_other_keys_are_read_as_each_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    optional = ["roomId", "senderName", "message", "mediaUrl", "bsuid", "new", "newer"]
    kinds = [
        {"id": str(n)} | {key: str(n) for bit, key in enumerate(optional) if n >> bit & 1}
        for n in range(128)
    ]
    runs = [row for each in kinds for row in [each] * 12]
    mixed = [row for each in kinds for row in (each, kinds[7], dict(reversed(each.items())))]
    monkeypatch.setattr(rules, "_generated", {})
    read = rules.rows_hook(Message)
    for rows in (mixed, runs, mixed):
        assert read(rows) == [structure(Message, row) for row in rows]
    readers = rules._generated[Message]._readers
    assert len(readers) == generate._MOST_SHAPES  # more than that could be made up without end
    odds: list[Any] = [None, 5, [], {}, {"roomId": "a", "message": "b"}, {"id": "a", "message": 5}]
    for odd in odds:
        for rows in (mixed, runs):
            assert len(read([*rows, odd, *rows])) == len(rows)


def test_few_rows_get_no_code_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "_generated", {})
    page = decode_page(Message, [{"id": "a", "message": "b"}] * (generate._RUN - 1))
    assert len(page) == generate._RUN - 1
    assert rules._generated[Message]._readers == {}


def test_as_many_other_keys_are_other_keys() -> None:
    rows: list[Any] = [{"id": "a", "new": "b"}] * 12 + [{"id": "c", "message": "d"}] * 12
    for order in (rows, rows[::-1], rows * 2):
        assert decode_page(Message, order).items == [structure(Message, row) for row in order]


def test_equal_channels_that_follow_each_other_are_one_object() -> None:
    other = {"platform": "line", "channelId": "2"}
    rows = [{"id": "a", "channel": each} for each in (LINE, dict(LINE), other, LINE, None)]
    channels = [row.channel for row in decode_page(Message, rows)]
    assert channels[0] is channels[1]
    assert channels == [
        *[Channel(platform=Platform.LINE, channel_id="1")] * 2,
        Channel(platform=Platform.LINE, channel_id="2"),
        Channel(platform=Platform.LINE, channel_id="1"),
        None,
    ]


def test_a_channel_changed_after_it_was_read_is_no_other_ones_equal() -> None:
    mine = dict(LINE)
    first = structure(Message, {"id": "a", "channel": mine}).channel
    mine["channelId"] = "2"
    second = structure(Message, {"id": "b", "channel": {**LINE, "channelId": "2"}}).channel
    assert first is not None
    assert second is not None
    assert (first.channel_id, second.channel_id) == ("1", "2")


def test_channels_with_unknown_fields_are_not_shared() -> None:
    rows = [{"id": "a", "channel": {**LINE, "flag": flag}} for flag in (1, True, 1)]
    found = [row.channel.extra["flag"] for row in decode_page(Message, rows)]
    assert [(each, type(each)) for each in found] == [(1, int), (True, bool), (1, int)]


@pytest.mark.parametrize("channel", [5, "line", [], {"channelId": 5}, {**LINE, "platform": []}])
def test_a_channel_that_does_not_fit_is_no_other_ones_equal(channel: Any) -> None:
    rows = [{"id": "a", "channel": LINE}, {"id": "b", "channel": channel}, {"id": "c"}]
    page = decode_page(Message, rows)
    assert [row.id for row in page] == ["a", "c"]
    assert page.rejected[1].path.startswith("content[1].channel")


@pytest.mark.parametrize("cls", [Channel, NamedChannel])
def test_what_rows_share_cannot_be_changed(cls: type[Channel]) -> None:
    read = structure(cls, LINE)
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        read.channel_id = "2"  # type: ignore[misc]
    read.extra["note"] = "of nobody"
    assert read.extra == {}
    assert (read, hash(read)) == (cls(**attrs.asdict(read)), hash(cls(**attrs.asdict(read))))
    # Shared objects are told apart by text alone, where no two kinds of JSON are equal.
    texts = {field.type for field in attrs.fields(cls) if field.name != "extra"}
    assert texts <= {str | None, Platform | str | None}


def test_an_empty_extra_is_made_when_it_is_asked_for() -> None:
    read = structure(Contact, {"id": "c"})
    with pytest.raises(AttributeError):
        object.__getattribute__(read, "extra")
    assert read.extra is read.extra
    assert read.extra == {}
    for made in (copy.copy(read), copy.deepcopy(read), pickle.loads(pickle.dumps(read))):
        assert made == read == Contact(id="c")
    fresh = structure(Contact, {"id": "c"})
    assert (repr(fresh), attrs.evolve(fresh, name="n").extra) == (repr(read), {})
    with pytest.raises(AttributeError, match="'Contact' object has no attribute 'nothing'"):
        _ = fresh.nothing  # type: ignore[attr-defined]


def stripped(text: str) -> str:
    return text.strip()


@attrs.define(kw_only=True)
class Careful(Model):
    """A model that does something when it is made."""

    id: str = attrs.field(converter=stripped)
    count: int | None = attrs.field(
        default=None, validator=attrs.validators.optional(attrs.validators.ge(0))
    )
    seen: list[str] = attrs.field(factory=list)
    made_here: int = local(default=7)

    def __attrs_post_init__(self) -> None:
        self.seen.append("post-init")


def test_a_class_with_rules_of_its_own_is_made_by_its_own_init() -> None:
    read = structure(Careful, {"id": " a ", "count": 1, "new": None})
    assert (read.id, read.count, read.seen, read.made_here) == ("a", 1, ["post-init"], 7)
    assert read.extra == {"new": None}
    with pytest.raises(ValueError, match="count"):
        structure(Careful, {"id": "a", "count": -1})
    assert [row.id for row in decode_page(Careful, [{"id": "b "}, {"id": 5}])] == ["b"]
    many = decode_page(Careful, [{"id": f" {n} ", "count": n} for n in range(12)])
    assert [(row.id, row.count, row.seen, row.made_here) for row in many] == [
        (str(n), n, ["post-init"], 7) for n in range(12)
    ]


@given(st.integers(times.FIRST_MS, times.LAST_MS))
def test_times_are_exact(ms: int) -> None:
    assert times.from_ms(ms) == EPOCH + ms * MILLISECOND
    assert structure(Message, {"id": "a", "time": ms}).time == EPOCH + ms * MILLISECOND


def test_the_hours_that_are_kept_are_bounded() -> None:
    for hour in range(3 * times._MOST_HOURS):
        assert times._hours[hour].minute == 0
        assert len(times._hours) <= times._MOST_HOURS


# ---- walking -----------------------------------------------------------------------------------


END = 1_735_689_600_000
WEEK = 7 * 86_400_000
ROWS, PAGES = 3000, 31


class Watched:
    """An awaitable that counts how often another one really waits."""

    def __init__(self, work: Coroutine[Any, Any, Any]) -> None:
        self.work = work
        self.waits = 0

    def __await__(self) -> Generator[Any, Any, Any]:
        steps = self.work.__await__()
        while True:
            try:
                step = steps.send(None)
            except StopIteration as end:
                return end.value
            self.waits += 1
            yield step


async def walk() -> tuple[int, int, int]:
    """Read all rows: how many, at how many of them the walk waited, and tasks per walk."""
    tasks = 0

    def counted(loop: Any, work: Any, **options: Any) -> Any:
        nonlocal tasks
        tasks += 1
        return asyncio.Task(work, loop=loop, **options)

    count = waited = 0
    async with (
        Sandbox(rows=ROWS, limit=None, start_ms=END - WEEK, end_ms=END) as sandbox,
        OmnichatClient(
            sandbox.token, base_url=sandbox.url, limiter=RateLimiter(limit=None)
        ) as client,
    ):
        listing = client.messages.list(platform="line", after=END - WEEK, before=END)
        rows = listing.__aiter__()
        asyncio.get_running_loop().set_task_factory(counted)
        while True:
            step = Watched(rows.__anext__())
            try:
                await step
            except StopAsyncIteration:
                break
            count += 1
            waited += step.waits > 0
        asyncio.get_running_loop().set_task_factory(None)
        assert listing.checkpoint.done
    return count, waited, tasks


def test_no_row_waits_and_none_has_a_task() -> None:
    count, waited, tasks = asyncio.run(walk())
    assert count == ROWS
    assert 1 <= waited <= PAGES
    assert PAGES <= tasks <= 4 * PAGES


def test_a_page_asked_for_ahead_is_read_in_its_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    parsed: list[int] = []
    real = codec.read_page

    def counted(model: type[Any], body: bytes, parse: Callable[[], Any]) -> Page[Any]:
        parsed.append(len(body))
        return real(model, body, parse)

    monkeypatch.setattr(codec, "read_page", counted)
    finished: list[Event] = []

    def hook(event: Event) -> None:
        if isinstance(event, Finished):
            finished.append(event)

    async def main() -> None:
        async with (
            Sandbox(rows=ROWS, limit=None, start_ms=END - WEEK, end_ms=END) as sandbox,
            OmnichatClient(
                sandbox.token,
                base_url=sandbox.url,
                limiter=RateLimiter(limit=None),
                hooks=[hook],
            ) as client,
        ):
            pages = client.messages.list(
                platform="line", after=END - WEEK, before=END, concurrency=5
            ).pages()
            for number in range(1, 6):
                await anext(pages)
                while len(finished) < number + 5:  # the pages after it have come
                    await asyncio.sleep(0)
                assert len(parsed) == number
            await pages.aclose()

    asyncio.run(main())
