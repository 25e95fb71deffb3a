"""One request, sent once: nothing leaves unpaid, and nothing is sent behind our back."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import gzip
import math
import time
import warnings
import zlib
from typing import TYPE_CHECKING, Any

import aiohttp
import attrs
import pytest
from aiohttp.client_reqrep import ConnectionKey

from omnichat_async import (
    APIError,
    BadRequest,
    ConfigurationError,
    DecodeError,
    NotSent,
    OmnichatError,
    OutcomeUnknown,
    RateLimited,
    RateLimiter,
    transport,
)
from omnichat_async.calls import NOTHING
from omnichat_async.classify import Failure, Phase
from omnichat_async.session import Options
from omnichat_async.transport import Attempt, Latency
from tests.support.calls import (
    ONCE,
    READ,
    REPEATABLE,
    TOKEN,
    execute,
    failure_of,
    quick_client,
    served,
    slow_opening,
)
from tests.support.clock import VirtualLoop, run_virtual
from tests.support.run import run
from tests.support.wire import (
    HostileServer,
    Reply,
    Request,
    drip,
    drop,
    drop_before_reading,
    drop_when_reused,
    garbage,
    reply,
    silent,
    slow,
    then_close,
    truncated,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from omnichat_async import OmnichatClient
    from omnichat_async.calls import Call

ALL = pytest.mark.parametrize("call", [READ, REPEATABLE, ONCE], ids=lambda call: call.safety.value)
OK = reply(body={"ok": True})


def pool(client: OmnichatClient) -> Any:
    """The connector of a client's own session."""
    session = client._transport._session
    assert session is not None
    return session.connector


def granted(client: OmnichatClient) -> int:
    return client.limiter.stats().granted


# ---- aiohttp's hidden resend -------------------------------------------------------------------


@pytest.mark.parametrize("reset", [True, False])
def test_a_once_put_dropped_on_a_reused_connection_arrives_once(reset: bool) -> None:
    async def main() -> None:
        script = [drop_when_reused(OK, reset=reset)]
        async with served(script) as (server, client):
            assert await execute(client, READ) == {"ok": True}
            error = await failure_of(client, ONCE)
            assert isinstance(error, OutcomeUnknown)
            assert error.reason.startswith("a broken connection")
            assert (error.call, error.attempts, error.safe_to_repeat) == (ONCE, 1, False)
            assert (error.status, error.body) == (None, b"")
            assert [request.method for request in server.requests] == ["GET", "PUT"]
            assert server.requests[1].index == 1  # the connection was indeed reused
            assert granted(client) == 2

    run(main())


@pytest.mark.parametrize("call", [READ, REPEATABLE], ids=lambda call: call.safety.value)
@pytest.mark.parametrize("reset", [True, False])
def test_a_harmless_call_is_resent_by_our_policy_alone(call: Call[Any], reset: bool) -> None:
    async def main() -> None:
        script = [drop_when_reused(OK, reset=reset)]
        async with served(script) as (server, client):
            for _ in range(3):
                assert await execute(client, call) == {"ok": True}
            # 1 answered, then a dropped one and its repetition, then the same again.
            assert len(server.requests) == granted(client) == 5

    run(main())


@ALL
@pytest.mark.parametrize(
    "script",
    [
        [drop_when_reused(OK)],
        [OK, drop(), OK, drop(reset=False), OK],
        [truncated(200, {"ok": True}), OK],
        [garbage(), OK],
        [reply(503), reply(500, b"<html>"), OK],
        [reply(429, headers={"Retry-After": "0"}), OK],
        [reply(200, {"ok": True}, keep_alive=False)],
        [reply(429, headers={"Retry-After": "0.001"}), drop_when_reused(OK), reply(502), drop()],
    ],
    ids=lambda script: ", ".join(each.name for each in script),
)
def test_every_request_at_the_server_was_paid_for(call: Call[Any], script: list[Reply]) -> None:
    async def main() -> None:
        async with served(script) as (server, client):
            for _ in range(4):
                with contextlib.suppress(OutcomeUnknown, APIError):
                    await execute(client, call)
            assert len(server.requests) == granted(client)
            assert not pool(client)._acquired

    run(main())


