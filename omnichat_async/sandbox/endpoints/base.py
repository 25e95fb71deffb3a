"""What an endpoint is, and the answer all lists share."""

from collections.abc import Callable

import attrs

from omnichat_async.sandbox.config import SandboxConfig
from omnichat_async.sandbox.data.platforms import PLATFORMS
from omnichat_async.sandbox.wire import ApiError, Call, Refuse, Reply, Row, bad_body, json_reply
from omnichat_async.sandbox.world import Selection, World

API_ROOT = "/v1"
CONVERSIONS_ROOT = "/restapi/v1"
# In no document but for the room assignment calls, where it is a 400.
UNAUTHORIZED = ApiError(401, "UNAUTHORIZED", "Invalid access token")


@attrs.frozen
class Endpoint:
    """A method, a path below `/v1` in aiohttp's notation, and the rule that answers.

    The rule is a plain function without awaits, so each request is atomic. It raises `ApiError`
    to refuse. `schemes`: how the token may be sent; `unauthorized`: what a wrong one gets.
    """

    method: str
    path: str
    handle: Callable[[World, Call], Reply]
    root: str = API_ROOT
    schemes: tuple[str, ...] = ("Bearer",)
    unauthorized: ApiError = UNAUTHORIZED


def listing(
    config: SandboxConfig,
    rows: Selection,
    paging: tuple[int, int],
    total_key: str = "totalElements",
    more: Row | None = None,
) -> Reply:
    """One page of rows and the total. `total_key`: what the documents call the total here."""
    payload: Row = {"content": rows.page(*paging)}
    if config.total_key != "none":
        key = total_key if config.total_key == "default" else config.total_key
        payload[key] = len(rows.numbers)
    payload |= more or {}
    return json_reply(payload)


def content(config: SandboxConfig, payload: object) -> Reply:
    """An answer that the collection wraps in `content` and the guide does not."""
    return json_reply(payload if config.guide else {"content": payload})


def channel_of(platform: str, channel_id: str, refuse: Refuse = bad_body) -> int:
    """The channel, 0 or 1, of a platform."""
    channel = PLATFORMS[platform].channel_number(channel_id)
    if channel is None:
        raise refuse(f"channel {channel_id} not found; {platform} has {channels_of(platform)}")
    return channel


def channels_of(platform: str) -> str:
    """The channels of a platform, for messages."""
    return " and ".join(PLATFORMS[platform].channels)
