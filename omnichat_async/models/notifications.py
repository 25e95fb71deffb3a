"""LINE official notifications, which go to a phone number and may fall back to SMS."""

from collections.abc import Mapping

import attrs

from omnichat_async import checks
from omnichat_async.errors import InvalidRequest
from omnichat_async.models.base import Body, Model

__all__ = ["Notification", "NotificationSent"]


@attrs.frozen(kw_only=True)
class Notification(Body):
    """A notification to one phone number.

    `to` is country code and number, digits only, `setting_id` the notification's id on the LINE
    NotiPress page of the portal, `value_map` the values of its template's variables. The only
    documented `platform` is "line".
    """

    channel_id: str
    to: str
    setting_id: str
    value_map: Mapping[str, str | int | float | bool]
    platform: str = "line"

    def __attrs_post_init__(self) -> None:
        checks.text("platform", self.platform)
        checks.text("channel_id", self.channel_id)
        checks.phone("to", self.to)
        checks.text("setting_id", self.setting_id)
        if not isinstance(self.value_map, Mapping):
            given = type(self.value_map).__name__
            raise InvalidRequest("value_map", "must map names to values", given)
        for name, value in self.value_map.items():
            checks.text("value_map name", name)
            if not isinstance(value, str | bool):
                checks.number("value_map value", value)


@attrs.define(kw_only=True)
class NotificationSent(Model):
    """That a notification was taken, which does not say that it was delivered.

    `trigger_id` stands for the whole call, up to 100 notifications; the ``lon/send_sms`` webhook
    names it.
    """

    trigger_id: str | None = None
