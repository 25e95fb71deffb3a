"""Calls, and changes of groups."""

from typing import Any

import attrs

from omnichat_async.models.base import wire
from omnichat_async.webhooks.payload import Payload, as_written
from omnichat_async.webhooks.whatsapp.shared import ErrorInfo, WireTime

__all__ = ["Call", "GroupUpdateData"]


@attrs.define(kw_only=True, repr=False, field_transformer=as_written)
class Call(Payload):
    """A voice call: `event` is connect or terminate."""

    id: str | None = None
    event: str | None = None
    from_: str | None = wire("from", default=None)
    from_user_id: str | None = None
    to: str | None = None
    timestamp: WireTime = None
    direction: str | None = None
    status: str | None = None
    start_time: WireTime = None
    end_time: WireTime = None
    duration: int | None = None
    session: dict[str, Any] | None = None
    errors: list[ErrorInfo] = attrs.field(factory=list)


@attrs.define(kw_only=True, repr=False, field_transformer=as_written)
class GroupUpdateData(Payload):
    """A group was made, changed or left: `type` says which."""

    group_id: str | None = None
    type: str | None = None
    timestamp: WireTime = None
    request_id: str | None = None
    reason: str | None = None
    errors: list[ErrorInfo] = attrs.field(factory=list)
