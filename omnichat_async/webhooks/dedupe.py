"""Events that are being handled, and events that were: each is claimed before it is handled."""

from __future__ import annotations

import asyncio
import uuid
from collections import OrderedDict
from typing import TYPE_CHECKING, Literal, Protocol

import attrs

from omnichat_async.errors import OmnichatError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Claim", "DedupeStore", "DedupeUnavailable", "MemoryDedupe"]


@attrs.frozen
class Claim:
    """What a store says of a key: `new` and yours under `token`, `busy`, or `done`."""

    state: Literal["new", "busy", "done"]
    token: str = ""


class DedupeUnavailable(OmnichatError):  # noqa: N818 - named as its siblings are
    """A store that cannot answer would rather have an event wait than handled twice."""


class DedupeStore(Protocol):
    """Remembers events by key. ``claim`` is atomic: of any number at once, one gets `new`.

    If ``claim`` raises DedupeUnavailable, the event waits; if it raises anything else, the event
    is handled unclaimed.
    """

    async def claim(self, key: str, lease: float) -> Claim:
        """Claim a key for so many seconds."""
        ...

    async def renew(self, key: str, token: str, lease: float) -> None:
        """Keep a claim for so many seconds from now."""
        ...

    async def done(self, key: str, token: str, ttl: float) -> None:
        """The event was handled; remember it for so many seconds, unless another claim is held."""
        ...

    async def release(self, key: str, token: str) -> None:
        """The event was not handled: let it come again."""
        ...

    async def aclose(self) -> None:
        """Let go of connections; what is remembered elsewhere stays."""
        ...


class MemoryDedupe:
    """For one process: the last `keep` keys. `clock` gives seconds that never go back."""

    def __init__(self, *, keep: int = 50_000, clock: Callable[[], float] | None = None) -> None:
        self._keep = keep
        self._clock = clock
        self._known: OrderedDict[str, tuple[str, float]] = OrderedDict()  # token or "", end

    def _now(self) -> float:
        return self._clock() if self._clock else asyncio.get_running_loop().time()

    async def claim(self, key: str, lease: float) -> Claim:
        held = self._held(key)
        if held is not None:
            return Claim("busy" if held else "done")
        claim = Claim("new", uuid.uuid4().hex)
        self._set(key, claim.token, self._now() + lease)
        return claim

    async def renew(self, key: str, token: str, lease: float) -> None:
        if self._held(key) == token:
            self._set(key, token, self._now() + lease)

    async def done(self, key: str, token: str, ttl: float) -> None:
        if self._held(key) in {token, None}:
            self._set(key, "", self._now() + ttl)

    async def release(self, key: str, token: str) -> None:
        if self._held(key) == token:
            del self._known[key]

    async def aclose(self) -> None:
        """Nothing is open."""

    def _held(self, key: str) -> str | None:
        """The token of the claim, "" for what is done, None for a key that is free."""
        token, until = self._known.get(key, ("", 0.0))
        return token if until > self._now() else None

    def _set(self, key: str, token: str, until: float) -> None:
        self._known[key] = (token, until)
        self._known.move_to_end(key)
        while len(self._known) > self._keep:
            self._known.popitem(last=False)
