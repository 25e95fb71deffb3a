"""What a good answer says: a pure rule."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from omnichat_async.errors import DecodeError

if TYPE_CHECKING:
    from omnichat_async.jobs.fanout.message import Kind

__all__ = ["accepted"]

_PLACES: dict[Kind, tuple[str, ...]] = {
    "broadcast": ("broadcastId",),
    "direct-message": ("messageId", "messageIds", "trackId"),
    "headless": ("messages",),
    "notification": ("triggerId",),
}
"""Where the ids are. The track id is the caller's own, and no more than a sign of the API."""


def accepted(kind: Kind, answer: Any) -> str | None:
    """The id of the broadcast, the message or the trigger; None where the API left it out.

    Raises DecodeError for what is no answer of the API, whatever its HTTP status: what a proxy
    says in its place tells nothing about the call. A broadcast always has an id.
    """
    content = answer.get("content") if isinstance(answer, dict) else None
    inner = content if isinstance(content, dict) else answer
    places = [name for name in _PLACES[kind] if isinstance(inner, dict) and name in inner]
    ids = [_id(inner[name]) for name in places if name != "trackId"]
    found = next((each for each in ids if each is not None), None)
    if found is None and (kind == "broadcast" or not places):
        raise DecodeError("$", "an id", "an answer without one")
    return found


def _id(found: Any) -> str | None:
    if isinstance(found, list):
        found = found[0] if found else None
    if isinstance(found, dict):
        found = found.get("id")
    if isinstance(found, int) and not isinstance(found, bool):
        found = str(found)
    return found if isinstance(found, str) and found else None
