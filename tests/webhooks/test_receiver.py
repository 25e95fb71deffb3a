"""The receiver answers as Omnichat expects, whatever handlers do, and loses nothing it kept."""

from __future__ import annotations

import asyncio
import threading
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from omnichat_async import ConfigurationError, OmnichatClient
from omnichat_async.testing import (
    agent_body,
    agent_event,
    event_data,
    handshake_request,
    to_bytes,
    whatsapp_body,
    whatsapp_message,
    whatsapp_status,
)
from omnichat_async.webhooks import (
    Delivery,
    InboundMessage,
    Limits,
    MemoryDedupe,
    MemoryInbox,
    OmnichatEvent,
    OmnichatSignature,
    Outcome,
    Receiver,
    RejectWebhook,
    SqliteInbox,
    StopDispatch,
    UnknownEvent,
    WebhookRequest,
    WorkPolicy,
    parse_event,
)
from omnichat_async.webhooks.topics import Ticket
from tests.support.clock import run_virtual
from tests.support.run import run
from tests.webhooks.support import SECRET, TOKEN, Seen, chunked, make, post, signed, until

if TYPE_CHECKING:
    from pathlib import Path

    from omnichat_async.webhooks import WebhookEvent

OK = (200, b"ok")


def test_the_contract_of_status_codes() -> None:
    async def main() -> None:
        seen = Seen()
        async with make(seen) as receiver:
            junk = {"topic": "ticket/update"}
            for request, status in [
                (signed(), 200),
                (signed(event_data("ticket/delete"), topic="ticket/delete"), 200),
                (signed({"a": 1}, topic="future/topic"), 200),
                (signed({}), 200),
                (signed({"object": "whatsapp_business_account", "entry": []}), 200),
                (signed(whatsapp_body(whatsapp_message("text"))), 200),
                (signed(agent_body(agent_event())), 200),
                (signed(headers={"x-omnichat-signature": "0" * 64}), 401),
                (WebhookRequest.to("/", body=b"{}"), 401),
                (signed(b"no json", **junk), 400),
                (signed(b"[1]", **junk), 400),
                (signed(headers={"content-type": "text/plain"}), 415),
                (signed(headers={"content-type": "application/json; charset=utf-8"}), 200),
                (WebhookRequest.to("/", "PUT"), 405),
                (handshake_request("wrong"), 403),
            ]:
                assert (await receiver.handle(request)).status == status
            await until(lambda: len(seen.events) == 6)

    run_virtual(main())


def test_a_handshake_gives_the_challenge_back() -> None:
    async def main() -> None:
        async with make() as receiver:
            assert await post(receiver, handshake_request(TOKEN, "abc")) == (200, b"abc")
            meta = f"/?hub.mode=subscribe&hub.verify_token={TOKEN}&hub.challenge=77"
            assert await post(receiver, WebhookRequest.to(meta, "GET")) == (200, b"77")
            for query, status in [
                (f"verify_token={TOKEN}", 400),
                (f"verify_token={TOKEN}&verify_token={TOKEN}&challenge=1", 400),
                (f"hub.verify_token={TOKEN}&hub.challenge=1", 400),
                ("challenge=1", 403),
                ("", 403),
            ]:
                assert await post(receiver, WebhookRequest.to(f"/?{query}", "GET")) == (status, b"")

    run_virtual(main())


def test_pairing_answers_the_handshake_and_no_event() -> None:
    async def main() -> None:
        seen = Seen()
        async with make(seen, auth=OmnichatSignature(None)) as receiver:
            assert await post(receiver, handshake_request(TOKEN, "7")) == (200, b"7")
            assert await post(receiver, signed()) == (503, b"")
        assert seen.events == []

    run_virtual(main())


def test_the_same_event_twenty_times_at_once_is_handled_once(tmp_path: Path) -> None:
    async def main(**options: Any) -> None:
        seen = Seen()
        async with make(seen, **options) as receiver:
            again = [signed(event_id="same") for _ in range(20)]
            answers = await asyncio.gather(*(post(receiver, each) for each in again))
            assert answers == [OK] * 20
            await until(lambda: seen.events)
            assert await post(receiver, signed(event_id="same")) == OK
            assert await post(receiver, signed(event_id="other")) == OK
            await until(lambda: len(seen.events) == 2)
        assert len(seen.events) == 2

    run(main(inbox=SqliteInbox(tmp_path / "inbox.db")))
    run_virtual(main())
    run_virtual(main(ack="handled"))


