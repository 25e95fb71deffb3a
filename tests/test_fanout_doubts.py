"""Fan-outs in the moments that make doubts, and in those that must not make any."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sqlite3
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from omnichat_async import (
    ConfigurationError,
    Incomplete,
    InvalidRequest,
    OmnichatClient,
    OutcomeUnknown,
    RateLimiter,
)
from omnichat_async.jobs import FanOut, Message
from omnichat_async.jobs.fanout import run as run_module
from omnichat_async.jobs.fanout.journal import Journal
from omnichat_async.jobs.fanout.reconcile import _note
from omnichat_async.jobs.fanout.run import Runner
from omnichat_async.models import Text
from omnichat_async.sandbox import Fault
from tests.support.exports import served
from tests.support.fanouts import (
    LINE,
    WHATSAPP,
    broadcast,
    calls_in,
    fan_out,
    outcomes,
    people,
    planned,
    served_to,
    worker,
)
from tests.support.run import run

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
    from pathlib import Path

    from omnichat_async.jobs.fanout.records import PlannedCall
    from omnichat_async.sandbox import Sandbox

LAZY, PATIENT = 0.01, 3600.0
"""Requests/s, of which the first leaves at once and the others wait for longer than any test; and
the seconds that calls wait for that."""


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with served(rows=10) as running:
        yield running


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "sale.journal"


async def change(job: FanOut, *statement: Any) -> None:
    """What time, or somebody else, does to a journal."""
    await job._journal.database.do(lambda db: db.execute(*statement).fetchall())


async def until(true: Callable[[], bool]) -> None:
    """Wait for something that happens elsewhere."""
    while not true():
        await asyncio.sleep(0.005)


# ---- what waits for its turn has not left ------------------------------------------------------


@pytest.mark.parametrize("then", ["stop", "pause", "leave"])
def test_calls_that_wait_for_the_limit_are_called_back(
    sandbox: Sandbox, journal: Path, then: str
) -> None:
    async def main() -> None:
        limiter = RateLimiter(LAZY)
        async with fan_out(
            sandbox, journal, limiter=limiter, concurrency=4, timeout=PATIENT
        ) as job:
            await job.plan(broadcast(), people(900))
            task = asyncio.create_task(job.run())
            await until(lambda: limiter.stats().waiting == 4 and len(sandbox.sent) == 1)
            if then == "stop":
                job.stop()
                await task
            if then == "pause":
                job.pause()
                await until(lambda: not calls_in(journal, "claimed"))
                assert not task.done()
        status = await task
        assert (status.sent, status.pending, status.unknown) == (150, 750, 0)

    run(main())
    assert sandbox.stats().requests == 1


def test_a_stop_between_claim_and_start_sends_nothing(sandbox: Sandbox, journal: Path) -> None:
    async def main() -> None:
        options: dict[str, Any] = {"concurrency": 4, "timeout": PATIENT}
        async with fan_out(sandbox, journal, limiter=RateLimiter(LAZY), **options) as job:
            await job.plan(broadcast(), people(900))
            claim = job._journal.claim

            async def claimed(*args: Any) -> Any:
                calls = await claim(*args)
                job.stop()
                return calls

            job._journal.claim = claimed  # type: ignore[assignment,method-assign]
            assert (await job.run()).pending == 900

    run(main())
    assert sandbox.stats().requests == 0


def test_a_pause_between_start_and_first_step_forgets_nobody(
    sandbox: Sandbox, journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        async with fan_out(sandbox, journal) as job:
            start, first = Runner._start, [0] * 20 + [1]

            def started(self: Runner, call: PlannedCall) -> None:
                start(self, call)
                if first.pop() == call.id:
                    job.pause()
                    asyncio.get_running_loop().call_soon(job.resume)

            monkeypatch.setattr(Runner, "_start", started)
            await job.plan(broadcast(), people(900))
            assert (await job.run(limit=800)).sent == 800
            assert (await job.run()).sent == 900

    run(main())
    assert served_to(sandbox) == dict.fromkeys(people(900), 1)


def test_a_cancel_leaves_no_doubt_about_calls_that_wait(sandbox: Sandbox, journal: Path) -> None:
    async def main() -> None:
        limiter = RateLimiter(LAZY)
        async with fan_out(
            sandbox, journal, limiter=limiter, concurrency=4, timeout=PATIENT
        ) as job:
            await job.plan(broadcast(), people(900))
            task = asyncio.create_task(job.run())
            await until(lambda: limiter.stats().waiting == 4 and len(sandbox.sent) == 1)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            status = await job.status()
            assert (status.sent, status.pending, status.unknown) == (150, 750, 0)

    run(main())


@pytest.mark.slow
def test_a_worker_killed_while_its_calls_wait_for_the_limit(
    sandbox: Sandbox, journal: Path
) -> None:
    async def main() -> None:
        await planned(sandbox, journal, 900)
        process = worker(sandbox, journal, limit=LAZY, concurrency=4, timeout=PATIENT)
        await until(lambda: len(calls_in(journal, "sent")) == 1)
        await until(lambda: len(calls_in(journal, "claimed")) == 4)
        process.kill()
        await asyncio.to_thread(process.communicate)
        async with fan_out(sandbox, journal) as job:
            status = await job.status()
            assert (status.sent, status.pending, status.unknown) == (150, 750, 0)
            assert (await job.run()).sent == 900

    run(main())
    assert served_to(sandbox) == dict.fromkeys(people(900), 1)


@pytest.mark.slow
def test_what_a_killed_worker_had_claimed_is_sent_by_the_one_that_runs(
    sandbox: Sandbox, journal: Path
) -> None:
    async def main() -> None:
        await planned(sandbox, journal, 900)
        process = worker(sandbox, journal, limit=LAZY, concurrency=4, timeout=PATIENT)
        await until(lambda: len(calls_in(journal, "sent")) == 1)
        await until(lambda: len(calls_in(journal, "claimed")) == 4)
        async with fan_out(sandbox, journal) as job:
            job.pause()
            task = asyncio.create_task(job.run())
            async for _ in job.events():
                break  # it has begun, and seen that the other one lives
            process.kill()
            await asyncio.to_thread(process.communicate)
            job.resume()
            assert (await task).sent == 900

    run(main())
    assert served_to(sandbox) == dict.fromkeys(people(900), 1)


@pytest.mark.slow
def test_a_worker_killed_while_a_call_waits_after_a_429(sandbox: Sandbox, journal: Path) -> None:
    """The server said that it did not process it."""
    sandbox.add_fault(Fault(kind="429", at=1, retry_after="50", path="/broadcast"))

    async def main() -> None:
        await planned(sandbox, journal, 150)
        process = worker(sandbox, journal, concurrency=1)
        await until(lambda: bool(sandbox.stats().faults) and calls_in(journal, "claimed") == {1})
        process.kill()
        await asyncio.to_thread(process.communicate)
        async with fan_out(sandbox, journal) as job:
            status = await job.status()
            assert (status.pending, status.unknown) == (150, 0)
            assert (await job.run()).sent == 150

    run(main())


def test_a_claim_that_is_lost_while_its_call_waits_is_not_used(
    sandbox: Sandbox, journal: Path
) -> None:
    """The lease runs out in the queue, somebody else sends it, and then it is its turn."""

    async def main() -> None:
        limiter = RateLimiter(4)
        async with (
            fan_out(sandbox, journal, limiter=limiter, concurrency=3) as slow,
            fan_out(sandbox, journal) as other,
        ):
            await slow.plan(broadcast(), people(900))
            task = asyncio.create_task(slow.run())
            await until(lambda: limiter.stats().waiting == 3)
            await change(other, "UPDATE calls SET lease_until = 1 WHERE state = 'claimed'")
            await other.run()
            assert (await task).sent == 900

    run(main())
    assert served_to(sandbox) == dict.fromkeys(people(900), 1)


def test_an_intent_that_cannot_be_written_down_is_not_carried_out(
    sandbox: Sandbox, journal: Path
) -> None:
    async def main() -> None:
        async with fan_out(sandbox, journal, concurrency=1) as job:
            await job.plan(broadcast(), people(600))
            full_disk(job, "leave", at=3)
            with pytest.raises(OSError, match="disk full"):
                await job.run()
            assert sandbox.stats().requests == 2
            status = await job.status()
            assert (status.sent, status.pending, status.unknown) == (300, 300, 0)
            assert (await job.run()).sent == 600

    run(main())


@pytest.mark.parametrize("longer", [False, True])
def test_a_result_that_finds_no_room_is_written_down_when_there_is_some(
    sandbox: Sandbox, journal: Path, longer: bool
) -> None:
    async def main() -> None:
        with pytest.raises(OSError, match="disk full"):  # noqa: PT012 - leaving belongs to it
            async with fan_out(sandbox, journal, concurrency=1) as job:
                await job.plan(broadcast(), people(600))
                full_disk(job, "settle", at=3)
                if longer:  # beyond the end of the run
                    full_disk(job, "give_back", at=1)
                await job.run()
        assert sandbox.stats().requests == 3
        async with fan_out(sandbox, journal) as job:
            status = await job.status()
            assert (status.sent, status.pending, status.unknown) == (450, 150, 0)

    run(main())


def test_a_result_that_is_never_written_down_is_in_doubt_at_once(
    sandbox: Sandbox, journal: Path
) -> None:
    """And not only when its lease is over, or its process."""

    async def main() -> None:
        async with fan_out(sandbox, journal, concurrency=1) as job:
            await job.plan(broadcast(), people(600))
            settle = job._journal.settle

            async def lost(*args: Any, **more: Any) -> None:
                raise OSError(28, "disk full")

            job._journal.settle = lost  # type: ignore[method-assign]
            with pytest.raises(OSError, match="disk full"):
                await job.run()
            job._journal.settle = settle  # type: ignore[method-assign]
            status = await job.status()
            assert (status.sending, status.pending, status.unknown) == (0, 450, 150)
            assert (await job.reconcile()).found == 150

    run(main())


def full_disk(job: FanOut, name: str, at: int) -> None:
    """The `at`-th piece of work of this name finds no room on the disk."""
    database = job._journal.database
    do, left = database.do, [at]

    async def limited(work: Any) -> Any:
        left[0] -= work.__name__ == name
        if not left[0] and work.__name__ == name:
            raise OSError(28, "disk full")
        return await do(work)

    database.do = limited  # type: ignore[method-assign]


def test_a_bug_before_a_call_leaves_makes_no_doubt(
    sandbox: Sandbox, journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("a bug")

    async def main() -> None:
        async with fan_out(sandbox, journal) as job:
            await job.plan(broadcast(), people(900))
            with monkeypatch.context() as patch:
                patch.setattr(OmnichatClient, "request", broken)
                with pytest.raises(RuntimeError, match="a bug"):
                    await job.run()
            assert (await job.status()).pending == 900
            assert (await job.run()).sent == 900

    run(main())


def test_two_runs_of_one_job_exclude_each_other_from_the_first_moment(
    sandbox: Sandbox, journal: Path
) -> None:
    async def main() -> None:
        async with fan_out(sandbox, journal) as job:
            await job.plan(broadcast(), people(900))
            one, two = await asyncio.gather(job.run(), job.run(), return_exceptions=True)
            assert isinstance(two, ConfigurationError)
            assert not isinstance(one, BaseException)
            assert one.sent == 900

    run(main())
    assert served_to(sandbox) == dict.fromkeys(people(900), 1)


# ---- a server that is down ---------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["html500", "html200", "reset_before", "empty200"])
def test_a_server_that_is_down_does_not_put_everybody_in_doubt(
    sandbox: Sandbox, journal: Path, kind: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_module, "LONGEST_WAIT_S", 0.01)
    sandbox.add_fault(Fault(kind=kind, path="/broadcast"))

    async def main() -> None:
        async with fan_out(sandbox, journal, concurrency=5) as job:
            await job.plan(broadcast(), people(15_000))
            with pytest.raises(Exception, match=r"POST /broadcast|an id") as caught:
                await job.run()
            if kind in {"html500", "reset_before"}:
                assert isinstance(caught.value, OutcomeUnknown)
            status = await job.status()
            doubts = 5 + run_module.DOUBTS + run_module.STUMBLES
            assert status.unknown == 150 * sandbox.stats().requests <= 150 * doubts
            assert status.pending == 15_000 - status.unknown
            assert status.halted
            sandbox.clear_faults()
            assert (await job.run()).halted is None

    run(main())


def test_a_server_that_is_down_for_a_moment_stops_nothing(
    sandbox: Sandbox, journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_module, "LONGEST_WAIT_S", 0.01)
    sandbox.add_fault(Fault(kind="html500", at=3, times=8, path="/broadcast"))

    async def main() -> None:
        async with fan_out(sandbox, journal, concurrency=2) as job:
            await job.plan(broadcast(), people(6_000))
            status = await job.run()
            assert (status.unknown, status.sent) == (8 * 150, 6_000 - 8 * 150)

    run(main())


# ---- sent again, and then it shows -------------------------------------------------------------


def lose_first(sandbox: Sandbox) -> None:
    """The first send is processed, and its answer is lost."""
    sandbox.add_fault(Fault(kind="reset_after", at=1))


async def decided(job: FanOut) -> None:
    """Somebody decides to send it again, after a look that showed nothing."""
    await job._journal.looked(time.time())
    assert await job._journal.resend_unknown(0) == 100


@pytest.mark.parametrize("limit", [None, 40])
def test_what_shows_before_it_is_sent_again_is_not_sent_again(
    sandbox: Sandbox, journal: Path, limit: int | None
) -> None:
    lose_first(sandbox)

    async def main() -> None:
        async with fan_out(sandbox, journal, concurrency=1) as job:
            await job.plan(broadcast(), people(100))
            assert (await job.run()).unknown == 100
            await decided(job)
            if limit:
                assert (await job.run(limit=limit)).sent == limit
            await job.reconcile()
            status = await job.run()
            assert (status.sent, status.pending, status.late) == (100, 0, 1 if limit else 0)
            await job.reconcile()  # and once more
            assert await job.status() == status
            first = next(iter(sandbox._world.broadcasts))
            refs = {each.address: each.ref for each in await outcomes(job)}
            again = set(list(people(100))[: limit or 0])
            assert {to for to, ref in refs.items() if ref == first.id} == set(refs) - again
            report = await job.report(journal.with_name("report.json"))
            assert report.broadcasts == len(sandbox.sent)
            assert report.shown == 100 + len(again)

    run(main())
    again = list(people(100))[: limit or 0]
    assert served_to(sandbox) == {to: 2 if to in again else 1 for to in people(100)}


@pytest.mark.parametrize("limit", [None, 40])
def test_what_shows_when_the_second_send_is_in_doubt_too_is_sent(
    sandbox: Sandbox, journal: Path, limit: int | None
) -> None:
    lose_first(sandbox)
    sandbox.add_fault(Fault(kind="reset_before", at=2))
    file = journal.with_name("report.json")

    async def main() -> None:
        async with fan_out(sandbox, journal) as job:
            await job.plan(broadcast(), people(100))
            await job.run()
            await decided(job)
            assert (await job.run(limit=limit)).unknown == (limit or 100)
            assert (await job.reconcile()).found == (limit or 100)
            status = await job.status()
            assert (status.sent, status.unknown, status.late) == (100, 0, 1)
            report = await job.report(file)
            assert (report.broadcasts, report.shown) == (1, 100)

    run(main())
    states = Counter(row["state"] for row in json.loads(file.read_text()))
    assert states == {"sent": 100, "shown": 100}  # LINE does not say whom a row is about
    assert len(sandbox.sent) == 1


@pytest.mark.parametrize("kind", ["by recipients", "in the chat"])
def test_without_a_mark_too_what_shows_is_not_sent_again(
    sandbox: Sandbox, journal: Path, kind: str
) -> None:
    to = [str(85260000000 + number) for number in range(100 if kind == "by recipients" else 1)]
    message = broadcast(platform="whatsapp", channel_id=WHATSAPP)
    lost = Fault(kind="reset_after", at=2, path="/broadcast")  # after the baseline
    if kind == "in the chat":
        lost = Fault(kind="reset_after", at=1, path="/direct-messages")
        message = Message.direct(
            platform="line", channel_id=LINE, track_id="t", messages=[Text("It has begun")]
        )

    async def main() -> None:
        async with fan_out(sandbox, journal) as job:
            await job.plan(message, to, mark=False)
            sandbox.add_fault(lost)
            assert (await job.run()).unknown == len(to)
            await job._journal.looked(time.time())
            assert await job._journal.resend_unknown(0) == len(to)
            await job.reconcile()
            status = await job.run()
            assert (status.sent, status.late) == (len(to), 0)

    run(main())
    assert served_to(sandbox) == dict.fromkeys(to, 1)


def test_a_dry_run_of_a_decision_decides_nothing(sandbox: Sandbox, journal: Path) -> None:
    sandbox.add_fault(Fault(kind="reset_before", at=1))

    async def main() -> None:
        async with fan_out(sandbox, journal, settle=0) as job:
            await job.plan(broadcast(), people(100))
            await job.run()
            assert await job.resend_unknown(dry_run=True) == 100
            assert (await job.status()).unknown == 100
            # The clock goes back: what is unknown since tomorrow can still be decided on.
            await change(job, "UPDATE calls SET settled_at = settled_at + 86400")
            assert await job.resend_unknown() == 100
            assert await job.resend_unknown() == 0

    run(main())


# ---- the journal's place -----------------------------------------------------------------------


def test_a_job_belongs_to_the_host_it_was_planned_for(sandbox: Sandbox, journal: Path) -> None:
    """What a sandbox says of it would make real people sent to, and lost calls sent again."""

    async def main() -> None:
        await planned(sandbox, journal, 10)
        async with (
            OmnichatClient("token", base_url="https://open-api.example/v1") as client,
            FanOut(client, journal) as job,
        ):
            asks: list[Callable[[], Awaitable[Any]]] = [
                job.run,
                job.reconcile,
                job.resend_unknown,
                job.report,
            ]
            for ask in asks:
                with pytest.raises(InvalidRequest, match="belongs to this machine"):
                    await ask()
            assert (await job.status()).pending == 10
        with served(rows=10) as other:  # another sandbox of this machine
            async with fan_out(other, journal) as job:
                assert (await job.run()).sent == 10

    run(main())


@pytest.mark.parametrize("mark", [True, False])
def test_a_list_without_anything_of_the_job_decides_nothing(
    sandbox: Sandbox, journal: Path, mark: bool
) -> None:
    """Such as that of another account, in which the lost call cannot be."""
    to = [str(85260000000 + number) for number in range(300)]
    sandbox.add_fault(Fault(kind="reset_after", at=2 if mark else 3, path="/broadcast"))

    async def main() -> None:
        async with fan_out(sandbox, journal, concurrency=1) as job:
            await job.plan(broadcast(platform="whatsapp", channel_id=WHATSAPP), to, mark=mark)
            assert (await job.run()).unknown == 150
        with served(rows=10) as other:
            async with fan_out(other, journal, settle=0) as job:
                assert not (await job.reconcile()).complete
                with pytest.raises(Incomplete):
                    await job.resend_unknown()
        async with fan_out(sandbox, journal, settle=0) as job:
            found = await job.reconcile()
            assert (found.found, found.complete) == (150, True)

    run(main())


@pytest.mark.parametrize("way", ["link", "relative"])
def test_workers_find_each_other_by_whatever_path_they_came(
    tmp_path: Path, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that is not found counts as dead, and its calls as free to be sent again."""
    real, other = tmp_path / "real", tmp_path / "other"
    real.mkdir()
    other.mkdir()
    (other / "link").symlink_to(real / "journal")
    monkeypatch.chdir(real)

    async def main() -> None:
        first = Journal(real.joinpath("journal"))
        second = Journal(other / "link" if way == "link" else type(real)("journal"))
        await first.open()
        await second.open()
        os.chdir(other)
        for one in (first, second):
            await one.recover()
            assert await one.database.do(workers) == 2
        await second.aclose()
        await first.aclose()

    run(main())
    assert [path.name for path in real.iterdir()] == ["journal"]
    assert [path.name for path in other.iterdir()] == ["link"]


