"""Direct messages."""

from omnichat_async.sandbox.body import Fields
from omnichat_async.sandbox.data.platforms import PLATFORMS
from omnichat_async.sandbox.endpoints.base import channel_of
from omnichat_async.sandbox.endpoints.content import alone_or_mixable, read_messages, said
from omnichat_async.sandbox.endpoints.profiles import Attribute, read_attributes
from omnichat_async.sandbox.magic import UNREACHABLE, UNSUBSCRIBED, WITHOUT_MM_LITE
from omnichat_async.sandbox.state.profile import Changes
from omnichat_async.sandbox.wire import ApiError, Call, ContentError, Reply, bad_body, json_reply
from omnichat_async.sandbox.world import World

_BODY = (
    *("trackId", "platform", "channelId", "to", "tags", "messages", "customAttributes"),
    *("employeeCode", "locationCode", "trackTransactionLink"),  # in one sample, in no table
)
_KINDS = {
    "line": ("text", "image", "block", "products", "lineFlexMessageTemplates"),
    "whatsapp": ("whatsappTemplate",),
}


def send_direct_message(world: World, call: Call) -> Reply:
    """`POST /direct-messages`."""
    body = Fields.of(call, _BODY)
    track_id = body.text("trackId")
    platform = _platform(body)
    channel = channel_of(platform, body.text("channelId"))
    to, tags = body.text("to"), body.texts("tags")
    attributes = read_attributes(body, world.config, bad_body)
    messages = read_messages(body, _KINDS[platform])
    if not alone_or_mixable(messages):
        raise bad_body("only text, image and products messages can be sent together")
    body.text_or_none("employeeCode")
    body.text_or_none("locationCode")
    body.flag("trackTransactionLink")
    _refuse_by_contact(world, platform, channel, to)
    _set_attributes(world, platform, channel, to, attributes, call.now_ms)
    world.record("direct_message", call.body, call.now_ms)
    chat = world.chats[platform]
    ids = [chat.add(channel, said(message, to), call.now_ms) for message in messages]
    book = world.contacts[platform]
    world.give_tags(book, channel, to, tags, ids[0], call.now_ms)
    key = "messageIds" if world.config.guide else "messageId"
    return json_reply({"content": {"trackId": track_id, key: ids}})


def _platform(body: Fields) -> str:
    platform = body.choice("platform", PLATFORMS)
    if platform not in _KINDS:
        raise bad_body(f"platform {platform} is not supported yet")
    return platform


def _refuse_by_contact(world: World, platform: str, channel: int, to: str) -> None:
    if to.endswith(WITHOUT_MM_LITE):
        raise ContentError(
            500,
            "MARKETING_MESSAGES_LITE_NOT_ENABLED",
            "The WABA has not enabled Marketing Messages Lite (MM Lite) and cannot send marketing "
            "messages via this API",
        )
    if to.endswith(UNREACHABLE):
        raise ApiError(
            400,
            "CONTACT_NOT_REACHABLE",
            "Contact is exceeded the subscription plan contact limit",
        )
    if to.endswith(UNSUBSCRIBED) or world.contacts[platform].signed_off(channel, to):
        raise ApiError(400, "CONTACT_UNSUBSCRIBED", "Contact is unsubscribed")


def _set_attributes(
    world: World,
    platform: str,
    channel: int,
    to: str,
    attributes: tuple[Attribute, ...],
    now_ms: int,
) -> None:
    book = world.contacts[platform]
    number = book.at(channel, "id", to, now_ms)
    if attributes and number is not None:
        changes = Changes(attributes=attributes)
        world.change_contact(book, channel, to, changes, now_ms, number)
