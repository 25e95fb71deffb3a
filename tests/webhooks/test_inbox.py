"""What an inbox has taken is there until it is handled, in a file or in memory."""

from __future__ import annotations

import asyncio
import contextlib
import random
import sqlite3
import stat
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from omnichat_async import ConfigurationError
from omnichat_async.webhooks import MemoryInbox, SqliteInbox
from omnichat_async.webhooks.inbox import Record
from omnichat_async.webhooks.table import FORMAT, InboxFull, Table
from omnichat_async.webhooks.worker import WorkPolicy
from tests.support.exports import ROOT
from tests.support.run import run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from omnichat_async.webhooks.inboxes import TableInbox

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
def inbox_of(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[..., TableInbox]:
    def make(**options: Any) -> TableInbox:
        if request.param == "memory":
            return MemoryInbox(**options)
        return SqliteInbox(tmp_path / "inbox.db", **options)

    return make


def keys(jobs: list[Any]) -> list[str]:
    return [job.record.key for job in jobs]


def test_an_event_is_kept_once_and_done_for_good(inbox_of: Callable[..., TableInbox]) -> None:
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
    inbox_of: Callable[..., TableInbox],
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


def test_only_the_oldest_of_a_lane_is_given_out(inbox_of: Callable[..., TableInbox]) -> None:
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


def test_what_is_old_is_forgotten_unless_it_is_open(inbox_of: Callable[..., TableInbox]) -> None:
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
        inbox = MemoryInbox(keep=3, clock=Clock())
        for n in range(10):
            await inbox.put([record(str(n), received=1_000_000.0)])
            (job,) = await inbox.lease(1, 60)
            await inbox.done(job)
        assert await inbox.prune() == 7
        await inbox.aclose()

    run(main())


def test_a_batch_is_kept_whole_or_not_at_all(inbox_of: Callable[..., TableInbox]) -> None:
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


def test_waits_triple_up_to_a_bound_that_the_tries_reach() -> None:
    policy = WorkPolicy()
    turns = [1, 3, 9, 27, 81, 243, 729, 2187, 3600, 3600, 3600]
    assert len(turns) == policy.max_tries - 1
    for attempt, turn in enumerate(turns, 1):
        waits = [policy.wait_after(attempt) for _ in range(200)]
        assert turn * 0.5 <= min(waits) < turn < max(waits) <= turn * 1.5


# ---- files that are no inbox of this version ---------------------------------------------------


def refused(path: Path) -> str:
    async def main() -> str:
        inbox = SqliteInbox(path)
        with pytest.raises(ConfigurationError) as caught:
            await inbox.counts()
        await inbox.aclose()
        return str(caught.value)

    return run(main())


def test_an_inbox_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "inbox.db"

    async def main() -> None:
        inbox = SqliteInbox(path)
        await inbox.put([record("a")])
        await inbox.aclose()

    run(main())
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute(f"PRAGMA user_version = {FORMAT + 1}")
    before = path.read_bytes()
    assert "newer version" in refused(path)
    assert path.read_bytes() == before


def test_an_inbox_of_format_1_is_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "inbox.db"

    async def main() -> None:
        inbox = SqliteInbox(path)
        await inbox.put([record("a")])
        await inbox.aclose()
        with contextlib.closing(sqlite3.connect(path)) as database:
            database.executescript(
                "DROP INDEX scope_heads; ALTER TABLE events DROP COLUMN scope;"
                " ALTER TABLE events DROP COLUMN replays;"
                " PRAGMA user_version = 1"
            )
        for _ in range(2):
            inbox = SqliteInbox(path, clock=lambda: 2_000_000.0)
            assert await inbox.put([record("b")]) in {0, 1}
            await inbox.aclose()
        inbox = SqliteInbox(path, clock=lambda: 2_000_000.0)
        assert keys(await inbox.lease(10, 60)) == ["a", "b"]
        await inbox.aclose()

    run(main())


def test_another_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "shop.db"
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE orders (id INTEGER)")
    before = path.read_bytes()
    assert "no inbox" in refused(path)
    assert path.read_bytes() == before


def test_what_is_no_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("these are no events\n" * 100)
    assert "not a database" in refused(path)
    tmp_path.chmod(0o755)
    assert "cannot be opened" in refused(tmp_path)
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o755


def test_a_file_that_others_could_read_is_made_private(tmp_path: Path) -> None:
    async def main() -> None:
        path = tmp_path / "inbox.db"
        path.touch(0o644)
        inbox = SqliteInbox(path)
        await inbox.put([record("a")])
        modes = [each.stat().st_mode & 0o777 for each in tmp_path.iterdir()]  # noqa: ASYNC240
        assert modes == [0o600] * 3
        await inbox.aclose()

    run(main())


def test_a_second_inbox_of_a_process_leaves_the_locks_of_the_first_alone(tmp_path: Path) -> None:
    """POSIX ends all of a process's locks on a file when it closes any descriptor of it."""
    path = tmp_path / "inbox.db"
    code = (
        "import sqlite3, sys\n"
        f"database = sqlite3.connect({str(path)!r}, timeout=0, isolation_level=None)\n"
        "database.execute('PRAGMA locking_mode = EXCLUSIVE')\n"
        "try: database.execute('PRAGMA journal_mode = DELETE')\n"
        "except sqlite3.OperationalError as error: print(error)\n"
    )

    async def main() -> None:
        first, second = SqliteInbox(path), SqliteInbox(path)
        await first.put([record("a")])
        await second.counts()
        await second.aclose()
        done = await asyncio.to_thread(
            subprocess.run, [sys.executable, "-c", code], capture_output=True, text=True, check=True
        )
        assert done.stdout == "database is locked\n"
        await first.aclose()

    run(main())


def test_processes_that_start_together_share_a_new_file(tmp_path: Path) -> None:
    code = (
        "import asyncio, sys\n"
        "from omnichat_async.webhooks import SqliteInbox\n"
        "from tests.webhooks.test_inbox import record\n"
        "async def main():\n"
        "    inbox = SqliteInbox(sys.argv[1])\n"
        "    sys.stdin.readline()\n"
        "    assert await inbox.put([record(sys.argv[2])]) == 1\n"
        "    await inbox.aclose()\n"
        "asyncio.run(main())"
    )
    path = str(tmp_path / "inbox.db")
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code, path, str(n)], cwd=ROOT, stdin=subprocess.PIPE
        )
        for n in range(4)
    ]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write(b"\n")
        process.stdin.flush()
    for process in processes:
        process.communicate()
        assert process.returncode == 0

    async def main() -> None:
        inbox = SqliteInbox(path)
        assert await inbox.counts() == {"open": 4, "done": 0, "dead": 0}
        await inbox.aclose()

    run(main())


