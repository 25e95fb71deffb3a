"""What becomes of a call: repeated or not, in time or not, told to whom, and decoded as what."""

from __future__ import annotations

import asyncio
import contextlib
import math
from email.utils import formatdate
from typing import TYPE_CHECKING, Any

import aiohttp
import attrs
import pytest

from omnichat_async import (
    APIError,
    BadRequest,
    DecodeError,
    NotFound,
    NotSent,
    OmnichatError,
    OutcomeUnknown,
    PermissionDenied,
    RateLimited,
    RateLimiter,
    RetryPolicy,
    ServerError,
    Unauthorized,
    events,
)
from omnichat_async.calls import NOTHING, Page, one, page_of
from omnichat_async.errors import ContactUnsubscribed, MarketingMessagesLiteNotEnabled
from omnichat_async.events import AttemptStarted, Finished, Retrying, Throttled
from omnichat_async.models.messages import Message
from omnichat_async.transport import Transport
from tests.support.calls import (
    ONCE,
    READ,
    REPEATABLE,
    TOKEN,
    execute,
    failure_of,
    quick_client,
    served,
)
from tests.support.leftovers import leftovers
from tests.support.run import run
from tests.support.wire import (
    Exchange,
    HostileServer,
    Reply,
    Request,
    drop,
    garbage,
    refused_url,
    reply,
    silent,
    truncated,
    unresolvable_url,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from omnichat_async import OmnichatClient
    from omnichat_async.calls import Answer, Call
    from omnichat_async.events import Event

ALL = pytest.mark.parametrize("call", [READ, REPEATABLE, ONCE], ids=lambda call: call.safety.value)
HARMLESS = pytest.mark.parametrize("call", [READ, REPEATABLE], ids=lambda call: call.safety.value)
OK = reply(body={"ok": True})
NOW = formatdate(1_800_000_000, usegmt=True)


def refused(**headers: str) -> Reply:
    return reply(429, b"", {name.replace("_", "-"): value for name, value in headers.items()})


async def until(reached: Callable[[], bool]) -> None:
    while not reached():
        await asyncio.sleep(0.001)


# ---- what is repeated --------------------------------------------------------------------------


@ALL
@pytest.mark.parametrize(
    "refusal",
    [
        refused(Retry_After="0"),
        refused(Retry_After="0.01"),
        refused(Retry_After=NOW, Date=NOW),
        refused(Retry_After="Wed, 21 Oct 2015 07:28:00 GMT"),
        reply(429, b"<html>slow down</html>", {"Retry-After": "0"}),
        truncated(429, b"slow"),
    ],
    ids=["seconds", "fraction", "a date now", "a date long past", "HTML", "truncated, no wait"],
)
def test_a_refused_call_is_repeated_whatever_it_does(call: Call[Any], refusal: Reply) -> None:
    async def main() -> None:
        async with served([refusal, OK]) as (server, client):
            assert await execute(client, call) == {"ok": True}
            assert len(server.requests) == client.limiter.stats().granted == 2
            assert client.limiter.stats().refused == 1

    run(main())


def test_refusals_do_not_count_as_attempts_that_failed() -> None:
    async def main() -> None:
        script = [refused(Retry_After="0")] * 20 + [OK]
        async with served(script) as (server, client):
            once = client.with_options(retry=RetryPolicy(max_attempts=1))
            assert await execute(once, ONCE) == {"ok": True}
            assert len(server.requests) == client.limiter.stats().granted == 21

    run(main())


@ALL
@pytest.mark.parametrize("url", [refused_url, unresolvable_url])
def test_what_was_never_sent_is_tried_again(call: Call[Any], url: Callable[[], str]) -> None:
    async def main() -> None:
        async with quick_client(url()) as client:
            error = await failure_of(client, call)
            assert isinstance(error, NotSent)
            assert (error.call, error.attempts) == (call, 5)
            assert "no connection" in error.reason
            assert client.limiter.stats().granted == 5

    run(main())


@ALL
def test_a_server_that_comes_up_late_gets_the_call_once(call: Call[Any]) -> None:
    async def main() -> None:
        async with quick_client(refused_url()) as client:
            patient = client.with_options(retry=RetryPolicy(max_attempts=1000, base=0.01, cap=0.01))
            task = asyncio.create_task(execute(patient, call))
            await until(lambda: client.limiter.stats().granted > 2)
            async with HostileServer([OK]) as server:
                client._transport.base_url = server.url
                assert await task == {"ok": True}
                assert len(server.requests) == 1

    run(main())


FAILURES = {
    "500": reply(500, {"errorCode": "INTERNAL_SERVER_ERROR", "message": "m"}),
    "502": reply(502, b"<html>Bad Gateway</html>"),
    "503": reply(503),
    "504": reply(504, b"null"),
    "408": reply(408),
    "OCE": reply(500, {"message": "OCE::INTERNAL_SERVER_ERROR::m"}),
    "reset": drop(),
    "end": drop(reset=False),
    "truncated": truncated(200, {"ok": True}),
    "truncated 503": truncated(503, b"x"),
    "garbage": garbage(),
    "no HTTP": garbage(b"HTTP/1.1 200 OK\r\nContent-Length: nonsense\r\n\r\n"),
}
BY_NAME = pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES)