def test_a_duplicate_inside_one_request_is_handled_once() -> None:
    async def main(ack: Any) -> None:
        seen = Seen()
        message = whatsapp_message(id="w1")
        body = whatsapp_body(message, message, whatsapp_status("sent"), whatsapp_status("read"))
        async with make(seen, ack=ack) as receiver:
            assert await post(receiver, signed(body)) == OK
            await until(lambda: len(seen.events) == 3)

    run_virtual(main("queued"))
    run_virtual(main("handled"))


def test_a_failing_handler_is_tried_again_and_never_shows_in_the_answer() -> None:
    errors: list[tuple[WebhookEvent, Exception]] = []
    observed: list[Any] = []

    async def main() -> None:
        seen = Seen(failures=3)
        hooks = (observed.append,)
        async with make(seen, on_error=lambda *both: errors.append(both), hooks=hooks) as receiver:
            assert await post(receiver, signed()) == OK
            await until(lambda: seen.events)
        assert [each.attempt for each in seen.deliveries] == [1, 2, 3, 4]
        assert receiver.health.failed == 0

    run_virtual(main())
    assert [type(error) for _, error in errors] == [ValueError] * 3
    states = [each.state for each in observed if hasattr(each, "state")]
    assert states == ["retry", "retry", "retry", "done"]
    assert [(each.status, each.events, each.new) for each in observed if hasattr(each, "new")] == [
        (200, 1, 1)
    ]


def test_an_event_that_always_fails_is_dead_and_can_be_replayed() -> None:
    async def main() -> None:
        seen = Seen(failures=5)
        inbox = MemoryInbox(clock=lambda: asyncio.get_running_loop().time())
        policy = WorkPolicy(max_tries=5)
        async with make(seen, inbox=inbox, work=policy) as receiver:
            await post(receiver, signed())
            await until(lambda: len(seen.deliveries) == 5)
            await asyncio.sleep(100)
            (dead,) = await inbox.stored("dead")
            assert (dead.state, dead.attempts, dead.error) == ("dead", 5, "ValueError")
            assert dead.record.name == "ticket/update"
            assert await inbox.replay("dead", keys=["unknown"]) == 0
            assert await inbox.replay("dead") == 1
            await until(lambda: seen.events)
            assert await inbox.counts() == {"open": 0, "done": 1, "dead": 0}

    run_virtual(main())


def test_events_of_one_sender_are_handled_in_order_and_others_at_once() -> None:
    async def main(ack: Any) -> None:
        running: set[str] = set()
        order: dict[str, list[str]] = {}
        most = 0

        async def handler(event: InboundMessage, _: Delivery) -> None:
            nonlocal most
            sender = event.data.sender or ""
            assert sender not in running
            running.add(sender)
            most = max(most, len(running))
            await asyncio.sleep(1)
            running.remove(sender)
            order.setdefault(sender, []).append(event.data.id or "")

        receiver = make(ack=ack, work=WorkPolicy(concurrency=3))
        receiver.on(InboundMessage)(handler)
        async with receiver:
            messages = [
                whatsapp_message(id=f"{sender}{n}", **{"from": sender})
                for n in range(4)
                for sender in "abcde"
            ]
            if ack == "queued":
                await post(receiver, signed(whatsapp_body(*messages)))
            else:
                await asyncio.gather(
                    *(post(receiver, signed(whatsapp_body(each))) for each in messages)
                )
            await until(lambda: sum(map(len, order.values())) == 20)
        assert order == {sender: [f"{sender}{n}" for n in range(4)] for sender in "abcde"}
        assert most == 3

    run_virtual(main("queued"))
    run_virtual(main("handled"))


