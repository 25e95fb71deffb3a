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

__all__ = [
    "OMIT",
    "agent_body",
    "agent_event",
    "event_data",
    "to_bytes",
    "whatsapp_body",
    "whatsapp_message",
    "whatsapp_status",
]
