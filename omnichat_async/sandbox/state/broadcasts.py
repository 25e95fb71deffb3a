"""Broadcasts that were sent, and what became of them: a pure function of broadcast and place."""

from collections import Counter
from collections.abc import Iterable, Iterator
from functools import lru_cache
from heapq import heappop, heappush
from typing import Self

import attrs

from omnichat_async.sandbox.data.ids import IdCodec
from omnichat_async.sandbox.data.mixing import mix
from omnichat_async.sandbox.data.platforms import PLATFORMS
from omnichat_async.sandbox.magic import UNREACHABLE, UNSUBSCRIBED
from omnichat_async.sandbox.state.outbox import Sent

COMPLETED, SCHEDULED = 1, 4


@attrs.frozen
class Fate:
    """What became of one recipient's message, within a second; None = never happened."""

    error: str | None
    sent_ms: int | None = None
    read_ms: int | None = None
    clicked_ms: int | None = None
    responded_ms: int | None = None
    unsubscribed: bool = False

    def names(self) -> Iterator[str]:
        """All that it is, as the statistics call it."""
        if self.error is not None:
            yield "failed"
        if self.sent_ms is not None:
            yield "success"
        if self.read_ms is not None:
            yield "read"
        if self.clicked_ms is not None:
            yield "clicked"
        if self.responded_ms is not None:
            yield "responded"
        if self.unsubscribed:
            yield "unsubscribed"


@attrs.frozen
class Tally:
    """How many recipients each fate had."""

    success: int = 0
    failed: int = 0
    read: int = 0
    clicked: int = 0
    responded: int = 0
    unsubscribed: int = 0

    @classmethod
    def of(cls, fates: Iterable[Fate]) -> Self:
        """Count them."""
        counts = Counter(name for fate in fates for name in fate.names())
        return cls(**counts)


@attrs.frozen(eq=False)
class Broadcast:
    """One broadcast. `at_ms`: when it goes out. The recipients stay in the bytes of `sent`."""

    number: int
    id: str
    key: int
    platform: str
    channel: int
    subject: str
    tags: tuple[str, ...]
    at_ms: int
    messages: int
    count: int
    outcome: Tally
    sent: Sent

    @property
    def channel_id(self) -> str:
        """The channel it is sent from."""
        return PLATFORMS[self.platform].channels[self.channel]

    def status(self, now_ms: int) -> int:
        """The API's number: completed, or scheduled."""
        return COMPLETED if self.at_ms <= now_ms else SCHEDULED

    def tally(self, now_ms: int) -> Tally:
        """The statistics by now."""
        return self.outcome if self.at_ms <= now_ms else Tally()

    def fates(self, now_ms: int) -> tuple[Fate, ...]:
        """What became of each recipient by now."""
        if self.at_ms > now_ms:
            return (Fate(None),) * self.count
        return _fates(self.sent, self.key, self.at_ms)


def reached_by(broadcast: Broadcast, now_ms: int) -> Iterator[int]:
    """The places of the recipients who got it."""
    fates = broadcast.fates(now_ms)
    return (k for k, fate in enumerate(fates) if fate.sent_ms is not None)


@lru_cache(maxsize=64)  # the pages of one broadcast's recipients
def _fates(sent: Sent, key: int, at_ms: int) -> tuple[Fate, ...]:
    return tuple(_fate(to, mix(key + k), at_ms) for k, to in enumerate(sent.recipients))


def _fate(to: str, bits: int, at_ms: int) -> Fate:
    if to.endswith((UNREACHABLE, UNSUBSCRIBED)) or bits % 20 == 0:
        return Fate("Undeliverable")
    read_ms = at_ms + (bits >> 20 & 0xFF) if bits >> 6 & 3 else None
    acts = 0 if read_ms is None else bits >> 44 & 15
    acted_ms = at_ms + 300 + (bits >> 52 & 0xFF)
    return Fate(
        None,
        sent_ms=at_ms,
        read_ms=read_ms,
        clicked_ms=acted_ms if acts & 3 == 3 else None,
        responded_ms=acted_ms if acts & 12 == 12 else None,
        unsubscribed=acts == 8,
    )


class Broadcasts:
    """All of them, oldest first. A scheduled one is due when `due` says so."""

    def __init__(self, key: int, ids: IdCodec) -> None:
        self.key = key
        self._ids = ids
        self._all: list[Broadcast] = []
        self._waiting: list[tuple[int, int]] = []  # when, and which

    def __iter__(self) -> Iterator[Broadcast]:
        return iter(self._all)

    def add(
        self,
        sent: Sent,
        platform: str,
        channel: int,
        subject: str,
        tags: tuple[str, ...],
        at_ms: int,
        messages: int,
    ) -> Broadcast:
        """Enter one that goes out at `at_ms`."""
        number = len(self._all)
        key = mix(self.key + number)
        broadcast = Broadcast(
            number=number,
            id=self._ids.encode(number),
            key=key,
            platform=platform,
            channel=channel,
            subject=subject,
            tags=tags,
            at_ms=at_ms,
            messages=messages,
            count=len(sent.recipients),
            outcome=Tally.of(_fates(sent, key, at_ms)),
            sent=sent,
        )
        self._all.append(broadcast)
        heappush(self._waiting, (at_ms, number))
        return broadcast

    def find(self, broadcast_id: str) -> Broadcast | None:
        """The broadcast of this id."""
        number = self._ids.decode(broadcast_id)
        return self._all[number] if number is not None and number < len(self._all) else None

    def due(self, now_ms: int) -> Iterator[Broadcast]:
        """Those that go out by now, once each."""
        while self._waiting and self._waiting[0][0] <= now_ms:
            yield self._all[heappop(self._waiting)[1]]
