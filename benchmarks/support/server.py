"""A server that costs next to nothing, in a process of its own: pages made beforehand.

``GET /<pages>/v1/messages?page=n`` gives the n-th of so many pages of 100 rows, and an empty one
past the end. On request answers take time, and a strict limit per second is kept over any
window of one second, counted where requests arrive.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import random
import re
import subprocess
import sys
from collections import deque
from typing import TYPE_CHECKING, Any
from urllib.request import urlopen

from benchmarks.support.rows import page_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["PAGE", "Server", "serving"]

PAGE = 100
DISTINCT = 20
"""Different pages; they come round in turn, so that no page is like the one before."""

_REQUEST = re.compile(rb"GET /(\d+)/v1/messages\?(?:\S*&)?page=(\d+)")
_REFUSED = (
    b"HTTP/1.1 429 Too Many Requests\r\nContent-Type: application/json\r\n"
    b"Retry-After: 1\r\nContent-Length: 2\r\n\r\n{}"
)


class _Pages:
    """What all connections share: the pages, the limit and the counts."""

    def __init__(self, rtt_s: float, jitter_s: float, limit: int | None) -> None:
        self.pages = [page_bytes(number) for number in range(DISTINCT)]
        self.rtt_s, self.jitter_s, self.limit = rtt_s, jitter_s, limit
        self.arrived: deque[float] = deque()
        self.counts = {"accepted": 0, "refused": 0}

    def answer(self, head: bytes, now: float) -> list[bytes]:
        """The answer to one request that arrives now, in pieces."""
        if head.startswith(b"GET /counts"):
            return _answer([json.dumps(self.counts).encode()])
        found = _REQUEST.match(head)
        if found is None:
            raise ValueError(f"not a request for messages: {head[:80]!r}")
        if self.limit is not None:
            while self.arrived and self.arrived[0] <= now - 1.0:
                self.arrived.popleft()
            if len(self.arrived) >= self.limit:
                self.counts["refused"] += 1
                return [_REFUSED]
            self.arrived.append(now)
        self.counts["accepted"] += 1
        pages, number = int(found[1]), int(found[2])
        rows = self.pages[number % DISTINCT] if number <= pages else b"[]"
        return _answer([b'{"content":', rows, b',"totalElements":%d}' % (pages * PAGE)])


def _answer(body: list[bytes]) -> list[bytes]:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    return [head % sum(map(len, body)), *body]


class _Connection(asyncio.Protocol):
    def __init__(self, pages: _Pages) -> None:
        self._pages = pages
        self._unread = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._unread += data
        while (end := self._unread.find(b"\r\n\r\n")) >= 0:
            head, self._unread = self._unread[:end], self._unread[end + 4 :]
            self._travel(head)

    def _travel(self, head: bytes) -> None:
        shared, loop = self._pages, asyncio.get_running_loop()
        if not shared.rtt_s:
            self._transport.writelines(shared.answer(head, loop.time()))
            return
        way = shared.rtt_s / 2

        def arrive() -> None:
            answer = shared.answer(head, loop.time())
            loop.call_later(way, self._transport.writelines, answer)

        loop.call_later(way + random.random() * shared.jitter_s, arrive)


class Server:
    """A running server, as its clients see it."""

    def __init__(self, port: int) -> None:
        self.root = f"http://127.0.0.1:{port}"

    def url(self, pages: int) -> str:
        """The base URL of an API that has so many pages."""
        return f"{self.root}/{pages}/v1"

    def counts(self) -> dict[str, int]:
        """Requests accepted and refused so far."""
        with urlopen(f"{self.root}/counts") as answer:
            found: dict[str, int] = json.loads(answer.read())
        return found


@contextlib.contextmanager
def serving(*, rtt_ms: float = 0, jitter_ms: float = 0, limit: int = 0) -> Iterator[Server]:
    """Run the server; round trip and its spread in ms, `limit` in requests per second."""
    process = subprocess.Popen(
        [sys.executable, "-m", __name__, str(rtt_ms), str(jitter_ms), str(limit)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield Server(int(process.stdout.readline()))
    finally:
        process.stdin.close()
        process.stdout.close()
        process.wait()


async def _serve(rtt_ms: float, jitter_ms: float, limit: int) -> None:
    pages = _Pages(rtt_ms / 1000, jitter_ms / 1000, limit or None)
    loop = asyncio.get_running_loop()
    server: Any = await loop.create_server(lambda: _Connection(pages), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("rtt_ms", type=float)
    parser.add_argument("jitter_ms", type=float)
    parser.add_argument("limit", type=int)
    given = parser.parse_args()
    asyncio.run(_serve(given.rtt_ms, given.jitter_ms, given.limit))