def test_a_connection_closed_while_idle_is_not_used_again() -> None:
    async def main() -> None:
        async with served([then_close(OK)]) as (server, client):
            for _ in range(4):
                assert await execute(client, ONCE) == {"ok": True}
                while pool(client)._conns and not _seen_to_be_closed(client):
                    await asyncio.sleep(0.001)
            assert server.connections == len(server.requests) == granted(client) == 4

    run(main())


def _seen_to_be_closed(client: OmnichatClient) -> bool:
    idle = [protocol for each in pool(client)._conns.values() for protocol, _ in each]
    return not any(protocol.is_connected() for protocol in idle)


def test_a_connection_reset_before_the_request_was_read_is_paid_for_too() -> None:
    async def main() -> None:
        script = [drop_before_reading(), drop_before_reading(), OK]
        async with served(script) as (server, client):
            await execute(client, READ)
            assert (len(server.requests), server.aborted, granted(client)) == (1, 2, 3)
            server.script = [drop_before_reading(), OK]
            # Nobody read it, but the client cannot know that.
            assert isinstance(await failure_of(client, ONCE), OutcomeUnknown)
            assert (len(server.requests), granted(client)) == (1, 4)

    run(main())


def test_many_calls_at_once_over_a_server_that_drops_at_random() -> None:
    async def main() -> None:
        def every_third(request: Request) -> Reply:
            return drop() if len(server.requests) % 3 == 0 else OK

        async with served(every_third) as (server, client):
            calls = [READ, ONCE, REPEATABLE] * 20
            outcomes = await asyncio.gather(
                *(execute(client, call) for call in calls), return_exceptions=True
            )
            unknown = [each for each in outcomes if isinstance(each, OutcomeUnknown)]
            sent_once = sum(request.target.endswith("adjust") for request in server.requests)
            assert sent_once == 20
            assert all(error.call is ONCE for error in unknown)
            assert outcomes.count({"ok": True}) == 60 - len(unknown)
            assert len(server.requests) == granted(client)

    run(main())


# ---- permits that outlive the opening of a connection ------------------------------------------


