"""Every error this package raises on purpose.

All of them are plain data: they pickle, they copy, and neither ``str()`` nor ``repr()`` holds
a token, a phone number, an e-mail address, a name or a message text. What the server sent is
kept on the attributes (``body``, ``message``), for the code that asks for it.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from omnichat_async.calls import Call
    from omnichat_async.windows import Checkpoint

__all__ = [
    "APIError",
    "BadRequest",
    "ConfigurationError",
    "ContactNotReachable",
    "ContactUnsubscribed",
    "DecodeError",
    "Incomplete",
    "InvalidRequest",
    "MarketingMessagesLiteNotEnabled",
    "NotFound",
    "NotSent",
    "OmnichatError",
    "OutcomeUnknown",
    "PartialFailure",
    "PermissionDenied",
    "RateLimited",
    "ServerError",
    "Unauthorized",
]

# What a code looks like: a server that puts free text there does not get it into a log.
_CODE = r"[A-Z][A-Z0-9_:]{0,63}|[0-9]{1,7}"


def _restore(
    cls: type[OmnichatError], args: tuple[Any, ...], state: dict[str, Any]
) -> OmnichatError:
    error = cls.__new__(cls)
    error.args = args
    error.__dict__.update(state)
    return error


class OmnichatError(Exception):
    """The root of all errors of this package.

    `checkpoint` is set when a walk over a listing failed: pass it as ``resume_from=`` to go on.
    """

    checkpoint: Checkpoint | None = None

    # The default would call cls(*args), which fits no signature with keyword arguments.
    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (type(self), self.args, self.__dict__)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r})"


class ConfigurationError(OmnichatError):
    """The client was set up or used in a way that cannot work: no token, a wrong URL, another
    event loop, after ``aclose()``, a missing extra."""


class InvalidRequest(OmnichatError, ValueError):
    """Refused on this machine, before anything was sent.

    `field` is the parameter's name, `limit` what is allowed, `given` what came, described so
    that it holds no personal data (a number, a length, a type).
    """

    def __init__(self, field: str, limit: str, given: str) -> None:
        super().__init__(f"{field}: {limit}; given: {given}")
        self.field = field
        self.limit = limit
        self.given = given


class NotSent(OmnichatError):
    """The call never reached the server, so repeating it is safe.

    No connection, no room in the queue of the rate limit before the deadline, and the like.
    `attempts` counts the tries, `call` is the call.
    """

    def __init__(self, reason: str, *, call: Call[Any] | None = None, attempts: int = 0) -> None:
        where = f"{call.label}: " if call is not None else ""
        super().__init__(f"{where}not sent: {reason}")
        self.reason = reason
        self.call = call
        self.attempts = attempts


class OutcomeUnknown(OmnichatError):
    """The call left this machine and no whole answer came back.

    The server may have processed it. A call with an effect (a message, a broadcast, loyalty
    points) is never repeated by this package after that; look before you send again. `status`
    and `body` hold whatever part of an answer arrived, `safe_to_repeat` says whether the call
    is one that may be repeated without harm.
    """

    def __init__(
        self,
        reason: str,
        *,
        call: Call[Any],
        attempts: int = 1,
        status: int | None = None,
        body: bytes = b"",
    ) -> None:
        advice = (
            "it is safe to repeat"
            if call.repeatable
            else "it may have been processed, so it was not repeated: check before sending again"
        )
        super().__init__(f"{call.label}: outcome unknown after {reason}; {advice}")
        self.reason = reason
        self.call = call
        self.attempts = attempts
        self.status = status
        self.body = body
        self.safe_to_repeat = call.repeatable


class APIError(OmnichatError):
    """The server answered with an error.

    `status` is the HTTP status, `code` the API's own error code (``""`` if it gave none),
    `message` its text, `trace_id` what Omnichat's support asks for, `body` the raw bytes,
    `headers` the answer's headers with lower-case names, `call` the call, `attempts` how often
    it was sent, `retry_after` the wait the server asked for in seconds.
    """

    codes: ClassVar[frozenset[str]] = frozenset()
    """The error codes that this class stands for, whatever the HTTP status."""

    def __init__(
        self,
        *,
        status: int,
        code: str = "",
        message: str = "",
        trace_id: str | None = None,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        call: Call[Any] | None = None,
        attempts: int = 1,
        retry_after: float | None = None,
    ) -> None:
        where = f"{call.label}: " if call is not None else ""
        known = f" {code}" if re.fullmatch(_CODE, code) else ""
        wait = f", retry after {retry_after:g} s" if retry_after is not None else ""
        trace = f", trace id {trace_id}" if trace_id else ""
        super().__init__(f"{where}HTTP {status}{known} (attempt {attempts}{wait}{trace})")
        self.status = status
        self.code = code
        self.message = message
        self.trace_id = trace_id
        self.body = body
        self.headers = dict(headers or {})
        self.call = call
        self.attempts = attempts
        self.retry_after = retry_after


class BadRequest(APIError):
    """The server refused the request as wrong (HTTP 4xx without a class of its own)."""


class Unauthorized(APIError):
    """The token is missing, wrong or expired (HTTP 401, or Omnichat's 400 that means it)."""


class PermissionDenied(APIError):
    """The team lacks the module or the right for this call (HTTP 403, or a 400 that means it)."""


class NotFound(APIError):
    """There is no such thing (HTTP 404, or an error code that says so)."""

    codes = frozenset(
        {
            "BROADCAST_NOT_FOUND",
            "CHATBOT_NOT_FOUND",
            "CONTACT_NOT_FOUND",
            "NOT_FOUND",
            "ROOM_NOT_FOUND",
            "USER_ID_NOT_FOUND",
            "WEBCHAT_USER_NOT_FOUND",
        }
    )


class RateLimited(APIError):
    """The team account's request budget is used up (HTTP 429) and the wait does not fit."""


class ServerError(APIError):
    """The server failed (HTTP 5xx without a known error code)."""


class ContactUnsubscribed(BadRequest):
    """The recipient has opted out."""

    codes = frozenset({"CONTACT_UNSUBSCRIBED"})


class ContactNotReachable(BadRequest):
    """The recipient cannot be reached, or the plan's contact quota is used up."""

    codes = frozenset({"CONTACT_NOT_REACHABLE"})


class MarketingMessagesLiteNotEnabled(PermissionDenied):
    """The WhatsApp account has not enabled Marketing Messages Lite. It comes as HTTP 500 and is
    permanent all the same, so it is never repeated."""

    codes = frozenset({"MARKETING_MESSAGES_LITE_NOT_ENABLED"})


class DecodeError(OmnichatError, ValueError):
    """The server's answer does not have the promised form.

    `path` leads to the place (``content[17].time``), `expected` says what belongs there,
    `found` what was there instead, as a JSON type: never the value. `raw` is the odd row when
    one row of a page is meant, `status` and `body` the answer when the whole of it is unusable.
    """

    def __init__(
        self,
        path: str,
        expected: str,
        found: str,
        *,
        call: Call[Any] | None = None,
        status: int | None = None,
        body: bytes = b"",
        raw: Any = None,
    ) -> None:
        where = f"{call.label}: " if call is not None else ""
        super().__init__(f"{where}{path}: expected {expected}, found {found}")
        self.path = path
        self.expected = expected
        self.found = found
        self.call = call
        self.status = status
        self.body = body
        self.raw = raw


class Incomplete(OmnichatError):
    """A walk could not be proved complete, so it says so instead of losing rows in silence."""


class PartialFailure(OmnichatError):
    """Some calls of a batch failed, and the others did not.

    `outcomes` has one entry for each item in the caller's order: its result, or the error of
    the call it was sent in. Items whose error is NotSent, or an APIError that refused the call,
    were not processed; for an OutcomeUnknown nobody can tell.
    """

    def __init__(self, outcomes: Sequence[Any]) -> None:
        kinds = Counter(type(each).__name__ for each in outcomes if isinstance(each, Exception))
        failed = ", ".join(f"{count} {kind}" for kind, count in kinds.items())
        super().__init__(f"{kinds.total()} of {len(outcomes)} items failed: {failed}")
        self.outcomes = list(outcomes)

    @property
    def failed(self) -> dict[int, Exception]:
        """The errors, by the place of their item in the caller's order."""
        return {
            place: each for place, each in enumerate(self.outcomes) if isinstance(each, Exception)
        }
