"""Events as an inbox keeps them."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

from omnichat_async.webhooks.events import digest
from omnichat_async.webhooks.inbox import Record
from omnichat_async.webhooks.refusal import WebhookRefused

if TYPE_CHECKING:
    from collections.abc import Sequence

    from omnichat_async.webhooks.events import WebhookEvent

__all__ = ["records_of"]

_GROWTH = 16


def records_of(events: Sequence[WebhookEvent], scope: str, max_body: int) -> list[Record]:
    """One record for each event, in their order.

    What stands around the items of a batch is kept with each of them, so what is stored may be
    larger than what came: 16 bodies of the largest size, or WebhookRefused with status 413.
    """
    received, size = time.time(), 0
    records: list[Record] = []
    for event in events:
        body = json.dumps(event.body, ensure_ascii=False, separators=(",", ":")).encode()
        size += len(body)
        if size > _GROWTH * max_body:
            raise WebhookRefused("the events of one request are too large", status=413)
        key = digest(scope, *event.identity)
        lane = event.sequence
        records.append(
            Record(
                key=key,
                lane=digest(scope, *lane) if lane is not None else key,
                name=event.name,
                headers=event.headers,
                body=body,
                received=received,
                scope=scope,
            )
        )
    return records