@ALL
def test_a_permit_that_went_stale_while_connecting_is_paid_again(
    call: Call[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    slow_opening(monkeypatch, 0.3)

    async def main() -> None:
        # A permit is good for longer than a busy machine keeps a call waiting.
        limiter = RateLimiter(1000, jitter=0.25)
        async with served([OK], limiter=limiter) as (server, client):
            for number in (1, 2, 3):
                await execute(client, call)
                stats = limiter.stats()
                # Only the first call opened a connection.
                assert (stats.granted, stats.voided) == (number, 1)
            assert server.connections == 1
            await asyncio.gather(*(execute(client, call) for _ in range(8)))
            stats = limiter.stats()
            assert stats.granted == len(server.requests) == 11
            assert stats.voided == server.connections

    run(main())


def test_a_quick_connection_and_a_limiter_without_a_limit_void_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def main(limiter: RateLimiter) -> None:
        async with served([OK], limiter=limiter) as (_, client):
            await asyncio.gather(*(execute(client, READ) for _ in range(5)))
            assert (limiter.stats().voided, limiter.stats().granted) == (0, 5)

    run(main(RateLimiter(1000, jitter=1.0)))  # a permit is good for a second
    slow_opening(monkeypatch)
    run(main(RateLimiter(None)))


def test_a_call_cancelled_while_it_pays_again_gives_its_connection_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    slow_opening(monkeypatch)

    async def main() -> None:
        limiter = RateLimiter(2)  # half a second between two permits
        async with served([OK], limiter=limiter) as (server, client):
            task = asyncio.create_task(execute(client, ONCE))
            while limiter.stats().waiting == 0:
                await asyncio.sleep(0.001)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert (limiter.stats().granted, limiter.stats().waiting) == (0, 0)
            assert not pool(client)._acquired
            await execute(client, ONCE)
            assert server.connections == 1  # the one that was given back
            assert len(server.requests) == 1

    run(main())


@ALL
def test_a_connection_lost_while_paying_again_is_not_written_to(
    call: Call[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    slow_opening(monkeypatch)

    async def main() -> None:
        limiter = RateLimiter(4)
        async with served([OK], limiter=limiter) as (server, client):
            task = asyncio.create_task(execute(client, call))
            while limiter.stats().waiting == 0:
                await asyncio.sleep(0.001)
            server._writers[0].transport.abort()
            assert await task == {"ok": True}  # a ONCE call too: nothing of it had been sent
            assert (len(server.requests), server.connections) == (1, 2)
            assert not pool(client)._acquired

    run(main())


# ---- what a failure means ----------------------------------------------------------------------

KEY = ConnectionKey("h", 443, True, True, None, None, None)
REFUSED = OSError(111, "Connection refused")


@pytest.mark.parametrize(
    ("error", "sent", "phase", "transient", "reason"),
    [
        (
            aiohttp.ClientConnectorCertificateError(KEY, Exception("self-signed")),
            False,
            Phase.NOT_SENT,
            False,
            "no trusted connection (ClientConnectorCertificateError)",
        ),
        (
            aiohttp.ServerFingerprintMismatch(b"a", b"b", "h", 443),
            False,
            Phase.NOT_SENT,
            False,
            "no trusted connection (ServerFingerprintMismatch)",
        ),
        (
            aiohttp.ClientConnectorError(KEY, REFUSED),
            True,  # a given session's connector does not tell us when it is about to send
            Phase.NOT_SENT,
            True,
            "no connection (ClientConnectorError: Connection refused)",
        ),
        (
            aiohttp.ConnectionTimeoutError("https://h/v1/contacts?phone=1"),
            False,
            Phase.NOT_SENT,
            True,
            "no connection (ConnectionTimeoutError)",
        ),
        (
            aiohttp.SocketTimeoutError("x"),  # in a given session
            True,
            Phase.UNKNOWN,
            True,
            "30 s of silence",
        ),
        (
            aiohttp.ServerDisconnectedError(),
            True,
            Phase.UNKNOWN,
            True,
            "a broken connection (ServerDisconnectedError)",
        ),
        (
            aiohttp.ClientConnectionError("Connector is closed."),
            False,
            Phase.NOT_SENT,
            True,
            "a broken connection (ClientConnectionError)",
        ),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_a_failure_is_judged_by_how_far_the_request_got(
    error: Exception, sent: bool, phase: Phase, transient: bool, reason: str
) -> None:
    attempt = Attempt(RateLimiter(None), lane="interactive", now=time.monotonic, check=list)
    attempt.sent = sent
    failure = attempt.failure(error)
    assert isinstance(failure, Failure)
    assert (failure.phase, failure.transient, failure.reason) == (phase, transient, reason)


@ALL
def test_silence_ends_an_attempt(call: Call[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "READ_S", 0.05)

    async def main() -> None:
        async with served([silent(), OK]) as (server, client):
            if call.repeatable:
                assert await execute(client, call) == {"ok": True}
            else:
                error = await failure_of(client, call)
                assert isinstance(error, OutcomeUnknown)
                assert error.reason == "0.05 s of silence"
            assert len(server.requests) == granted(client) == (2 if call.repeatable else 1)

    run(main())


def test_silence_ends_an_attempt_over_a_given_session_and_without_a_timeout(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(transport, "READ_S", 0.05)

    async def main() -> None:
        async with HostileServer([silent(), OK]) as server, aiohttp.ClientSession() as session:
            client = quick_client(server.url, session=session)
            forever = Options(timeout=None, retry=client._options.retry)
            assert await client._session.execute(READ, forever) == {"ok": True}
            assert len(server.requests) == 2

    run(main())


def test_an_answer_that_comes_in_pieces_is_not_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "READ_S", 0.2)

    async def main() -> None:
        script = [drip(body={"ok": True}, chunk=2, delay=0.05)]  # 0.3 s in all
        async with served(script) as (server, client):
            assert await execute(client, READ) == {"ok": True}
            assert len(server.requests) == 1

    run(main())


@pytest.mark.parametrize("given", [False, True])
def test_an_answer_that_stops_halfway_still_has_its_status(
    *, given: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "READ_S", 0.3)
    halfway = {"content-type": "application/json", "content-length": "100"}
    refused = reply(429, b"{", {**halfway, "retry-after": "0"})
    wrong = reply(400, b"{", halfway)

    async def main() -> None:
        async with contextlib.AsyncExitStack() as stack:
            server = await stack.enter_async_context(HostileServer([refused, wrong]))
            session = await stack.enter_async_context(aiohttp.ClientSession()) if given else None
            client = await stack.enter_async_context(quick_client(server.url, session=session))
            assert isinstance(await failure_of(client, ONCE), BadRequest)
            assert len(server.requests) == 2  # the refused one was repeated
            assert client.limiter.stats().refused == 1

    run(main())


def test_a_large_body_has_time_to_arrive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "READ_S", 0.05)
    large = attrs.evolve(ONCE, json="x" * transport.SLOWEST_UPLOAD)

    async def main() -> None:
        async with served([slow(0.3, OK)]) as (server, client):
            assert await execute(client, large) == {"ok": True}
            assert len(server.requests) == 1

    run(main())


def test_a_middleware_of_a_given_session_may_take_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "READ_S", 0.3)

    async def patient(
        request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        response = await handler(request)
        await response.read()
        await asyncio.sleep(0.5)
        return await handler(request)

    async def main() -> None:
        async with (
            HostileServer([reply(503), OK]) as server,
            aiohttp.ClientSession(middlewares=(patient,)) as session,
        ):
            client = quick_client(server.url, session=session)
            assert await execute(client, ONCE) == {"ok": True}
            assert len(server.requests) == 2

    run(main())


def test_a_closed_client_of_a_given_session_does_not_wait_forever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(transport, "READ_S", 0.05)

    async def main() -> None:
        async with HostileServer([silent()]) as server, aiohttp.ClientSession() as session:
            client = quick_client(server.url, session=session, timeout=math.inf)
            waiting = asyncio.ensure_future(failure_of(client, ONCE))
            await server.wait_for_requests(1)
            await client.aclose()
            assert isinstance(await waiting, OutcomeUnknown)

    run(main())


class Waiting:
    """An attempt that was sent and waits, watched, until something ends it; on a virtual clock."""

    def __init__(self, watch: transport._Watch, deadline: float = math.inf) -> None:
        self.ended_at: float | None = None
        self.watch = watch
        now = asyncio.get_running_loop().time
        self.attempt = Attempt(
            RateLimiter(None), lane="bulk", now=now, check=list, deadline=deadline
        )

    async def wait(self) -> None:
        try:
            async with self.watch.bound(self.attempt):
                self.attempt.about_to_send()
                await asyncio.get_running_loop().create_future()
        except TimeoutError:
            self.ended_at = asyncio.get_running_loop().time()


def test_each_attempt_has_its_own_silence() -> None:
    async def main() -> tuple[list[float], list[str]]:
        loop = asyncio.get_running_loop()
        watch, start = transport._Watch(loop, heard=True), loop.time()
        quiet, heard, late = waiting = [Waiting(watch) for _ in range(3)]
        tasks = [asyncio.ensure_future(each.wait()) for each in (quiet, heard)]
        await asyncio.sleep(20)
        heard.attempt.heard_at = asyncio.get_running_loop().time()
        tasks.append(asyncio.ensure_future(late.wait()))
        await asyncio.gather(*tasks)
        for each in waiting:
            watch.leave(each.attempt)
        await asyncio.sleep(60)
        assert watch._timer is None  # with nobody left to look after
        ended = [(each.ended_at or 0.0) - start for each in waiting]
        return ended, [each.attempt.out_of_time().reason for each in waiting]

    ended, reasons = run_virtual(main())
    assert ended == pytest.approx([30, 52.5, 52.5])
    assert set(reasons) == {"30 s of silence"}


def test_a_loop_that_stood_still_takes_nothing_for_silence() -> None:
    async def main() -> float:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        watch, start = transport._Watch(loop, heard=True), loop.time()
        one = Waiting(watch)
        task = asyncio.ensure_future(one.wait())
        await asyncio.sleep(1)
        loop._advance(40.0)  # as if a handler had computed for so long
        await asyncio.sleep(0)
        await asyncio.sleep(1)
        assert one.ended_at is None
        one.attempt.heard_at = loop.time()  # what had come in is read
        await task
        watch.leave(one.attempt)
        assert one.ended_at is not None
        return one.ended_at - start

    ended = run_virtual(main())
    assert 71 <= ended < 77


def test_what_came_in_while_the_loop_stood_still_was_heard() -> None:
    async def main() -> float:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        watch, start = transport._Watch(loop, heard=True), loop.time()
        one = Waiting(watch)
        task = asyncio.ensure_future(one.wait())
        await asyncio.sleep(29)
        loop._advance(2.0)  # as if a handler had computed for so long
        for _ in range(2):  # what looks after silence may come before what reads
            await asyncio.sleep(0)
        one.attempt.heard_at = loop.time()
        await task
        watch.leave(one.attempt)
        assert one.ended_at is not None
        return one.ended_at - start

    assert run_virtual(main()) >= 61


@pytest.mark.parametrize("before", [0.0, 1.0], ids=["first", "while one looks already"])
def test_a_deadline_is_kept_to_the_moment(before: float) -> None:
    seconds = [0.0, 0.5, 2.75, 3.75, 3.76, 7.5, 29.0, 60.0, 600.0]

    async def main() -> list[float]:
        loop = asyncio.get_running_loop()
        watch = transport._Watch(loop, heard=True)
        other = asyncio.ensure_future(Waiting(watch).wait())
        await asyncio.sleep(before)
        start = loop.time()
        each = [Waiting(watch, start + left) for left in seconds]
        tasks = [asyncio.ensure_future(one.wait()) for one in each]
        while not all(task.done() for task in tasks):
            for one in each:
                one.attempt.heard_at = loop.time()
            await asyncio.sleep(1)
        await other
        return [(one.ended_at or 0.0) - start for one in each]

    assert run_virtual(main()) == pytest.approx(seconds, abs=1e-3)


def test_a_deadline_is_kept_where_a_look_comes_later_than_usual(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def main() -> float:
        loop = asyncio.get_running_loop()
        watch = transport._Watch(loop, heard=True)
        first = asyncio.ensure_future(Waiting(watch).wait())
        await asyncio.sleep(0)
        monkeypatch.setattr(transport, "READ_S", 0.8)
        one = Waiting(watch, loop.time() + 0.5)
        await one.wait()
        await first
        assert one.ended_at is not None
        return one.ended_at - loop.time()

    assert run_virtual(main()) == pytest.approx(0.5 - 3.75, abs=1e-2)


def test_a_deadline_that_passed_while_the_loop_stood_still_ends_at_once() -> None:
    async def main() -> float:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        start = loop.time()
        one = Waiting(transport._Watch(loop, heard=True), start + 20)
        task = asyncio.ensure_future(one.wait())
        await asyncio.sleep(1)
        loop._advance(40.0)  # as if a handler had computed for so long
        await task
        assert one.ended_at is not None
        assert one.attempt.out_of_time().reason == "the call's timeout ran out"
        return one.ended_at - start

    assert run_virtual(main()) == pytest.approx(41)


def test_a_closed_client_still_keeps_to_deadlines_and_leaves_no_timer() -> None:
    async def main() -> None:
        async with HostileServer([silent()]) as server, aiohttp.ClientSession() as session:
            client = quick_client(server.url, session=session, timeout=0.3)
            waiting = asyncio.ensure_future(failure_of(client, ONCE))
            await server.wait_for_requests(1)
            await client.aclose()
            assert isinstance(await waiting, OutcomeUnknown)
            await client.aclose()
            watch = client._transport._watch
            assert watch is not None
            assert watch._timer is None

    run(main())


def test_a_call_sets_no_timer(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with served([drip(body={"ok": True}, chunk=2, delay=0)]) as (_, client):
            await execute(client, READ)  # opens the connection
            set_here: list[str] = []
            loop = asyncio.get_running_loop()
            call_at = loop.call_at

            def counted(when: float, callback: Any, *args: Any, **options: Any) -> Any:
                set_here.append(callback.__qualname__)
                return call_at(when, callback, *args, **options)

            monkeypatch.setattr(loop, "call_at", counted)
            for _ in range(10):
                await execute(client, READ)
            assert set_here == []

    run(main())


REFUSED_400 = reply(400, {"errorCode": "INVALID_FORMAT"})


@pytest.mark.parametrize(
    "script",
    [
        [OK],
        [reply(503)],
        [REFUSED_400],
        [reply(503), reply(429, headers={"Retry-After": "0"}), OK],
        [reply(body=b"no")],
    ],
    ids=["good", "503", "400", "good in the end", "unreadable"],
)
def test_a_call_leaves_nothing_for_the_garbage_collector(script: list[Reply]) -> None:
    async def outcome(client: OmnichatClient) -> str:
        with contextlib.suppress(OmnichatError):
            await execute(client, READ)
            return "good"
        return "failed"

    async def main() -> None:
        async with served(script * 100) as (_, client):
            first = await outcome(client)
            gc.collect()
            gc.disable()
            try:
                assert [await outcome(client) for _ in range(10)] == [first] * 10
                assert gc.collect() < 10
            finally:
                gc.enable()

    run(main())


# ---- bodies ------------------------------------------------------------------------------------


def test_the_request_is_what_the_call_says() -> None:
    async def main() -> None:
        call = attrs.evolve(ONCE, path="/a/{id}", path_params={"id": "wamid.A/+=="}, json={"名": 1})
        call = attrs.evolve(call, params={"phone": "+852 1&2", "page": 3, "none": None})
        async with served([OK]) as (server, client):
            await execute(client, call)
            await execute(client, READ)
        put, get = server.requests
        assert put.target == "/v1/a/wamid.A%2F%2B%3D%3D?phone=%2B852%201%262&page=3"
        assert put.body == '{"名": 1}'.encode()
        assert put.headers["content-type"] == "application/json"
        assert put.headers["authorization"] == get.headers["authorization"] == f"Bearer {TOKEN}"
        assert get.body == b""
        assert "content-type" not in get.headers
        assert get.headers["accept"] == "application/json"
        assert get.headers["user-agent"].startswith("omnichat_async/")

    run(main())


@pytest.mark.parametrize("body", [{"n": float("nan")}, {"o": object()}], ids=["nan", "object"])
def test_a_body_that_is_no_json_never_leaves(body: Any) -> None:
    async def main() -> None:
        async with served([OK]) as (server, client):
            with pytest.raises((ValueError, TypeError)):
                await execute(client, attrs.evolve(ONCE, json=body))
            assert (server.requests, granted(client)) == ([], 0)

    run(main())


def test_cookies_of_the_server_are_not_kept() -> None:
    async def main() -> None:
        async with HostileServer([reply(body={}, headers={"Set-Cookie": "a=1"})]) as server:
            named = server.url.replace("127.0.0.1", "localhost")  # no jar keeps those of an IP
            async with quick_client(named) as client:
                await execute(client, READ)
                await execute(client, READ)
        assert len(server.requests) == 2
        assert all("cookie" not in request.headers for request in server.requests)

    run(main())


@pytest.mark.parametrize(
    ("encoding", "compress"), [("gzip", gzip.compress), ("deflate", zlib.compress)]
)
@pytest.mark.parametrize("given", [False, True], ids=["own session", "given session"])
def test_compressed_answers(encoding: str, compress: Callable[[bytes], bytes], given: bool) -> None:
    async def main() -> None:
        body = compress(b'{"ok": true}')
        async with contextlib.AsyncExitStack() as stack:
            enter = stack.enter_async_context
            script = [reply(body=body, headers={"Content-Encoding": encoding})]
            server = await enter(HostileServer(script))
            session = await enter(aiohttp.ClientSession(auto_decompress=False)) if given else None
            client = await enter(quick_client(server.url, session=session))
            assert await execute(client, READ) == {"ok": True}

    run(main())


@ALL
def test_a_compressed_answer_that_breaks_off_is_no_whole_answer(call: Call[Any]) -> None:
    async def main() -> None:
        gzipped = {"Content-Encoding": "gzip"}
        script = [reply(body=b"\x1f\x8b\x08 no gzip at all", headers=gzipped), OK]
        async with served(script) as (server, client):
            if call.repeatable:
                assert await execute(client, call) == {"ok": True}
            else:
                error = await failure_of(client, call)
                assert isinstance(error, OutcomeUnknown)
                assert error.status == 200
            assert len(server.requests) == granted(client)

    run(main())


@ALL
@pytest.mark.parametrize(
    "answer",
    [
        reply(body=b"x" * 2001),
        reply(500, body=b"x" * 2001),
        reply(body=gzip.compress(b"x" * 5_000_000), headers={"Content-Encoding": "gzip"}),
        drip(200, b"x" * 1_000_000, chunk=500, delay=0.0),
    ],
    ids=["plain", "an error", "a gzip bomb", "for ever"],
)
def test_an_answer_is_bounded_in_size(
    call: Call[Any], answer: Reply, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "LARGEST_BODY", 2000)

    async def main() -> None:
        async with served([answer]) as (server, client):
            error = await failure_of(client, call)
            assert isinstance(error, DecodeError)
            assert error.call is call
            assert error.status in {200, 500}
            assert "at most 2000 bytes" in str(error)
            assert len(server.requests) == 1
            assert not pool(client)._acquired
            server.script = [reply(body=b"[" + b" " * 1998 + b"]")]
            assert await execute(client, call) == []

    run(main())


# ---- redirects ---------------------------------------------------------------------------------


@ALL
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(call: Call[Any], status: int) -> None:
    async def main() -> None:
        async with HostileServer() as other:
            answer = reply(status, headers={"Location": f"{other.url}/elsewhere"})
            async with served([answer]) as (server, client):
                error = await failure_of(client, call)
                assert isinstance(error, APIError)
                assert (error.status, error.attempts) == (status, 1)
                assert len(server.requests) == granted(client) == 1
            assert (other.requests, other.connections) == ([], 0)

    run(main())


# ---- given sessions ----------------------------------------------------------------------------


def test_a_given_session_may_have_settings_of_its_own() -> None:
    async def main() -> None:
        async with HostileServer([OK]) as other, HostileServer([OK]) as server:
            async with aiohttp.ClientSession(
                base_url=f"{other.url}/",
                raise_for_status=True,
                cookies={"mine": "1"},
                headers={"Authorization": "Basic mine", "X-Mine": "1"},
                timeout=aiohttp.ClientTimeout(total=1e-9),
            ) as session:
                async with quick_client(server.url, session=session) as client:
                    assert await execute(client, READ) == {"ok": True}
                    server.script = [reply(404, {"errorCode": "ROOM_NOT_FOUND"})]
                    error = await failure_of(client, ONCE)
                    assert isinstance(error, APIError)
                    assert error.code == "ROOM_NOT_FOUND"
                assert not session.closed
            assert other.requests == []
            assert {request.headers["authorization"] for request in server.requests} == {
                f"Bearer {TOKEN}"
            }
            assert server.requests[0].headers["x-mine"] == "1"

    run(main())


def test_what_a_given_sessions_middleware_sends_again_is_paid_for() -> None:
    async def twice(
        request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        (await handler(request)).release()
        return await handler(request)

    async def main() -> None:
        async with (
            HostileServer([reply(401), OK]) as server,
            aiohttp.ClientSession(middlewares=(twice,)) as session,
            quick_client(server.url, session=session) as client,
        ):
            assert await execute(client, READ) == {"ok": True}
            assert len(server.requests) == granted(client) == 2

    run(main())


def test_a_given_session_does_not_resend_behind_our_back_either() -> None:
    async def main() -> None:
        async with (
            HostileServer([drop_when_reused(OK)]) as server,
            aiohttp.ClientSession() as session,
            quick_client(server.url, session=session) as client,
        ):
            await execute(client, REPEATABLE)
            assert isinstance(await failure_of(client, ONCE), OutcomeUnknown)
            await execute(client, READ)
            assert await execute(client, READ) == {"ok": True}
            assert len(server.requests) == granted(client) == 5

    run(main())


def test_an_error_of_a_given_sessions_own_middleware_becomes_ours() -> None:
    async def broken(
        request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        raise aiohttp.ClientConnectionError("the circuit is open")

    async def main() -> None:
        async with (
            HostileServer() as server,
            aiohttp.ClientSession(middlewares=(broken,)) as session,
            quick_client(server.url, session=session) as client,
        ):
            error = await failure_of(client, ONCE)
            assert isinstance(error, NotSent)
            assert error.attempts == 5
            assert (server.requests, granted(client)) == ([], 0)

    run(main())


def test_a_given_sessions_middleware_may_answer_by_itself() -> None:
    """As a cache does, or a double in a user's tests: nothing was sent, so nothing is measured."""

    async def main() -> None:
        async with HostileServer([OK]) as other, aiohttp.ClientSession() as elsewhere:

            async def cached(
                request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
            ) -> aiohttp.ClientResponse:
                return await elsewhere.get(other.url)

            async with (
                aiohttp.ClientSession(middlewares=(cached,)) as session,
                quick_client("https://nothing.invalid/v1", session=session) as client,
            ):
                assert await execute(client, READ) == {"ok": True}
                assert client._transport.latency.samples == 0
                other.script = [reply(429, headers={"Retry-After": "1000"})]
                assert isinstance(await failure_of(client, READ), RateLimited)
                assert (granted(client), client.limiter.stats().refused) == (0, 0)

    run(main())


def test_a_given_session_with_credentials_of_its_own_is_refused() -> None:
    async def main() -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # newer versions: use headers=
            session = aiohttp.ClientSession(auth=aiohttp.BasicAuth("login", "password"))
        async with session:
            with pytest.raises(ConfigurationError, match="auth="):
                quick_client("https://h/v1", session=session)

    with (
        pytest.warns(DeprecationWarning, match="Inheritance") if False else contextlib.nullcontext()
    ):
        run(main())


# ---- latency -----------------------------------------------------------------------------------


def test_latency_is_estimated_as_tcp_does_it() -> None:
    latency = Latency()
    latency.add(0.2)
    assert (latency.mean, latency.spread) == (0.2, 0.1)
    assert latency.high() == pytest.approx(0.4)
    for _ in range(100):
        latency.add(0.1)
    assert latency.samples == 101
    assert latency.mean == pytest.approx(0.1, abs=1e-3)
    assert latency.high() == pytest.approx(0.1, abs=1e-2)


def test_only_whole_answers_are_measured() -> None:
    async def main() -> None:
        script = [truncated(200, {}), drop(), reply(500), OK]
        async with served(script) as (server, client):
            await execute(client, READ)
            assert len(server.requests) == 4
            assert client._transport.latency.samples == 2
            # Far below the loop's own clock, which is what a forgotten start would give.
            assert 0 < client._transport.latency.mean < 30

    run(main())


def test_call_answers_nothing() -> None:
    async def main() -> None:
        call = attrs.evolve(ONCE, answer=NOTHING)
        for answer in (reply(204), reply(), reply(202, {"a": 1}), reply(200, b"<html>ok")):
            async with served([answer]) as (server, client):
                assert await execute(client, call) is None
                assert len(server.requests) == 1

    run(main())
