"""Objects of channels."""

import attrs

from omnichat_async.models.common import Channel

__all__ = ["NamedChannel"]


@attrs.frozen(kw_only=True)
class NamedChannel(Channel):
    """A channel of the team and what it is called; webchat is called like the team."""

    channel_name: str | None = None
