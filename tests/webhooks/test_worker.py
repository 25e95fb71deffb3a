"""Whatever a handler, a clock, a disk or a stop does: no event is lost, none that is done comes
again, and nothing hangs."""

from __future__ import annotations

import asyncio
import json
import logging
import subprocess
import sys
import threading
import time
import tracemalloc
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from omnichat_async import ConfigurationError
from omnichat_async.testing import event_data, whatsapp_body, whatsapp_message
from omnichat_async.webhooks import (
    InboundMessage,
    Limits,
    MemoryInbox,
    OmnichatSignature,
    Receiver,
    SqliteInbox,
    WorkPolicy,
)
from tests.support.clock import run_virtual
from tests.support.exports import ROOT
from tests.support.run import run
from tests.webhooks.support import SECRET, Seen, make, post, signed, until
from tests.webhooks.test_inbox import record

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from omnichat_async.webhooks import Delivery, WebhookEvent
    from omnichat_async.webhooks.inbox import Job

OK = (200, b"ok")


def loop_time() -> float:
    return asyncio.get_running_loop().time()


def from_each(*senders: str) -> Any:
    return signed(whatsapp_body(*(whatsapp_message(id=n, **{"from": n}) for n in senders)))


# ---- handlers ----------------------------------------------------------------------------------


def test_a_handler_that_hangs_is_cut_off_and_tried_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def main() -> None:
        seen = Seen()
        receiver = make(work=WorkPolicy(timeout=30))

        @receiver.on_any
        async def hangs_once(event: WebhookEvent, delivery: Delivery) -> None:
            if delivery.attempt == 1:
                await asyncio.Event().wait()
            await seen(event, delivery)

        async with receiver:
            assert await post(receiver, signed()) == OK
            await until(lambda: seen.events)
        assert [each.attempt for each in seen.deliveries] == [2]

    run_virtual(main())
    assert caplog.messages == ["the handlers of ticket/update took too long, and were cancelled"]


def test_handlers_that_all_hang_do_not_end_the_work() -> None:
    async def main() -> None:
        seen = Seen()
        receiver = make(work=WorkPolicy(timeout=30, concurrency=3, max_tries=1))

        @receiver.on(InboundMessage)
        async def hangs(event: InboundMessage, delivery: Delivery) -> None:
            if event.data.id != "last":
                await asyncio.Event().wait()
            await seen(event, delivery)

        async with receiver:
            assert await post(receiver, from_each("a", "b", "c", "last")) == OK
            await until(lambda: seen.events)
            assert receiver._inbox is not None
            assert len(await receiver._inbox.stored("dead")) == 3  # type: ignore[attr-defined]

    run_virtual(main())


def test_what_a_handler_awaits_may_be_cancelled_and_that_is_a_failure_like_any_other() -> None:
    async def main() -> None:
        seen = Seen()
        started = loop_time()
        receiver = make()

        @receiver.on_any
        async def handler(event: WebhookEvent, delivery: Delivery) -> None:
            if delivery.attempt == 1:
                task = asyncio.create_task(asyncio.sleep(10))
                task.cancel()
                await task
            await seen(event, delivery)

        async with receiver:
            assert await post(receiver, signed()) == OK
            await until(lambda: seen.events)
        assert loop_time() - started < WorkPolicy().lease  # not when its lease had ended

    run_virtual(main())


def test_a_function_that_raises_stop_iteration_has_failed() -> None:
    async def main() -> None:
        errors: list[Exception] = []
        receiver = make(on_error=lambda _, error: errors.append(error))

        @receiver.on_any
        def handler(_: WebhookEvent, __: Delivery) -> None:
            next(iter(()))

        async with receiver:
            assert await post(receiver, signed()) == OK
            await until(lambda: errors)
        assert isinstance(errors[0].__cause__, StopIteration)

    run(main())


def test_functions_that_block_leave_the_loops_own_threads_alone() -> None:
    async def main() -> None:
        gate = threading.Event()
        blocked = threading.Semaphore(0)
        receiver = make(work=WorkPolicy(concurrency=40))

        @receiver.on_any
        def blocks(_: WebhookEvent, __: Delivery) -> None:
            blocked.release()
            gate.wait(60)

        async with receiver:
            try:
                assert await post(receiver, from_each(*map(str, range(40)))) == OK
                for _ in range(40):  # all at once, though the loop has fewer threads of its own
                    await until(lambda: blocked.acquire(blocking=False))
                assert await asyncio.to_thread(lambda: "free") == "free"
            finally:
                gate.set()

    run(main())