def test_an_event_that_waits_for_its_next_try_holds_back_its_own_sender_only() -> None:
    async def main() -> None:
        done: list[str] = []

        async def handler(event: InboundMessage, delivery: Delivery) -> None:
            if event.data.id == "a0" and delivery.attempt < 3:
                raise ValueError
            done.append(event.data.id or "")

        receiver = make()
        receiver.on(InboundMessage)(handler)
        messages = [
            whatsapp_message(id=f"{who}{n}", **{"from": who}) for who in "ab" for n in (0, 1)
        ]
        async with receiver:
            await post(receiver, signed(whatsapp_body(*messages)))
            await until(lambda: len(done) == 4)
        assert done == ["b0", "b1", "a0", "a1"]

    run_virtual(main())


def test_handled_answers_after_the_handlers_or_after_ten_seconds() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        ended: list[float] = []

        async def slow(_: Any, __: Delivery) -> None:
            await asyncio.sleep(12)
            ended.append(loop.time())

        receiver = make(ack="handled")
        receiver.on("ticket/update")(slow)
        async with receiver:
            started = loop.time()
            assert await post(receiver, signed()) == OK
            assert round(loop.time() - started) == 10
            assert ended == []
        assert round(ended[0] - started) == 12  # the stop waited for it

    run_virtual(main())


def test_a_handler_may_reject_and_the_event_may_come_again() -> None:
    async def main() -> None:
        seen = Seen()
        receiver = make(ack="handled")
        reject = True

        @receiver.on("ticket/update")
        async def first(_: Any, __: Delivery) -> None:
            if reject:
                raise RejectWebhook(429)

        receiver.on_any(seen.handler)
        async with receiver:
            assert await post(receiver, signed(event_id="e")) == (429, b"")
            assert receiver.health.failures_in_a_row == 1
            reject = False
            assert await post(receiver, signed(event_id="e")) == OK
            assert await post(receiver, signed(event_id="e")) == OK
        assert len(seen.events) == 2  # once beside the failure, and once for good

    run_virtual(main())


def test_a_failure_in_handled_mode_is_answered_with_200_and_released() -> None:
    async def main() -> None:
        seen = Seen(failures=1)
        async with make(seen, ack="handled") as receiver:
            assert await post(receiver, signed(event_id="e")) == OK
            assert seen.events == []
            assert await post(receiver, signed(event_id="e")) == OK
            assert len(seen.events) == 1

    run_virtual(main())


def test_handlers_are_chosen_by_their_decorators() -> None:
    async def main() -> list[str]:
        called: list[str] = []
        receiver = make()

        def note(name: str) -> Any:
            async def handler(event: WebhookEvent, _: Delivery) -> None:
                called.append(name)

            return handler

        receiver.on("ticket/update")(note("ticket"))
        receiver.on(InboundMessage)(note("class"))
        receiver.on_message("text")(note("text"))
        receiver.on_message()(note("message"))
        receiver.on_status("failed", "read")(note("failed"))
        receiver.on_status()(note("status"))
        receiver.on_agent("message:new")(note("agent"))
        receiver.on_unknown(note("unknown"))
        receiver.on("future/topic")(note("future"))
        async with receiver:
            bodies: list[tuple[Any, str | None]] = [
                (event_data("ticket/update"), "ticket/update"),
                (event_data("ticket/create"), "ticket/create"),
                (whatsapp_body(whatsapp_message("text")), None),
                (whatsapp_body(whatsapp_message("image")), None),
                (whatsapp_body(whatsapp_message(id="h", type="hologram", text=1)), None),
                (whatsapp_body(whatsapp_status("failed")), None),
                (whatsapp_body(whatsapp_status("sent")), None),
                (agent_body(agent_event()), None),
                (agent_body(agent_event("ai-session:open")), None),
                ({"x": 1}, "future/topic"),
                ({"object": "whatsapp_business_account", "entry": [3]}, None),
            ]
            for body, topic in bodies:
                before = len(called)
                assert await post(receiver, signed(body, topic=topic)) == OK
                await asyncio.sleep(10)
                called[before:] = ["+".join(called[before:])]
        return called

    assert run_virtual(main()) == [
        "ticket",
        "",
        "class+text+message",
        "class+message",
        "class+message+unknown",
        "failed+status",
        "status",
        "agent",
        "",
        "unknown+future",
        "unknown",
    ]


