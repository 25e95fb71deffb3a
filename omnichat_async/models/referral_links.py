"""Objects of product referral links."""

from datetime import datetime

import attrs

from omnichat_async.models.base import Model, OpenEnum

__all__ = ["LinkTrackingMode", "ReferralLink"]


class LinkTrackingMode(OpenEnum):
    """What the lifetime of a link is counted from."""

    SENT = "sent"
    CLICKED = "clicked"


@attrs.define(kw_only=True)
class ReferralLink(Model):
    """Who sent a product referral link, and when. Times are aware UTC datetimes; `link_lifetime`
    is in days, from `link_sent_time` or `link_clicked_time` as `link_tracking_mode` says."""

    agent_name: str | None = None
    agent_employee_code: str | None = None
    agent_location_name: str | None = None
    agent_location_code: str | None = None
    link_sent_time: datetime | None = None
    link_clicked_time: datetime | None = None
    link_tracking_mode: LinkTrackingMode | str | None = None
    link_lifetime: int | None = None
