"""What an inbox has taken is there until it is handled, in a file or in memory."""

from __future__ import annotations

import asyncio
import stat
from typing import TYPE_CHECKING, Any

import pytest

from omnichat_async.webhooks import MemoryInbox, SqliteInbox
from omnichat_async.webhooks.inbox import Record
from omnichat_async.webhooks.table import InboxFull
from omnichat_async.webhooks.worker import WorkPolicy
from tests.support.run import run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

DAY = 86_400.0


class Clock:
    """Epoch seconds that a test sets."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


def record(key: str, lane: str = "", body: bytes = b"{}", received: float = 1_000_000.0) -> Record:
    return Record(
        key=key,
        lane=lane or key,
        name="ticket/update",
        headers={"X-Omnichat-Topic": "ticket/update"},
        body=body,
        received=received,
    )


@pytest.fixture(params=["memory", "file"])
def inbox_of(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[..., MemoryInbox]:
    def make(**options: Any) -> MemoryInbox:
        if request.param == "memory":
            return MemoryInbox(**options)
        return SqliteInbox(tmp_path / "inbox.db", **options)

    return make


def keys(jobs: list[Any]) -> list[str]:
    return [job.record.key for job in jobs]


def test_an_event_is_kept_once_and_done_for_good(inbox_of: Callable[..., MemoryInbox]) -> None:
    async def main() -> None:
        inbox = inbox_of(clock=Clock())
        assert await inbox.put([record("a"), record("a"), record("b")]) == 2
        jobs = await inbox.lease(10, 60)
        assert jobs[0].record == record("a")
        assert (keys(jobs), await inbox.lease(10, 60)) == (["a", "b"], [])
        for job in jobs:
            await inbox.done(job)
        assert await inbox.put([record("a")]) == 0
        assert await inbox.lease(10, 60) == []
        assert await inbox.next_due() is None
        await inbox.aclose()

    run(main())


def test_a_lease_ends_and_whoever_had_it_has_no_say_any_more(
    inbox_of: Callable[..., MemoryInbox],
) -> None:
    async def main() -> None:
        clock = Clock()
        inbox = inbox_of(clock=clock)
        await inbox.put([record("a")])
        (first,) = await inbox.lease(1, 60)
        clock.now += 50
        await inbox.renew([first], 60)
        assert await inbox.next_due() == 60
        clock.now += 59
        assert await inbox.lease(1, 60) == []
        clock.now += 2
        (second,) = await inbox.lease(1, 60)
        assert (first.attempt, second.attempt) == (1, 2)
        await inbox.done(first)
        await inbox.fail(first, "ValueError", None)
        assert await inbox.counts() == {"open": 1, "done": 0, "dead": 0}
        await inbox.done(second)
        assert await inbox.counts() == {"open": 0, "done": 1, "dead": 0}
        await inbox.aclose()

    run(main())


def test_only_the_oldest_of_a_lane_is_given_out(inbox_of: Callable[..., MemoryInbox]) -> None:
    async def main() -> None:
        clock = Clock()
        inbox = inbox_of(clock=clock)
        await inbox.put([record(f"{lane}{n}", lane) for lane in "xy" for n in range(2)])
        x0, y0 = await inbox.lease(10, 60)
        assert keys([x0, y0]) == ["x0", "y0"]
        await inbox.fail(x0, "ValueError", 5)
        await inbox.done(y0)
        assert keys(await inbox.lease(10, 60)) == ["y1"]
        clock.now += 6
        (x0,) = await inbox.lease(10, 60)
        await inbox.fail(x0, "ValueError", None)
        assert keys(await inbox.lease(10, 60)) == ["x1"]
        (dead,) = await inbox.stored("dead")
        assert (dead.record.key, dead.attempts, dead.error) == ("x0", 2, "ValueError")
        await inbox.aclose()

    run(main())


def test_what_is_old_is_forgotten_unless_it_is_open(inbox_of: Callable[..., MemoryInbox]) -> None:
    async def main() -> None:
        clock = Clock()
        inbox = inbox_of(clock=clock, retention=DAY)
        await inbox.put([record("done"), record("open")])
        await inbox.put([record("dead")], dead="ValueError")
        (job,) = await inbox.lease(1, 60)
        await inbox.done(job)
        assert await inbox.prune() == 0
        clock.now += DAY + 1
        assert await inbox.prune() == 2
        assert await inbox.counts() == {"open": 1, "done": 0, "dead": 0}
        await inbox.aclose()

    run(main())


def test_memory_remembers_only_so_many() -> None:
    async def main() -> None:
        inbox = MemoryInbox(keep=3)
        for n in range(10):
            await inbox.put([record(str(n), received=9e9)])
            (job,) = await inbox.lease(1, 60)
            await inbox.done(job)
        assert await inbox.prune() == 7
        await inbox.aclose()

    run(main())


def test_a_batch_is_kept_whole_or_not_at_all(inbox_of: Callable[..., MemoryInbox]) -> None:
    async def main() -> None:
        inbox = inbox_of(max_open=3)
        await inbox.put([record("a"), record("b")])
        with pytest.raises(InboxFull, match="full"):
            await inbox.put([record("c"), record("d")])
        assert await inbox.counts() == {"open": 2, "done": 0, "dead": 0}
        await inbox.aclose()

    run(main())


def test_a_file_is_there_after_the_process(tmp_path: Path) -> None:
    async def main() -> None:
        path = tmp_path / "inbox.db"
        for _ in range(2):
            inbox = SqliteInbox(path)
            await inbox.put([record("a", body="王".encode())])
            assert (await inbox.counts())["open"] == 1
            await inbox.aclose()
            await inbox.aclose()
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        other = SqliteInbox(path)
        (job,) = await other.lease(1, 60)
        assert job.record.body == "王".encode()
        await other.aclose()

    run(main())


def test_two_processes_never_get_the_same_event(tmp_path: Path) -> None:
    async def main() -> None:
        inboxes = [SqliteInbox(tmp_path / "inbox.db") for _ in range(4)]
        await inboxes[0].put([record(str(n)) for n in range(200)])
        given: list[str] = []

        async def take(inbox: SqliteInbox) -> None:
            while jobs := await inbox.lease(3, 60):
                given.extend(keys(jobs))

        await asyncio.gather(*map(take, inboxes))
        assert sorted(given) == sorted(map(str, range(200)))
        for inbox in inboxes:
            await inbox.aclose()

    run(main())


def test_waits_double_up_to_a_bound() -> None:
    policy = WorkPolicy()
    turns = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 3600, 3600]
    for attempt, turn in enumerate(turns, 1):
        waits = [policy.wait_after(attempt) for _ in range(200)]
        assert turn * 0.5 <= min(waits) < turn < max(waits) <= turn * 1.5
