"""The headless WhatsApp API: Meta's messages passed through. Errors have Meta's shape."""

from collections.abc import Callable

from omnichat_async.sandbox.body import Fields
from omnichat_async.sandbox.data.platforms import PLATFORMS
from omnichat_async.sandbox.magic import UNREACHABLE
from omnichat_async.sandbox.state.chats import Said
from omnichat_async.sandbox.wire import Call, MetaError, Reply, bad_meta_request, json_reply
from omnichat_async.sandbox.world import World

_ENVELOPE = ("messaging_product", "recipient_type", "to", "type", "context")
_MEDIA = ("link", "id", "caption", "filename")
_PLATFORM = "whatsapp"
_SHOWN = {"image": "photo", "audio": "audio", "video": "video", "document": "document"}


def send_headless(world: World, call: Call) -> Reply:
    """`POST /whatsapp/headless-api/{business-phone-number}/messages`."""
    body = Fields.of(call, (*_ENVELOPE, *_CHECKS), bad_meta_request)
    business_phone = call.path_args["business_phone_number"]
    channel = PLATFORMS[_PLATFORM].channel_number(business_phone)
    if channel is None:
        raise bad_meta_request(f"Object with ID '{business_phone}' does not exist")
    body.choice("messaging_product", ("whatsapp",))
    if body.has("recipient_type"):
        body.choice("recipient_type", ("individual",))
    if body.has("context"):
        body.group("context", ("message_id",)).text("message_id")
    to = body.text("to")
    kind = body.choice("type", _CHECKS) if body.has("type") else "text"
    said = Said(to, _SHOWN.get(kind, "text"), *_CHECKS[kind](body, kind))
    if to.endswith(UNREACHABLE):
        raise MetaError(400, "131026", "Message undeliverable")
    world.record("headless", call.body, call.now_ms)
    message_id = world.chats[_PLATFORM].add(channel, said, call.now_ms)
    blank = "" if world.config.guide else " "  # so the collection's samples
    return json_reply(
        {
            "messaging_product": "whatsapp",
            "contacts": [{"input": to, "wa_id": to + blank}],
            "messages": [{"id": message_id}],
        }
    )


_Shown = tuple[str | None, str | None]  # text and media URL for the chat history


def _text(body: Fields, kind: str) -> _Shown:
    text = body.group(kind, ("body", "preview_url"))
    text.flag("preview_url")
    return text.text("body"), None


def _reaction(body: Fields, kind: str) -> _Shown:
    reaction = body.group(kind, ("message_id", "emoji"))
    reaction.text("message_id")
    return reaction.given_text("emoji"), None  # empty: the reaction is taken back


def _media(body: Fields, kind: str) -> _Shown:
    media = body.group(kind, _MEDIA)
    if media.has("link") == media.has("id"):
        raise media.refuse(f"{kind} needs either link or id")
    media.text_or_none("filename")
    return media.text_or_none("caption"), media.text_or_none("link") or media.text_or_none("id")


def _location(body: Fields, kind: str) -> _Shown:
    location = body.group(kind, ("latitude", "longitude", "name", "address"))
    location.scalar("latitude")  # a string in the collection, a number in the guide
    location.scalar("longitude")
    location.text_or_none("address")
    return location.text_or_none("name"), None


def _contacts(body: Fields, kind: str) -> _Shown:
    body.groups(kind)
    return None, None


def _interactive(body: Fields, kind: str) -> _Shown:
    interactive = body.group(kind)  # Meta's own, so not looked at closely
    interactive.text("type")
    interactive.group("action")
    return interactive.group("body").text("text") if interactive.has("body") else None, None


def _template(body: Fields, kind: str) -> _Shown:
    template = body.group(kind, ("name", "namespace", "language", "components"))
    template.group("language").text("code")
    template.groups("components", least=0)
    return template.text("name"), None


_CHECKS: dict[str, Callable[[Fields, str], _Shown]] = {
    "text": _text,
    "reaction": _reaction,
    "image": _media,
    "audio": _media,
    "video": _media,
    "document": _media,
    "sticker": _media,
    "location": _location,
    "contacts": _contacts,
    "interactive": _interactive,
    "template": _template,
}
