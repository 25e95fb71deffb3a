"""Omnichat as a sender of webhooks: the handshake, events, and being switched off."""

from __future__ import annotations

import contextlib
import secrets
import time
from collections import deque
from typing import TYPE_CHECKING, Any, Self

import aiohttp

from omnichat_async.testing.requests import handshake_request, signed_request

if TYPE_CHECKING:
    from types import TracebackType

    from omnichat_async.webhooks import WebhookRequest

__all__ = ["FakeOmnichat", "SubscriptionDisabled"]

_HOUR_S = 3600.0
_MOST_IN_A_ROW, _MOST_OF_AN_HOUR = 20, 0.10


class SubscriptionDisabled(Exception):  # noqa: N818 - what happened, in Omnichat's word
    """Omnichat has switched the subscription off, and sends nothing more."""


class FakeOmnichat:
    """Posts webhooks to `url` as Omnichat does, and applies its rule.

    A delivery fails unless it is answered with exactly 200 within `timeout` seconds. After more
    than 20 failures in a row, or more than 10 % in an hour of at least `of_at_least` deliveries
    (Omnichat names no number), ``post`` raises SubscriptionDisabled.
    """

    def __init__(
        self,
        url: str,
        *,
        secret: str,
        verify_token: str = "",
        timeout: float = 15.0,
        of_at_least: int = 20,
    ) -> None:
        self._url, self._secret, self._verify_token = url, secret, verify_token
        self._timeout = timeout
        self._of_at_least = of_at_least
        self._session: aiohttp.ClientSession | None = None
        self._hour: deque[tuple[float, bool]] = deque()
        self.failures_in_a_row = 0
        self.disabled = False

    async def __aenter__(self) -> Self:
        timeout = aiohttp.ClientTimeout(total=self._timeout)
        self._session = aiohttp.ClientSession(timeout=timeout)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def handshake(self) -> None:
        """Check the endpoint as Omnichat does on saving. AssertionError if it does not answer."""
        challenge = secrets.token_hex(8)
        request = handshake_request(self._verify_token, challenge)
        status, body = await self._send(request)
        assert (status, body) == (200, challenge.encode()), f"the handshake got HTTP {status}"

    async def post(
        self, body: dict[str, Any] | bytes, *, topic: str | None = None, event_id: str | None = None
    ) -> int | None:
        """Deliver one webhook: the answer's status, or None if none came in time.

        Raises SubscriptionDisabled once the subscription is switched off.
        """
        if self.disabled:
            in_a_row = self.failures_in_a_row > _MOST_IN_A_ROW
            why = f"{self.failures_in_a_row} in a row" if in_a_row else "more than 10 % of an hour"
            raise SubscriptionDisabled(f"too many deliveries failed: {why}")
        request = signed_request(body, self._secret, topic=topic, event_id=event_id)
        status: int | None = None
        with contextlib.suppress(aiohttp.ClientError, TimeoutError):
            status, _ = await self._send(request)
        self._count(time.monotonic(), failed=status != 200)
        return status

    async def _send(self, request: WebhookRequest) -> tuple[int, bytes]:
        assert self._session is not None, "use it as: async with FakeOmnichat(...) as omnichat"
        headers = [pair for pair in request.headers if pair[0] != "content-length"]
        assert isinstance(request.body, bytes)
        async with self._session.request(
            request.method,
            self._url,
            params=list(request.query),
            headers=headers,
            data=request.body or None,
            allow_redirects=False,
        ) as response:
            return response.status, await response.read()

    def _count(self, now: float, *, failed: bool) -> None:
        self.failures_in_a_row = self.failures_in_a_row + 1 if failed else 0
        self._hour.append((now, failed))
        while now - self._hour[0][0] > _HOUR_S:
            self._hour.popleft()
        failures = sum(each for _, each in self._hour)
        often = len(self._hour) >= self._of_at_least
        too_often = often and failures > _MOST_OF_AN_HOUR * len(self._hour)
        self.disabled = too_often or self.failures_in_a_row > _MOST_IN_A_ROW
