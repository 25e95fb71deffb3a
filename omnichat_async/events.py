"""What a client tells its hooks. None of it holds a token, an id or personal data."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, TypeAlias

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from omnichat_async.classify import Failure
    from omnichat_async.retries import Law

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


class Observers:
    """Tells hooks what becomes of calls."""

    def __init__(self, hooks: Sequence[Hook]) -> None:
        self._hooks = hooks

    def started(self, law: Law, waited: float) -> None:
        """An attempt is about to leave."""
        self._tell(AttemptStarted(call=law.call.label, attempt=law.attempts, waited=waited))

    def failed(self, law: Law, failure: Failure, wait: float) -> None:
        """An attempt failed, and another one follows after `wait` seconds."""
        label, attempt = law.call.label, law.attempts
        if failure.throttled:
            self._tell(Throttled(call=label, attempt=attempt, wait=wait))
        else:
            reason = failure.reason
            self._tell(Retrying(call=label, attempt=attempt, wait=wait, reason=reason))

    def finished(self, law: Law, seconds: float, status: int | None, error: str | None) -> None:
        """A call is over."""
        self._tell(
            Finished(
                call=law.call.label,
                attempts=law.attempts,
                seconds=seconds,
                status=status,
                error=error,
            )
        )

    def _tell(self, event: Event) -> None:
        for hook in self._hooks:
            try:
                hook(event)
            except Exception:  # a broken observer must not break the call it observes
                logging.getLogger("omnichat_async").exception("a hook raised an error")
