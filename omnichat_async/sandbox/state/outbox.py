"""Everything that was sent, once each, for tests that count doubles."""

import json
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Literal

import attrs

SentKind = Literal["direct_message", "broadcast", "agent_message", "notification", "headless"]

_RECIPIENTS: dict[SentKind, Callable[[Any], tuple[str, ...]]] = {
    "direct_message": lambda body: (body["to"],),
    "broadcast": lambda body: tuple(body["to"]),
    "agent_message": lambda body: (body["roomId"],),
    "notification": lambda body: tuple(item["to"] for item in body["notifications"]),
    "headless": lambda body: (body["to"],),
}


@attrs.frozen(eq=False)
class Sent:
    """One accepted send. Only the bytes of the request are kept, so a million recipients fit."""

    kind: SentKind
    at_ms: int
    raw: bytes = attrs.field(repr=False)

    @property
    def body(self) -> Any:
        """The request body."""
        return json.loads(self.raw)

    @property
    def recipients(self) -> tuple[str, ...]:
        """To whom: user ids, phone numbers (notification), or the room id (agent_message)."""
        return _recipients(self)


@lru_cache(maxsize=64)  # the pages of one broadcast's recipients
def _recipients(sent: Sent) -> tuple[str, ...]:
    return _RECIPIENTS[sent.kind](sent.body)
