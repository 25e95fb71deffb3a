"""Objects of identities: which member a user of a channel is."""

import attrs

from omnichat_async.models.base import Model

__all__ = ["MemberData"]


@attrs.define(kw_only=True)
class MemberData(Model):
    """A user id that was asked about, and its member id (None without a linked member)."""

    id: str
    member_id: str | None = None
