"""Claims on events in a dedupe store, which may be slow, or down."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import uuid
from typing import TYPE_CHECKING

import attrs

from omnichat_async.webhooks.dedupe import Claim, DedupeUnavailable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from omnichat_async.webhooks.dedupe import DedupeStore

__all__ = ["Claims", "DedupeFailed"]

_log = logging.getLogger("omnichat_async.webhooks")

_LOOK_AGAIN_S = 0.05


@attrs.frozen(kw_only=True)
class DedupeFailed:
    """The dedupe store did not answer: in which of its `operation`, with what class of `error`."""

    operation: str
    error: str


class Claims:
    """The claims of one receiver. Without a store, every event is new.

    `lease` is how long a claim stands after a crash, in seconds; `tell` is told of failures.
    """

    def __init__(
        self, store: DedupeStore | None, lease: float, tell: Callable[[DedupeFailed], None]
    ) -> None:
        self._store, self._lease, self._tell = store, lease, tell
        self._is_down = False

    @contextlib.asynccontextmanager
    async def hold(self, key: str, ttl: float, *, patience: float = 0.0) -> AsyncIterator[Claim]:
        """Claim a key while the block runs. If it is `new` and the block ends well, it is
        remembered for `ttl` seconds, and released if it does not.

        `patience` is how long to wait for somebody else who holds it. Raises DedupeUnavailable.
        """
        if self._store is None:
            yield Claim("new")
            return
        claim = await self._claim(self._store, key)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience):
                while claim.state == "busy":
                    await asyncio.sleep(_LOOK_AGAIN_S)
                    claim = await self._claim(self._store, key)
        if claim.state != "new":
            yield claim
            return
        renewing = asyncio.create_task(self._renew(self._store, key, claim.token))
        try:
            yield claim
        except BaseException:
            await self._ask("release", self._store.release(key, claim.token))
            raise
        else:
            await self._ask("done", self._store.done(key, claim.token, ttl))
        finally:
            renewing.cancel()
            await asyncio.gather(renewing, return_exceptions=True)

    async def aclose(self) -> None:
        """Let go of the store's connections."""
        if self._store is not None:
            await self._ask("aclose", self._store.aclose())

    async def _claim(self, store: DedupeStore, key: str) -> Claim:
        try:
            claim = await store.claim(key, self._lease)
        except DedupeUnavailable as error:
            self._failed("claim", error)
            raise
        except Exception as error:  # noqa: BLE001 - rather twice than never
            self._failed("claim", error)
            # Once the store is back, it can still be told that the event was handled.
            return Claim("new", uuid.uuid4().hex)
        self._works()
        return claim

    async def _renew(self, store: DedupeStore, key: str, token: str) -> None:
        while True:
            await asyncio.sleep(self._lease / 3)
            await self._ask("renew", store.renew(key, token, self._lease))

    async def _ask(self, operation: str, asking: Awaitable[None]) -> None:
        try:
            await asking
        except Exception as error:  # noqa: BLE001 - the claim ends by itself
            self._failed(operation, error)
        else:
            self._works()

    def _failed(self, operation: str, error: Exception) -> None:
        waits = isinstance(error, DedupeUnavailable)
        kind = type(error.__cause__ if waits and error.__cause__ else error).__name__
        if not self._is_down:
            _log.warning(
                "the dedupe store fails: %s; until it answers, %s",
                kind,
                "events wait" if waits else "an event that comes twice may be handled twice",
            )
        self._is_down = True
        self._tell(DedupeFailed(operation=operation, error=kind))

    def _works(self) -> None:
        if self._is_down:
            _log.warning("the dedupe store answers again")
        self._is_down = False
