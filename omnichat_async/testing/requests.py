"""Webhook requests as Omnichat sends them, for any receiver or test client."""

from __future__ import annotations

import time
import uuid
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from omnichat_async.testing.builders import to_bytes
from omnichat_async.webhooks import WebhookRequest, sign

if TYPE_CHECKING:
    from collections.abc import Mapping

    from omnichat_async.webhooks.verify import SecretLike

__all__ = ["handshake_request", "signed_request"]


def signed_request(
    body: dict[str, Any] | bytes,
    secret: SecretLike,
    *,
    topic: str | None = None,
    event_id: str | None = None,
    url: str = "/webhooks",
    headers: Mapping[str, str] | None = None,
) -> WebhookRequest:
    """A POST of `body`, signed. With a `topic` it is one of Omnichat's topics.

    `event_id` is made up if it is not given, `headers` replace those of the same name, and
    `url` is put where a test client asks for one. The result has ``method``, ``path``,
    ``headers`` (pairs) and ``body`` (bytes).
    """
    raw = body if isinstance(body, bytes) else to_bytes(body)
    sent = {
        "content-type": "application/json",
        "content-length": str(len(raw)),
        "user-agent": "OmnichatWebhook/1.0",
        "x-omnichat-signature": sign(raw, secret),
    }
    if topic is not None:
        sent["x-omnichat-topic"] = topic
        sent["x-omnichat-event-id"] = event_id or uuid.uuid4().hex[:24]
        sent["x-omnichat-timestamp"] = str(time.time_ns() // 1_000_000)
        sent["x-omnichat-team"] = "Example team"
    sent |= {name.lower(): value for name, value in (headers or {}).items()}
    return WebhookRequest.to(url, headers=sent, body=raw)


def handshake_request(
    verify_token: str, challenge: str = "1158201444", *, url: str = "/webhooks"
) -> WebhookRequest:
    """The GET with which Omnichat checks an endpoint: answer 200 with the challenge."""
    query = urlencode({"verify_token": verify_token, "challenge": challenge})
    return WebhookRequest.to(f"{url}?{query}", "GET")
