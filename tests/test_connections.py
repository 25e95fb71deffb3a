"""The roads of a request: past aiohttp's session, through a session of ours that somebody hooks,
through a given one. Whatever the server does, a call must come to the same on all of them."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import socket
from typing import TYPE_CHECKING, Any
from unittest import mock

import aiohttp
import attrs
import pytest

from omnichat_async import ConfigurationError, OmnichatError, RateLimiter
from omnichat_async.connections import OwnConnections, ThroughSession, is_hooked, is_known
from omnichat_async.errors import NotSent, OutcomeUnknown
from omnichat_async.transport import SLOWEST_UPLOAD
from tests.support.calls import (
    ONCE,
    READ,
    REPEATABLE,
    execute,
    failure_of,
    quick_client,
    served,
    slow_opening,
)
from tests.support.run import run
from tests.support.wire import (
    Exchange,
    HostileServer,
    Reply,
    drip,
    drop,
    drop_when_reused,
    garbage,
    refused_url,
    reply,
    silent,
    slow,
    truncated,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from omnichat_async import OmnichatClient
    from omnichat_async.calls import Call

OK = reply(body={"ok": True})
CALLS = pytest.mark.parametrize(
    "call", [READ, REPEATABLE, ONCE], ids=lambda call: call.safety.value
)


def raw(name: str, data: bytes, *, close: bool = False) -> Reply:
    """An answer of just these bytes. `close` is for those that end with the connection: to close
    one that the client may use again would be a race."""

    async def act(exchange: Exchange) -> bool:
        await exchange.send(data)
        return not close

    return Reply(name, act)


def never_connected() -> contextlib.AbstractContextManager[object]:
    """While it lasts no connection opens."""

    async def never(*_: object, **__: object) -> None:
        await asyncio.get_running_loop().create_future()

    return mock.patch("aiohttp.connector.aiohappyeyeballs.start_connection", never)


@contextlib.contextmanager
def traced() -> Iterator[list[str]]:
    """Every new session tells what it does, as OpenTelemetry's and Sentry's instrumentation
    arrange it."""
    seen: list[str] = []
    trace = aiohttp.TraceConfig()

    async def started(_session: object, _context: object, told: Any) -> None:
        seen.append(told.method)

    trace.on_request_start.append(started)
    init = aiohttp.ClientSession.__init__

    def traced_init(self: aiohttp.ClientSession, *args: Any, **options: Any) -> None:
        init(self, *args, **options, trace_configs=[trace])

    with mock.patch.object(aiohttp.ClientSession, "__init__", traced_init):
        yield seen


# ---- hooks -------------------------------------------------------------------------------------


def test_tracing_of_all_sessions_sees_our_requests() -> None:
    async def main() -> None:
        with traced() as seen:
            async with served([OK]) as (server, client):
                assert await execute(client, READ) == {"ok": True}
                assert await execute(client, ONCE) == {"ok": True}
                assert seen == [request.method for request in server.requests] == ["GET", "PUT"]

    run(main())


@pytest.mark.parametrize("before", [0, 2], ids=["from the start", "later"])
@pytest.mark.parametrize("method", ["request", "_request"])
def test_a_stand_in_for_the_requests_of_sessions_is_asked(method: str, before: int) -> None:
    """As tests put one there, and VCR.py."""

    async def main() -> None:
        async with served([OK]) as (server, client):
            for _ in range(before):
                await execute(client, READ)
            broken = aiohttp.ClientConnectionError("as the test says")
            with mock.patch.object(aiohttp.ClientSession, method, autospec=True) as asked:
                asked.side_effect = broken
                assert isinstance(await failure_of(client, ONCE), NotSent)
                assert asked.call_count == 5
            assert len(server.requests) == before
            assert await execute(client, ONCE) == {"ok": True}
            assert len(server.requests) == before + 1

    run(main())


def test_a_stand_in_may_send_on_and_may_add_headers_of_its_own() -> None:
    original = aiohttp.ClientSession._request
    added = iter([{"traceparent": "1"}, {}])

    async def stand_in(
        self: aiohttp.ClientSession, *args: Any, headers: dict[str, str], **options: Any
    ) -> aiohttp.ClientResponse:
        headers.update(next(added))
        return await original(self, *args, headers=headers, **options)

    async def main() -> None:
        async with served([OK]) as (server, client):
            with mock.patch.object(aiohttp.ClientSession, "_request", stand_in):
                for _ in range(2):
                    assert await execute(client, READ) == {"ok": True}
            assert await execute(client, READ) == {"ok": True}
            spans = [request.headers.get("traceparent") for request in server.requests]
            assert spans == ["1", None, None]
            assert client.limiter.stats().granted == 3

    run(main())


@pytest.mark.parametrize(
    ("version", "known"),
    [
        ("3.11.9", False),
        ("3.12.0", True),
        ("3.14.0rc1", True),
        ("3.14", True),
        ("3.15rc1", False),
        ("4.0.0a1", False),
        ("", False),
    ],
)
def test_the_parts_of_an_aiohttp_that_this_was_not_tried_with_are_left_alone(
    version: str, known: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aiohttp, "__version__", version)

    async def main() -> None:
        async with served([OK]) as (server, client):
            assert await execute(client, READ) == {"ok": True}
            road = client._transport._road
            assert type(road) is (OwnConnections if known else ThroughSession)
            assert len(server.requests) == client.limiter.stats().granted == 1

    run(main())


def test_the_installed_aiohttp_is_one_that_this_was_tried_with() -> None:
    async def main() -> None:
        assert is_known(aiohttp.__version__)
        async with aiohttp.ClientSession() as session:
            assert not is_hooked(session)

    run(main())


# ---- the same on all roads ---------------------------------------------------------------------


async def outcome(client: OmnichatClient, call: Call[Any]) -> tuple[object, ...]:
    """What a call comes to, as far as a caller can see it."""
    try:
        return ("good", await execute(client, call))
    except OmnichatError as error:
        seen = [getattr(error, name, None) for name in ("status", "code", "body", "attempts")]
        cause = type(error.__cause__).__name__
        return (type(error).__name__, *seen, cause if isinstance(error, OutcomeUnknown) else "")


ROADS = ("own", "hooked", "given", "unknown")


@contextlib.asynccontextmanager
async def on_road(name: str, url: str, **options: Any) -> AsyncIterator[OmnichatClient]:
    """A client whose requests take this road."""
    async with contextlib.AsyncExitStack() as stack:
        if name == "hooked":
            stack.enter_context(traced())
        if name == "unknown":
            stack.enter_context(mock.patch.object(aiohttp, "__version__", "99.0.0"))
        session = None
        if name == "given":
            session = await stack.enter_async_context(aiohttp.ClientSession())
        yield await stack.enter_async_context(quick_client(url, session=session, **options))


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
SQUEEZED = {"Content-Encoding": "gzip"}
ANSWERS = [
    OK,
    reply(204),
    reply(200, {"deep": [1, "王", None]}, {"X-Twice": "a", "x-twice": "b"}),
    reply(404, {"errorCode": "ROOM_NOT_FOUND"}),
    reply(503, b"<html>down</html>"),
    reply(302, b"", {"Location": "/elsewhere"}),
    reply(body=gzip.compress(b'{"ok": true}'), headers=SQUEEZED),
    reply(body=b"no gzip", headers=SQUEEZED),
    drip(body={"ok": True}, chunk=3, delay=0.001),
    slow(0.02, OK),
    drop(),
    drop(reset=False),
    truncated(200, b'{"ok"'),
    truncated(400, b'{"errorCode": "INVALID_FORMAT"}'),
    garbage(),
    drop_when_reused(OK),
    raw("until the connection ends", HEAD + b"\r\n" + b'{"ok": true}', close=True),
    raw("chunks", HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\n[1, 2\r\n1\r\n]\r\n0\r\n\r\n"),
    raw("a broken chunk", HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n[1]\r\n0\r\n\r\n"),
    raw("half a chunk", HEAD + b"Transfer-Encoding: chunked\r\n\r\n9\r\n[1, 2", close=True),
    raw("HTTP/1.0", b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n{}"),
    raw("early hints", b"HTTP/1.1 103 Hints\r\n\r\n" + HEAD + b"Content-Length: 2\r\n\r\n{}"),
    raw("a head too long", HEAD + b"X-Long: " + b"x" * 20_000 + b"\r\n\r\n"),
    raw("half a head", HEAD, close=True),
    raw("two lengths", HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{} "),
    raw("more than it said", HEAD + b"Content-Length: 2\r\n\r\n{}{}"),
]


@CALLS
@pytest.mark.parametrize("answer", ANSWERS, ids=lambda answer: answer.name)
def test_a_call_comes_to_the_same(call: Call[Any], answer: Reply) -> None:
    async def main() -> None:
        found = {}
        for name in ROADS:
            async with HostileServer([answer]) as server, on_road(name, server.url) as client:
                outcomes = [await outcome(client, call) for _ in range(2)]
                found[name] = (outcomes, len(server.requests), client.limiter.stats().granted)
        assert all(each == found["own"] for each in found.values())
        assert found["own"][1] == found["own"][2]  # nothing was sent that nobody counted

    run(main())


@CALLS
def test_the_same_request_is_sent(call: Call[Any]) -> None:
    async def main() -> None:
        sent = []
        for name in ROADS:
            async with HostileServer([OK]) as server, on_road(name, server.url) as client:
                await execute(client, call)
                (request,) = server.requests
                headers = {**request.headers, "host": "h"}
                sent.append((request.method, request.target, headers, request.body))
        assert all(each == sent[0] for each in sent)
        assert sent[0][2]["authorization"].startswith("Bearer ")
        assert sent[0][2]["accept"] == "application/json"

    run(main())


@CALLS
def test_a_server_that_is_not_there(call: Call[Any]) -> None:
    async def main() -> None:
        reasons, url = [], refused_url()
        for name in ROADS:
            async with on_road(name, url) as client:
                error = await failure_of(client, call)
                assert isinstance(error, NotSent)
                reasons.append((error.reason, error.attempts))
        assert len(set(reasons)) == 1

    run(main())


@CALLS
def test_a_name_that_nobody_knows(call: Call[Any]) -> None:
    unknown = OSError(socket.EAI_NONAME, "Name or service not known")

    async def main() -> None:
        reasons = []
        for name in ROADS:
            async with on_road(name, "http://localhost:9/v1") as client:
                resolve = "aiohttp.resolver.ThreadedResolver.resolve"
                with mock.patch(resolve, side_effect=unknown):
                    error = await failure_of(client, call)
                assert isinstance(error, NotSent)
                reasons.append((error.reason, error.attempts))
        assert len(set(reasons)) == 1
        assert reasons[0][0].startswith("no connection (ClientConnectorDNSError")

    run(main())


def test_a_connection_that_takes_too_long_to_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("omnichat_async.transport.CONNECT_S", 0.01)

    async def main() -> None:
        reasons = []
        for name in ROADS:
            async with HostileServer([OK]) as server, on_road(name, server.url) as client:
                with never_connected():
                    error = await failure_of(client, ONCE)
                assert isinstance(error, NotSent)
                assert server.connections == 0
                reasons.append((error.reason, error.attempts))
        assert reasons == [("no connection (ConnectionTimeoutError)", 5)] * len(ROADS)

    run(main())


@pytest.mark.parametrize("name", ["own", "hooked", "unknown"])
def test_closing_ends_what_waits_for_an_answer(name: str) -> None:
    async def main() -> None:
        async with HostileServer([silent()]) as server, on_road(name, server.url) as client:
            waiting = asyncio.ensure_future(failure_of(client, ONCE))
            await server.wait_for_requests(1)
            await client.aclose()
            assert isinstance(await waiting, OutcomeUnknown)
            await asyncio.gather(*server._handlers)  # each ends when its connection does

    run(main())


# ---- our own, hooked or not --------------------------------------------------------------------

OURS = pytest.mark.parametrize("name", ["own", "hooked"])


@OURS
def test_a_timeout_while_connecting_says_that_nothing_was_sent(name: str) -> None:
    async def main() -> None:
        async with (
            HostileServer([OK]) as server,
            on_road(name, server.url, timeout=0.1) as client,
        ):
            with never_connected():
                assert isinstance(await failure_of(client, ONCE), NotSent)
            assert server.connections == 0

    run(main())


@OURS
def test_closing_while_connecting(name: str) -> None:
    async def main() -> None:
        async with HostileServer([OK]) as server, on_road(name, server.url) as client:
            with never_connected():
                waiting = asyncio.ensure_future(failure_of(client, ONCE))
                await asyncio.sleep(0.05)
                await client.aclose()
                waiting.cancel()
                await asyncio.wait([waiting])
            assert waiting.cancelled()
            assert server.connections == 0

    run(main())


@OURS
def test_closing_while_the_name_is_looked_up(name: str) -> None:
    """aiohttp then cancels what waits, whom nobody had cancelled."""

    async def main() -> None:
        asked = asyncio.Event()

        async def never(*_: object, **__: object) -> None:
            asked.set()
            await asyncio.get_running_loop().create_future()

        async with on_road(name, "http://localhost:9/v1") as client:
            with mock.patch("aiohttp.resolver.ThreadedResolver.resolve", never):
                waiting = asyncio.ensure_future(failure_of(client, ONCE))
                await asked.wait()
                await client.aclose()
                assert isinstance(await waiting, ConfigurationError)

    run(main())


@OURS
def test_a_stale_permit_is_paid_again(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    slow_opening(monkeypatch, 0.4)

    async def main() -> None:
        # A permit is good for longer than a busy machine keeps a call waiting.
        limiter = RateLimiter(1000, jitter=0.25)
        async with (
            HostileServer([OK]) as server,
            on_road(name, server.url, limiter=limiter) as client,
        ):
            await asyncio.gather(*(execute(client, READ) for _ in range(4)))
            assert limiter.stats().voided == server.connections
            assert limiter.stats().granted == len(server.requests) == 4

    run(main())


@OURS
def test_a_large_body_has_time_to_arrive(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("omnichat_async.transport.READ_S", 0.1)
    large = attrs.evolve(ONCE, json="x" * SLOWEST_UPLOAD)

    async def main() -> None:
        script = [slow(0.4, OK)]
        async with HostileServer(script) as server, on_road(name, server.url) as client:
            assert await execute(client, large) == {"ok": True}
            assert len(server.requests) == 1

    run(main())


@OURS
@CALLS
def test_what_a_server_says_unasked_is_nobodys_answer(name: str, call: Call[Any]) -> None:
    """As a load balancer takes leave of a connection that stood idle."""
    leave = b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n"
    answered = asyncio.Event()

    async def then_leave(exchange: Exchange) -> bool:
        await OK.act(exchange)
        await asyncio.sleep(0.02)
        await exchange.send(leave)
        answered.set()
        return await silent().act(exchange)

    async def main() -> None:
        script = [Reply("leave", then_leave), OK]
        async with HostileServer(script) as server, on_road(name, server.url) as client:
            assert await execute(client, READ) == {"ok": True}
            await answered.wait()
            await asyncio.sleep(0.02)
            assert await execute(client, call) == {"ok": True}
            assert [request.connection for request in server.requests] == [0, 1]

    run(main())
