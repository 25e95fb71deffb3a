"""The six platforms, two channels each, and how the API spells webchat in different places."""

import attrs

TEAM_NAME = "Sandbox Team"


@attrs.frozen
class Platform:
    """A platform as requests and contacts spell it (`name`) and as messages and reports do."""

    name: str
    in_messages: str
    channels: tuple[str, str]
    in_message_channels: tuple[str, str]
    room_prefix: str

    def channel_name(self, number: int) -> str:
        """What the team calls channel 0 or 1; webchat is called like the team."""
        return TEAM_NAME if self.name == "webchat" else f"{self.name.capitalize()} OA {number + 1}"

    def channel_number(self, channel_id: str) -> int | None:
        """0 or 1 for a known channel in either spelling; None for any other."""
        for spelling in (self.channels, self.in_message_channels):
            if channel_id in spelling:
                return spelling.index(channel_id)
        return None


def _plain(name: str, *channels: str) -> Platform:
    first, second = channels
    return Platform(name, name, (first, second), (first, second), name[:2])


# The documents give webchat a single fixed channel; the second lets its channelId filter be tested.
PLATFORMS = {
    platform.name: platform
    for platform in (
        _plain("line", "1650000000", "1650000002"),
        _plain("facebook", "202104673972398", "202104673972399"),
        _plain("instagram", "17841441723885812", "17841441723885813"),
        _plain("wechat", "gh_3c884a361561", "gh_3c884a361562"),
        _plain("whatsapp", "85290000001", "85290000002"),
        Platform("webchat", "website", ("webchat", "webchat-2"), ("website", "website-2"), "wb"),
    )
}
