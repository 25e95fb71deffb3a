"""LINE official notifications, and the public key for WhatsApp flows."""

import re

from omnichat_async.sandbox.body import Fields
from omnichat_async.sandbox.endpoints.base import channel_of, content
from omnichat_async.sandbox.wire import EMPTY_OK, Call, Reply, bad_body
from omnichat_async.sandbox.world import World

_ITEM = ("platform", "channelId", "to", "settingId", "valueMap")
_MOST = 100
_PHONE = re.compile(r"[1-9][0-9]{6,14}")


def send_notifications(world: World, call: Call) -> Reply:
    """`POST /notification-messages`: what becomes of each is never answered."""
    items = Fields.of(call, ("notifications",)).groups("notifications", _ITEM, most=_MOST)
    for item in items:
        platform = item.text("platform")
        if platform != "line":
            raise bad_body(f"platform {platform} is not supported")
        channel_of(platform, item.text("channelId"))
        if _PHONE.fullmatch(item.text("to")) is None:
            raise bad_body("to must be a phone number with its country code, digits only")
        item.text("settingId")
        values = item.group("valueMap")
        for name in values.values:
            values.scalar(name)
    world.record("notification", call.body, call.now_ms)
    return content(world.config, {"triggerId": world.next_trigger_id()})


def upload_public_key(world: World, call: Call) -> Reply:
    """`POST /whatsapp-business/public-key`."""
    body = Fields.of(call, ("phone", "businessPublicKey"))
    phone, key = body.text("phone"), body.text("businessPublicKey")
    channel_of("whatsapp", phone)
    if not key.startswith("-----BEGIN PUBLIC KEY-----"):
        raise bad_body("businessPublicKey must be a public key in PEM form")
    world.public_keys[phone] = key
    return EMPTY_OK