# ---- leases and clocks -------------------------------------------------------------------------


class Clock:
    """Epoch seconds that go on with the loop, and jump when a test says so."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return loop_time() + self.ahead


@pytest.mark.parametrize("jump", [3600.0, 86_400.0 * 400])
def test_a_clock_set_forward_has_nothing_handled_twice(jump: float) -> None:
    async def main() -> None:
        seen, clock, gate = Seen(), Clock(), asyncio.Event()
        inbox = MemoryInbox(clock=clock, retention=jump + 1)
        receiver = make(inbox=inbox)

        @receiver.on_any
        async def slow(event: WebhookEvent, delivery: Delivery) -> None:
            await seen(event, delivery)
            await gate.wait()

        async with receiver:
            assert await post(receiver, from_each("a")) == OK
            await until(lambda: seen.events)
            clock.ahead = jump
            assert await post(receiver, from_each("b")) == OK
            await until(lambda: len(seen.events) == 2)
            await asyncio.sleep(100)
            gate.set()
            await asyncio.sleep(1000)
            assert await inbox.counts() == {"open": 0, "done": 2, "dead": 0}
        assert len(seen.deliveries) == 2

    run_virtual(main())


def test_a_loop_that_was_blocked_for_longer_than_a_lease_handles_nothing_twice() -> None:
    async def main() -> None:
        seen, gate = Seen(), asyncio.Event()
        inbox = MemoryInbox(clock=time.time)
        receiver = make(inbox=inbox, work=WorkPolicy(lease=0.1, poll=0.02))

        @receiver.on_any
        async def blocks(event: WebhookEvent, delivery: Delivery) -> None:
            await seen(event, delivery)
            time.sleep(0.3)  # noqa: ASYNC251 - as a careless handler does
            await gate.wait()

        async with receiver:
            assert await post(receiver, signed()) == OK
            await until(lambda: seen.events)
            await asyncio.sleep(0.3)
            gate.set()
            async with asyncio.timeout(60):
                while (await inbox.counts())["done"] < 1:
                    await asyncio.sleep(0.01)
        assert len(seen.deliveries) == 1

    run(main())


@pytest.mark.parametrize("back", [3600.0, 86_400.0 * 400])
def test_a_clock_set_back_leaves_no_event_waiting(back: float) -> None:
    async def main() -> None:
        seen, clock = Seen(failures=1), Clock()
        inbox = MemoryInbox(clock=clock)
        clock.ahead = 86_400.0 * 1000
        policy = WorkPolicy(first_wait=1000, max_wait=1000)
        async with make(seen, inbox=inbox, work=policy) as receiver:
            assert await post(receiver, signed()) == OK
            await until(lambda: seen.deliveries)
            clock.ahead -= back
            started = loop_time()
            await until(lambda: seen.events)
            assert loop_time() - started < 10

    run_virtual(main())


# ---- disks -------------------------------------------------------------------------------------


def test_a_full_disk_is_answered_with_503_and_costs_no_event(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.webhooks.full_disk", str(tmp_path / "inbox.db")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found == {"statuses": [200, 503, 503, 503, 200], "handled": ["before", "after"]}


class Sick(MemoryInbox):
    """An inbox that cannot record what became of events until a time."""

    def __init__(self, until_s: float) -> None:
        super().__init__(clock=loop_time)
        self._until = until_s

    async def done(self, job: Job) -> None:
        self._check()
        await super().done(job)

    async def fail(self, job: Job, error: str, retry_in: float | None) -> None:
        self._check()
        await super().fail(job, error, retry_in)

    def _check(self) -> None:
        if loop_time() < self._until:
            raise OSError("no space left")


@pytest.mark.parametrize("failures", [0, 1])
def test_what_cannot_be_recorded_is_not_handled_again(
    failures: int, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        seen = Seen(failures)
        inbox = Sick(loop_time() + 1000)  # many leases
        async with make(seen, inbox=inbox) as receiver:
            assert await post(receiver, signed()) == OK
            await asyncio.sleep(900)
            assert len(seen.deliveries) == 1
            await asyncio.sleep(200)
            assert await inbox.counts() == {"open": 0, "done": 1, "dead": 0}
        assert [each.attempt for each in seen.deliveries] == [1, 2][: failures + 1]

    run_virtual(main())
    assert caplog.text.count("the inbox fails") == 1
    assert caplog.text.count("the inbox works again") == 1


def test_a_stop_records_what_was_handled() -> None:
    async def main() -> None:
        seen = Seen()
        inbox = Sick(loop_time() + 100)
        released: list[Job] = []

        async def release(job: Job, retry_in: float = 0.0) -> None:
            released.append(job)

        inbox.release = release  # type: ignore[method-assign]
        recorded: list[Job] = []
        done = inbox.done

        async def counted(job: Job) -> None:
            await done(job)
            recorded.append(job)

        inbox.done = counted  # type: ignore[method-assign]
        receiver = make(seen, inbox=inbox, work=WorkPolicy(drain=1))
        async with receiver:
            assert await post(receiver, signed()) == OK
            await until(lambda: seen.events)
            inbox._until = loop_time() + 1.5  # the drain ends before, the last try comes after
            stop = asyncio.create_task(receiver.aclose())
            await asyncio.sleep(0.99)
            inbox._until = 0
            await stop
        assert (len(recorded), released) == (1, [])

    run_virtual(main())


def test_an_event_that_cannot_be_decrypted_stops_no_other(tmp_path: Path) -> None:
    def decrypt(body: bytes) -> bytes:
        if b"poison" in body:
            raise ValueError("another key")
        return body

    async def main() -> None:
        inbox = SqliteInbox(tmp_path / "inbox.db", encrypt=lambda body: body, decrypt=decrypt)
        seen = Seen()
        async with make(seen, inbox=inbox, work=WorkPolicy(max_tries=1)) as receiver:
            assert await post(receiver, from_each("poison", *map(str, range(20)))) == OK
            await until(lambda: len(seen.events) == 20)
            async with asyncio.timeout(60):
                while not (dead := await inbox.stored("dead")):
                    await asyncio.sleep(0.01)
        assert [(each.error, b"poison" in each.record.body) for each in dead] == [
            ("ValueError", True)
        ]

    run(main())


def test_an_event_that_is_kept_and_cannot_be_read_is_dead_at_once(tmp_path: Path) -> None:
    async def main() -> None:
        inbox = SqliteInbox(tmp_path / "inbox.db")
        empty = attrs.evolve(record("empty", lane="x"), headers={})
        await inbox.put([record("no json", body=b"{", lane="x"), empty])
        seen = Seen()
        async with make(seen, inbox=inbox) as receiver:
            assert await post(receiver, signed()) == OK
            await until(lambda: seen.events)
            async with asyncio.timeout(60):
                while len(dead := await inbox.stored("dead")) < 2:
                    await asyncio.sleep(0.01)
        assert [(each.error, each.attempts) for each in dead] == [
            ("WebhookRefused", 1),
            ("ValueError", 1),
        ]

    run(main())


def test_an_event_that_ends_the_process_each_time_is_dead_in_the_end(tmp_path: Path) -> None:
    async def main() -> None:
        inbox = SqliteInbox(tmp_path / "inbox.db")
        await inbox.put([record("poison")])
        for attempt in range(1, 4):  # taken, and never heard of again
            (job,) = await inbox.lease(1, 0.0)
            assert job.attempt == attempt
        seen = Seen()
        async with make(seen, inbox=inbox, work=WorkPolicy(max_tries=3)):
            async with asyncio.timeout(60):
                while not (dead := await inbox.stored("dead")):
                    await asyncio.sleep(0.01)
        assert [each.error for each in dead] == ["OutOfTries"]
        assert seen.deliveries == []

    run(main())


# ---- starts and stops --------------------------------------------------------------------------


def test_a_wrong_path_is_said_at_the_start(tmp_path: Path) -> None:
    async def main() -> None:
        receiver = make(inbox=SqliteInbox(tmp_path / "nowhere" / "inbox.db"))
        with pytest.raises(ConfigurationError, match=r"nowhere.*No such file"):
            async with receiver:
                pass

    run(main())


def test_whoever_has_no_patience_leaves_nothing_behind() -> None:
    async def main() -> None:
        receiver = make()
        began = asyncio.Event()

        @receiver.on_any
        async def forever(_: WebhookEvent, __: Delivery) -> None:
            began.set()
            await asyncio.Event().wait()

        await receiver.start()
        assert await post(receiver, signed()) == OK
        await began.wait()
        stop = asyncio.create_task(receiver.aclose())
        await asyncio.sleep(1)
        stop.cancel()
        with pytest.raises(asyncio.CancelledError):
            await stop
        # run_virtual() fails if a task is left

    run_virtual(main())


def test_a_stop_handles_what_waits_in_memory_as_far_as_there_is_time(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def main(seconds: float) -> int:
        seen = Seen()
        receiver = make(work=WorkPolicy(concurrency=1))

        @receiver.on_any
        async def slow(event: WebhookEvent, delivery: Delivery) -> None:
            await asyncio.sleep(seconds)
            await seen(event, delivery)

        async with receiver:
            assert await post(receiver, from_each(*map(str, range(20)))) == OK
        return len(seen.events)

    assert run_virtual(main(0.4)) == 20
    assert "lost" not in caplog.text
    assert run_virtual(main(1)) == 9
    assert "11 events that waited in memory are lost" in caplog.text


@pytest.mark.parametrize("ack", ["queued", "handled"])
def test_idle_is_when_the_handlers_are_through(ack: Any) -> None:
    async def main() -> None:
        seen = Seen(failures=1)
        receiver = make(ack=ack, work=WorkPolicy(concurrency=2, first_wait=1000))
        await receiver.idle()

        @receiver.on_any
        async def slow(event: WebhookEvent, delivery: Delivery) -> None:
            await asyncio.sleep(2)
            await seen(event, delivery)

        async with receiver:
            await receiver.idle()
            for senders in ("abcdefg", "hi"):
                posting = asyncio.create_task(post(receiver, from_each(*senders)))
                await asyncio.sleep(0.01)
                await receiver.idle()
                assert await posting == OK
                assert len(seen.events) == len(seen.deliveries) - 1
            assert len(seen.deliveries) == 9  # and the one that failed waits

    run_virtual(main())


@pytest.mark.parametrize(
    ("ack", "said"),
    [
        ("stored", ["1 events were cut off, and will be tried again"]),
        ("queued", ["1 events were cut off", "2 events that waited in memory are lost"]),
        ("handled", ["the handlers of 2 requests were cut off: their events are lost"]),
    ],
)
def test_a_stop_says_what_becomes_of_what_it_cut_off(
    ack: Any, said: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        inbox = MemoryInbox(clock=loop_time) if ack == "stored" else None
        receiver = make(ack=ack, inbox=inbox)

        @receiver.on_any
        async def forever(_: WebhookEvent, __: Delivery) -> None:
            await asyncio.Event().wait()

        async with receiver:
            for _ in range(2):
                assert await post(receiver, signed()) == OK
            await asyncio.sleep(1)  # for the first of them to begin

    run_virtual(main())
    assert [record.getMessage() for record in caplog.records] == said


def test_idle_does_not_go_by_an_answer_that_was_older_than_the_event() -> None:
    async def main() -> None:
        seen = Seen()
        asking = asyncio.Event()

        class Slow(MemoryInbox):
            async def lease(self, limit: int, seconds: float, scope: str = "") -> list[Job]:
                jobs = await super().lease(limit, seconds, scope)
                asking.set()
                await asyncio.sleep(1)
                return jobs

        async with make(seen, inbox=Slow(clock=loop_time)) as receiver:
            await asking.wait()
            assert await post(receiver, signed()) == OK
            await receiver.idle()
            assert seen.events

    run_virtual(main())


def test_idle_ends_with_the_receiver() -> None:
    async def main() -> None:
        began = asyncio.Event()
        receiver = make(work=WorkPolicy(drain=1))

        @receiver.on_any
        async def forever(_: WebhookEvent, __: Delivery) -> None:
            began.set()
            await asyncio.Event().wait()

        async with receiver:
            assert await post(receiver, signed()) == OK
            await began.wait()
            waiting = asyncio.create_task(receiver.idle())
            await asyncio.sleep(1)
            assert not waiting.done()
        await waiting

    run_virtual(main())


def test_a_receiver_may_be_started_again(tmp_path: Path) -> None:
    async def main() -> None:
        seen = Seen()
        receiver = make(seen, inbox=SqliteInbox(tmp_path / "inbox.db"))
        for count in (1, 2):
            async with receiver:
                assert await post(receiver, signed()) == OK
                await until(lambda: len(seen.events) == count)  # noqa: B023

    run(main())


@pytest.mark.parametrize("ack", ["queued", "handled"])
def test_a_receiver_may_be_started_again_in_another_loop(ack: Any) -> None:
    """As tests do, and each time with more events than are handled at once."""
    seen = Seen()
    receiver = Receiver(OmnichatSignature(SECRET), ack=ack)  # with no clock of a loop

    @receiver.on_any
    async def slow(event: WebhookEvent, delivery: Delivery) -> None:
        await asyncio.sleep(0.001)
        await seen(event, delivery)

    async def main() -> None:
        async with receiver:
            posting = [
                post(
                    receiver, signed(event_data("ticket/update", ticketId=n), topic="ticket/update")
                )
                for n in range(60)
            ]
            assert await asyncio.gather(*posting) == [OK] * 60
            await receiver.idle()

    for _ in range(2):
        run(main())
    assert len(seen.events) == 120


def test_two_workers_of_one_inbox_share_its_events_and_keep_their_order(tmp_path: Path) -> None:
    async def main() -> None:
        running: set[str] = set()
        order: dict[str, list[int]] = {}
        by_whom: set[int] = set()
        together: list[str] = []

        def handler_of(which: int) -> Callable[[InboundMessage, Delivery], Any]:
            async def handler(event: InboundMessage, _: Delivery) -> None:
                sender, number = (event.data.id or "").split("-")
                together.extend(running & {sender})
                running.add(sender)
                await asyncio.sleep(0.001)
                running.remove(sender)
                order.setdefault(sender, []).append(int(number))
                by_whom.add(which)

            return handler

        receivers: list[Receiver] = []
        for which in range(2):
            inbox = SqliteInbox(tmp_path / "inbox.db")
            receivers.append(make(inbox=inbox, work=WorkPolicy(concurrency=3, poll=0.01)))
            receivers[which].on(InboundMessage)(handler_of(which))
        async with receivers[0], receivers[1]:
            for number in range(10):
                messages = [
                    whatsapp_message(id=f"{sender}-{number}", **{"from": sender})
                    for sender in "abcdefgh"
                ]
                assert await post(receivers[number % 2], signed(whatsapp_body(*messages))) == OK
            await until(lambda: sum(map(len, order.values())) == 80)
        assert order == {sender: list(range(10)) for sender in "abcdefgh"}
        assert by_whom == {0, 1}
        assert together == []

    run(main())


# ---- floods ------------------------------------------------------------------------------------


def test_handlers_that_requests_no_longer_wait_for_are_bounded(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.ERROR, "omnichat_async")

    async def main() -> tuple[int, list[int]]:
        limits = Limits(max_buffered=2_000_000)
        receiver = make(ack="handled", limits=limits, work=WorkPolicy(drain=0))

        @receiver.on_any
        async def stuck(_: WebhookEvent, __: Delivery) -> None:
            await asyncio.Event().wait()

        request = signed(whatsapp_body(*(whatsapp_message(id=str(n)) for n in range(10))))
        async with receiver:
            tracemalloc.start()
            posting = [asyncio.create_task(post(receiver, request)) for _ in range(500)]
            statuses = [status for status, _ in await asyncio.gather(*posting)]
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
        return peak, statuses

    peak, statuses = run_virtual(main())
    assert 20 < statuses.count(200) < 50
    assert statuses.count(503) == 500 - statuses.count(200)
    assert peak < 50_000_000


def test_handled_takes_more_when_there_is_room_again() -> None:
    async def main() -> None:
        gate, never = asyncio.Event(), asyncio.Event()
        receiver = make(ack="handled", limits=Limits(max_buffered=10_000))

        @receiver.on(InboundMessage)
        async def stuck(event: InboundMessage, _: Delivery) -> None:
            await (never if event.data.id == "a" else gate).wait()

        async with receiver:
            statuses = [(await post(receiver, from_each(sender)))[0] for sender in "abcd"]
            assert statuses == [200, 200, 503, 503]
            gate.set()
            await asyncio.sleep(1)
            assert await post(receiver, from_each("e")) == OK
            never.set()

    run_virtual(main())


def test_what_waits_behind_another_is_not_asked_for_all_the_time() -> None:
    async def main() -> int:
        asked = 0

        class Counted(MemoryInbox):
            async def lease(self, limit: int, seconds: float, scope: str = "") -> list[Job]:
                nonlocal asked
                asked += 1
                return await super().lease(limit, seconds, scope)

        seen = Seen(failures=1)
        policy = WorkPolicy(first_wait=2000)
        inbox = Counted(clock=loop_time)
        async with make(seen, inbox=inbox, work=policy) as receiver:
            for _ in range(3):
                assert await post(receiver, signed()) == OK
            await asyncio.sleep(500)
        return asked

    assert run_virtual(main()) < 120
