"""What an inbox is: events are safe in it until they are handled.

An event is `open` until a handler is through (`done`) or all tries are used up (`dead`). A
worker takes one for a time (a lease); if the process dies, the lease ends and another worker
takes it. Of the events of one lane only the oldest open one is ever given out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import attrs

from omnichat_async.webhooks.table import InboxFull, State

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["Inbox", "InboxFull", "Job", "Record", "State", "Stored"]


@attrs.frozen(kw_only=True, repr=False)
class Record:
    """An event as it is kept: `key` makes it unique, `lane` puts it in order; both are hashes.

    `headers` and `body` are those of a request with this event alone. `received` is the time
    in epoch seconds. `scope` is that of its receiver, which alone may handle it.
    """

    key: str
    lane: str
    name: str
    headers: dict[str, str]
    body: bytes
    received: float
    scope: str = ""


@attrs.frozen(kw_only=True, repr=False)
class Job:
    """An event on lease. `attempt` counts from 1. `problem` is the class of the error if the
    inbox could not read it back; its record is then as it was kept. `replays` is how often it was
    put back in line after it was done."""

    id: int
    token: str
    attempt: int
    record: Record
    problem: str | None = None
    replays: int = 0


@attrs.frozen(kw_only=True, repr=False)
class Stored:
    """An event as the inbox has it. `error` is the class of its last failure."""

    record: Record
    state: State
    attempts: int
    error: str | None


class Inbox(Protocol):
    """What a receiver needs of an inbox. What is put is safe when ``put`` returns."""

    async def put(self, records: Sequence[Record], *, dead: str | None = None) -> int:
        """Keep all of the records or none, and say how many are new; `dead` names the failure
        of some that are not to be handled. Raises InboxFull."""
        ...

    async def lease(self, limit: int, seconds: float, scope: str = "") -> list[Job]:
        """Take up to `limit` events of a scope that are due, for this long."""
        ...

    async def renew(self, jobs: Iterable[Job], seconds: float) -> None:
        """Keep these for this long from now."""
        ...

    async def done(self, job: Job) -> None:
        """It is handled, for good."""
        ...

    async def fail(self, job: Job, error: str, retry_in: float | None) -> None:
        """It failed: try again in so many seconds, or with None never."""
        ...

    async def release(self, job: Job, retry_in: float = 0.0) -> None:
        """It was not tried after all, so the attempt does not count: again in so many seconds."""
        ...

    async def next_due(self, scope: str = "") -> float | None:
        """The seconds until an event of a scope may be due; None if none is open. Raises
        ConfigurationError if the inbox cannot be opened."""
        ...

    async def prune(self) -> int:
        """Forget what is older than the retention; how many there were."""
        ...

    async def aclose(self) -> None:
        """Close it; what is open stays in it."""
        ...
