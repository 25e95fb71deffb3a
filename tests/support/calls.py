"""A client that retries at once, and the three kinds of call, for tests of what lies below them."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

import aiohttp

from omnichat_async import OmnichatClient, OmnichatError, RateLimiter, RetryPolicy
from omnichat_async.calls import RAW, Call, Safety
from tests.support.wire import HostileServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    import pytest

    from omnichat_async.events import Hook
    from tests.support.wire import Script

__all__ = [
    "ONCE",
    "QUICK",
    "READ",
    "REPEATABLE",
    "TOKEN",
    "execute",
    "failure_of",
    "quick_client",
    "served",
    "slow_opening",
]

TOKEN = "tok-3n.SECRET_9"
QUICK = RetryPolicy(base=0.001, cap=0.002)

READ = Call(method="GET", path="/messages", safety=Safety.READ, answer=RAW)
REPEATABLE = Call(
    method="PUT", path="/contacts/line", safety=Safety.REPEATABLE, answer=RAW, json={"name": "A"}
)
ONCE = Call(
    method="PUT",
    path="/loyalty-points/action/adjust",
    safety=Safety.ONCE,
    answer=RAW,
    json={"points": 10},
)


class ClientOptions(TypedDict, total=False):
    """Arguments of OmnichatClient."""

    limiter: RateLimiter
    session: aiohttp.ClientSession | None
    timeout: float
    retry: RetryPolicy
    max_in_flight: int
    hooks: Iterable[Hook]
    headless_auth: str
    user_agent: str


def quick_client(url: str, **options: Unpack[ClientOptions]) -> OmnichatClient:
    """A client of `url` that neither the pace nor the waits between attempts slow down."""
    quick: ClientOptions = {"limiter": RateLimiter(10_000), "retry": QUICK, "timeout": 30.0}
    return OmnichatClient(TOKEN, base_url=url, **(quick | options))


@contextlib.asynccontextmanager
async def served(
    script: Script | None = None, **options: Unpack[ClientOptions]
) -> AsyncIterator[tuple[HostileServer, OmnichatClient]]:
    """A hostile server and a quick client of it."""
    async with HostileServer(script) as server, quick_client(server.url, **options) as client:
        yield server, client


def slow_opening(monkeypatch: pytest.MonkeyPatch, seconds: float = 0.06) -> None:
    """Every new connection takes longer to open than a permit stays good (25 ms, or the jitter)."""
    create = aiohttp.TCPConnector._create_connection

    async def slowly(self: aiohttp.TCPConnector, *args: Any) -> Any:
        protocol = await create(self, *args)
        await asyncio.sleep(seconds)
        return protocol

    monkeypatch.setattr(aiohttp.TCPConnector, "_create_connection", slowly)


async def execute(client: OmnichatClient, call: Call[Any]) -> Any:
    """Make `call` with the options of `client`."""
    return await client._session.execute(call, client._options)


async def failure_of(client: OmnichatClient, call: Call[Any]) -> OmnichatError:
    """The error that `call` ends with."""
    try:
        answer = await execute(client, call)
    except OmnichatError as error:
        return error
    raise AssertionError(f"{call.label} went well: {answer!r}")