def test_a_new_file_that_another_process_makes_is_waited_for(tmp_path: Path) -> None:
    async def main() -> None:
        path = tmp_path / "inbox.db"
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            inbox = SqliteInbox(path)
            putting = asyncio.create_task(inbox.put([record("a")]))
            await asyncio.wait({putting}, timeout=0.2)
            other.execute("COMMIT")
            assert await putting == 1
            await inbox.aclose()

    run(main())


def test_an_event_that_waits_for_a_time_long_gone_does_not_wait(tmp_path: Path) -> None:
    """The clock was wrong by years, and was set right while no process ran."""

    async def main() -> None:
        clock = Clock()
        clock.now += 400 * DAY
        for expected in (["a", "b"], ["a", "b"]):
            inbox = SqliteInbox(tmp_path / "inbox.db", clock=clock)
            await inbox.put([record("a"), record("b")])
            a, b = await inbox.lease(10, 60)
            assert keys([a, b]) == expected
            await inbox.fail(a, "ValueError", 3600)
            await inbox.aclose()
            clock.now -= 200 * DAY

    run(main())


# ---- replay ------------------------------------------------------------------------------------


def test_what_is_replayed_waits_for_what_of_its_lane_is_being_handled(
    inbox_of: Callable[..., TableInbox],
) -> None:
    async def main() -> None:
        inbox = inbox_of(clock=Clock())
        await inbox.put([record(f"x{n}", "x") for n in range(3)])
        (x0,) = await inbox.lease(10, 60)
        await inbox.fail(x0, "ValueError", None)
        (x1,) = await inbox.lease(10, 60)
        assert await inbox.replay("dead") == 1
        assert await inbox.lease(10, 60) == []
        await inbox.done(x1)
        for expected in ("x0", "x2"):
            (job,) = await inbox.lease(10, 60)
            assert (job.record.key, job.attempt) == (expected, 1)
            await inbox.done(job)
        assert await inbox.replay("done", keys=["x2", "x0"]) == 2
        assert keys(await inbox.lease(10, 60)) == ["x0"]
        with pytest.raises(ValueError, match="open"):
            await inbox.replay("open")  # type: ignore[arg-type]
        await inbox.aclose()

    run(main())


