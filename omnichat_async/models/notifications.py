"""LINE official notifications, which go to a phone number and may fall back to SMS."""

from collections.abc import Mapping

import attrs

from omnichat_async import checks
from omnichat_async.models.base import Model
from omnichat_async.models.body import Body
from omnichat_async.models.common import Platform, platform_name

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
    platform: Platform | str = attrs.field(default="line", converter=platform_name)

    def _check(self) -> None:
        checks.text("channel_id", self.channel_id)
        checks.phone("to", self.to)
        checks.text("setting_id", self.setting_id)
        for value in checks.mapping("value_map", self.value_map).values():
            if isinstance(value, str):
                checks.string("value_map value", value)
            elif not isinstance(value, bool):
                checks.number("value_map value", value)


@attrs.define(kw_only=True)
class NotificationSent(Model):
    """That a notification was taken, which does not say that it was delivered.

    `trigger_id` stands for the whole call, up to 100 notifications; the ``lon/send_sms`` webhook
    names it.
    """

    trigger_id: str | None = None