def workers(db: sqlite3.Connection) -> int:
    """How many there are."""
    (count,) = db.execute("SELECT count(*) FROM workers").fetchone()
    return int(count)


def test_a_worker_never_gets_the_number_of_another(tmp_path: Path) -> None:
    async def main() -> None:
        numbers = []
        for _ in range(3):
            journal = Journal(tmp_path / "journal")
            await journal.open()
            numbers.append(journal._worker)
            await journal.aclose()
        assert numbers == [1, 2, 3]

    run(main())


def test_the_lock_of_a_worker_that_was_killed_as_it_came_is_removed(tmp_path: Path) -> None:
    """And no other file."""
    stray = tmp_path / "journal.worker-0123abcd"
    others = [tmp_path / name for name in ("journal.worker-mine", "other.worker-0123abcd")]

    async def main() -> None:
        first, second = Journal(tmp_path / "journal"), Journal(tmp_path / "journal")
        await first.open()
        for path in (stray, *others):
            path.touch()
        await second.open()
        await second.recover()
        assert await second.database.do(workers) == 2
        assert not stray.exists()
        await second.aclose()
        await first.aclose()

    run(main())
    assert sorted(tmp_path.iterdir()) == sorted([tmp_path / "journal", *others])


def test_another_database_is_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE theirs (a)")
        database.execute("PRAGMA user_version = 7")
    before = path.read_bytes()
    with pytest.raises(InvalidRequest, match="format 7"):
        run(Journal(path).open())
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


