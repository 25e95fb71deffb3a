"""Bodies of webhooks, made up and complete, with any field overridden.

Overrides are named as on the wire: ``event_data("ticket/update", status="Closed")``. The value
``OMIT`` leaves a field out.
"""

from __future__ import annotations

import copy
import json
from typing import Any

__all__ = [
    "AGENT_EVENT_TYPES",
    "MESSAGE_TYPES",
    "OMIT",
    "TOPICS",
    "agent_body",
    "agent_event",
    "event_data",
    "to_bytes",
    "whatsapp_body",
    "whatsapp_message",
    "whatsapp_status",
]

OMIT: Any = object()
"""As an override: leave the field out."""

_PERSON = {"memberId": "M-1001", "email": "kim@example.com", "phone": "85290000001"}
_WHERE = {"platform": "whatsapp", "channelId": "85230000000", "userId": "85290000001"}
_BSUID = {"bsuid": "HK.13491208655302741918"}
_CUSTOMER = {
    **_PERSON,
    "omniCustomerId": "654c7ab5e4b0a1a2b3c4d5e6",
    "name": "Kim",
    "tags": ["vip", "spring"],
    "customAttributes": [{"key": "size", "value": "M"}, {"key": "points", "value": 12}],
    "socialContacts": [{**_WHERE, **_BSUID}],
    "createdAt": "2026-03-09T14:09:57.511+08:00",
    "updatedAt": "2026-03-10T09:00:00.000+08:00",
}
_SUBSCRIPTION = {**_PERSON, "name": "Kim", **_WHERE, **_BSUID}
_TICKET = {
    "ticketId": 4711,
    "subject": "2026-03-09 14:09:57",
    "customerName": "Kim",
    "isGroupChat": False,
    "isCollaborationChat": False,
    **_WHERE,
    **_BSUID,
    "status": "Open",
    "createdAt": "2026-03-09T14:09:57.511+08:00",
    "closedAt": None,
    "firstFollowUpAt": None,
    "firstResponseAt": None,
    "agentLogs": [
        {
            "agentId": "A-1",
            "agentName": "Lee",
            "actionType": "NEW_ROOM",
            "occurredAt": "2026-03-09T14:09:57.511+08:00",
        }
    ],
}
_STATUS = {**_WHERE, **_PERSON, "status": "read"}

TOPICS: dict[str, dict[str, Any]] = {
    "customer/create": _CUSTOMER,
    "customer/update": _CUSTOMER,
    "customer/channel_subscribe": _SUBSCRIPTION,
    "customer/channel_unsubscribe": _SUBSCRIPTION,
    "customer/channel_phone_binding": {**_WHERE, "platform": "line", "phone": "85290000001"},
    "customer/channel_omo_binding": {
        **_WHERE,
        **_BSUID,
        **_PERSON,
        "agentId": "A-1",
        "agentName": "Lee",
        "agentEmail": "lee@example.com",
        "agentPhone": "85290000009",
        "agentEmployeeCode": "E7",
        "agentLocationName": "Harbour",
        "agentLocationCode": "H1",
        "agentPhotoUrl": "https://example.com/lee.png",
    },
    "direct_msg/status": {
        "trackId": "spring-sale",
        "messageIds": ["wamid.HBgLODUy=="],
        **_STATUS,
        **_BSUID,
    },
    "broadcast_msg/status": {"broadcastId": "B-1", **_STATUS, "platform": "line"},
    "whatsapp_flow/flow_create": {
        "name": "Kim",
        "phone": "85290000001",
        **_BSUID,
        "flowId": "F-1",
        "flowName": "Fitting",
        "responseTime": "2026-03-09T14:09:57.511+08:00",
        "flowResponse": {"size": "M", "flow_token": "unused"},
    },
    "lon/send_sms": {
        "triggerId": "T-1",
        "settingId": "S-1",
        "settingName": "Shipped",
        "phone": "85290000001",
        "text": "Your parcel is on its way",
    },
    "ticket/create": _TICKET,
    "ticket/update": {**_TICKET, "status": "InProgress"},
    "ticket/delete": {"ticketId": 4711},
}
"""Each of Omnichat's topics, with a full object of it."""

_FILE = {"id": "2754859441498128", "mime_type": "image/jpeg", "sha256": "81d3bd8a8db4868c"}

