"""The hostile server does to a real client what its script says, and records what it got."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import time
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import aiohttp
import pytest
from yarl import URL

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
    refused_url,
    reply,
    silent,
    slow,
    then_close,
    truncated,
    unresolvable_url,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from tests.support.wire import Script

POST = b"POST /v1/x HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi"


async def post(session: aiohttp.ClientSession, server: HostileServer) -> bytes:
    """POST, which aiohttp never sends again by itself."""
    async with session.post(f"{server.url}/x", data=b"hi") as response:
        return await response.read()


@contextlib.asynccontextmanager
async def wire(
    server: HostileServer,
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A bare connection to the server."""
    parts = urlsplit(server.url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


def connect(server: HostileServer) -> socket.socket:
    """A blocking client: connected, and the loop has not had a turn to see it."""
    parts = urlsplit(server.url)
    return socket.create_connection((parts.hostname, parts.port), timeout=5.0)


async def raw(server: HostileServer, data: bytes = POST) -> bytes:
    """All that a bare connection gets for these bytes until the server ends it."""
    async with wire(server) as (reader, writer):
        writer.write(data)
        return await reader.read()


def test_a_request_is_recorded_as_it_was_on_the_wire() -> None:
    async def main() -> None:
        async with HostileServer() as server, aiohttp.ClientSession() as session:
            url = URL(f"{server.url}/a%2Fb/%E4%BD%A0?q=1%2B1&q=a+b", encoded=True)
            async with session.put(url, json={"n": 1}, headers={"X-Two": "1"}) as response:
                assert (response.status, await response.read()) == (200, b"")
        (request,) = server.requests
        assert request.method == "PUT"
        assert request.target == "/v1/a%2Fb/%E4%BD%A0?q=1%2B1&q=a+b"
        assert request.headers["x-two"] == "1"
        assert json.loads(request.body) == {"n": 1}
        assert (request.connection, request.index, server.connections) == (0, 0, 1)

    run(main())


def test_a_chunked_body_is_put_together_and_repeated_headers_are_joined() -> None:
    async def main() -> None:
        head = b"POST /v1/ HTTP/1.1\r\nTransfer-Encoding: chunked\r\nX-A: 1\r\nx-a: 2\r\n\r\n"
        async with HostileServer([reply(keep_alive=False)]) as server:
            await raw(server, head + b"3\r\nabc\r\nA;ext=1\r\n0123456789\r\n0\r\n\r\n")
        assert server.requests[0].body == b"abc0123456789"
        assert server.requests[0].headers["x-a"] == "1, 2"

    run(main())


def test_a_script_goes_on_with_its_last_reply_and_can_be_set_again() -> None:
    async def main() -> None:
        async with (
            HostileServer([reply(body=b"1"), reply(body=b"2")]) as server,
            aiohttp.ClientSession() as session,
        ):
            assert [await post(session, server) for _ in range(4)] == [b"1", b"2", b"2", b"2"]
            server.script = (reply(body=bytes([n])) for n in b"ab")
            assert [await post(session, server) for _ in range(3)] == [b"a", b"b", b"b"]
        assert [request.index for request in server.requests] == list(range(7))

    run(main())


def test_a_function_can_be_the_script() -> None:
    def echo(request: Request) -> Reply:
        return reply(201, {"got": request.body.decode(), "nr": request.index}, {"Retry-After": "7"})

    async def main() -> None:
        async with HostileServer(echo) as server, aiohttp.ClientSession() as session:
            await post(session, server)
            async with session.post(server.url, data=b"again") as response:
                assert response.status == 201
                assert response.headers["Retry-After"] == "7"
                assert await response.json() == {"got": "again", "nr": 1}

    run(main())


def test_what_fails_in_the_server_fails_the_test() -> None:
    def broken(_request: Request) -> Reply:
        raise LookupError("no reply for this")

    async def main(script: Script) -> None:
        async with HostileServer(script) as server:
            assert await raw(server) == b""

    with pytest.raises(LookupError, match="no reply for this"):
        run(main(broken))
    with pytest.raises(TypeError, match="needs a list"):
        run(main(lambda _request: drop_before_reading()))
    with pytest.raises(ValueError, match="at least one reply"):
        run(main([]))


def test_without_keep_alive_each_request_has_its_own_connection() -> None:
    async def main(*, keep_alive: bool) -> int:
        script = [reply(keep_alive=keep_alive)]
        async with HostileServer(script) as server, aiohttp.ClientSession() as session:
            for _ in range(3):
                await post(session, server)
        return server.connections

    assert run(main(keep_alive=True)) == 1
    assert run(main(keep_alive=False)) == 3


def test_a_client_that_asks_for_the_end_of_the_connection_gets_it() -> None:
    async def main() -> None:
        async with HostileServer() as server:
            answer = await raw(server, b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n")
        assert answer == b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"

    run(main())


def test_drop_reads_all_then_resets_or_finishes() -> None:
    async def main() -> None:
        async with HostileServer([drop(), drop(reset=False)]) as server:
            with pytest.raises(ConnectionResetError):
                await raw(server)
            assert await raw(server) == b""
        assert [request.body for request in server.requests] == [b"hi", b"hi"]
        assert server.aborted == 0

    run(main())


@pytest.mark.parametrize("reset", [True, False])
def test_drop_seen_by_a_client(reset: bool) -> None:
    async def main() -> None:
        async with (
            HostileServer([drop(reset=reset)]) as server,
            aiohttp.ClientSession() as session,
        ):
            with pytest.raises((aiohttp.ServerDisconnectedError, aiohttp.ClientOSError)):
                await post(session, server)
            assert len(server.requests) == 1

    run(main())


def test_drop_before_reading_counts_no_request() -> None:
    async def main() -> None:
        script = [drop_before_reading(), drop_before_reading(), reply(body=b"ok", keep_alive=False)]
        async with HostileServer(script) as server, aiohttp.ClientSession() as session:
            with pytest.raises(ConnectionResetError):
                await raw(server, b"P")
            with pytest.raises((aiohttp.ServerDisconnectedError, aiohttp.ClientOSError)):
                await post(session, server)
            assert (len(server.requests), server.aborted) == (0, 2)
            assert await post(session, server) == b"ok"
        assert (len(server.requests), server.aborted) == (1, 2)

    run(main())


def test_truncated_promises_more_than_it_sends() -> None:
    async def main() -> None:
        async with (
            HostileServer([truncated(200, {"a": 1}, declared_extra=3)]) as server,
            aiohttp.ClientSession() as session,
        ):
            assert (await raw(server)).endswith(b'content-type: application/json\r\n\r\n{"a": 1}')
            with pytest.raises(aiohttp.ClientPayloadError):
                await post(session, server)

    run(main())


def test_silent_answers_nothing_until_the_client_leaves() -> None:
    async def main() -> None:
        async with HostileServer([silent()]) as server, aiohttp.ClientSession() as session:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1):
                    await post(session, server)
            await server.wait_for_requests(1)
        assert server.requests[0].body == b"hi"

    run(main())


def test_the_server_stops_with_clients_still_waiting() -> None:
    async def main() -> None:
        async with contextlib.AsyncExitStack() as stack:
            async with HostileServer([silent(), slow(600.0)]) as server:
                readers = []
                for count in (1, 2):
                    reader, writer = await stack.enter_async_context(wire(server))
                    writer.write(POST + POST)
                    await server.wait_for_requests(count)
                    readers.append(reader)
            for reader in readers:
                with contextlib.suppress(ConnectionError):
                    assert await reader.read() == b""

    run(main())


def test_the_server_stops_with_an_answer_nobody_reads() -> None:
    async def main() -> None:
        async with HostileServer([reply(body=bytes(50_000_000))]) as server:
            client = connect(server)
            client.sendall(POST)
            await server.wait_for_requests(1)
        client.close()

    run(main())


@pytest.mark.parametrize("turns", range(6))
def test_the_server_stops_while_it_accepts(turns: int) -> None:
    async def main() -> None:
        async with HostileServer([silent()]) as server:
            client = connect(server)
            for _ in range(turns):
                await asyncio.sleep(0)
        with client, contextlib.suppress(ConnectionError):
            assert client.recv(1) == b""

    run(main())


def test_slow_waits_and_then_acts() -> None:
    async def main() -> None:
        async with (
            HostileServer([slow(0.2, reply(body=b"late")), slow(0.0, drop(reset=False))]) as server,
            aiohttp.ClientSession() as session,
        ):
            started = time.monotonic()
            assert await post(session, server) == b"late"
            assert time.monotonic() - started > 0.19
            assert await raw(server) == b""

    run(main())


def test_drip_sends_piece_by_piece() -> None:
    async def main() -> None:
        script = [drip(200, b"0123456", chunk=3, delay=0.05)]
        async with HostileServer(script) as server, aiohttp.ClientSession() as session:
            async with session.post(server.url) as response:
                pieces = [piece async for piece in response.content.iter_any()]
            assert pieces == [b"012", b"345", b"6"]
            assert await post(session, server) == b"0123456"
        assert server.connections == 1

    run(main())


def test_a_client_that_leaves_amid_the_drip_is_no_error() -> None:
    async def main() -> None:
        async with (
            HostileServer([drip(200, b"x" * 10_000, chunk=1, delay=0.001)]) as server,
            aiohttp.ClientSession() as session,
        ):
            async with session.post(server.url) as response:
                await response.content.readany()
                response.close()
            await asyncio.sleep(0.05)

    run(main())


def test_garbage_is_sent_as_it_is() -> None:
    async def main() -> None:
        async with (
            HostileServer([garbage(b"\x00\x01"), garbage()]) as server,
            aiohttp.ClientSession() as session,
        ):
            assert await raw(server) == b"\x00\x01"
            with pytest.raises(aiohttp.ClientResponseError):
                await post(session, server)

    run(main())


def test_then_close_ends_the_idle_connection() -> None:
    async def main() -> None:
        script = [then_close(reply(body=b"ok"), delay=0.05)]
        async with HostileServer(script) as server, aiohttp.ClientSession() as session:
            assert b"connection: close" not in await raw(server)
            for _ in range(2):
                assert await post(session, server) == b"ok"
                await asyncio.sleep(0.1)
        assert [request.connection for request in server.requests] == [0, 1, 2]

    run(main())


def test_drop_when_reused_reads_the_second_request_of_a_connection() -> None:
    async def main() -> None:
        async with (
            HostileServer([drop_when_reused(reply(body=b"ok"))]) as server,
            aiohttp.ClientSession() as session,
        ):
            assert await post(session, server) == b"ok"
            with pytest.raises((aiohttp.ServerDisconnectedError, aiohttp.ClientOSError)):
                await post(session, server)
            assert await post(session, server) == b"ok"
        places = [(request.connection, request.index) for request in server.requests]
        assert places == [(0, 0), (0, 1), (1, 0)]

    run(main())


@pytest.mark.parametrize("reset", [True, False])
def test_aiohttp_sends_a_put_twice_when_a_reused_connection_is_dropped(reset: bool) -> None:
    """Known: aiohttp repeats idempotent methods, though the server may have done the work."""

    async def main() -> None:
        async with (
            HostileServer([drop_when_reused(reset=reset)]) as server,
            aiohttp.ClientSession() as session,
        ):
            for number in (1, 2):
                async with session.put(f"{server.url}/x", json=number) as response:
                    assert response.status == 200
        assert [request.body for request in server.requests] == [b"1", b"2", b"2"]
        assert [request.connection for request in server.requests] == [0, 0, 1]

    run(main())


@pytest.mark.parametrize("url", [refused_url, unresolvable_url])
def test_urls_without_a_server(url: Callable[[], str]) -> None:
    async def main() -> None:
        async with aiohttp.ClientSession() as session:
            with pytest.raises(aiohttp.ClientConnectorError):
                await session.get(url())

    run(main())


def test_the_url_exists_only_while_the_server_runs() -> None:
    with pytest.raises(RuntimeError, match="async with"):
        HostileServer().url  # noqa: B018 - a property that raises
