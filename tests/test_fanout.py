"""Fan-outs on a sandbox: plan, run, doubts and decisions."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import logging
import signal
import stat
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest

from omnichat_async import (
    BadRequest,
    ConfigurationError,
    Incomplete,
    InvalidRequest,
    MarketingMessagesLiteNotEnabled,
    NotSent,
    RateLimiter,
    RetryPolicy,
    Unauthorized,
)
from omnichat_async.jobs import FanOut, Message, State
from omnichat_async.jobs.fanout import read_status
from omnichat_async.jobs.fanout import run as run_module
from omnichat_async.models import Broadcast, Text, WhatsAppTemplate, headless
from omnichat_async.sandbox import Fault
from tests.support.calls import quick_client
from tests.support.exports import served
from tests.support.fanouts import (
    LINE,
    WHATSAPP,
    broadcast,
    fan_out,
    outcomes,
    people,
    planned,
    resent,
    served_to,
    settled_truly,
    worker,
)
from tests.support.run import run
from tests.support.wire import refused_url

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from omnichat_async.jobs import Status
    from omnichat_async.jobs.fanout import Outcome, Progress
    from omnichat_async.sandbox import Sandbox


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with served(rows=10) as running:
        yield running


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "sale.journal"


def states(everybody: list[Outcome]) -> dict[str, str]:
    return {each.address: each.state.value for each in everybody}


# ---- the plan ----------------------------------------------------------------------------------


def test_a_plan_counts_and_sends_nothing(sandbox: Sandbox, journal: Path) -> None:
    rows = ["U1", "U2", " U1 ", "", 7, None, "U3", "U4", "U4", {"to": "U5"}, {"no": "U6"}]

    async def main() -> None:
        async with fan_out(sandbox, journal, limiter=RateLimiter(40)) as job:
            plan = await job.plan(broadcast(), rows, suppress=["U4", "U3"])
            assert (plan.recipients, plan.duplicates, plan.excluded, plan.invalid) == (4, 2, 2, 3)
            assert plan.calls == 1
            assert plan.minutes == pytest.approx(1 / RateLimiter(40).rate / 60)
            assert plan.example["to"] == ["U1"]
            assert plan == await job.planned()
            bad = [each async for each in job.outcomes(State.INVALID)]
            assert [each.line for each in bad] == [4, 6, 11]
            assert "recipient" in (bad[0].reason or "")
            kinds = states(await outcomes(job))
        assert {to for to, state in kinds.items() if state == "pending"} == {"U1", "U2", "7", "U5"}
        assert {to for to, state in kinds.items() if state == "excluded"} == {"U3", "U4"}

    run(main())
    assert stat.S_IMODE(journal.stat().st_mode) == 0o600
    assert sandbox.stats().requests == 0


def test_phones_are_normalised_before_they_are_compared(sandbox: Sandbox, journal: Path) -> None:
    rows = ["+852 9123-4567", "0085291234567", 85291234568, "9123", "US.13491208655302741918"]

    async def main() -> None:
        async with fan_out(sandbox, journal) as job:
            message = broadcast(platform="whatsapp", channel_id=WHATSAPP)
            plan = await job.plan(message, rows)
            assert (plan.recipients, plan.duplicates, plan.invalid) == (3, 1, 1)
            found = await outcomes(job)
        assert [each.address for each in found[:3]] == ["85291234567", "85291234568", rows[4]]

    run(main())


def test_recipients_come_from_an_async_iterator_or_a_listing(
    sandbox: Sandbox, journal: Path
) -> None:
    async def rows() -> AsyncIterator[str]:
        for each in people(1200):
            yield each

    async def main() -> None:
        async with fan_out(sandbox, journal) as job:
            assert (await job.plan(broadcast(), rows())).recipients == 1200
        async with fan_out(sandbox, journal.with_name("contacts")) as job:
            config = sandbox.config
            listing = job._client.contacts.list(
                platform="line", updated_after=config.start_ms, updated_before=config.end_ms
            )
            plan = await job.plan(broadcast(), listing, column="id")
            assert plan.recipients == sandbox.count(
                "contacts", config.start_ms, config.end_ms, "line"
            )

    run(main())


@pytest.mark.parametrize("state", [State.INVALID, State.EXCLUDED])
def test_who_was_left_out_is_listed_in_steps_that_grow_with_their_number(
    sandbox: Sandbox, tmp_path: Path, state: State
) -> None:
    """A file of a million rows that are all bad must not take its square to show."""

    async def steps(count: int) -> int:
        wrong = state is State.INVALID
        async with fan_out(sandbox, tmp_path / str(count)) as job:
            rows = ["a b"] * count if wrong else list(people(count))
            await job.plan(broadcast(), rows, suppress=None if wrong else rows)
            done: list[None] = []
            database = job._journal.database
            await database.do(lambda db: db.set_progress_handler(lambda: done.append(None), 1000))
            lines = [each.line async for each in job.outcomes(state)]
        assert lines == list(range(1, count + 1))
        return len(done)

    async def main() -> None:
        assert await steps(12_000) < 5 * await steps(4000)

    run(main())


def test_a_finished_plan_is_not_planned_over(sandbox: Sandbox, journal: Path) -> None:
    async def main() -> None:
        async with fan_out(sandbox, journal) as job:
            with pytest.raises(InvalidRequest, match="planned job"):
                await job.status()
            await job.plan(broadcast(), ["U1"])
            with pytest.raises(InvalidRequest, match="new file"):
                await job.plan(broadcast(), ["U2"])

    run(main())


def test_an_interrupted_plan_is_begun_anew(sandbox: Sandbox, journal: Path) -> None:
    def broken() -> Iterator[str]:
        yield from people(700)
        raise OSError(5, "the disk is gone")

    async def main() -> None:
        async with fan_out(sandbox, journal) as job:
            with pytest.raises(OSError, match="gone"):
                await job.plan(broadcast(), broken())
            with pytest.raises(InvalidRequest):
                await job.run()
            plan = await job.plan(broadcast(), people(3))
            assert plan.recipients == 3

    run(main())


def test_a_suppression_list_that_cannot_be_read_is_refused(
    sandbox: Sandbox, journal: Path, tmp_path: Path
) -> None:
    bad = tmp_path / "out.jsonl"
    bad.write_text('"U1"\n{"to": \n')

    async def main() -> None:
        async with fan_out(sandbox, journal) as job:
            with pytest.raises(InvalidRequest, match="line 2"):
                await job.plan(broadcast(), ["U1"], suppress=bad)
            with pytest.raises(InvalidRequest, match="line 1"):
                await job.plan(broadcast(), ["U1"], suppress=[""])

    run(main())


# ---- the run -----------------------------------------------------------------------------------


def test_everybody_is_sent_to_once(sandbox: Sandbox, journal: Path) -> None:
    seen: list[Progress] = []

    async def main() -> None:
        async with fan_out(sandbox, journal) as job:
            await job.plan(broadcast(scheduled_at=datetime(2099, 1, 1)), people(1000))  # noqa: DTZ001
            running = asyncio.create_task(job.run())
            async for event in job.events():
                seen.append(event)
            status = await running
            assert (status.sent, status.calls, status.done) == (1000, 7, True)
            assert await job.run() == status
            refs = {each.ref for each in await outcomes(job)}
        assert len(refs) == 7

    run(main())
    assert served_to(sandbox) == dict.fromkeys(people(1000), 1)
    assert all(sent.body["scheduledAt"] == "2099-01-01T00:00:00" for sent in sandbox.sent)
    assert seen[-1].sent == 1000
    assert seen[-1].eta == 0


def test_a_first_small_batch(sandbox: Sandbox, journal: Path) -> None:
    async def main() -> None:
        async with fan_out(sandbox, journal) as job:
            await job.plan(broadcast(), people(1000))
            for limit, sent in ((10, 10), (200, 210)):
                assert (await job.run(limit=limit)).sent == sent
                assert served_to(sandbox).total() == sent
            await job.run()
            with pytest.raises(InvalidRequest, match="limit"):
                await job.run(limit=0)

    run(main())
    assert served_to(sandbox) == dict.fromkeys(people(1000), 1)


def test_a_refused_call_is_cut_until_the_bad_ones_are_alone(
    sandbox: Sandbox, journal: Path
) -> None:
    good = list(people(147))
    to = [*good[:3], "U1-invalid", *good[3:100], "U2-invalid", "U3-invalid", *good[100:]]

    async def main() -> Status:
        async with fan_out(sandbox, journal) as job:
            await job.plan(broadcast(), to)
            status = await job.run()
            refused = [each async for each in job.outcomes(State.REFUSED)]
            assert [each.address for each in refused] == ["U1-invalid", "U2-invalid", "U3-invalid"]
            assert [each.line for each in refused] == [4, 102, 103]
            assert {each.reason for each in refused} == {"INVALID_REQUEST_BODY (HTTP 400)"}
            return status

    status = run(main())
    assert (status.sent, status.refused, status.pending) == (147, 3, 0)
    assert served_to(sandbox) == dict.fromkeys(good, 1)


@pytest.mark.parametrize("limit", [1, 60, 149])
def test_a_limit_cuts_calls_that_came_back(sandbox: Sandbox, journal: Path, limit: int) -> None:
    sandbox.add_fault(Fault(kind="429", at=1, times=100, retry_after="400", path="/broadcast"))

    async def main() -> None:
        async with fan_out(sandbox, journal, concurrency=1) as job:
            await job.plan(broadcast(), people(150))
            task = asyncio.create_task(job.run())
            while not sandbox.stats().faults:
                await asyncio.sleep(0.01)
            job.stop()
            await task
        sandbox.clear_faults()
        async with fan_out(sandbox, journal) as job:
            assert (await job.run(limit=limit)).sent == limit
            assert (await job.run()).sent == 150

    run(main())
    assert served_to(sandbox) == dict.fromkeys(people(150), 1)


def test_a_permanent_error_leaves_the_unsent_untouched(sandbox: Sandbox, journal: Path) -> None:
    message = Message.direct(
        platform="line", channel_id=LINE, track_id="sale", messages=[Text("hi")]
    )

    async def main() -> None:
        async with fan_out(sandbox, journal, concurrency=1) as job:
            await job.plan(message, [*people(20), "U-mmlite", "U-last"])
            with pytest.raises(MarketingMessagesLiteNotEnabled):
                await job.run()
            status = await job.status()
            assert (status.sent, status.pending, status.refused, status.unknown) == (20, 2, 0, 0)
            assert "MARKETING_MESSAGES_LITE_NOT_ENABLED" in (status.halted or "")

    run(main())


def test_a_message_that_nobody_can_get_is_not_tried_on_everybody(
    sandbox: Sandbox, journal: Path
) -> None:
    async def main() -> None:
        async with fan_out(sandbox, journal, concurrency=1) as job:
            await job.plan(broadcast(), [f"U{number}-invalid" for number in range(600)])
            with pytest.raises(BadRequest):
                await job.run()
            status = await job.status()
            assert status.sent == status.unknown == 0
            assert status.pending > 450
        assert sandbox.stats().requests == run_module.REFUSALS

    run(main())


def test_a_server_that_cannot_be_reached_leaves_all_untouched(
    sandbox: Sandbox, journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_module, "LONGEST_WAIT_S", 0.01)

    async def main() -> None:
        await planned(sandbox, journal, 300)
        once = RetryPolicy(max_attempts=1)
        async with (
            quick_client(refused_url(), retry=once) as client,
            FanOut(client, journal) as job,
        ):
            with pytest.raises(NotSent):
                await job.run()
            status = await job.status()
        assert (status.pending, status.unknown, status.sent) == (300, 0, 0)
        assert "no connection" in (status.halted or "")

    run(main())


def test_a_wrong_token_stops_at_the_first_call(sandbox: Sandbox, journal: Path) -> None:
    async def main() -> None:
        await planned(sandbox, journal, 450)
        async with (
            quick_client(sandbox.url) as client,
            FanOut(client, journal, concurrency=1) as job,
        ):
            with pytest.raises(Unauthorized):
                await job.run()
            status = await job.status()
        assert (status.pending, status.halted) == (450, "UNAUTHORIZED (HTTP 401)")

    run(main())
    assert sandbox.stats().unauthorized == 1


def test_pause_holds_and_resume_goes_on(sandbox: Sandbox, journal: Path) -> None:
    async def main() -> None:
        async with fan_out(sandbox, journal) as job:
            await job.plan(broadcast(), people(600))
            job.pause()
            task = asyncio.create_task(job.run())
            events = job.events()
            async for event in events:
                assert event.pending == 600
                break
            assert not task.done()
            with pytest.raises(ConfigurationError, match="under way"):
                await job.run()
            with pytest.raises(ConfigurationError, match="under way"):
                await job.drop_unknown()
            job.resume()
            assert (await task).sent == 600
            assert sandbox.stats().requests == 4
            await events.aclose()  # type: ignore[attr-defined]

    run(main())


def test_leaving_stops_and_lets_the_calls_under_way_end(journal: Path) -> None:
    async def main(sandbox: Sandbox) -> None:
        await planned(sandbox, journal, 3000)
        async with fan_out(sandbox, journal, concurrency=2) as job:
            task = asyncio.create_task(job.run())
            while sandbox.stats().requests < 3:
                await asyncio.sleep(0.005)
        status = await task
        assert status.unknown == status.sending == 0
        assert 0 < status.sent < 3000
        assert status.sent == served_to(sandbox).total()

    with served(rows=10, rtt_ms=60) as sandbox:
        run(main(sandbox))


def test_a_cancel_makes_the_calls_under_way_unknown(journal: Path) -> None:
    async def main(sandbox: Sandbox) -> None:
        await planned(sandbox, journal, 3000)
        async with fan_out(sandbox, journal, concurrency=2, settle=0) as job:
            task = asyncio.create_task(job.run())
            while sandbox.stats().requests < 3:
                await asyncio.sleep(0.005)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            status = await job.status()
            assert status.unknown in {150, 300}
            assert status.sending == 0
            while sandbox.stats().requests > len(sandbox.sent):
                await asyncio.sleep(0.005)
            await settled_truly(sandbox, job, 3000)
            await resent(job)
            await job.run()
            assert (await settled_truly(sandbox, job, 3000)).sent == 3000

    with served(rows=10, rtt_ms=60) as sandbox:
        run(main(sandbox))


@pytest.mark.slow
def test_a_cancel_at_any_step_leaves_no_call_without_a_state(
    sandbox: Sandbox, journal: Path
) -> None:
    """Cancelled as the journal is asked for the first time, the second, the third …"""

    async def main() -> None:
        async with fan_out(sandbox, journal, concurrency=3, settle=0) as job:
            message = Message.direct(
                platform="line", channel_id=LINE, track_id="sale", messages=[Text("hi")]
            )
            await job.plan(message, people(400))
            database = job._journal.database
            ask = database.do
            for step in range(1, 31):
                before = (await job.status()).unknown
                task = asyncio.create_task(job.run())
                left = [step]

                async def asked(
                    work: Any, task: asyncio.Task[Status] = task, left: list[int] = left
                ) -> Any:
                    left[0] -= 1
                    if not left[0]:
                        task.cancel()
                    return await ask(work)

                database.do = asked  # type: ignore[method-assign]
                with contextlib.suppress(asyncio.CancelledError):
                    await task
                database.do = ask  # type: ignore[method-assign]
                status = await job.status()
                assert status.sending == 0
                assert status.unknown - before <= 3
                assert sum((status.pending, status.sent, status.unknown)) == 400
            assert (await job.status()).pending > 0  # so every one of them was cut short
            await job.run()
            await settled_truly(sandbox, job, 400)
            await resent(job)
            await job.run()
            assert (await settled_truly(sandbox, job, 400)).sent == 400

    run(main())
    assert served_to(sandbox) == dict.fromkeys(people(400), 1)


# ---- the unknown -------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["reset_after", "reset_before", "html500", "truncated", "html200"])
def test_a_lost_answer_is_unknown_until_it_is_found_or_decided(
    sandbox: Sandbox, journal: Path, kind: Any
) -> None:
    processed = kind in {"reset_after", "truncated"}
    sandbox.add_fault(Fault(kind=kind, at=2, path="/broadcast"))

    async def main() -> None:
        async with fan_out(sandbox, journal, concurrency=1, settle=0) as job:
            await job.plan(broadcast(), people(450))
            status = await job.run()
            assert (status.sent, status.unknown) == (300, 150)
            assert await job.run() == status
            assert served_to(sandbox).total() == (450 if processed else 300)
            found = await job.reconcile()
            assert (found.found, found.unknown) == ((150, 0) if processed else (0, 150))
            status = await settled_truly(sandbox, job, 450)
            if not processed:
                named = [each.address async for each in job.outcomes(State.UNKNOWN)]
                assert named == list(people(450))[150:300]
            assert await job.resend_unknown() == status.unknown
            await job.run()
            assert (await settled_truly(sandbox, job, 450)).sent == 450

    run(main())
    assert served_to(sandbox) == dict.fromkeys(people(450), 1)


def test_the_dropped_are_never_sent_to(sandbox: Sandbox, journal: Path) -> None:
    sandbox.add_fault(Fault(kind="reset_before", at=1))

    async def main() -> None:
        async with fan_out(sandbox, journal) as job:
            await job.plan(broadcast(), people(200))
            await job.run()
            assert await job.drop_unknown() in {50, 150}
            assert await job.drop_unknown() == 0
            status = await job.run()
            assert status.done
            assert status.dropped + status.sent == 200
            assert served_to(sandbox).total() == status.sent

    run(main())


def test_nothing_is_sent_again_before_it_had_time_to_show(sandbox: Sandbox, journal: Path) -> None:
    sandbox.add_fault(Fault(kind="reset_before", at=1))

    async def main() -> None:
        async with fan_out(sandbox, journal, settle=3600) as job:
            await job.plan(broadcast(), people(100))
            assert (await job.run()).unknown == 100
            with pytest.raises(InvalidRequest, match="try again in 3600 s"):
                await job.resend_unknown()
            assert (await job.status()).unknown == 100

    run(main())


def test_a_broadcast_that_is_listed_late_is_found_later(journal: Path) -> None:
    async def main(sandbox: Sandbox) -> None:
        sandbox.add_fault(Fault(kind="reset_after", at=1))
        async with fan_out(sandbox, journal, settle=1.0) as job:
            await job.plan(broadcast(), people(100))
            await job.run()
            assert (await job.reconcile()).unknown == 100
            while (await job.reconcile()).unknown:
                with contextlib.suppress(InvalidRequest):
                    assert await job.resend_unknown() == 0
            assert (await settled_truly(sandbox, job, 100)).sent == 100

    with served(rows=10, list_delay_ms=400) as sandbox:
        run(main(sandbox))
    assert served_to(sandbox) == dict.fromkeys(people(100), 1)


def test_what_shows_after_it_was_decided_on_is_counted_as_late(journal: Path) -> None:
    """The decision was a person's, and it is told what it led to."""

    async def main(sandbox: Sandbox) -> None:
        sandbox.add_fault(Fault(kind="reset_after", at=1))
        async with fan_out(sandbox, journal, settle=0) as job:
            await job.plan(broadcast(), people(100))
            await job.run()
            assert await job.resend_unknown() == 100
            assert (await job.run()).sent == 100
            assert served_to(sandbox) == dict.fromkeys(people(100), 2)
            while not (await job.status()).late:
                assert (await job.reconcile()).unknown == 0

    with served(rows=10, list_delay_ms=300) as sandbox:
        run(main(sandbox))