MESSAGE_TYPES: dict[str, Any] = {
    "text": {"body": "Hello"},
    "image": {**_FILE, "caption": "This one"},
    "audio": {**_FILE, "mime_type": "audio/ogg; codecs=opus", "voice": True},
    "video": {**_FILE, "mime_type": "video/mp4", "caption": "Look"},
    "document": {**_FILE, "mime_type": "application/pdf", "filename": "order.pdf"},
    "sticker": {**_FILE, "mime_type": "image/webp", "animated": False},
    "voice": {**_FILE, "mime_type": "audio/ogg; codecs=opus"},
    "reaction": {"message_id": "wamid.earlier", "emoji": "👍"},
    "location": {"latitude": 22.28, "longitude": "114.16", "name": "Pier", "address": "Central"},
    "contacts": [
        {"name": {"formatted_name": "Sam"}, "phones": [{"phone": "85290000002", "type": "HOME"}]}
    ],
    "button": {"text": "No", "payload": "no-thanks"},
    "interactive": {"type": "button_reply", "button_reply": {"id": "yes", "title": "Yes"}},
    "order": {
        "catalog_id": "C-1",
        "text": "please",
        "product_items": [
            {"product_retailer_id": "SKU", "quantity": "1", "item_price": "9.5", "currency": "HKD"}
        ],
    },
    "system": {"type": "user_changed_number", "body": "changed", "new_wa_id": "85290000003"},
    "edit": {
        "original_message_id": "wamid.earlier",
        "message": {"type": "text", "text": {"body": "Hello!"}},
    },
    "revoke": {"original_message_id": "wamid.earlier"},
}
"""Each type of WhatsApp message, with its content."""

AGENT_EVENT_TYPES = ("ai-session:open", "message:new", "ai-session:close")


def _with(base: dict[str, Any], overrides: dict[str, Any]) -> dict[str, Any]:
    merged = {**copy.deepcopy(base), **overrides}
    return {key: value for key, value in merged.items() if value is not OMIT}


def event_data(topic: str, **overrides: Any) -> dict[str, Any]:
    """The object of a topic, as Omnichat posts it. Raises KeyError for an unknown topic."""
    return _with(TOPICS[topic], overrides)


def whatsapp_message(type_: str = "text", **overrides: Any) -> dict[str, Any]:
    """A message of one of MESSAGE_TYPES, as it stands in ``messages``."""
    base = {
        "id": f"wamid.{type_}",
        "from": "85290000001",
        "from_user_id": "HK.13491208655302741918",
        "timestamp": "1773036597",
        "type": type_,
        type_: MESSAGE_TYPES[type_],
    }
    return _with(base, overrides)


def whatsapp_status(status: str = "delivered", **overrides: Any) -> dict[str, Any]:
    """A status, as it stands in ``statuses``."""
    base = {
        "id": "wamid.sent",
        "status": status,
        "timestamp": "1773036598",
        "recipient_id": "85290000001",
        "conversation": {"id": "cv", "origin": {"type": "service"}},
        "pricing": {"pricing_model": "PMP", "category": "service", "billable": True},
    }
    return _with(base, overrides)


def whatsapp_body(
    *items: dict[str, Any], field: str = "messages", key: str | None = None, **value: Any
) -> dict[str, Any]:
    """An envelope with these items.

    They go under `key`, or without one to ``statuses`` if they have a status and to
    ``messages`` if not. `value` is put beside them.
    """
    inside: dict[str, Any] = {
        "messaging_product": "whatsapp",
        "metadata": {"display_phone_number": "85230000000", "phone_number_id": "1089"},
        "contacts": [{"profile": {"name": "Kim"}, "wa_id": "85290000001"}],
        **value,
    }
    for item in items:
        name = key or ("statuses" if "status" in item else "messages")
        inside.setdefault(name, []).append(item)
    change = {"field": field, "value": {k: v for k, v in inside.items() if v is not OMIT}}
    return {"object": "whatsapp_business_account", "entry": [{"id": "E-1", "changes": [change]}]}


def agent_event(type_: str = "message:new", **overrides: Any) -> dict[str, Any]:
    """An event for an AI agent, as it stands in ``events``."""
    payload: dict[str, Any] = {
        "channel": {"id": "CH-1", "externalId": "1650000001", "platform": "line", "metadata": {}},
        "room": {"id": "R-1", "type": "individual", "metadata": {}},
    }
    if type_ == "message:new":
        payload["message"] = {
            "id": "MSG-1",
            "replyToken": "unused",
            "createdAt": "2026-03-09T06:09:57.511Z",
            "sender": {"id": "S-1", "externalId": "U66a6", "type": "customer", "senderName": "Kim"},
            "content": {"type": "text", "text": "Hello", "metadata": {}},
        }
    base = {
        "id": f"AE-{type_}",
        "createdAt": "2026-03-09T06:09:57.511Z",
        "type": type_,
        "payload": payload,
    }
    return _with(base, overrides)


def agent_body(*events: dict[str, Any], **team: Any) -> dict[str, Any]:
    """A webhook for an AI agent with these events."""
    return {"team": _with({"id": "TEAM-1", "locale": "zh-hk"}, team), "events": list(events)}


def to_bytes(body: Any) -> bytes:
    """JSON as Omnichat writes it: compact UTF-8 without escapes."""
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
