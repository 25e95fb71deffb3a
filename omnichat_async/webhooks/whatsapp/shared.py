"""What several of WhatsApp's objects have: times, people, errors."""

from datetime import datetime, timedelta
from typing import Any, TypeAlias

import attrs

from omnichat_async.webhooks.payload import Payload, as_written
from omnichat_async.windows import EPOCH

__all__ = ["ErrorInfo", "Profile", "WhatsAppContact", "WireTime", "time_of"]

WireTime: TypeAlias = str | int | None
"""Epoch seconds as Meta sends them: mostly text, sometimes a number."""

_LAST_SECOND = 253_402_300_800  # the year 10000


def time_of(value: WireTime) -> datetime | None:
    """Epoch seconds as an aware UTC datetime; None for what is no time."""
    text = str(value)
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        return None
    seconds = int(text)
    return EPOCH + timedelta(seconds=seconds) if seconds < _LAST_SECOND else None


@attrs.define(kw_only=True, repr=False, field_transformer=as_written)
class Profile(Payload):
    """What a user calls themselves."""

    name: str | None = None
    username: str | None = None


@attrs.define(kw_only=True, repr=False, field_transformer=as_written)
class WhatsAppContact(Payload):
    """A user: `wa_id` is the phone number, `user_id` the business-scoped id."""

    profile: Profile | None = None
    wa_id: str | None = None
    user_id: str | None = None
    parent_user_id: str | None = None


@attrs.define(kw_only=True, repr=False, field_transformer=as_written)
class ErrorInfo(Payload):
    """An error that Meta reports; 131047 means that the 24 hours are over."""

    code: int | None = None
    title: str | None = None
    message: str | None = None
    details: str | None = None
    error_data: dict[str, Any] | None = None
    href: str | None = None
