"""What an error means for the recipients of a call: a pure rule."""

from __future__ import annotations

import re

import attrs

from omnichat_async.errors import (
    APIError,
    BadRequest,
    ConfigurationError,
    ContactUnsubscribed,
    DecodeError,
    InvalidRequest,
    NotFound,
    NotSent,
    OutcomeUnknown,
    RateLimited,
)
from omnichat_async.jobs.fanout.records import State

__all__ = ["Verdict", "judge"]

OF_THE_JOB = frozenset(
    {
        "CHANNEL_ID_NOT_FOUND",
        "INVALID_BROADCAST_MESSAGE",
        "INVALID_CUSTOM_ATTRIBUTE",
        "INVALID_PLATFORM",
        "MISMATCH_TYPE",
        "MISSING_URL_PARAMETER",
    }
)
"""Refusals that are the same whoever the recipient is."""

META_BUSY = frozenset({"4", "80007", "130429", "131048", "131056"})
"""Meta's own rate limits, which come as HTTP 400."""

META_WAIT_S = 5.0

_CODE = re.compile(r"[A-Z][A-Z0-9_:]{0,63}|[0-9]{1,7}")  # free text stays out of reasons


@attrs.frozen(kw_only=True)
class Verdict:
    """`state` of the recipients and the `reason`; `halt` if the run must stop; `stumble` if the
    same may go well in `wait` seconds or more; `suspicious` if it says more about the job than
    about a recipient when it comes again and again."""

    state: State
    reason: str
    halt: bool = False
    stumble: bool = False
    wait: float = 0.0
    suspicious: bool = False


def judge(error: Exception) -> Verdict:  # noqa: PLR0911 - one line for each kind of error
    """What became of a call that ended in `error`."""
    reason = reason_of(error)
    if isinstance(error, NotSent):
        return Verdict(state=State.PENDING, reason=reason, stumble=True)
    if isinstance(error, RateLimited):
        wait = error.retry_after or 1.0
        return Verdict(state=State.PENDING, reason=reason, stumble=True, wait=wait)
    if isinstance(error, InvalidRequest | ConfigurationError):  # it never left this machine
        return Verdict(state=State.PENDING, reason=reason, halt=True)
    if not isinstance(error, APIError):  # OutcomeUnknown, an answer that cannot be read, a bug
        return Verdict(state=State.UNKNOWN, reason=reason)
    if error.code in META_BUSY:
        return Verdict(state=State.PENDING, reason=reason, stumble=True, wait=META_WAIT_S)
    if _is_about_recipients(error):
        suspicious = not isinstance(error, ContactUnsubscribed)
        return Verdict(state=State.REFUSED, reason=reason, suspicious=suspicious)
    return Verdict(state=State.PENDING, reason=reason, halt=True)


def _is_about_recipients(error: APIError) -> bool:
    """Whether others may be taken. A 404 or 405 without a code comes from no such API."""
    if not isinstance(error, BadRequest | NotFound) or error.code in OF_THE_JOB:
        return False
    return bool(error.code) or error.status == 400


def reason_of(error: Exception) -> str:
    """A short reason that names nobody."""
    if isinstance(error, APIError):
        name = error.code if _CODE.fullmatch(error.code) else type(error).__name__
        return f"{name} (HTTP {error.status})"
    if isinstance(error, OutcomeUnknown | NotSent):
        return error.reason
    if isinstance(error, DecodeError):
        return "an answer that is none of the API's"
    return type(error).__name__
