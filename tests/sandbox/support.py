"""A raw client for the sandbox: one socket call per request, so that nothing is hidden."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from itertools import islice
from typing import Any, TypeVar

import aiohttp
import attrs

from omnichat_async.sandbox import PLATFORMS, Sandbox

T = TypeVar("T")

DAY_MS = 86_400_000
WEEK_MS = 7 * DAY_MS
START_MS = 1_735_689_600_000  # 2025-01-01 00:00 UTC
END_MS = START_MS + 40 * DAY_MS


@attrs.frozen
class Answer:
    status: int
    headers: dict[str, str]
    raw: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.raw)


@attrs.frozen
class Client:
    """Calls one sandbox. `path` may carry a query; parameters are added to it."""

    sandbox: Sandbox
    session: aiohttp.ClientSession

    async def get(self, path: str, **params: object) -> Answer:
        return await self.request("GET", self.sandbox.url + path, **params)

    async def send(self, method: str, path: str, body: object = None, **params: object) -> Answer:
        """A request with a JSON body."""
        return await self.request(method, self.sandbox.url + path, json_body=body, **params)

    async def control(self, method: str, path: str, **params: object) -> Answer:
        root = self.sandbox.url.removesuffix("/v1")
        return await self.request(method, f"{root}/_sandbox/{path}", **params)

    async def request(
        self, method: str, url: str, json_body: object = None, **params: object
    ) -> Answer:
        texts = {name: str(value) for name, value in params.items()}
        async with self.session.request(method, url, params=texts, json=json_body) as response:
            raw = await response.read()
            return Answer(response.status, dict(response.headers), raw)


LINE, LINE_2 = PLATFORMS["line"].channels
WHATSAPP = PLATFORMS["whatsapp"].channels[0]


def now_of(sandbox: Sandbox) -> int:
    return sandbox.config.wall_ms()


def contact(sandbox: Sandbox, platform: str = "line", n: int = 0) -> dict[str, Any]:
    """The n-th contact of the platform's first channel."""
    rows = sandbox.rows("contacts", START_MS, END_MS, platform, PLATFORMS[platform].channels[0])
    return next(islice(rows, n, None))


def refusal(answer: Answer) -> tuple[int, str]:
    """Status and code of an error in the usual shape."""
    assert set(answer.json) == {"errorCode", "message"}
    return answer.status, answer.json["errorCode"]


def small(**overrides: Any) -> Sandbox:
    """A sandbox of 40 past days without a rate limit; START_MS is a midnight."""
    fields: dict[str, Any] = {
        "rows": 5000,
        "start_ms": START_MS,
        "end_ms": END_MS,
        "limit": None,
    }
    return Sandbox(**fields | overrides)


def visit(sandbox: Sandbox, steps: Callable[[Client], Awaitable[T]], token: str | None = None) -> T:
    """Run the sandbox and these steps against it."""

    async def run() -> T:
        headers = {"Authorization": f"Bearer {sandbox.token if token is None else token}"}
        async with sandbox, aiohttp.ClientSession(headers=headers) as session:
            # aiohttp repeats a GET whose connection broke, unasked; here the break is the point.
            session._retry_connection = False
            return await steps(Client(sandbox, session))

    return asyncio.run(run())
