"""Request bodies to single events. Pure: no network, no clock, no asyncio."""

from __future__ import annotations

import hashlib
import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from omnichat_async.webhooks.ai_agent import AgentEventData, AgentTeam
from omnichat_async.webhooks.body import load_object
from omnichat_async.webhooks.envelope import events_of
from omnichat_async.webhooks.events import AgentEvent, OmnichatEvent, UnknownEvent
from omnichat_async.webhooks.payload import UnknownData, fit
from omnichat_async.webhooks.refusal import WebhookRefused
from omnichat_async.webhooks.topics import TOPICS
from omnichat_async.windows import EPOCH

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from omnichat_async.webhooks.events import WebhookEvent
    from omnichat_async.webhooks.payload import Payload

__all__ = ["MAX_EVENTS", "parse", "parse_ai_agent", "parse_event", "parse_whatsapp"]

MAX_EVENTS = 5000

_TOPIC = re.compile(r"[a-z0-9_]{1,64}/[a-z0-9_]{1,64}")
_EVENT_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")
_MILLISECONDS = re.compile(r"[0-9]{1,15}")
_TEAM_LENGTH = 200


def parse_event(body: bytes, headers: Mapping[str, str]) -> list[WebhookEvent]:
    """The event of one of Omnichat's topics, as a list of one OmnichatEvent.

    `headers` are the request's, in any case of letters: the topic stands only there. Raises
    WebhookRefused for a body that is not a JSON object.
    """
    return _topic_events(load_object(body), _lower(headers))


def parse_whatsapp(body: bytes, *, max_events: int = MAX_EVENTS) -> list[WebhookEvent]:
    """The single events of a forwarded WhatsApp envelope, messages before statuses.

    An item that cannot be read becomes an UnknownEvent, and the others are as they would be
    without it. Raises WebhookRefused for a body that is not a JSON object (status 400) or holds
    more than `max_events` items (status 413).
    """
    return events_of(load_object(body), max_events)


def parse_ai_agent(body: bytes, *, max_events: int = MAX_EVENTS) -> list[WebhookEvent]:
    """The single events of a webhook for third-party AI agents.

    Raises WebhookRefused as ``parse_whatsapp`` does.
    """
    return _agent_events(load_object(body), max_events)


def parse(
    body: bytes, headers: Mapping[str, str], *, max_events: int = MAX_EVENTS
) -> list[WebhookEvent]:
    """The single events of any webhook: the body and the topic tell which of the three it is.

    A body that lacks a part, as ``object`` or ``team``, is still known by its list if it comes
    without a topic.
    """
    root, headers = load_object(body), _lower(headers)
    topic = headers.get("x-omnichat-topic", "")
    if topic in TOPICS:
        return _topic_events(root, headers)
    if root.get("object") == "whatsapp_business_account":
        return events_of(root, max_events)
    if isinstance(_agent_list(root), list) and ("team" in root or not topic):
        return _agent_events(root, max_events)
    if isinstance(root.get("entry"), list) and not topic:
        return events_of(root, max_events)
    return _topic_events(root, headers)


def _lower(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def _topic_events(root: dict[str, Any], headers: Mapping[str, str]) -> list[WebhookEvent]:
    topic = headers.get("x-omnichat-topic", "")
    if not _TOPIC.fullmatch(topic):
        topic = ""
    if not root and not topic:
        return []
    model: type[Payload] = TOPICS.get(topic, UnknownData)
    data, problems = fit(model, root)
    event = OmnichatEvent(
        raw=root,
        body=root,
        problems=problems,
        topic=topic,
        event_id=_event_id(headers.get("x-omnichat-event-id")),
        occurred_at=_milliseconds(headers.get("x-omnichat-timestamp", "")),
        team=_team(headers.get("x-omnichat-team", "")),
        data=data,
    )
    return [event]


def _team(given: str) -> str | None:
    """A name that can be written as UTF-8, whatever bytes came in the header."""
    raw = given[:_TEAM_LENGTH].encode("utf-8", "surrogatepass")
    return raw.decode("utf-8", "replace") or None


def _event_id(given: str | None) -> str | None:
    """An id of a shape that is safe in logs and keys; any other is replaced by its hash."""
    if not given or _EVENT_ID.fullmatch(given):
        return given or None
    return hashlib.sha256(given.encode("utf-8", "surrogatepass")).hexdigest()


def _milliseconds(text: str) -> datetime | None:
    # Not through float seconds, which lose the last digit.
    try:
        return EPOCH + timedelta(milliseconds=int(text)) if _MILLISECONDS.fullmatch(text) else None
    except OverflowError:
        return None


def _agent_list(root: dict[str, Any]) -> Any:
    # The guide's table calls the list `event`, its samples `events`.
    given = root.get("events")
    return root.get("event") if given is None else given


def _agent_events(root: dict[str, Any], max_events: int) -> list[WebhookEvent]:
    items = _agent_list(root)
    if not isinstance(items, list):
        return [UnknownEvent(raw=root, body=root, problems=("events: no list",))] if root else []
    if len(items) > max_events:
        raise WebhookRefused(f"more than {max_events} events in one request", status=413)
    team = root.get("team")
    team_data, team_problems = fit(AgentTeam, team if isinstance(team, dict) else {})
    return [_agent_event(item, team, team_data, team_problems) for item in items]


def _agent_event(
    item: Any, team: Any, team_data: AgentTeam, problems: tuple[str, ...]
) -> WebhookEvent:
    body = {"team": team, "events": [item]}
    if not isinstance(item, dict):
        return UnknownEvent(raw=item, body=body, problems=("not an object",))
    data, more = fit(AgentEventData, item)
    return AgentEvent(raw=item, body=body, problems=problems + more, team=team_data, data=data)