# ---- size --------------------------------------------------------------------------------------


@pytest.mark.parametrize("lanes", [1, 10_000])
def test_looking_for_work_costs_the_same_however_many_wait(lanes: int) -> None:
    """Counted in steps of SQLite's virtual machine."""

    def cost(waiting: int) -> int:
        steps = 0

        def step() -> int:
            nonlocal steps
            steps += 1
            return 0

        now = [1e6]
        table = Table(":memory:", lambda: now[0])
        rows = [(str(n), str(n % lanes), "n", "{}", b"{}", 1e6, "") for n in range(waiting)]
        rows += [(f"s{n}", f"s{n}", "n", "{}", b"{}", 1e6, "another") for n in range(waiting)]
        table.put(rows, "open", None, 0)
        while jobs := table.lease(500, 60):
            for token, row in jobs:  # the heads of all lanes wait for their next try
                table.give_back((row[0], token), now[0] + 3600, "ValueError", counts=True)
        table.put([("new", "new", "n", "{}", b"{}", 1e6, "")], "open", None, 0)
        table._db.set_progress_handler(step, 1)
        ((token, row),) = table.lease(16, 60)
        table.next_due()
        table.end((row[0], token), "done", None)
        table.close()
        return steps

    few, many = cost(20), cost(20_000)
    assert many < 1.5 * few


def test_memory_is_bounded_by_what_it_may_take() -> None:
    async def main() -> None:
        inbox = MemoryInbox(max_bytes=2_000_000, clock=Clock())
        for n in range(2000):
            body = bytes(random.Random(n).randbytes(10_000))
            assert await inbox.put([record(str(n), body=body)]) == 1
            (job,) = await inbox.lease(1, 60)
            await inbox.done(job)
        assert inbox._table is not None
        assert inbox._table._used() < 2_000_000
        assert (await inbox.counts())["done"] > 50
        assert await inbox.put([record("1999")]) == 0  # the latest are remembered
        many = [record(f"open {n}", body=b"x" * 10_000) for n in range(100)]
        assert await inbox.put(many) == 100
        with pytest.raises(InboxFull, match="memory"):
            await inbox.put([record(each.key + "!", body=each.body) for each in many])
        assert (await inbox.counts())["open"] == 100
        await inbox.aclose()

    run(main())


def test_a_body_that_cannot_be_read_back_is_shown_as_it_is_kept(tmp_path: Path) -> None:
    def decrypt(body: bytes) -> bytes:
        raise KeyError

    async def main() -> None:
        inbox = SqliteInbox(tmp_path / "i.db", encrypt=lambda body: body[::-1], decrypt=decrypt)
        await inbox.put([record("a", body=b"abc"), record("b", body=b"def")], dead="ValueError")
        assert [each.record.body for each in await inbox.stored("dead")] == [b"cba", b"fed"]
        await inbox.aclose()

    run(main())
