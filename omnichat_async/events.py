"""What a client tells its hooks. None of it holds a token, an id or personal data."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["AttemptStarted", "Event", "Finished", "Hook", "Retrying", "Throttled"]


@attrs.frozen(kw_only=True)
class AttemptStarted:
    """A request is about to leave. `call` is method and path template, `attempt` counts from 1,
    `waited` is how long the rate limit held it back, in seconds."""

    call: str
    attempt: int
    waited: float


@attrs.frozen(kw_only=True)
class Throttled:
    """The server answered 429; the call waits `wait` seconds before it asks again."""

    call: str
    attempt: int
    wait: float


@attrs.frozen(kw_only=True)
class Retrying:
    """An attempt failed with `reason`; the next one follows after `wait` seconds."""

    call: str
    attempt: int
    wait: float
    reason: str


@attrs.frozen(kw_only=True)
class Finished:
    """The call is over after `attempts` attempts and `seconds` in all.

    `status` is the last HTTP status (None if there was no answer), `error` the name of the
    error's class, or None after a success. A page of a listing is read when it is handed out, so
    that one which cannot be read is no error here.
    """

    call: str
    attempts: int
    seconds: float
    status: int | None
    error: str | None


Event: TypeAlias = AttemptStarted | Throttled | Retrying | Finished
Hook: TypeAlias = "Callable[[Event], None]"
