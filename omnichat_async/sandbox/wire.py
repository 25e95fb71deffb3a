"""The vocabulary between the pure endpoint rules and the web server: a call, a reply, an error."""

import json
from collections.abc import Callable, Mapping

import attrs

JSON = "application/json"
HTML = "text/html"

Row = dict[str, object]

_ENCODER = json.JSONEncoder(ensure_ascii=False, check_circular=False, separators=(",", ":"))


@attrs.frozen
class Call:
    """One API request as an endpoint sees it. `now_ms`: rows later than this do not exist."""

    query: tuple[tuple[str, str], ...]
    path_args: Mapping[str, str]
    now_ms: int
    body: bytes = b""
    content_type: str = ""


@attrs.frozen
class Reply:
    """One complete answer."""

    status: int
    body: bytes
    content_type: str = JSON
    headers: Mapping[str, str] = attrs.field(factory=dict)


NO_CONTENT = Reply(204, b"")
EMPTY_OK = Reply(200, b"")


def json_reply(
    payload: object, status: int = 200, headers: Mapping[str, str] | None = None
) -> Reply:
    """An answer with this JSON, encoded once and compactly."""
    return Reply(status, _ENCODER.encode(payload).encode(), JSON, headers or {})


class ApiError(Exception):
    """A refusal in the API's usual shape: HTTP status, `errorCode` and `message`."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        self.code = code
        self.message = message

    def payload(self) -> Row:
        """The error as the JSON that goes out."""
        return {"errorCode": self.code, "message": self.message}

    def reply(self) -> Reply:
        """The error as the answer that goes out."""
        return json_reply(self.payload(), self.status)


class RoomError(ApiError):
    """The shape of the room assignment calls: `OCE::<CATEGORY>::<text>` and no code."""

    def payload(self) -> Row:
        """The category and the text in one string."""
        return {"message": f"OCE::{self.code}::{self.message}"}


class ContentError(ApiError):
    """The shape of direct messages' own error: everything within `content`."""

    def payload(self) -> Row:
        """As in the sample: code, message and the status once more."""
        content = {"code": self.code, "message": self.message, "status": self.status}
        return {"content": content}


class MetaError(ApiError):
    """The shape of Meta's Cloud API, which answers behind the headless API. `code`: a number."""

    def payload(self) -> Row:
        """Meta's error object."""
        text = f"(#{self.code}) {self.message}"
        kind = "OAuthException"
        trace = "AFakeTraceOfTheSandbox"
        return {
            "error": {"message": text, "type": kind, "code": int(self.code), "fbtrace_id": trace}
        }


Refuse = Callable[[str], ApiError]
"""Makes the error for a malformed request, in the shape of the endpoint."""


def bad_parameters(message: str) -> ApiError:
    """The documented code for query parameters that do not fit together."""
    return ApiError(400, "INVALID_REQUEST_PARAMETERS", message)


def bad_body(message: str) -> ApiError:
    """The documented code for a body that is not as it must be."""
    return ApiError(400, "INVALID_REQUEST_BODY", message)


def bad_room_request(message: str) -> ApiError:
    """The same in the room assignment calls."""
    return RoomError(400, "BAD_REQUEST", message)


def bad_meta_request(message: str) -> ApiError:
    """The same in the headless API: Meta's "invalid parameter"."""
    return MetaError(400, "100", message)


def not_found(message: str, code: str = "NOT_FOUND") -> ApiError:
    """A refusal with 404.

    Where a *_NOT_FOUND code has a documented status (BROADCAST_NOT_FOUND, ROOM_NOT_FOUND) it is
    404; where no code is documented either, NOT_FOUND is what the rooms use.
    """
    return ApiError(404, code, message)
