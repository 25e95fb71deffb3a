"""A hostile HTTP/1.1 server on loopback: real sockets, raw bytes, and a script of misdeeds.

    async with HostileServer([reply({"ok": True}), drop()]) as server:
        ...  # the first request is answered, every later one is read and then dropped
        assert [request.method for request in server.requests] == ["POST", "POST"]

No HTTP library is involved, so what is recorded is what a client really put on the wire.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import struct
import sys
from collections.abc import Awaitable, Callable, Iterable, Mapping
from http.client import responses
from typing import Self, TypeAlias

import attrs

__all__ = [
    "HostileServer",
    "Reply",
    "Request",
    "Script",
    "drip",
    "drop",
    "drop_before_reading",
    "drop_when_reused",
    "garbage",
    "refused_url",
    "reply",
    "silent",
    "slow",
    "then_close",
    "truncated",
    "unresolvable_url",
]

HOST = "127.0.0.1"
LINGER_0 = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)
MAX_HEAD = 1 << 20
TURNS_TO_ACCEPT = 10


@attrs.frozen
class Request:
    """A request that was read to its end."""

    method: str
    target: str
    """As on the wire: nothing decoded or normalised."""
    headers: dict[str, str]
    """Names in lower case; repeated headers joined by a comma."""
    body: bytes
    connection: int
    """Number of the connection, from 0."""
    index: int
    """Number of the request on its connection, from 0."""


@attrs.frozen
class Exchange:
    """A request and the connection that waits for the answer."""

    request: Request
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, data: bytes) -> None:
        """Put bytes on the wire as they are."""
        self.writer.write(data)
        await self.writer.drain()

    def wants_close(self) -> bool:
        """Whether the client asked for the connection to end."""
        return self.request.headers.get("connection", "").lower() == "close"


@attrs.frozen
class Reply:
    """What to do with a request. Made by the functions below."""

    name: str
    act: Callable[[Exchange], Awaitable[bool]] = attrs.field(repr=False)
    """Answers, or does not; True keeps the connection for another request."""
    unread: bool = False
    """Act when the first byte is there rather than when the request is."""


Script: TypeAlias = Iterable[Reply] | Callable[[Request], Reply]


def reply(
    status: int = 200,
    body: object = b"",
    headers: Mapping[str, str] | None = None,
    *,
    keep_alive: bool = True,
) -> Reply:
    """A proper answer. A body that is not bytes is sent as JSON."""

    async def act(exchange: Exchange) -> bool:
        keep = keep_alive and not exchange.wants_close()
        head, content = _response(status, body, headers, keep_alive=keep)
        await exchange.send(head + content)
        return keep

    return Reply(f"reply {status}", act)


def drop(*, reset: bool = True) -> Reply:
    """Read the whole request, then end the connection without an answer, by RST or by FIN."""

    async def act(exchange: Exchange) -> bool:
        _end(exchange.writer, reset=reset)
        return False

    return Reply("drop", act)


def drop_before_reading() -> Reply:
    """Reset the connection at the first byte. Counted in ``aborted``, not in ``requests``."""

    async def act(exchange: Exchange) -> bool:
        raise TypeError("drop_before_reading() needs a list: a function sees the request, read")

    return Reply("drop before reading", act, unread=True)


def truncated(status: int = 200, body: object = b"", declared_extra: int = 10) -> Reply:
    """Declare a longer body than is sent, then close."""

    async def act(exchange: Exchange) -> bool:
        head, content = _response(status, body, None, extra=declared_extra)
        await exchange.send(head + content)
        return False

    return Reply("truncated", act)


def silent() -> Reply:
    """Never answer; the connection lasts until the client closes it or the server stops."""

    async def act(exchange: Exchange) -> bool:
        while await exchange.reader.read(MAX_HEAD):
            pass
        return False

    return Reply("silent", act)


def slow(delay: float, then: Reply | None = None) -> Reply:
    """Do nothing for ``delay`` seconds, then do ``then`` (default: an empty 200)."""
    later = then or reply()

    async def act(exchange: Exchange) -> bool:
        await asyncio.sleep(delay)
        return await later.act(exchange)

    return Reply(f"slow {later.name}", act)


def drip(status: int = 200, body: object = b"", chunk: int = 1, delay: float = 0.01) -> Reply:
    """Send the head at once and the body ``chunk`` bytes at a time."""

    async def act(exchange: Exchange) -> bool:
        head, content = _response(status, body, None)
        await exchange.send(head)
        for start in range(0, len(content), chunk):
            await asyncio.sleep(delay)
            await exchange.send(content[start : start + chunk])
        return not exchange.wants_close()

    return Reply("drip", act)


def garbage(data: bytes = b"\x00\xffnot HTTP\r\n\r\n") -> Reply:
    """Send exactly these bytes, then close."""

    async def act(exchange: Exchange) -> bool:
        await exchange.send(data)
        return False

    return Reply("garbage", act)


def then_close(answer: Reply | None = None, delay: float = 0.0) -> Reply:
    """Answer and promise to keep the connection, but close it ``delay`` seconds later, idle."""
    first = answer or reply()

    async def act(exchange: Exchange) -> bool:
        if await first.act(exchange):
            await asyncio.sleep(delay)
        return False

    return Reply(f"{first.name}, then close", act)


def drop_when_reused(answer: Reply | None = None, *, reset: bool = True) -> Reply:
    """Answer the first request of a connection; read any later one on it and drop it."""
    first, later = answer or reply(), drop(reset=reset)

    async def act(exchange: Exchange) -> bool:
        return await (later if exchange.request.index else first).act(exchange)

    return Reply(f"{first.name}, drop when reused", act)


class HostileServer:
    """Listens while its ``async with`` block runs. See the module for an example.

    ``script`` is a list (any iterable) of replies, one per request and the last one repeated, or
    a function from the request to a reply. Set it again at any time to start a new script.
    """

    def __init__(self, script: Script | None = None) -> None:
        self.requests: list[Request] = []
        self.connections = 0
        self.aborted = 0
        self.script = [reply()] if script is None else script
        self._server: asyncio.Server | None = None
        self._handlers: list[asyncio.Task[None]] = []
        self._writers: list[asyncio.StreamWriter] = []
        self._arrived = asyncio.Condition()

    @property
    def script(self) -> Script:
        """What is done with the requests."""
        return self._script

    @script.setter
    def script(self, script: Script) -> None:
        self._script = script
        self._cursor = _Function(script) if callable(script) else _Sequence(script)

    @property
    def url(self) -> str:
        """Where it listens, as a base URL without a slash at the end."""
        if self._server is None:
            raise RuntimeError("the server runs only inside its `async with` block")
        return _url(self._server.sockets[0].getsockname()[1])

    async def wait_for_requests(self, count: int) -> None:
        """Return once ``count`` requests were read in all."""
        async with self._arrived:
            await self._arrived.wait_for(lambda: len(self.requests) >= count)

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connected, HOST, 0, limit=MAX_HEAD)
        return self

    async def __aexit__(self, *_exc: object) -> None:
        """Stop, and raise what went wrong in the server itself (a script's function, say)."""
        assert self._server is not None
        # A connection made just now gets its handler some turns of the loop later, and Python 3.11
        # loses its socket if the server closes in between.
        for _ in range(TURNS_TO_ACCEPT):
            await asyncio.sleep(0)
        self._server.close()
        for handler in self._handlers:
            handler.cancel()
        outcomes = await asyncio.gather(*self._handlers, return_exceptions=True)
        for writer in self._writers:
            writer.transport.abort()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
        await self._server.wait_closed()
        for outcome in outcomes:
            if isinstance(outcome, Exception):
                raise outcome

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        handling = self._handle(self.connections, reader, writer)
        self._handlers.append(asyncio.get_running_loop().create_task(handling))
        self.connections += 1

    async def _handle(
        self, connection: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        try:
            # A client may leave at any time: that is not an error of this server.
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                await self._converse(connection, reader, writer)
        finally:
            writer.close()  # sends first what is still in the buffer

    async def _converse(
        self, connection: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        index, keep = 0, True
        while keep and (first := await reader.read(1)):
            if self._cursor.take_unread():
                self.aborted += 1
                _end(writer, reset=True)
                return
            request = await _read_request(first, reader, connection, index)
            self.requests.append(request)
            # Chosen before anything else is awaited: requests and replies pair up in order.
            chosen = self._cursor.take(request)
            async with self._arrived:
                self._arrived.notify_all()
            keep = await chosen.act(Exchange(request, reader, writer))
            index += 1


class _Sequence:
    """One reply after the other, and the last one again and again."""

    def __init__(self, replies: Iterable[Reply]) -> None:
        self._rest = iter(replies)
        upcoming = next(self._rest, None)
        if upcoming is None:
            raise ValueError("a script needs at least one reply")
        self._upcoming = upcoming

    def take_unread(self) -> bool:
        """Take the upcoming reply if it is one for a request that has not been read."""
        unread = self._upcoming.unread
        if unread:
            self._advance()
        return unread

    def take(self, _request: Request) -> Reply:
        """The reply to this request."""
        taken = self._upcoming
        self._advance()
        return taken

    def _advance(self) -> None:
        self._upcoming = next(self._rest, self._upcoming)


@attrs.frozen
class _Function:
    """A reply made from the request."""

    take: Callable[[Request], Reply]

    def take_unread(self) -> bool:
        """Never: the function sees requests that have been read."""
        return False


async def _read_request(
    first: bytes, reader: asyncio.StreamReader, connection: int, index: int
) -> Request:
    head = first + await reader.readuntil(b"\r\n\r\n")
    start, *lines = head.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
    method, target, _version = start.split(" ")
    headers: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(":")
        key, text = name.lower(), value.strip()
        headers[key] = f"{headers[key]}, {text}" if key in headers else text
    body = await _read_body(reader, headers)
    return Request(method, target, headers, body, connection, index)


async def _read_body(reader: asyncio.StreamReader, headers: Mapping[str, str]) -> bytes:
    if headers.get("transfer-encoding", "").lower() != "chunked":
        return await reader.readexactly(int(headers.get("content-length", "0")))
    body = bytearray()
    while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
        body += await reader.readexactly(size)
        await reader.readuntil(b"\r\n")
    await reader.readuntil(b"\r\n")
    return bytes(body)


def _response(
    status: int,
    body: object,
    headers: Mapping[str, str] | None = None,
    *,
    keep_alive: bool = True,
    extra: int = 0,
) -> tuple[bytes, bytes]:
    """The head and the body; what the caller puts into ``headers`` wins."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    fields = {"content-length": str(len(content) + extra)}
    if not isinstance(body, bytes):
        fields["content-type"] = "application/json"
    if not keep_alive:
        fields["connection"] = "close"
    fields |= {name.lower(): value for name, value in (headers or {}).items()}
    lines = [f"HTTP/1.1 {status} {responses.get(status, 'Unheard Of')}"]
    lines += [f"{name}: {value}" for name, value in fields.items()]
    return "\r\n".join([*lines, "", ""]).encode("latin-1"), content


def _end(writer: asyncio.StreamWriter, *, reset: bool) -> None:
    if reset:
        # Lingering for no time at all makes close() send RST where it would send FIN.
        sock = writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_0)
    writer.close()


def _url(port: int) -> str:
    return f"http://{HOST}:{port}/v1"


def refused_url() -> str:
    """A loopback URL on which nothing listens."""
    with socket.socket() as sock:
        sock.bind((HOST, 0))
        return _url(sock.getsockname()[1])


def unresolvable_url() -> str:
    """A URL whose host has no address: .invalid is reserved for that (RFC 2606)."""
    return "https://nothing.invalid/v1"
