"""Who of some users is which member."""

from omnichat_async.sandbox.body import Fields
from omnichat_async.sandbox.data.platforms import PLATFORMS
from omnichat_async.sandbox.endpoints.base import channel_of
from omnichat_async.sandbox.wire import Call, Reply, Row, bad_body, json_reply
from omnichat_async.sandbox.world import World

_BODY = ("platform", "channelId", "ids")
_MOST_IDS = 100


def member_data(world: World, call: Call) -> Reply:
    """`POST /identities/member-data`."""
    body = Fields.of(call, _BODY)
    platform = body.choice("platform", PLATFORMS)
    if platform != "line":
        raise bad_body(f"platform {platform} is not supported yet")
    channel = channel_of(platform, body.text("channelId"))
    book = world.contacts[platform]
    content: list[Row] = []
    for user_id in body.texts("ids", least=1, most=_MOST_IDS):
        number = book.at(channel, "id", user_id, call.now_ms)
        member_id = None if number is None else book.read(number)["memberId"] or None
        content.append({"id": user_id, "memberId": member_id})
    total = {"totalElements": len(content)} if world.config.guide else {}  # not in the sample
    return json_reply({"content": content, **total})
