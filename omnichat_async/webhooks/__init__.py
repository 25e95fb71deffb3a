"""Webhooks in: verify, parse, receive.

``sign``, ``verify_signature`` and the ``parse_*`` functions need no framework and no asyncio.
``Receiver`` does the rest: answers as Omnichat expects, keeps events safe, and calls handlers.
"""

from omnichat_async.webhooks.events import (
    AgentEvent,
    CallEvent,
    ChangeEvent,
    GroupEvent,
    InboundMessage,
    MessageEcho,
    MessageStatus,
    OmnichatEvent,
    UnknownEvent,
    WebhookEvent,
)
from omnichat_async.webhooks.parse import parse, parse_ai_agent, parse_event, parse_whatsapp
from omnichat_async.webhooks.refusal import WebhookRefused
from omnichat_async.webhooks.topics import TOPICS
from omnichat_async.webhooks.verify import Secret, sign, verify_signature

__all__ = [
    "TOPICS",
    "AgentEvent",
    "CallEvent",
    "ChangeEvent",
    "GroupEvent",
    "InboundMessage",
    "MessageEcho",
    "MessageStatus",
    "OmnichatEvent",
    "Secret",
    "UnknownEvent",
    "WebhookEvent",
    "WebhookRefused",
    "parse",
    "parse_ai_agent",
    "parse_event",
    "parse_whatsapp",
    "sign",
    "verify_signature",
]