def test_a_list_that_is_cut_short_settles_what_it_shows_and_no_more(
    sandbox: Sandbox, journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that gives no more rows than it counts to: nobody knows what is behind them."""
    monkeypatch.setattr("omnichat_async.paging.rules.DEPTH", 100)

    async def main() -> None:
        async with fan_out(sandbox, journal, concurrency=1, settle=0) as job:
            other = Broadcast(
                subject="s", platform="line", channel_id=LINE, to=["U1"], messages=[Text("hi")]
            )
            for _ in range(98):
                await job._client.broadcasts.send(other)
            sandbox.add_fault(Fault(kind="reset_after", at=2, path="/broadcast"))
            sandbox.add_fault(Fault(kind="reset_before", at=3, path="/broadcast"))
            await job.plan(broadcast(), people(450))
            assert (await job.run()).unknown == 300
            found = await job.reconcile()
            assert (found.found, found.unknown, found.complete) == (150, 150, False)
            with pytest.raises(Incomplete):
                await job.resend_unknown()
            assert await job.drop_unknown() == 150

    run(main())


def test_without_a_mark_whatsapp_broadcasts_are_found_by_their_recipients(
    sandbox: Sandbox, journal: Path
) -> None:
    to = [str(85260000000 + number) for number in range(400)]
    message = broadcast(platform="whatsapp", channel_id=WHATSAPP)

    async def main() -> None:
        async with fan_out(sandbox, journal.with_name("before")) as job:  # the same people, earlier
            await job.plan(message, to, mark=False)
            await job.run()
        sandbox.add_fault(Fault(kind="reset_after", at=3, path="/broadcast"))  # after the baseline
        sandbox.add_fault(Fault(kind="reset_before", at=4, path="/broadcast"))
        async with fan_out(sandbox, journal, concurrency=1) as job:
            await job.plan(message, to, mark=False)
            status = await job.run()
            assert (status.sent, status.unknown) == (150, 250)
            found = await job.reconcile()
            assert (found.found, found.unknown) == (150, 100)
            assert all(not sent.body["subject"].endswith("]") for sent in sandbox.sent)

    run(main())


def test_without_a_mark_on_line_nothing_can_be_looked_for(sandbox: Sandbox, journal: Path) -> None:
    sandbox.add_fault(Fault(kind="reset_after", at=1))

    async def main() -> None:
        async with fan_out(sandbox, journal) as job:
            await job.plan(broadcast(), people(10), mark=False)
            await job.run()
            found = await job.reconcile()
            assert (found.found, found.unknown, found.looked) == (0, 10, False)

    run(main())


# ---- other processes ---------------------------------------------------------------------------


@pytest.mark.slow
def test_a_stalled_worker_that_comes_back_sends_nothing_twice(journal: Path) -> None:
    """Stopped in mid-send until its lease is over, then woken: its answers settle what they are
    about, nobody may send those again while it lives, and none of it goes out twice."""

    async def main(sandbox: Sandbox) -> None:
        await planned(sandbox, journal, 1500)
        process = worker(sandbox, journal, timeout=1.0, margin=0.2, concurrency=3)
        while not sandbox.stats().requests:
            await asyncio.sleep(0.002)
        process.send_signal(signal.SIGSTOP)
        async with fan_out(sandbox, journal, settle=0) as job:
            while not (status := await job.status()).unknown:
                await asyncio.sleep(0.05)
            assert 0 < status.unknown <= 450
            await job.reconcile()
            if (await job.status()).unknown:
                with pytest.raises(InvalidRequest, match="ended"):
                    await job.resend_unknown()
            process.send_signal(signal.SIGCONT)
            await asyncio.to_thread(process.communicate)
            assert process.returncode == 0
            await settled_truly(sandbox, job, 1500)
            await resent(job)
            await job.run()
            assert (await settled_truly(sandbox, job, 1500)).sent == 1500

    with served(rows=10, rtt_ms=200) as sandbox:
        run(main(sandbox))
    assert served_to(sandbox) == dict.fromkeys(people(1500), 1)


def test_two_workers_share_a_journal(sandbox: Sandbox, journal: Path) -> None:
    async def main() -> None:
        await planned(sandbox, journal, 6000)
        async with fan_out(sandbox, journal) as one, fan_out(sandbox, journal) as two:
            await asyncio.gather(one.run(), two.run())
            assert (await settled_truly(sandbox, one, 6000)).sent == 6000

    run(main())
    assert [path.name for path in journal.parent.iterdir()] == [journal.name]


def test_a_status_needs_no_account(sandbox: Sandbox, journal: Path) -> None:
    async def main() -> None:
        with pytest.raises(FileNotFoundError):
            await read_status(journal)
        await planned(sandbox, journal, 20)
        assert (await read_status(journal)).pending == 20

    run(main())


def test_to_ask_how_an_empty_file_stands_makes_no_journal_of_it(
    sandbox: Sandbox, journal: Path
) -> None:
    journal.touch()

    async def to_plan_may() -> None:
        await planned(sandbox, journal, 20)
        assert (await read_status(journal)).pending == 20

    with pytest.raises(InvalidRequest, match="journal: must be the journal of a job"):
        run(read_status(journal))
    assert journal.read_bytes() == b""
    assert [path.name for path in journal.parent.iterdir()] == [journal.name]
    run(to_plan_may())


@pytest.mark.parametrize("content", [b"not a database, but long enough to look like one" * 100])
def test_another_file_is_no_journal(sandbox: Sandbox, journal: Path, content: bytes) -> None:
    journal.write_bytes(content)

    async def main() -> None:
        with pytest.raises(OSError, match="no journal"):
            async with fan_out(sandbox, journal):
                pass

    run(main())
    assert journal.read_bytes() == content
    assert [path.name for path in journal.parent.iterdir()] == [journal.name]


# ---- personal messages -------------------------------------------------------------------------


def test_direct_messages_are_personal_and_final_refusals_are_named(
    sandbox: Sandbox, journal: Path
) -> None:
    rows = [
        {"to": "U1", "name": "Ann"},
        {"to": "U2", "name": "${name}"},
        {"to": "U3", "name": ""},
        {"to": "U4"},
        {"to": "U5-unsubscribed", "name": "Eve"},
        {"to": "U6-unreachable", "name": "Fay"},
    ]
    message = Message.direct(
        platform="line",
        channel_id=LINE,
        track_id="sale",
        messages=[Text("Dear ${name}, $5 off for ${name}")],
    )

    async def main() -> None:
        async with fan_out(sandbox, journal) as job:
            plan = await job.plan(message, rows)
            assert (plan.recipients, plan.calls, plan.invalid) == (4, 4, 2)
            assert plan.example["messages"][0]["text"] == "Dear Ann, $5 off for Ann"
            status = await job.run()
            assert (status.sent, status.refused) == (2, 2)
            reasons = {each.address: each.reason for each in await outcomes(job)}
            assert "CONTACT_UNSUBSCRIBED" in (reasons["U5-unsubscribed"] or "")
            assert "CONTACT_NOT_REACHABLE" in (reasons["U6-unreachable"] or "")

    run(main())
    texts = {sent.body["to"]: sent.body["messages"][0]["text"] for sent in sandbox.sent}
    assert texts == {
        "U1": "Dear Ann, $5 off for Ann",
        "U2": "Dear ${name}, $5 off for ${name}",
    }


@pytest.mark.parametrize("kind", ["direct", "headless"])
def test_personal_messages_are_looked_for_in_the_chats(
    sandbox: Sandbox, journal: Path, kind: str
) -> None:
    if kind == "direct":
        message = Message.direct(
            platform="line", channel_id=LINE, track_id="t", messages=[Text("Dear ${name}")]
        )
    else:
        message = Message.headless(business_phone=WHATSAPP, content=headless.Text("Dear ${name}"))
    to = [{"to": str(85260000000 + number), "name": f"N{number}"} for number in range(4)]
    sandbox.add_fault(Fault(kind="reset_after", at=2))
    sandbox.add_fault(Fault(kind="reset_before", at=3))

    async def main() -> None:
        async with fan_out(sandbox, journal, concurrency=1) as job:
            await job.plan(message, to)
            status = await job.run()
            assert (status.sent, status.unknown) == (2, 2)
            found = await job.reconcile()
            assert (found.found, found.unknown) == (1, 1)
            assert states(await outcomes(job))[to[2]["to"]] == "unknown"

    run(main())


def test_a_template_cannot_be_looked_for(sandbox: Sandbox, journal: Path) -> None:
    template = WhatsAppTemplate("cart", language="en", body=["${name}"])
    message = Message.direct(
        platform="whatsapp", channel_id=WHATSAPP, track_id="t", messages=[template]
    )
    sandbox.add_fault(Fault(kind="reset_after", at=1))

    async def main() -> None:
        async with fan_out(sandbox, journal) as job:
            await job.plan(message, [{"to": "85260000000", "name": "Ann"}])
            await job.run()
            assert (await job.reconcile()).unknown == 1

    run(main())
    (sent,) = sandbox.sent
    parameters = sent.body["messages"][0]["whatsappTemplate"]["components"][0]["parameters"]
    assert parameters == [{"type": "text", "text": "Ann"}]


def test_notifications_go_a_hundred_a_call(sandbox: Sandbox, journal: Path) -> None:
    message = Message.notification(
        channel_id=LINE, setting_id="s", value_map={"name": "${name}", "shop": "K11"}
    )
    to = [{"to": f"+{85260000000 + number}", "name": f"N{number}"} for number in range(230)]

    async def main() -> None:
        async with fan_out(sandbox, journal) as job:
            assert (await job.plan(message, to)).calls == 3
            assert (await job.run()).sent == 230
            assert all(each.ref for each in await outcomes(job))

    run(main())
    assert served_to(sandbox) == dict.fromkeys((row["to"].lstrip("+") for row in to), 1)
    values = {
        each["to"]: each["valueMap"] for s in sandbox.sent for each in s.body["notifications"]
    }
    assert values["85260000007"] == {"name": "N7", "shop": "K11"}


# ---- nothing leaks -----------------------------------------------------------------------------


def test_nobody_is_named_in_logs_errors_and_reprs(
    sandbox: Sandbox, journal: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="omnichat_async")
    sandbox.add_fault(Fault(kind="reset_before", at=1))
    to = "Uc0ffee0123456789"
    shown: list[object] = []

    async def main() -> None:
        async with fan_out(sandbox, journal, settle=3600) as job:
            shown.append(await job.plan(broadcast(), [to, f"{to}-invalid", ""]))
            shown.append(await job.run())
            with pytest.raises(InvalidRequest) as caught:
                await job.resend_unknown()
            shown.append(caught.value)
            shown.extend(await outcomes(job))
            shown.append(broadcast())

    run(main())
    text = json.dumps([repr(each) for each in shown] + [str(each) for each in shown])
    assert "c0ffee" not in text
    assert "c0ffee" not in caplog.text
    assert "has begun" not in text + caplog.text
    gc.collect()