def test_a_plan_that_another_one_replaced_is_not_finished(sandbox: Sandbox, journal: Path) -> None:
    """Whichever piece of it is next."""

    async def main(pieces: int) -> None:
        async with fan_out(sandbox, journal) as one, fan_out(sandbox, journal) as two:

            async def rows() -> AsyncIterator[str]:
                for each in people(500 * pieces):
                    yield each
                await two._journal.start_plan(broadcast(), marked=True, host="h")

            with pytest.raises(InvalidRequest, match="one at a time"):
                await one.plan(broadcast(), rows())
            with pytest.raises(InvalidRequest, match="one at a time"):
                await one.plan(broadcast(), ["U1"], suppress=rows())
            with pytest.raises(InvalidRequest, match="plan"):
                await one.run()

    for pieces in (0, 1, 2):
        run(main(pieces))


def test_a_baseline_is_not_added_to_once_it_is_taken(sandbox: Sandbox, journal: Path) -> None:
    """A worker that reads the list more slowly would note what the other one sends meanwhile."""

    def rows(db: sqlite3.Connection) -> list[Any]:
        _note(db, [("one",)])
        db.execute("UPDATE job SET baseline_taken = 1")
        _note(db, [("two",)])
        return db.execute("SELECT broadcast_id FROM baseline").fetchall()

    async def main() -> None:
        await planned(sandbox, journal, 1)
        async with fan_out(sandbox, journal) as job:
            assert await job._journal.database.do(rows) == [("one",)]

    run(main())


