"""The GET that Omnichat sends when a subscription is saved."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

from omnichat_async.webhooks.http import WebhookResponse
from omnichat_async.webhooks.refusal import WebhookRefused
from omnichat_async.webhooks.verify import same

if TYPE_CHECKING:
    from omnichat_async.webhooks.http import WebhookRequest
    from omnichat_async.webhooks.verify import Secret

__all__ = ["answer_handshake"]

# It is sent back, so it must not be able to be a page or a header.
_CHALLENGE = re.compile(r"[\x21-\x7e]{1,256}")


def answer_handshake(request: WebhookRequest, token: Secret | None) -> WebhookResponse:
    """Give the challenge back if the token is right: ``verify_token``, or Meta's ``hub.*``.

    Raises WebhookRefused: 400 for a malformed request, 403 for a wrong token.
    """
    counts = Counter(name for name, _ in request.query)
    if any(count > 1 for count in counts.values()):
        raise WebhookRefused("a parameter of the handshake is there twice")
    query = dict(request.query)
    prefix = "hub." if "hub.verify_token" in query else ""
    given, challenge = query.get(f"{prefix}verify_token"), query.get(f"{prefix}challenge")
    if given is None or token is None or not same(given, token.reveal()):
        raise WebhookRefused("the verify token of the handshake is wrong", status=403)
    if prefix and query.get("hub.mode") != "subscribe":
        raise WebhookRefused("hub.mode is not subscribe")
    if challenge is None or not _CHALLENGE.fullmatch(challenge):
        raise WebhookRefused("the challenge is not 1 to 256 printable ASCII characters")
    return WebhookResponse(status=200, body=challenge.encode("ascii"))
