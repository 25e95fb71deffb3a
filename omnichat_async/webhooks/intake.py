"""Reading a body within limits: of its size, of all bodies at once, and of time."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterable
from typing import TYPE_CHECKING, Any

import attrs

from omnichat_async.webhooks.refusal import WebhookRefused

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from omnichat_async.webhooks.http import WebhookRequest

__all__ = ["Intake", "Limits", "positive"]

_MIB = 1024 * 1024


def positive(_: object, field: attrs.Attribute[Any], value: Any) -> None:
    """An attrs validator. Raises ValueError for 0 and less."""
    if not value > 0:
        raise ValueError(f"{field.name} must be more than 0; given: {value}")


@attrs.frozen(kw_only=True)
class Limits:
    """What a receiver reads.

    `max_body` bounds one body and `max_buffered` all that are in memory at once, in bytes;
    `max_events` the events of one request; `read_timeout` the time a body takes, in seconds.
    """

    max_body: int = attrs.field(default=4 * _MIB, validator=positive)  # Meta sends up to 3 MB
    max_buffered: int = attrs.field(default=64 * _MIB, validator=positive)
    max_events: int = attrs.field(default=5000, validator=positive)
    read_timeout: float = attrs.field(default=10.0, validator=positive)


class Intake:
    """Reads bodies for one receiver."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._buffered = 0

    @contextlib.asynccontextmanager
    async def body_of(self, request: WebhookRequest) -> AsyncIterator[bytes]:
        """The raw body; its bytes count as in memory until the block ends.

        Raises WebhookRefused: 413 too large, 408 too slow, 415 compressed, 503 too many at once.
        """
        encodings = [value.strip().lower() for value in request.values("Content-Encoding")]
        if any(encoding not in {"", "identity"} for encoding in encodings):
            raise WebhookRefused("compressed bodies are not taken", status=415)
        for length in request.values("Content-Length"):
            # Only a first look: a length may be a lie, or missing.
            if length.isascii() and length.isdigit() and self._too_long(length):
                raise WebhookRefused("the body is too large", status=413)
        chunks: list[bytes] = []
        try:
            await self._read_in_time(request, chunks)
            yield b"".join(chunks)
        finally:
            self._buffered -= sum(map(len, chunks))

    async def _read_in_time(self, request: WebhookRequest, chunks: list[bytes]) -> None:
        try:
            async with asyncio.timeout(self._limits.read_timeout):
                await self._read(request, chunks)
        except TimeoutError:
            raise WebhookRefused("the body came too slowly", status=408) from None
        except ConnectionError:
            raise WebhookRefused("the connection was lost") from None

    def _too_long(self, length: str) -> bool:
        return len(length) > 15 or int(length) > self._limits.max_body

    async def _read(self, request: WebhookRequest, chunks: list[bytes]) -> None:
        size = 0
        async for chunk in _chunks(request.body):
            size += len(chunk)
            if size > self._limits.max_body:
                raise WebhookRefused("the body is too large", status=413)
            if self._buffered + len(chunk) > self._limits.max_buffered:
                raise WebhookRefused("too many bodies are being read at once", status=503)
            self._buffered += len(chunk)
            chunks.append(chunk)


async def _chunks(body: AsyncIterable[bytes] | bytes) -> AsyncIterator[bytes]:
    if isinstance(body, AsyncIterable):
        async for chunk in body:
            yield chunk
    else:
        yield body
