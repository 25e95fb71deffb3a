"""The values a fan-out speaks in: states, counts, one call, one recipient's fate."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Outcome", "PlannedCall", "Progress", "Recipient", "State", "Status"]


class State(enum.StrEnum):
    """What is known of a recipient."""

    PENDING = "pending"
    """Nothing was sent."""
    SENDING = "sending"
    """A call is on its way."""
    SENT = "sent"
    """The server took it, or shows it."""
    REFUSED = "refused"
    """The server refused this recipient for good."""
    UNKNOWN = "unknown"
    """A call was to leave, and nobody knows whether the server processed it."""
    DROPPED = "dropped"
    """It was unknown, and somebody decided not to send it again."""
    EXCLUDED = "excluded"
    """It is on the suppression list."""
    INVALID = "invalid"
    """The row could not be used."""


@attrs.frozen
class Recipient:
    """One recipient of a call, with the values of the message's placeholders."""

    address: str
    personal: Mapping[str, str] = attrs.field(factory=dict, repr=False)

    def __repr__(self) -> str:
        return "Recipient(…)"


@attrs.frozen(kw_only=True)
class PlannedCall:
    """A call that this worker has claimed, and of which nothing has left yet."""

    id: int
    attempt: int
    first: int
    last: int
    recipients: tuple[Recipient, ...] = attrs.field(repr=False)

    @property
    def size(self) -> int:
        """How many recipients it has."""
        return self.last - self.first + 1


@attrs.frozen(kw_only=True)
class Outcome:
    """What is known of one recipient.

    `line` is where it stands in the input, from 1. `ref` is the broadcast id, message id or
    trigger id, `reason` why it was refused or is unknown, `call` the number of its call (None if
    there was none yet).
    """

    address: str
    line: int
    state: State
    call: int | None = None
    ref: str | None = None
    reason: str | None = None

    def __repr__(self) -> str:
        return f"Outcome(line={self.line}, state={self.state.value!r}, call={self.call})"


@attrs.frozen(kw_only=True)
class Status:
    """How a job stands, in recipients: `recipients` are to be sent to, of which the next six are
    parts; `duplicates`, `excluded` and `invalid` rows of the input are not among them.

    `calls` counts the calls made or under way, `late` those that the server showed only after
    they had been sent again, as somebody had decided. `halted` says why the last run stopped, if
    it did not end by itself.
    """

    recipients: int
    pending: int
    sending: int
    sent: int
    refused: int
    unknown: int
    dropped: int
    duplicates: int
    excluded: int
    invalid: int
    calls: int
    late: int
    halted: str | None = None

    @property
    def done(self) -> bool:
        """Whether nothing is left to send or to decide."""
        return not (self.pending or self.sending or self.unknown)


@attrs.frozen(kw_only=True)
class Progress:
    """How far a run is. `rate` is this run's recipients per second, `eta` the seconds left at it
    (None as long as nobody can tell); the rest counts recipients of the whole job."""

    recipients: int
    pending: int
    sending: int
    sent: int
    refused: int
    unknown: int
    rate: float
    eta: float | None