def test_one_failing_handler_keeps_no_other_from_its_turn_and_stop_ends() -> None:
    async def main() -> None:
        called: list[str] = []
        receiver = make(ack="handled")

        @receiver.on_any
        async def fails(_: WebhookEvent, __: Delivery) -> None:
            raise ValueError

        @receiver.on_any
        async def stops(_: WebhookEvent, __: Delivery) -> None:
            called.append("stops")
            raise StopDispatch

        @receiver.on_any
        async def never(_: WebhookEvent, __: Delivery) -> None:
            called.append("never")

        with pytest.raises(ConfigurationError, match="already"):
            receiver.on_any(never)
        async with receiver:
            assert await post(receiver, signed()) == OK
        assert called == ["stops"]

    run_virtual(main())


def test_a_handler_can_be_called_by_a_test_as_what_it_is() -> None:
    """Type checkers see to it: here they would complain of what is awaited."""

    async def main() -> None:
        receiver, called = make(), list[str]()

        @receiver.on("ticket/update")
        async def on_ticket(event: OmnichatEvent[Ticket], _: Delivery) -> None:
            called.append(f"{event.topic} {event.data.status}")

        @receiver.on_any
        async def on_any(event: WebhookEvent, _: Delivery) -> None:
            called.append(event.name)

        @receiver.on(OmnichatEvent)
        def on_class(event: WebhookEvent, _: Delivery) -> None:
            called.append(event.name)

        (event,) = parse_event(to_bytes({"status": "Open"}), {"X-Omnichat-Topic": "ticket/update"})
        assert isinstance(event, OmnichatEvent)
        delivery = Delivery(key="k", attempt=1, received_at=datetime.now(UTC))
        await on_ticket(event, delivery)
        await on_any(event, delivery)
        on_class(event, delivery)
        assert called == ["ticket/update Open", "ticket/update", "ticket/update"]

    run_virtual(main())


@pytest.mark.parametrize("name", ["on", "on_message", "on_status", "on_agent"])
def test_a_handler_that_would_never_be_called_is_refused(name: str) -> None:
    """Its events would be answered, done, and gone."""

    async def handler(event: Any, delivery: Delivery) -> None: ...

    receiver = make()
    with pytest.raises(ConfigurationError, match=rf"^{name}\(\) takes"):
        getattr(receiver, name)(handler)


