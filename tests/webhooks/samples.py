"""All samples of webhooks: the 16 published ones, every topic, and what Meta sends beyond them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import attrs

from omnichat_async.testing import builders
from omnichat_async.testing.builders import to_bytes, whatsapp_body, whatsapp_message
from omnichat_async.webhooks import WebhookEvent, parse

PUBLISHED: dict[str, dict[str, Any]] = json.loads(
    (Path(__file__).parent / "data" / "whatsapp.json").read_text(encoding="utf-8")
)


@attrs.frozen
class Sample:
    """A body with its topic ("" for the two families that need none)."""

    name: str
    body: dict[str, Any]
    topic: str = ""

    @property
    def headers(self) -> dict[str, str]:
        return {"X-Omnichat-Topic": self.topic, "X-Omnichat-Event-Id": "e1"} if self.topic else {}

    def parse(self, body: Any = None) -> list[WebhookEvent]:
        return parse(to_bytes(self.body if body is None else body), self.headers)


def _interactive(kind: str, **reply: Any) -> dict[str, Any]:
    return whatsapp_message("interactive", interactive={"type": kind, kind: reply})


_CALL = {"id": "wacid.1", "event": "connect", "from": "85290000001", "timestamp": "1773036597"}
_GROUP = {"group_id": "G-1", "type": "group_create", "timestamp": "1773036597"}

BEYOND: dict[str, dict[str, Any]] = {
    **{name: whatsapp_body(whatsapp_message(name)) for name in builders.MESSAGE_TYPES},
    "list reply": whatsapp_body(_interactive("list_reply", id="r1", title="Row", description="d")),
    "flow reply": whatsapp_body(_interactive("nfm_reply", name="flow", response_json="{}")),
    "call permission": whatsapp_body(_interactive("call_permission_reply", response="accept")),
    "unheard-of type": whatsapp_body(whatsapp_message(type="hologram", text=builders.OMIT)),
    "call": whatsapp_body(_CALL, field="calls", key="calls"),
    "call status": whatsapp_body(builders.whatsapp_status("RINGING", type="call"), field="calls"),
    "echo": whatsapp_body(
        whatsapp_message(to="85290000001"), field="smb_message_echoes", key="message_echoes"
    ),
    "group": whatsapp_body(_GROUP, field="group_lifecycle_update", key="groups"),
    "template status": whatsapp_body(
        field="message_template_status_update", event="APPROVED", message_template_id=12
    ),
    "preferences": whatsapp_body(
        field="user_preferences", user_preferences=[{"wa_id": "85290000001", "value": "stop"}]
    ),
    "handover": whatsapp_body(
        field="messaging_handovers", metadata=builders.OMIT, recipient={"phone_number_id": "1089"}
    ),
}
AGENT = builders.agent_body(*map(builders.agent_event, builders.AGENT_EVENT_TYPES))

SAMPLES = [
    *(Sample(name, body) for name, body in PUBLISHED.items()),
    *(Sample(f"beyond: {name}", body) for name, body in BEYOND.items()),
    *(Sample(topic, data, topic) for topic, data in builders.TOPICS.items()),
    Sample("ai agent", AGENT),
]