# ---- messages in time --------------------------------------------------------------------------


def test_a_time_is_past_when_it_is_past_everywhere() -> None:
    message = broadcast(scheduled_at=datetime(2026, 5, 1, 12))  # noqa: DTZ001
    moments = {hour: datetime(2026, 5, 2, hour, 0, 1, tzinfo=UTC) for hour in (0, 23)}
    assert message.is_past(moments[0])
    assert not message.is_past(moments[0] - timedelta(seconds=2))
    assert message.is_past(moments[23])
    assert not broadcast().is_past(moments[23])


def test_nothing_is_sent_for_a_time_that_has_passed(sandbox: Sandbox, journal: Path) -> None:
    async def main() -> None:
        async with fan_out(sandbox, journal) as job:
            late = broadcast(scheduled_at=datetime(2020, 1, 1))  # noqa: DTZ001
            with pytest.raises(InvalidRequest, match="scheduled_at: must lie ahead"):
                await job.plan(late, people(10))
            ahead = broadcast(scheduled_at=datetime(2099, 1, 1))  # noqa: DTZ001
            await job.plan(ahead, people(10))
            await change(job, "UPDATE job SET message = ?", (late.to_json(),))  # the years go by
            with pytest.raises(InvalidRequest, match="scheduled_at: must lie ahead"):
                await job.run()
            assert (await job.status()).pending == 10

    run(main())
    assert sandbox.stats().requests == 0


def test_when_the_time_has_passed_the_rest_can_still_be_decided_on(
    sandbox: Sandbox, journal: Path
) -> None:
    """Nobody is left to send to, so nothing is refused but to send again."""
    sandbox.add_fault(Fault(kind="reset_before", at=1, path="/broadcast"))

    async def main() -> None:
        async with fan_out(sandbox, journal, settle=0.0) as job:
            late = broadcast(scheduled_at=datetime(2020, 1, 1))  # noqa: DTZ001
            await job.plan(broadcast(), people(200))
            assert (await job.run()).unknown == 150
            await change(job, "UPDATE job SET message = ?", (late.to_json(),))
            with pytest.raises(InvalidRequest, match="scheduled_at: must lie ahead"):
                await job.resend_unknown()
            assert (await job.run()).unknown == 150
            assert await job.drop_unknown() == 150
            assert (await job.run()).done

    run(main())
    assert served_to(sandbox).total() == 50