@pytest.mark.parametrize("what", [Ticket, None, 3, ["ticket/update"]])
def test_only_topics_and_classes_of_events_can_be_waited_for(
    what: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(ConfigurationError, match="a topic or a class of events"):
        make().on(what)
    make().on("ticket/updated")
    assert "no documented topic is called 'ticket/updated'" in caplog.text


def test_hooks_hear_of_every_request_and_of_every_attempt() -> None:
    """Under ``ack="handled"``, where nothing is tried again."""

    async def main() -> None:
        heard: list[Any] = []
        receiver = make(ack="handled", hooks=(heard.append,), work=WorkPolicy(timeout=5))
        hang = asyncio.Event().wait
        fates: list[Any] = [None, ValueError(), RejectWebhook(503), hang, None]

        @receiver.on_any
        async def handler(event: Any, _: Delivery) -> None:
            fate = fates.pop(0)
            if isinstance(fate, Exception):
                raise fate
            if fate is not None:
                await fate()

        async with receiver:
            assert (await receiver.handle(handshake_request(TOKEN))).status == 200
            assert [each.status for each in heard] == [200]
            assert receiver.health.answered == 0
            for expected in (200, 200, 503, 200):
                assert (await post(receiver, signed()))[0] == expected
            for _ in range(2):
                assert await post(receiver, signed(event_id="same")) == OK
        outcomes = [each for each in heard if isinstance(each, Outcome)]
        assert [(each.state, each.error) for each in outcomes] == [
            ("done", None),
            ("dead", "ValueError"),
            ("dead", "RejectWebhook"),
            ("dead", "TimeoutError"),
            ("done", None),
        ]
        assert sum(not isinstance(each, Outcome) for each in heard) == 7

    run_virtual(main())


def test_handlers_that_all_hang_do_not_end_the_work_of_requests() -> None:
    async def main() -> None:
        seen = Seen()
        policy = WorkPolicy(concurrency=2, timeout=60)
        receiver = make(ack="handled", work=policy)

        @receiver.on(InboundMessage)
        async def stuck(_: Any, __: Delivery) -> None:
            await asyncio.Event().wait()

        receiver.on("ticket/update")(seen.handler)
        async with receiver:
            for sender in ("a", "b"):
                message = whatsapp_message(id=sender, **{"from": sender})
                assert await post(receiver, signed(whatsapp_body(message))) == OK
            assert await post(receiver, signed()) == OK
            assert seen.events == []
            await asyncio.sleep(60)
            assert len(seen.events) == 1

    run_virtual(main())


def test_a_slow_body_leaves_its_handlers_so_much_less_time() -> None:
    """The sender waits for 15 s in all."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        request = signed()
        assert isinstance(request.body, bytes)
        slow = chunked(request.body[:9], request.body[9:], pause=4)
        receiver = make(ack="handled")

        @receiver.on_any
        async def long(_: Any, __: Delivery) -> None:
            await asyncio.sleep(100)

        async with receiver:
            began = loop.time()
            assert await post(receiver, attrs.evolve(request, body=slow)) == OK
            assert 10 <= loop.time() - began < 10.1

    run_virtual(main())


def test_a_function_that_is_not_async_runs_in_a_thread() -> None:
    variable: ContextVar[str] = ContextVar("variable", default="")

    async def main() -> None:
        seen: list[tuple[int, str]] = []
        variable.set("of the request")
        receiver = make(ack="handled")

        @receiver.on("ticket/update")
        def handler(event: Any, _: Delivery) -> None:
            seen.append((threading.get_ident(), variable.get()))

        async with receiver:
            assert await post(receiver, signed()) == OK
        ((thread, value),) = seen
        assert thread != threading.get_ident()
        assert value == "of the request"

    run(main())


def test_handlers_get_the_client() -> None:
    async def main() -> None:
        clients: list[Any] = []

        async def handler(_: Any, delivery: Delivery) -> None:
            clients.append(delivery.client)

        async with OmnichatClient("token", base_url="http://127.0.0.1:1/v1") as client:
            receiver = make(ack="handled", client=client)
            receiver.on_any(handler)
            async with receiver:
                await post(receiver, signed())
            assert clients == [client]
        without = make(ack="handled", on_error=lambda _, error: clients.append(error))
        without.on_any(handler)
        async with without:
            await post(without, signed())
        assert "client=" in str(clients[1])

    run_virtual(main())


def test_a_hook_and_an_on_error_that_fail_cost_nothing() -> None:
    def fails(*_: Any) -> None:
        raise ValueError

    async def main() -> None:
        seen = Seen(failures=1)
        async with make(seen, hooks=(fails,), on_error=fails) as receiver:
            assert await post(receiver, signed()) == OK
            await until(lambda: seen.events)

    run_virtual(main())


def test_what_cannot_be_kept_is_answered_with_503(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(MemoryInbox):
        async def put(self, records: Any, *, dead: str | None = None) -> int:
            raise OSError("no space left on /secret/path")

    async def main() -> None:
        async with make(inbox=Broken(clock=lambda: 0.0)) as receiver:
            for run_length in range(1, 12):
                assert await post(receiver, signed()) == (503, b"")
                assert receiver.health.failures_in_a_row == run_length
                assert receiver.health.in_danger is (run_length >= 10)

    run_virtual(main())
    assert "/secret" not in caplog.text
    assert caplog.text.count("switches the subscription off") == 1


def test_a_full_queue_is_answered_with_503_and_takes_more_later() -> None:
    async def main() -> None:
        seen = Seen()
        gate = asyncio.Event()

        async def handler(event: WebhookEvent, delivery: Delivery) -> None:
            await gate.wait()
            await seen(event, delivery)

        receiver = make()
        receiver._inbox = MemoryInbox(max_open=3, clock=lambda: asyncio.get_running_loop().time())
        receiver.on_any(handler)
        async with receiver:
            assert [(await post(receiver, signed()))[0] for _ in range(5)] == [200] * 3 + [503] * 2
            gate.set()
            await until(lambda: len(seen.events) == 3)
            assert await post(receiver, signed()) == OK
            await until(lambda: len(seen.events) == 4)

    run_virtual(main())


def test_a_genuine_body_that_cannot_be_read_is_kept_for_a_person() -> None:
    async def main() -> None:
        inbox = MemoryInbox(clock=lambda: 0.0)
        async with make(Seen(), inbox=inbox) as receiver:
            for _ in range(2):
                assert (await post(receiver, signed(b'{"a":')))[0] == 400
            (dead,) = await inbox.stored("dead")
            assert dead.record.body == b'{"a":'
        wide = {"phone_number_id": "1", "padding": "x" * 9000}
        large = whatsapp_body(*[whatsapp_message(id=str(n)) for n in range(50)], metadata=wide)
        many = whatsapp_body(*[{"id": str(n)} for n in range(101)])
        for body in (large, many):
            inbox = MemoryInbox(clock=lambda: 0.0)
            limits = Limits(max_body=20_000, max_events=100)
            async with make(Seen(), inbox=inbox, limits=limits) as receiver:
                assert (await post(receiver, signed(body)))[0] == 413
                (dead,) = await inbox.stored("dead")
                assert dead.record.body == to_bytes(body)

    run_virtual(main())


def test_a_stop_gives_back_what_it_cut_off(tmp_path: Path) -> None:
    async def main() -> None:
        path = tmp_path / "inbox.db"
        started = asyncio.Event()

        async def forever(_: Any, __: Delivery) -> None:
            started.set()
            await asyncio.Event().wait()

        receiver = make(inbox=SqliteInbox(path), work=WorkPolicy(drain=0.05))
        receiver.on_any(forever)
        async with receiver:
            assert await post(receiver, signed()) == OK
            await started.wait()
        seen = Seen()
        async with make(seen, inbox=SqliteInbox(path)):
            await until(lambda: seen.events)
        assert [each.attempt for each in seen.deliveries] == [1]

    run(main())


def test_two_receivers_share_a_file_by_scope(tmp_path: Path) -> None:
    async def main() -> None:
        seen = Seen()
        inboxes = [SqliteInbox(tmp_path / "inbox.db") for _ in range(2)]
        for inbox, scope in zip(inboxes, ("one", "two"), strict=True):
            async with make(seen, inbox=inbox, scope=scope) as receiver:
                assert await post(receiver, signed(event_id="same")) == OK
                before = len(seen.events)
                await until(lambda: len(seen.events) > before or len(seen.events) == 2)  # noqa: B023
        assert len(seen.events) == 2

    run(main())


def test_an_event_of_a_shared_inbox_is_handled_by_a_receiver_of_its_scope(
    tmp_path: Path,
) -> None:
    async def main() -> None:
        by_scope: dict[str, list[str]] = {"one": [], "two": []}
        receivers = {
            scope: make(inbox=SqliteInbox(tmp_path / "inbox.db"), scope=scope) for scope in by_scope
        }

        @receivers["one"].on("ticket/update")
        async def one(event: Any, _: Delivery) -> None:
            by_scope["one"].append(event.event_id)

        @receivers["two"].on("ticket/update")
        async def two(event: Any, _: Delivery) -> None:
            by_scope["two"].append(event.event_id)

        # What one takes while it does not work waits for it, and not for whoever is there.
        async with receivers["one"] as receiver:
            await receiver._worker.stop()  # type: ignore[union-attr]
            assert await post(receiver, signed(event_id="one-first")) == OK
        async with receivers["two"] as there:
            for n in range(10):
                assert await post(there, signed(event_id=f"two-{n}")) == OK
            async with receivers["one"] as here:
                for n in range(10):
                    assert await post(here, signed(event_id=f"one-{n}")) == OK
                await here.idle()
                await there.idle()
        assert sorted(by_scope["one"]) == [*(f"one-{n}" for n in range(10)), "one-first"]
        assert sorted(by_scope["two"]) == [f"two-{n}" for n in range(10)]

    run(main())


def test_a_store_shared_by_processes_is_asked_before_each_event() -> None:
    async def main() -> None:
        store, seen = MemoryDedupe(), Seen()
        async with make(seen, dedupe=store) as one, make(seen, dedupe=store) as two:
            for receiver in (one, two, one):
                assert await post(receiver, signed(event_id="same")) == OK
                await asyncio.sleep(20)
        assert len(seen.events) == 1

    run_virtual(main())


def test_a_store_that_fails_lets_events_through() -> None:
    class Down(MemoryDedupe):
        async def claim(self, key: str, lease: float) -> Any:
            raise OSError

    async def main() -> None:
        seen = Seen()
        async with make(seen, ack="handled", dedupe=Down()) as receiver:
            assert await post(receiver, signed()) == OK
        assert len(seen.events) == 1

    run_virtual(main())


def test_claims_end_and_are_bounded() -> None:
    async def main() -> None:
        store = MemoryDedupe(keep=3)
        first = await store.claim("k", 10)
        assert (await store.claim("k", 10)).state == "busy"
        await store.done("k", "another token", 100)
        await store.release("k", "another token")
        assert (await store.claim("k", 10)).state == "busy"
        await asyncio.sleep(11)
        second = await store.claim("k", 10)
        assert (first.state, second.state) == ("new", "new")
        await store.done("k", second.token, 100)
        assert (await store.claim("k", 10)).state == "done"
        await asyncio.sleep(101)
        assert (await store.claim("k", 10)).state == "new"
        for key in "abc":
            await store.claim(key, 10)
        assert (await store.claim("k", 10)).state == "new"

    run_virtual(main())


async def never_awaited(*_: Any) -> None: ...


@pytest.mark.parametrize("ack", ["queued", "handled"])
def test_whatever_a_handler_raises_is_its_own_affair(
    ack: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Also what is no Exception, as the outcomes of pytest are."""

    class Outcome(BaseException):
        pass

    async def main() -> None:
        seen = Seen()
        receiver = make(ack=ack)

        @receiver.on_any
        async def fails(_: Any, delivery: Delivery) -> None:
            if delivery.attempt == 1:
                raise Outcome("85290000001")

        receiver.on_any(seen.handler)
        async with receiver:
            assert await post(receiver, signed()) == OK
            await asyncio.sleep(10)
        assert [each.attempt for each in seen.deliveries] == ([1] if ack == "handled" else [1, 2])

    run_virtual(main())
    assert "Outcome at test_receiver.py" in caplog.text
    assert "85290000001" not in caplog.text


def test_what_cannot_work_is_said_at_once() -> None:
    auth = OmnichatSignature(SECRET)
    wrong: tuple[dict[str, Any], ...] = (
        {"ack": "stored"},
        {"ack": "queued", "inbox": MemoryInbox()},
        {"ack": "whenever"},
        {"verify_token": ""},
        {"on_error": never_awaited},
        {"hooks": (print, never_awaited)},
    )
    for options in wrong:
        with pytest.raises(ConfigurationError):
            Receiver(auth, **options)
    with pytest.raises(ValueError, match="max_body"):
        Limits(max_body=0)
    with pytest.raises(ConfigurationError, match="MemoryInbox"):
        SqliteInbox(":memory:")
    for status in (200, 202, 399, 600, None, "503"):
        with pytest.raises(ValueError, match="from 400 to 599"):
            RejectWebhook(status)  # type: ignore[arg-type]
    no_bytes: tuple[Any, ...] = ("{}", None, {})
    for body in no_bytes:
        with pytest.raises(TypeError, match="raw bytes"):
            WebhookRequest(method="POST", body=body)

    async def main() -> None:
        with pytest.raises(ConfigurationError, match="start the receiver"):
            await make().handle(signed())
        async with make() as receiver:
            with pytest.raises(ConfigurationError, match="runs already"):
                await receiver.start()

    run_virtual(main())


def test_an_odd_item_reaches_on_unknown_and_its_neighbours_theirs() -> None:
    async def main() -> None:
        seen = Seen()
        async with make(seen) as receiver:
            body = whatsapp_body(whatsapp_message(id="a"), whatsapp_message(id="b"))
            body["entry"][0]["changes"][0]["value"]["messages"].insert(1, "junk")
            assert await post(receiver, signed(body)) == OK
            await until(lambda: len(seen.events) == 3)
        assert sum(isinstance(event, UnknownEvent) for event in seen.events) == 1

    run_virtual(main())


# ---- replay_guard ------------------------------------------------------------------------------


@pytest.mark.parametrize("ack", ["queued", "handled"])
def test_an_equal_body_under_another_id_and_topic_is_a_replay_for_a_day(ack: Any) -> None:
    async def main() -> None:
        seen = Seen()
        body = event_data("customer/channel_subscribe")

        async def send(receiver: Receiver, event_id: str, topic: str) -> None:
            assert await post(receiver, signed(body, event_id=event_id, topic=topic)) == OK
            await asyncio.sleep(10)

        async with make(seen, ack=ack, replay_guard="body") as receiver:
            await send(receiver, "e1", "customer/channel_subscribe")
            await send(receiver, "e2", "customer/channel_subscribe")
            await send(receiver, "e3", "customer/channel_unsubscribe")
            assert len(seen.events) == 1
            assert await post(receiver, signed()) == OK  # another body
            await asyncio.sleep(23 * 3600)
            await send(receiver, "e4", "customer/channel_subscribe")
            assert len(seen.events) == 2
            await asyncio.sleep(3600)
            await send(receiver, "e5", "customer/channel_subscribe")
            assert len(seen.events) == 3
        assert receiver.health.failed == 0

    run_virtual(main(), limit_s=200_000)


def test_without_the_guard_equal_bodies_are_events_of_their_own() -> None:
    async def main() -> None:
        seen = Seen()
        async with make(seen) as receiver:
            for event_id in ("e1", "e2"):
                assert await post(receiver, signed(event_id=event_id)) == OK
            await until(lambda: len(seen.events) == 2)
        with pytest.raises(ConfigurationError, match="replay_guard"):
            make(replay_guard="header")

    run_virtual(main())


def test_twenty_replays_at_once_are_handled_once() -> None:
    async def main() -> None:
        seen = Seen()
        async with make(seen, replay_guard="body", dedupe=MemoryDedupe()) as receiver:
            replays = [post(receiver, signed(event_id=f"e{n}")) for n in range(20)]
            assert await asyncio.gather(*replays) == [OK] * 20
            await asyncio.sleep(100)
        assert len(seen.events) == 1

    run_virtual(main())


def test_a_body_that_was_not_taken_may_come_again() -> None:
    async def main() -> None:
        seen = Seen()
        gate = asyncio.Event()

        class Full(MemoryInbox):
            async def put(self, records: Any, *, dead: str | None = None) -> int:
                if not gate.is_set():
                    await asyncio.sleep(1)
                    raise OSError
                return await super().put(records, dead=dead)

        inbox = Full(clock=lambda: asyncio.get_running_loop().time())
        async with make(seen, inbox=inbox, replay_guard="body") as receiver:
            first = asyncio.create_task(post(receiver, signed(event_id="e1")))
            await asyncio.sleep(0.5)
            second = asyncio.create_task(post(receiver, signed(event_id="e2")))
            assert await first == (503, b"")
            gate.set()  # the second has waited for what becomes of the first
            assert await second == OK
            await until(lambda: seen.events)

    run_virtual(main())


def test_a_body_that_is_taken_for_too_long_is_refused_meanwhile() -> None:
    async def main() -> None:
        gate = asyncio.Event()

        class Slow(MemoryInbox):
            async def put(self, records: Any, *, dead: str | None = None) -> int:
                await gate.wait()
                return await super().put(records, dead=dead)

        inbox = Slow(clock=lambda: asyncio.get_running_loop().time())
        async with make(inbox=inbox, replay_guard="body") as receiver:
            first = asyncio.create_task(post(receiver, signed(event_id="e1")))
            await asyncio.sleep(0.5)
            assert await post(receiver, signed(event_id="e2")) == (503, b"")
            gate.set()
            assert await first == OK

    run_virtual(main())