@HARMLESS
@BY_NAME
def test_a_harmless_call_is_repeated_until_it_works(call: Call[Any], failure: Reply) -> None:
    async def main() -> None:
        script = [failure, failure, failure, OK]
        async with served(script) as (server, client):
            assert await execute(client, call) == {"ok": True}
            assert len(server.requests) == client.limiter.stats().granted == 4

    run(main())


@HARMLESS
@BY_NAME
def test_a_harmless_call_is_not_repeated_for_ever(call: Call[Any], failure: Reply) -> None:
    async def main() -> None:
        async with served([failure]) as (server, client):
            error = await failure_of(client, call)
            assert isinstance(error, APIError | OutcomeUnknown)
            assert (error.call, error.attempts) == (call, 5)
            if isinstance(error, OutcomeUnknown):
                assert error.safe_to_repeat
            assert len(server.requests) == client.limiter.stats().granted == 5

    run(main())


@BY_NAME
def test_a_call_with_an_effect_is_not_repeated(failure: Reply) -> None:
    async def main() -> None:
        async with served([failure, OK]) as (server, client):
            error = await failure_of(client, ONCE)
            assert isinstance(error, OutcomeUnknown)
            assert (error.call, error.attempts, error.safe_to_repeat) == (ONCE, 1, False)
            assert len(server.requests) == client.limiter.stats().granted == 1

    run(main())


def test_what_arrived_of_an_answer_is_on_the_error() -> None:
    async def main() -> None:
        async with served() as (server, client):
            server.script = [reply(502, b"<html>", {"X-Omnichat-Arkham-Trace-Id": "t-1"})]
            error = await failure_of(client, ONCE)
            assert isinstance(error, OutcomeUnknown)
            assert (error.status, error.body) == (502, b"<html>")
            assert isinstance(error.__cause__, ServerError)
            assert error.__cause__.trace_id == "t-1"
            server.script = [truncated(200, b'{"id": 1')]
            error = await failure_of(client, ONCE)
            assert isinstance(error, OutcomeUnknown)
            assert (error.status, error.body, error.__cause__) == (200, b'{"id": 1', None)

    run(main())


@ALL
@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (reply(400, {"errorCode": "INVALID_REQUEST_BODY", "message": "m"}), BadRequest),
        (reply(401), Unauthorized),
        (reply(403, b"<html>"), PermissionDenied),
        (reply(404, {}), NotFound),
        (reply(400, {"message": "OCE::BAD_REQUEST::Unauthenticated access token"}), Unauthorized),
        (reply(400, {"message": "OCE::BAD_REQUEST::Channel not found: 9"}), NotFound),
        (reply(500, {"content": {"code": "CONTACT_UNSUBSCRIBED"}}), ContactUnsubscribed),
        (
            reply(500, {"content": {"code": "MARKETING_MESSAGES_LITE_NOT_ENABLED"}}),
            MarketingMessagesLiteNotEnabled,
        ),
        (reply(501), ServerError),
        (truncated(400, b"{"), BadRequest),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else value.name,
)
def test_a_refusal_that_repeating_cannot_mend_is_raised_as_what_it_is(
    call: Call[Any], answer: Reply, kind: type[APIError]
) -> None:
    async def main() -> None:
        async with served([answer, OK]) as (server, client):
            error = await failure_of(client, call)
            assert type(error) is kind
            assert (error.call, error.attempts) == (call, 1)
            assert error.__cause__ is None
            assert len(server.requests) == client.limiter.stats().granted == 1

    run(main())


