"""Rows that come and go over a timeline: checked against plain lists."""

import tracemalloc
from random import Random

import pytest

from omnichat_async.sandbox import SandboxConfig
from omnichat_async.sandbox.data.timeline import Timeline
from omnichat_async.sandbox.endpoints.broadcasts import send_broadcast
from omnichat_async.sandbox.state import broadcasts, outbox
from omnichat_async.sandbox.state.ledger import Ledger, Pieces
from omnichat_async.sandbox.wire import JSON, Call, json_reply
from omnichat_async.sandbox.world import Selection, World

from .bodies import broadcast
from .support import DAY_MS, END_MS, START_MS


def _truth(
    ledger: Ledger, numbers: list[int], after: int, before: int, channel: int | None
) -> list[int]:
    rows = [n for n in numbers if after <= ledger.time(n) < before]
    rows = [n for n in rows if channel is None or ledger.channel(n) == channel]
    return sorted(rows, key=lambda n: (ledger.time(n), n))


@pytest.mark.parametrize("seed", range(20))
def test_edits_are_woven_in_at_their_time(seed: int) -> None:
    random = Random(seed)
    rows = random.choice([0, 1, 50, 300])
    timeline = Timeline(seed, rows, START_MS, START_MS + DAY_MS)
    ledger = Ledger(timeline)
    numbers = list(range(rows))
    now = START_MS - 1000
    for _ in range(random.choice([0, 3, 40])):
        now += random.choice([0, 0, 1, DAY_MS // 30])
        now = random.choice([now, timeline.time(random.randrange(rows)) if rows else now])
        count = random.choice([1, 1, 5])
        first = ledger.add(now, count, channel=random.randrange(2))
        numbers += range(first, first + count)
        if numbers and random.random() < 0.5:
            gone = random.choice(numbers)
            numbers.remove(gone)
            ledger.hide(gone)
            assert not ledger.exists(gone, END_MS)
    for _ in range(30):
        after = START_MS + random.randrange(-2000, DAY_MS)
        before = after + random.randrange(DAY_MS)
        for channel in (None, 0, 1):
            chosen = ledger.between(after, before, channel)
            truth = _truth(ledger, numbers, after, before, channel)
            assert list(chosen) == truth
            assert len(chosen) == len(truth)
            assert [chosen[i] for i in range(len(truth))] == truth
            assert list(chosen[2:9]) == truth[2:9]
            assert Selection(chosen, lambda n: {"n": n}).page(2, 4) == [
                {"n": n} for n in truth[4:8]
            ]
            if isinstance(chosen, Pieces):
                assert list(chosen.backwards()) == truth[::-1]
    assert all(ledger.exists(n, END_MS) for n in numbers)


def test_without_edits_a_list_is_one_range() -> None:
    ledger = Ledger(Timeline(7, 5000, START_MS, END_MS))
    ledger.add(END_MS)
    assert isinstance(ledger.between(START_MS, START_MS + DAY_MS), range)


def test_a_clock_that_is_set_back_is_ignored() -> None:
    ledger = Ledger(Timeline(7, 0, START_MS, END_MS))
    ledger.add(START_MS + 9)
    assert ledger.time(ledger.add(START_MS)) == START_MS + 9


def test_many_recipients_take_little_memory() -> None:
    world = World(SandboxConfig(rows=1000, start_ms=START_MS, end_ms=END_MS))
    sends, each = 300, 150

    def send(n: int) -> None:
        to = [f"U{n:016x}{k:016x}" for k in range(each)]
        body = json_reply(broadcast(to=to, tags=["sale"])).body
        assert send_broadcast(world, Call((), {}, END_MS, body, JSON)).status == 200

    def forget() -> None:
        broadcasts._fates.cache_clear()
        outbox._recipients.cache_clear()

    send(0)
    forget()
    tracemalloc.start()
    try:
        for n in range(sends):
            send(n)
        forget()
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert taken / (sends * each) < 60  # 36 of them are the id itself
