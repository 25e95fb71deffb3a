"""Webhooks in: verify, parse, receive.

``sign``, ``verify_signature`` and the ``parse_*`` functions need no framework and no asyncio.
``Receiver`` does the rest: answers as Omnichat expects, keeps events safe, and calls handlers.
"""

from omnichat_async.webhooks.auth import (
    AllowNetworks,
    Auth,
    MetaSignature,
    OmnichatSignature,
    SecretPath,
    SharedSecretHeader,
    Unauthenticated,
    all_of,
)
from omnichat_async.webhooks.claims import DedupeFailed
from omnichat_async.webhooks.dedupe import DedupeStore, MemoryDedupe
from omnichat_async.webhooks.dispatch import Delivery, RejectWebhook, StopDispatch
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
from omnichat_async.webhooks.health import Health
from omnichat_async.webhooks.http import WebhookRequest, WebhookResponse
from omnichat_async.webhooks.inbox import Inbox
from omnichat_async.webhooks.inboxes import MemoryInbox, SqliteInbox
from omnichat_async.webhooks.intake import Limits
from omnichat_async.webhooks.parse import parse, parse_ai_agent, parse_event, parse_whatsapp
from omnichat_async.webhooks.receiver import Receiver
from omnichat_async.webhooks.refusal import WebhookRefused
from omnichat_async.webhooks.topics import TOPICS
from omnichat_async.webhooks.verify import Secret, sign, verify_signature
from omnichat_async.webhooks.watch import Answered, Observed
from omnichat_async.webhooks.worker import Outcome, WorkPolicy

__all__ = [
    "TOPICS",
    "AgentEvent",
    "AllowNetworks",
    "Answered",
    "Auth",
    "CallEvent",
    "ChangeEvent",
    "DedupeFailed",
    "DedupeStore",
    "Delivery",
    "GroupEvent",
    "Health",
    "InboundMessage",
    "Inbox",
    "Limits",
    "MemoryDedupe",
    "MemoryInbox",
    "MessageEcho",
    "MessageStatus",
    "MetaSignature",
    "Observed",
    "OmnichatEvent",
    "OmnichatSignature",
    "Outcome",
    "Receiver",
    "RejectWebhook",
    "Secret",
    "SecretPath",
    "SharedSecretHeader",
    "SqliteInbox",
    "StopDispatch",
    "Unauthenticated",
    "UnknownEvent",
    "WebhookEvent",
    "WebhookRefused",
    "WebhookRequest",
    "WebhookResponse",
    "WorkPolicy",
    "all_of",
    "parse",
    "parse_ai_agent",
    "parse_event",
    "parse_whatsapp",
    "sign",
    "verify_signature",
]