def test_an_attempt_that_was_not_sent_does_not_hide_one_that_was() -> None:
    async def main() -> None:
        async with served() as (server, client):

            def go_down(_request: Request) -> Reply:
                assert server._server is not None
                server._server.close()
                return drop()

            server.script = go_down
            error = await failure_of(client, REPEATABLE)
            assert isinstance(error, OutcomeUnknown)
            assert error.attempts == 5
            assert "a broken connection" in error.reason
            assert ", then no connection" in error.reason
            assert len(server.requests) == 1

    run(main())


# ---- one deadline ------------------------------------------------------------------------------


@ALL
def test_a_server_that_never_answers(call: Call[Any]) -> None:
    async def main() -> None:
        async with HostileServer([silent()]) as server:
            async with quick_client(server.url, timeout=0.1) as client:
                error = await failure_of(client, call)
                assert isinstance(error, OutcomeUnknown)
                assert error.reason == "the call's timeout ran out"
                assert (error.attempts, error.safe_to_repeat) == (1, call.repeatable)
            assert len(server.requests) == 1

    run(main())


@ALL
def test_a_wait_beyond_the_deadline_is_told_at_once(call: Call[Any]) -> None:
    async def main() -> None:
        script = [refused(Retry_After="100")]
        async with served(script) as (server, client):
            error = await failure_of(client, call)
            assert isinstance(error, RateLimited)
            assert (error.retry_after, error.attempts) == (100.0, 1)
            endless = _as_if_never_paused(client).with_options(timeout=math.inf)
            server.script = [refused(Retry_After="301")]
            error = await failure_of(endless, call)  # longer than a call ever sleeps
            assert isinstance(error, RateLimited)
            assert (error.retry_after, error.attempts, len(server.requests)) == (301.0, 1, 2)

    run(main())


def _as_if_never_paused(client: OmnichatClient) -> OmnichatClient:
    """Give the client a new limiter."""
    client._session.limiter = RateLimiter(None)
    return client


@ALL
def test_time_that_runs_out_after_a_refusal_is_told_as_the_refusal(call: Call[Any]) -> None:
    async def main() -> None:
        # The next token comes in ten seconds.
        async with served([refused(Retry_After="0"), OK], limiter=RateLimiter(0.1)) as (
            server,
            client,
        ):
            error = await failure_of(client.with_options(timeout=2), call)
            assert isinstance(error, RateLimited)
            assert (error.attempts, len(server.requests)) == (2, 1)

    run(main())


@HARMLESS
def test_a_failing_server_may_ask_for_a_wait_too(call: Call[Any]) -> None:
    async def main() -> None:
        script = [reply(503, headers={"Retry-After": "100"})]
        async with served(script) as (server, client):
            error = await failure_of(client, call)
            assert isinstance(error, ServerError)
            assert (error.retry_after, error.attempts, len(server.requests)) == (100.0, 1, 1)

    run(main())


@ALL
def test_the_queue_of_the_limiter_counts(call: Call[Any]) -> None:
    async def main() -> None:
        limiter = RateLimiter(0.1)  # tokens 10 s apart: none comes while the queue forms
        async with served([OK], limiter=limiter) as (server, client):
            await execute(client, READ)
            tasks = [asyncio.create_task(execute(client, call)) for _ in range(3)]
            await until(lambda: limiter.stats().waiting == 3)
            # Hopeless, so it is refused at once and joins no queue.
            hasty = client.with_options(timeout=2.0)
            error = await failure_of(hasty, call)
            assert isinstance(error, NotSent)
            assert "3 callers wait for the rate limit" in error.reason
            # Not hopeless by the numbers, but its time runs out all the same.
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            error = await failure_of(client.with_options(timeout=0.05), call)
            assert isinstance(error, NotSent)
            assert error.reason == "the call's timeout ran out"
            assert len(server.requests) == limiter.stats().granted == 1
            assert limiter.stats().waiting == 0

    run(main())


def test_attempts_and_sleeps_count() -> None:
    async def main() -> None:
        policy = RetryPolicy(max_attempts=10_000, base=0.02, cap=0.02)
        async with served([reply(503)]) as (server, client):
            error = await failure_of(client.with_options(timeout=0.3, retry=policy), READ)
            assert isinstance(error, ServerError | OutcomeUnknown)
            assert error.attempts == client.limiter.stats().granted
            assert 1 < error.attempts < 10_000
            assert 0 <= error.attempts - len(server.requests) <= 1  # the last may be cut off

    run(main())


