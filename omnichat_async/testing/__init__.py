"""For the tests of programs that use this package."""

from omnichat_async.testing.builders import (
    OMIT,
    agent_body,
    agent_event,
    event_data,
    to_bytes,
    whatsapp_body,
    whatsapp_message,
    whatsapp_status,
)
from omnichat_async.testing.requests import handshake_request, signed_request
from omnichat_async.testing.sender import FakeOmnichat, SubscriptionDisabled

__all__ = [
    "OMIT",
    "FakeOmnichat",
    "SubscriptionDisabled",
    "agent_body",
    "agent_event",
    "event_data",
    "handshake_request",
    "signed_request",
    "to_bytes",
    "whatsapp_body",
    "whatsapp_message",
    "whatsapp_status",
]
