"""What an answer, or the lack of one, means: pure rules over status, headers and body."""

from __future__ import annotations

import enum
import math
import re
import time
from datetime import UTC
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from omnichat_async.codec import loads
from omnichat_async.errors import (
    APIError,
    BadRequest,
    ContactNotReachable,
    ContactUnsubscribed,
    MarketingMessagesLiteNotEnabled,
    NotFound,
    NotSent,
    OmnichatError,
    OutcomeUnknown,
    PermissionDenied,
    RateLimited,
    ServerError,
    Unauthorized,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from omnichat_async.calls import Call

__all__ = ["Failure", "Phase", "Reply", "classify", "parse_retry_after", "read_error", "to_error"]

TOO_MANY_REQUESTS = 429

BUSINESS_CODES = frozenset(
    {
        "AGENT_NOT_FOUND",
        "BROADCAST_NOT_FOUND",
        "CHANNEL_ID_NOT_FOUND",
        "CHATBOT_NOT_FOUND",
        "CONTACT_NOT_FOUND",
        "CONTACT_NOT_REACHABLE",
        "CONTACT_UNSUBSCRIBED",
        "INVALID_BROADCAST_MESSAGE",
        "INVALID_CUSTOM_ATTRIBUTE",
        "INVALID_FORMAT",
        "INVALID_PLATFORM",
        "INVALID_REQUEST_BODY",
        "INVALID_REQUEST_PARAMETER",
        "INVALID_REQUEST_PARAMETERS",
        "LINE_API_EXCEPTION",
        "MARKETING_MESSAGES_LITE_NOT_ENABLED",
        "MISMATCH_TYPE",
        "MISSING_URL_PARAMETER",
        "NOT_ALLOWED_ASSIGN_TO_HUMAN",
        "NOT_ALLOWED_TO_CLOSE_ROOM",
        "NOT_FOUND",
        "OCE::BAD_REQUEST",
        "ROOM_NOT_FOUND",
        "USER_ID_NOT_FOUND",
        "WEBCHAT_USER_NOT_FOUND",
    }
)
"""Codes that mean the request itself is refused, whatever the HTTP status says."""

_BY_CODE: dict[str, type[APIError]] = {
    code: cls
    for cls in (
        NotFound,
        ContactUnsubscribed,
        ContactNotReachable,
        MarketingMessagesLiteNotEnabled,
    )
    for code in cls.codes
}
_BY_STATUS: dict[int, type[APIError]] = {
    401: Unauthorized,
    403: PermissionDenied,
    404: NotFound,
    429: RateLimited,
}
# Some 400s are errors of another kind, told apart by their text alone. (The patterns are compiled
# with the first error, which few programs meet.)
_BY_TEXT: tuple[tuple[str, type[APIError]], ...] = (
    (r"unauthenticated access token", Unauthorized),
    (r"not supported to use|missing arkhamApiToken", PermissionDenied),
    (r"\bnot found\b|can't find", NotFound),
)
_OCE = r"(OCE::[A-Z_]+)::(.*)"
_NEVER_TRANSIENT = frozenset({501, 505})
_ID = r"[A-Za-z0-9._:-]{1,128}"
_TRACE_ID = r"x-omnichat-.*trace-id"


class Phase(enum.Enum):
    """How far a request got before it failed."""

    NOT_SENT = "not sent"
    """Nothing of it reached the server: always safe to repeat."""
    REJECTED = "rejected"
    """The server answered and said no."""
    UNKNOWN = "unknown"
    """It was sent, and no whole answer that settles its fate came back."""


class Reply:
    """An HTTP answer, fully read.

    `headers` has lower-case names; `whole` is False if the connection broke before the end of
    the body.
    """

    def __init__(
        self, status: int, headers: Mapping[str, str], body: bytes, whole: bool = True
    ) -> None:
        self.status = status
        self.headers = headers
        self.body = body
        self.whole = whole
        self._read: tuple[bool, Any] | None = None

    @property
    def json(self) -> tuple[bool, Any]:
        """Whether the body is JSON, and then what it says; parsed when it is first looked at,
        because parsed pages that wait to be used take several times the memory."""
        if self._read is None:
            try:
                self._read = (True, loads(self.body)) if self.body else (False, None)
            except ValueError:
                self._read = (False, None)
        return self._read

    @property
    def retry_after(self) -> float | None:
        """The wait the server asked for, in seconds."""
        return parse_retry_after(self.headers.get("retry-after"), self.headers.get("date"))


class Failure(Exception):  # noqa: N818 - inside the session only; callers see what to_error makes
    """One attempt failed. `transient` says whether another one may go better, `wait` how many
    seconds to wait before it; None, as long as nobody has decided to make one."""

    wait: float | None = None

    def __init__(
        self, phase: Phase, reason: str, *, reply: Reply | None = None, transient: bool = True
    ) -> None:
        super().__init__(reason)
        self.phase = phase
        self.reason = reason
        self.reply = reply
        self.transient = transient

    @property
    def throttled(self) -> bool:
        """Whether the server refused the request for its rate."""
        return self.reply is not None and self.reply.status == TOO_MANY_REQUESTS

    @property
    def retry_after(self) -> float | None:
        """The wait the server asked for, in seconds."""
        return None if self.reply is None else self.reply.retry_after


def parse_retry_after(value: str | None, date: str | None = None) -> float | None:
    """Seconds to wait, from a ``Retry-After`` header: a number or an HTTP date.

    A date is compared with the answer's own ``Date`` header, so a wrong local clock does not
    matter. What makes no sense (negative, not a number, empty) is None, as if it were missing.
    """
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        at = http_date(value)
        if at is None:
            return None
        now = http_date(date)
        return max(0.0, at - (time.time() if now is None else now))
    return seconds if math.isfinite(seconds) and seconds >= 0 else None


@lru_cache(maxsize=16)  # a server tells the same second to every answer in it
def http_date(value: str | None) -> float | None:
    try:
        at = parsedate_to_datetime(value) if value else None
        # HTTP dates are in GMT; the asctime form does not say so, and must not become local time.
        return None if at is None else (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None


def read_error(parsed: Any) -> tuple[str, str]:
    """Code and text of an error body in any of the API's shapes; empty where it has none."""
    if not isinstance(parsed, dict):
        return "", ""
    for key in ("content", "error"):  # direct messages; Meta's own form on the headless API
        inner = parsed.get(key)
        if isinstance(inner, dict) and ("code" in inner or "message" in inner):
            parsed = inner
            break
    code = next((parsed[k] for k in ("errorCode", "code") if parsed.get(k) is not None), "")
    message = parsed.get("message")
    message = message if isinstance(message, str) else ""
    if not code and (match := re.match(_OCE, message, re.DOTALL)):
        return match[1], match[2]
    return str(code) if type(code) in {str, int} else "", message


def classify(call: Call[Any], reply: Reply) -> Failure | None:
    """None for a good answer; otherwise what kind of failure it is."""
    status = reply.status
    if 200 <= status < 300:
        if reply.whole:
            return None
        return Failure(Phase.UNKNOWN, f"HTTP {status} with a truncated body", reply=reply)
    if status == TOO_MANY_REQUESTS:
        return Failure(Phase.REJECTED, "HTTP 429", reply=reply)
    code, _ = read_error(reply.json[1])
    failing = status == 408 or (status >= 500 and status not in _NEVER_TRANSIENT)
    if failing and code not in BUSINESS_CODES:
        # Nobody knows how far a server that failed had got, so only a harmless call is repeated.
        phase = Phase.REJECTED if call.repeatable else Phase.UNKNOWN
        return Failure(phase, f"HTTP {status}", reply=reply)
    return Failure(Phase.REJECTED, f"HTTP {status}", reply=reply, transient=False)


def error_class(status: int, code: str, message: str) -> type[APIError]:
    """The class an error answer is raised as: by what it means, then by its HTTP status."""
    if code in _BY_CODE:
        return _BY_CODE[code]
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    if code == "INVALID_REQUEST_BODY" or code.startswith("OCE::"):
        for pattern, cls in _BY_TEXT:
            if re.search(pattern, message, re.IGNORECASE):
                return cls
    if code in BUSINESS_CODES or 400 <= status < 500:
        return BadRequest
    return ServerError if status >= 500 else APIError


def to_error(call: Call[Any], failure: Failure, attempts: int) -> OmnichatError:
    """The error a caller sees after the last attempt."""
    reply = failure.reply
    if failure.phase is Phase.NOT_SENT:
        return NotSent(failure.reason, call=call, attempts=attempts)
    answer_error = None
    if reply is not None and reply.status >= 300:
        code, message = read_error(reply.json[1])
        answer_error = error_class(reply.status, code, message)(
            status=reply.status,
            code=code,
            message=message,
            trace_id=trace_id(reply.headers),
            body=reply.body,
            headers=reply.headers,
            call=call,
            attempts=attempts,
            retry_after=failure.retry_after,
        )
    if failure.phase is Phase.REJECTED and answer_error is not None:
        return answer_error
    unknown = OutcomeUnknown(
        failure.reason,
        call=call,
        attempts=attempts,
        status=None if reply is None else reply.status,
        body=b"" if reply is None else reply.body,
    )
    unknown.__cause__ = answer_error
    return unknown


def trace_id(headers: Mapping[str, str]) -> str | None:
    """The id Omnichat's support asks for, from any ``X-Omnichat-*-Trace-Id`` header."""
    return next(
        (
            value
            for name, value in headers.items()
            # It is shown in the error's text, so it must look like an id.
            if re.fullmatch(_TRACE_ID, name) and re.fullmatch(_ID, value)
        ),
        None,
    )