# ---- cancellation ------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def cancelled(
    client: OmnichatClient, server: HostileServer, call: Call[Any], reached: Awaitable[object]
) -> AsyncIterator[None]:
    """Cancel `call` where `reached` says; nothing may be left, and the client must still work."""
    before = leftovers()
    task = asyncio.create_task(execute(client, call))
    await reached
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    yield
    await asyncio.sleep(0)  # a cancelled dispatcher takes one turn to end
    assert leftovers() - before <= set(server._handlers)
    aiohttp_session = client._transport._session
    assert aiohttp_session is not None
    connector: Any = aiohttp_session.connector
    assert not connector._acquired
    assert client.limiter.stats().waiting == 0
    server.script = [OK]
    sent = len(server.requests)
    assert await execute(client, call) == {"ok": True}
    assert len(server.requests) == sent + 1


@ALL
def test_cancelled_in_the_queue(call: Call[Any]) -> None:
    async def main() -> None:
        # The next token comes in 20 seconds: a machine that has no time for this process for a
        # moment must not make the call in the queue one that was sent.
        limiter = RateLimiter(0.05)
        async with served([OK], limiter=limiter) as (server, client):
            await execute(client, call)
            queued = until(lambda: limiter.stats().waiting == 1)
            async with cancelled(client, server, call, queued):
                assert len(server.requests) == limiter.stats().granted == 1
                assert limiter.stats().waiting == 0
                _as_if_never_paused(client)

    run(main())


@ALL
def test_cancelled_while_waiting_for_a_place_in_flight(call: Call[Any]) -> None:
    async def main() -> None:
        async with served([silent()], max_in_flight=1) as (server, client):
            first = asyncio.create_task(execute(client, call))
            await server.wait_for_requests(1)
            async with cancelled(client, server, call, asyncio.sleep(0)):
                first.cancel()
                await asyncio.wait([first])
                assert len(server.requests) == 1

    run(main())


