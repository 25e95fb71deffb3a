"""Events that are being handled, and events that were: each is claimed before it is handled."""

from __future__ import annotations

import asyncio
import uuid
from collections import OrderedDict
from typing import TYPE_CHECKING, Literal, Protocol

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Claim", "DedupeStore", "MemoryDedupe"]


@attrs.frozen
class Claim:
    """What a store says of a key: `new` and yours under `token`, `busy`, or `done`."""

    state: Literal["new", "busy", "done"]
    token: str = ""


class DedupeStore(Protocol):
    """Remembers events by key. ``claim`` is atomic: of any number at once, one gets `new`."""

    async def claim(self, key: str, lease: float) -> Claim:
        """Claim a key for so many seconds."""
        ...

    async def done(self, key: str, token: str, ttl: float) -> None:
        """The event was handled; remember it for so many seconds."""
        ...

    async def release(self, key: str, token: str) -> None:
        """The event was not handled: let it come again."""
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
        now = self._now()
        token, until = self._known.get(key, ("", 0.0))
        if until > now:
            return Claim("busy" if token else "done")
        claim = Claim("new", uuid.uuid4().hex)
        self._set(key, claim.token, now + lease)
        return claim

    async def done(self, key: str, token: str, ttl: float) -> None:
        if self._known.get(key, ("", 0.0))[0] == token:
            self._set(key, "", self._now() + ttl)

    async def release(self, key: str, token: str) -> None:
        if self._known.get(key, ("", 0.0))[0] == token:
            del self._known[key]

    def _set(self, key: str, token: str, until: float) -> None:
        self._known[key] = (token, until)
        self._known.move_to_end(key)
        while len(self._known) > self._keep:
            self._known.popitem(last=False)
