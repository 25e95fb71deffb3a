"""Objects and enums that several API areas use."""

import attrs

from omnichat_async import checks
from omnichat_async.models.base import Model, OpenEnum

__all__ = ["Channel", "Platform", "platform_name"]


class Platform(OpenEnum):
    """A messaging platform. The API's ``website`` and ``web`` are read as WEBCHAT."""

    LINE = "line"
    FACEBOOK = "facebook"
    INSTAGRAM = "instagram"
    WECHAT = "wechat"
    WHATSAPP = "whatsapp"
    WEBCHAT = "webchat"

    @classmethod
    def aliases(cls) -> dict[str, str]:
        return {"website": "webchat", "web": "webchat"}


def platform_name(platform: Platform | str) -> str:
    """A platform as requests name it: in lower case, and webchat under this one of its names."""
    name = checks.text("platform", platform)
    return checks.text("platform", Platform.known().get(name.lower(), name))


@attrs.frozen(kw_only=True)  # pyright: ignore[reportGeneralTypeIssues] - attrs allows it
class Channel(Model):
    """A messaging channel: the platform and the account on it. Rows share equal ones, so they
    cannot be changed."""

    platform: Platform | str | None = None
    channel_id: str | None = None
