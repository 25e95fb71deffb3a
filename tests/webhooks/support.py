"""Receivers for tests, and what they got."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from omnichat_async.testing import event_data, signed_request
from omnichat_async.webhooks import MemoryInbox, OmnichatSignature, Receiver, WebhookRequest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from omnichat_async.webhooks import Delivery, WebhookEvent

__all__ = ["SECRET", "TOKEN", "Seen", "chunked", "make", "post", "signed", "until"]

SECRET = "signature-secret-1"
TOKEN = "verify-token-1"


class Seen:
    """A handler for all events that keeps them. It fails as often as `failures` says."""

    def __init__(self, failures: int = 0) -> None:
        self.events: list[WebhookEvent] = []
        self.deliveries: list[Delivery] = []
        self.failures = failures

    async def __call__(self, event: WebhookEvent, delivery: Delivery) -> None:
        self.deliveries.append(delivery)
        if self.failures:
            self.failures -= 1
            raise ValueError("85291234567 is not a phone")
        self.events.append(event)

    async def handler(self, event: WebhookEvent, delivery: Delivery) -> None:
        await self(event, delivery)


def make(seen: Seen | None = None, **options: Any) -> Receiver:
    """A receiver of signed requests; its memory is on the loop's own clock."""
    auth = options.pop("auth", None) or OmnichatSignature(SECRET)
    options.setdefault("verify_token", TOKEN)
    receiver = Receiver(auth, **options)
    if receiver.ack == "queued" and "inbox" not in options:
        receiver._inbox = MemoryInbox(clock=lambda: asyncio.get_running_loop().time())
    if seen is not None:
        receiver.on_any(seen.handler)
    return receiver


def signed(body: Any = None, *, event_id: str | None = None, **more: Any) -> WebhookRequest:
    """A signed event; by default an update of a ticket."""
    if body is None:
        more.setdefault("topic", "ticket/update")
        body = event_data("ticket/update")
    return signed_request(body, SECRET, event_id=event_id, **more)


async def post(receiver: Receiver, request: WebhookRequest) -> tuple[int, bytes]:
    """The answer's status and body."""
    response = await receiver.handle(request)
    return response.status, response.body


async def until(condition: Callable[[], Any]) -> None:
    """Let the loop go on until something is so."""
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.01)


async def chunked(*chunks: bytes, pause: float = 0) -> AsyncIterator[bytes]:
    """A body that comes in pieces."""
    for chunk in chunks:
        if pause:
            await asyncio.sleep(pause)
        yield chunk