@ALL
def test_cancelled_while_connecting(call: Call[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        entered = asyncio.Event()

        async def never(*_: object) -> None:
            entered.set()
            await asyncio.Event().wait()

        async with served([OK]) as (server, client):
            monkeypatch.setattr(aiohttp.TCPConnector, "_create_connection", never)
            async with cancelled(client, server, call, entered.wait()):
                monkeypatch.undo()
                assert server.requests == []

    run(main())


@ALL
def test_cancelled_while_waiting_for_the_answer(call: Call[Any]) -> None:
    async def main() -> None:
        async with (
            served([silent()]) as (server, client),
            cancelled(client, server, call, server.wait_for_requests(1)),
        ):
            await asyncio.gather(*server._handlers)  # silent() ends when the client is gone

    run(main())


@ALL
def test_cancelled_while_reading_the_body(call: Call[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        reading = asyncio.Event()
        read = Transport._read

        async def spy(self: Transport, *args: Any) -> Any:
            reading.set()
            return await read(self, *args)

        async def half(exchange: Exchange) -> bool:
            await exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
            return await silent().act(exchange)

        monkeypatch.setattr(Transport, "_read", spy)
        async with (
            served([Reply("half", half)]) as (server, client),
            cancelled(client, server, call, reading.wait()),
        ):
            await asyncio.gather(*server._handlers)

    run(main())


@ALL
def test_cancelled_while_backing_off(call: Call[Any]) -> None:
    async def main() -> None:
        events: list[Event] = []
        async with served([refused(Retry_After="20")], hooks=[events.append]) as (server, client):
            throttled = until(lambda: any(isinstance(each, Throttled) for each in events))
            async with cancelled(client, server, call, throttled):
                assert isinstance(events[-1], Finished)
                assert events[-1].error == "CancelledError"
                # A wait that long is an order to everybody, and not the subject here.
                _as_if_never_paused(client)

    run(main())


# ---- decoding ----------------------------------------------------------------------------------


@ALL
@pytest.mark.parametrize(
    ("body", "answer", "found"),
    [
        (b"<html>hello</html>", None, "something else"),
        (b"\xff\xfe", None, "something else"),
        (b'{"a": 1', None, "something else"),
        (b"<html>hello</html>", one(Message), "something else"),
        (b"", one(Message), "an empty body"),
        (b"", page_of(Message), "an empty body"),
        (b'{"content": {}}', page_of(Message), "an object"),
        (b'{"content": "text"}', one(Message), "a string"),
    ],
)
def test_an_answer_that_cannot_be_read(
    call: Call[Any], body: bytes, answer: Answer[Any] | None, found: str
) -> None:
    async def main() -> None:
        asked = call if answer is None else attrs.evolve(call, answer=answer)
        async with served([reply(body=body)]) as (server, client):
            error = await failure_of(client, asked)
            assert isinstance(error, DecodeError)
            assert (error.call, error.status, error.body) == (asked, 200, body)
            assert error.found == found
            assert str(error).startswith(f"{call.label}: ")
            assert len(server.requests) == 1  # it did arrive

    run(main())


@pytest.mark.parametrize(
    ("answer", "wanted", "result"),
    [
        (reply(204), None, None),
        (reply(), None, None),
        (reply(body=b"null"), None, None),
        (reply(body=[1]), None, [1]),
        (reply(204), NOTHING, None),
        (reply(body=b"<html>done</html>"), NOTHING, None),
        (reply(201, {"id": 1}), NOTHING, None),
    ],
)
def test_an_answer_that_may_be_empty(
    answer: Reply, wanted: Answer[Any] | None, result: object
) -> None:
    async def main() -> None:
        call = READ if wanted is None else attrs.evolve(READ, answer=wanted)
        async with served([answer]) as (_, client):
            assert await execute(client, call) == result

    run(main())


def test_a_page_and_a_model() -> None:
    async def main() -> None:
        row = {"id": "m-1", "new": 1}
        async with served([reply(body={"content": [row], "total": 1})]) as (_, client):
            page = await execute(client, attrs.evolve(READ, answer=page_of(Message)))
            assert isinstance(page, Page)
            assert (len(page), page.rejected) == (1, {})

    run(main())


@pytest.mark.parametrize("given", [False, True])
def test_the_headless_api_has_a_scheme_of_its_own(given: bool) -> None:
    async def main() -> None:
        headless = attrs.evolve(ONCE, path="/whatsapp/headless-api/messages")
        async with contextlib.AsyncExitStack() as stack:
            session = await stack.enter_async_context(aiohttp.ClientSession()) if given else None
            server = await stack.enter_async_context(HostileServer([OK]))
            basic = quick_client(server.url, headless_auth="Basic", session=session)
            async with basic as client:
                await execute(client, headless)
                await execute(client, READ)
            async with quick_client(server.url, session=session) as client:
                await execute(client, headless)
        schemes = [request.headers["authorization"] for request in server.requests]
        assert schemes == [f"Basic {TOKEN}", f"Bearer {TOKEN}", f"Bearer {TOKEN}"]

    run(main())


def test_the_headers_of_an_answer_are_found_however_they_are_spelled() -> None:
    async def main() -> None:
        sent = {"X-Omnichat-Arkham-Trace-Id": "t1", "RETRY-AFTER": "2.5", "X-Two": "b"}
        async with served([reply(503, {"errorCode": "X"}, sent)]) as (_, client):
            error = await failure_of(client, ONCE)
        assert isinstance(error, OutcomeUnknown)
        answer = error.__cause__
        assert isinstance(answer, ServerError)
        assert (answer.trace_id, answer.retry_after) == ("t1", 2.5)
        assert type(answer.headers) is dict
        assert {name.lower() for name in sent} < answer.headers.keys()
        assert all(name == name.lower() for name in answer.headers)

    run(main())


# ---- hooks -------------------------------------------------------------------------------------

PUT = "PUT /contacts/line"


def test_hooks_are_told_everything_in_order() -> None:
    async def main() -> list[Event]:
        events: list[Event] = []
        also: list[Event] = []
        script = [refused(Retry_After="0.001"), reply(503), drop(reset=False), OK]
        async with served(script, hooks=[events.append, also.append]) as (_, client):
            await execute(client, REPEATABLE)
        assert also == events
        return events

    told = [each for each in run(main()) if not isinstance(each, AttemptStarted)]
    throttled, failed, lost, finished = told
    assert isinstance(throttled, Throttled)
    assert (throttled.call, throttled.attempt) == (PUT, 1)
    assert 0.001 <= throttled.wait <= 0.0011
    assert isinstance(failed, Retrying)
    assert (failed.call, failed.attempt, failed.reason) == (PUT, 2, "HTTP 503")
    assert 0 <= failed.wait <= 0.002
    assert isinstance(lost, Retrying)
    assert (lost.attempt, lost.reason) == (3, "a broken connection (ServerDisconnectedError)")
    assert isinstance(finished, Finished)
    assert attrs.evolve(finished, seconds=0.0) == Finished(
        call=PUT, attempts=4, seconds=0.0, status=200, error=None
    )
    assert finished.seconds > 0


def test_hooks_hear_of_each_attempt_before_what_became_of_it() -> None:
    async def main() -> list[Event]:
        events: list[Event] = []
        async with served([reply(503), reply(503), OK], hooks=[events.append]) as (_, client):
            await execute(client, READ)
        return events

    events = run(main())
    kinds = [AttemptStarted, Retrying, AttemptStarted, Retrying, AttemptStarted, Finished]
    assert [type(each) for each in events] == kinds
    started = [each for each in events if isinstance(each, AttemptStarted)]
    assert [(each.call, each.attempt) for each in started] == [
        ("GET /messages", number) for number in (1, 2, 3)
    ]
    assert all(each.waited >= 0 for each in started)


def test_hooks_hear_how_long_the_limit_held_a_request_back() -> None:
    async def main() -> list[Event]:
        events: list[Event] = []
        limiter = RateLimiter(10)
        async with served([OK], limiter=limiter, hooks=[events.append]) as (_, client):
            await asyncio.gather(*(execute(client, READ) for _ in range(3)))
        return events

    waits = sorted(each.waited for each in run(main()) if isinstance(each, AttemptStarted))
    assert 0.0 <= waits[0] < waits[1] < waits[2]
    assert waits[2] > 0.1


@pytest.mark.parametrize(
    ("answer", "status", "error"),
    [
        (reply(404), 404, "NotFound"),
        (reply(502), 502, "OutcomeUnknown"),
        (drop(), None, "OutcomeUnknown"),
        (reply(200, b"<html>"), 200, "DecodeError"),
        (refused(Retry_After="1000"), 429, "RateLimited"),
    ],
    ids=str,
)
def test_hooks_hear_how_a_call_ended(answer: Reply, status: int | None, error: str) -> None:
    async def main() -> None:
        events: list[Event] = []
        async with served([answer], hooks=[events.append]) as (_, client):
            await failure_of(client, ONCE)
        started, finished = events
        assert isinstance(started, AttemptStarted)
        assert isinstance(finished, Finished)
        assert (finished.attempts, finished.status, finished.error) == (1, status, error)

    run(main())


def test_the_status_of_an_earlier_attempt_is_not_taken_for_the_last() -> None:
    async def main() -> None:
        events: list[Event] = []
        async with served([reply(503), drop()], hooks=[events.append]) as (_, client):
            await failure_of(client, READ)
        finished = events[-1]
        assert isinstance(finished, Finished)
        assert (finished.attempts, finished.status) == (5, None)

    run(main())


def test_a_hook_that_raises_breaks_nothing(caplog: pytest.LogCaptureFixture) -> None:
    def broken(event: Event) -> None:
        raise LookupError(type(event).__name__)

    async def main() -> None:
        events: list[Event] = []
        script = [refused(Retry_After="0"), reply(503), OK]
        async with served(script, hooks=[broken, events.append]) as (_, client):
            assert await execute(client, READ) == {"ok": True}
        assert len(events) == 6

    run(main())
    told = [record for record in caplog.records if record.exc_info]
    assert {record.name for record in told} == {"omnichat_async"}
    assert len(told) == 6


def test_nothing_is_computed_for_hooks_that_are_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    def boom(**_: object) -> None:
        raise AssertionError("an event for nobody")

    for name in ("AttemptStarted", "Throttled", "Retrying", "Finished"):
        monkeypatch.setattr(events, name, boom)

    async def main() -> None:
        script = [refused(Retry_After="0"), reply(503), OK]
        async with served(script) as (server, client):
            assert await execute(client, READ) == {"ok": True}
            server.script = [drop()]
            with pytest.raises(OmnichatError):
                await execute(client, ONCE)

    run(main())
