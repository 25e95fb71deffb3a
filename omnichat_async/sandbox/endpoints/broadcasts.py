"""Broadcasts: send, list, details, recipients, buttons."""

import re
from collections.abc import Iterable

from omnichat_async.sandbox.body import Fields
from omnichat_async.sandbox.data.mixing import mix
from omnichat_async.sandbox.data.platforms import PLATFORMS
from omnichat_async.sandbox.data.times import naive_time, read_naive_time, zoned_time
from omnichat_async.sandbox.endpoints.base import channel_of, content, listing
from omnichat_async.sandbox.endpoints.content import alone_or_mixable, read_messages
from omnichat_async.sandbox.magic import INVALID
from omnichat_async.sandbox.params import Query
from omnichat_async.sandbox.state.broadcasts import Broadcast, Fate
from omnichat_async.sandbox.wire import (
    ApiError,
    Call,
    Reply,
    Row,
    bad_body,
    bad_parameters,
    json_reply,
    not_found,
)
from omnichat_async.sandbox.world import MOST_RECIPIENTS, Selection, World

_BODY = ("subject", "platform", "channelId", "to", "scheduledAt", "tags", "messages")
_PLATFORMS = ("line", "facebook", "whatsapp")
_KINDS = ("text", "image", "block", "products")
_LIST = frozenset({"platform", "channelId", "page", "pageSize", "type", "status"})
_RECIPIENTS = frozenset({"page", "pageSize", "status"})
_NOTHING: frozenset[str] = frozenset()
_TYPES = ("1", "2", "3", "4")
_OPEN_API = 3  # the type and the recipientType of a broadcast sent here
_STATUS_NAMES = {
    "pending": (0, 5, 6, 7, 8),
    "completed": (1,),
    "processing": (2,),
    "canceled": (3,),
    "scheduled": (4,),
    "failed": (9,),
}
_FATES = ("failed", "read", "clicked", "responded", "success", "notDelivered", "unsubscribed")
_PAGE_SIZE = 10
_COST_PER_MESSAGE = 0.6


def send_broadcast(world: World, call: Call) -> Reply:
    """`POST /broadcast`."""
    body = Fields.of(call, _BODY)
    subject, platform = body.text("subject"), _platform(world, body)
    channel = channel_of(platform, body.text("channelId"))
    to = body.texts("to", least=1, most=MOST_RECIPIENTS)
    tags = body.texts("tags")
    messages = read_messages(
        body, ("whatsappTemplate", *_KINDS) if platform == "whatsapp" else _KINDS
    )
    kinds = {message.text("type") for message in messages}
    if not alone_or_mixable(messages) or (world.config.guide and len(kinds) > 1):
        raise ApiError(
            400, "INVALID_BROADCAST_MESSAGE", "more than one type in the list of messages"
        )
    at_ms = max(_scheduled_ms(body) or 0, call.now_ms)
    invalid = [user_id for user_id in to if user_id.endswith(INVALID)]
    if invalid:
        raise bad_body(f"invalid user id in to: {invalid[0]}")
    sent = world.record("broadcast", call.body, call.now_ms)
    broadcast = world.broadcasts.add(
        sent, platform, channel, subject, tags, at_ms, messages=len(messages)
    )
    world.settle(call.now_ms)
    return content(world.config, {"broadcastId": broadcast.id})


def list_broadcasts(world: World, call: Call) -> Reply:
    """`GET /broadcast`: only what was sent here, so types 1, 2 and 4 give nothing."""
    query = Query.of(call, _LIST)
    platform, channel_id = query.text("platform"), query.text("channelId")
    if platform is not None and platform not in _PLATFORMS:
        raise bad_parameters(f"platform {platform} is none of {', '.join(_PLATFORMS)}")
    types = query.required("type").split(",")
    if not set(types) <= set(_TYPES):
        raise bad_parameters(f"type must be a comma list of {', '.join(_TYPES)}")
    statuses = _statuses(query.text("status"))
    paging = query.paging(world.config, _PAGE_SIZE)
    chosen = [
        broadcast
        for broadcast in world.broadcasts
        if str(_OPEN_API) in types
        and broadcast.sent.at_ms + world.config.list_delay_ms <= call.now_ms
        and platform in {None, broadcast.platform}
        and channel_id in {None, broadcast.channel_id}
        and (statuses is None or broadcast.status(call.now_ms) in statuses)
    ]
    numbers = world.ordered(range(len(chosen)), world.broadcasts.key)
    rows = Selection(numbers, lambda n: _brief(chosen[n], call.now_ms))
    return listing(world.config, rows, paging)


def get_broadcast(world: World, call: Call) -> Reply:
    """`GET /broadcast/{id}`."""
    Query.of(call, _NOTHING)
    broadcast = _find(world, call)
    row = _brief(broadcast, call.now_ms) | _details(broadcast, call.now_ms)
    return content(world.config, row)


def list_recipients(world: World, call: Call) -> Reply:
    """`GET /broadcast/{id}/recipients`."""
    query = Query.of(call, _RECIPIENTS)
    paging = query.paging(world.config, _PAGE_SIZE)
    status = query.text("status")
    if status is not None and status not in _FATES:
        raise bad_parameters(f"status {status} is none of {', '.join(_FATES)}")
    broadcast = _find(world, call)
    fates = broadcast.fates(call.now_ms)
    chosen = [k for k, fate in enumerate(fates) if status is None or _is(fate, status)]
    rows = Selection(chosen, lambda k: _recipient(world, broadcast, k, fates[k], call.now_ms))
    return listing(world.config, rows, paging)


def list_buttons(world: World, call: Call) -> Reply:
    """`GET /broadcast/{id}/buttons`: clicks by message, card and button."""
    Query.of(call, _NOTHING)
    broadcast = _find(world, call)
    tally = broadcast.tally(call.now_ms)
    rows: list[Row] = []
    for place in _buttons(broadcast.sent.body["messages"]):
        clicked = mix(broadcast.key + len(rows)) % (tally.clicked + 1) if rows else tally.clicked
        message, card, button = place
        rows.append(
            {
                "messageIndex": message,
                "cardIndex": card,
                "buttonIndex": button,
                "clickedCount": clicked,
                "clickedPercentage": _percent(clicked, tally.success),
            }
        )
    return json_reply({"content": rows})


def _platform(world: World, body: Fields) -> str:
    platform = body.choice("platform", PLATFORMS)
    if platform not in _PLATFORMS or (world.config.guide and platform == "facebook"):
        raise bad_body(f"platform {platform} is not supported")
    return platform


def _scheduled_ms(body: Fields) -> int | None:
    text = body.text_or_none("scheduledAt")
    at_ms = read_naive_time(text) if text else None
    if text and at_ms is None:
        raise bad_body("scheduledAt must have the form YYYY-MM-DDTHH:mm:ss")
    return at_ms


def _statuses(text: str | None) -> set[int] | None:
    """Numbers as in the collection or names as in the guide."""
    if text is None:
        return None
    chosen: set[int] = set()
    for part in text.split(","):
        if part in _STATUS_NAMES:
            chosen |= set(_STATUS_NAMES[part])
        elif re.fullmatch(r"[0-9]", part, re.ASCII):
            chosen.add(int(part))
        else:
            raise bad_parameters(f"status {part} is neither 0 to 9 nor a documented name")
    return chosen


def _find(world: World, call: Call) -> Broadcast:
    broadcast = world.broadcasts.find(call.path_args["broadcast_id"])
    if broadcast is None:
        raise not_found("broadcast not found", "BROADCAST_NOT_FOUND")
    return broadcast


def _brief(broadcast: Broadcast, now_ms: int) -> Row:
    tally, count = broadcast.tally(now_ms), broadcast.count
    gone = broadcast.at_ms <= now_ms
    return {
        "id": broadcast.id,
        "platform": broadcast.platform,
        "channelId": broadcast.channel_id,
        "channelName": PLATFORMS[broadcast.platform].channel_name(broadcast.channel),
        "subject": broadcast.subject,
        "recipientType": _OPEN_API,
        "type": _OPEN_API,
        "mode": "manual",
        "sentAt": naive_time(broadcast.at_ms) if gone else None,
        "status": broadcast.status(now_ms),
        "recipientCount": count,
        "success": tally.success,
        "successRate": _percent(tally.success, count),
        "sent": tally.success,
        "sentRate": _percent(tally.success, count),
        "failed": tally.failed,
        "failRate": _percent(tally.failed, count),
        "read": tally.read,
        "readRate": _percent(tally.read, tally.success),
        "clicked": tally.clicked,
        "clickRate": _percent(tally.clicked, tally.success),
        "purchase": 0,
        "revenue": "HK$ 0.00",
        "tags": list(broadcast.tags),
    }


def _details(broadcast: Broadcast, now_ms: int) -> Row:
    tally = broadcast.tally(now_ms)
    delivered = tally.success * broadcast.messages
    row: Row = {
        "responded": tally.responded,
        "respondRate": _percent(tally.responded, tally.success),
        "unsubscribed": tally.unsubscribed,
        "unsubscribeRate": _percent(tally.unsubscribed, tally.success),
        "cost": f"HK$ {delivered * _COST_PER_MESSAGE:,.2f}",
        "roas": "0.00%",
        "messageCount": broadcast.count * broadcast.messages,
        "messageSuccess": delivered,
        "messageSuccessRate": _percent(tally.success, broadcast.count),
    }
    for hours in (12, 24, 48):  # here everybody responds at once
        row[f"respondedWithin{hours}Hour"] = tally.responded
        row[f"responseRateWithin{hours}Hour"] = _percent(tally.responded, tally.success)
    return row


def _recipient(world: World, broadcast: Broadcast, k: int, fate: Fate, now_ms: int) -> Row:
    user_id = broadcast.sent.recipients[k]
    book = world.contacts[broadcast.platform]
    number = book.at(broadcast.channel, "id", user_id, now_ms)
    contact = {} if number is None else book.read(number)
    phone = user_id if broadcast.platform == "whatsapp" else contact.get("phone") or None
    show = zoned_time if world.config.guide else naive_time

    def time(t_ms: int | None) -> str | None:
        return None if t_ms is None else show(t_ms)

    row: Row = {
        "name": contact.get("name", ""),
        "phone": phone,
        "success": fate.sent_ms is not None,
        "sentAt": time(fate.sent_ms),
        "clicked": fate.clicked_ms is not None,
        # As in the sample: a true flag with an empty time occurs.
        "clickedAt": "" if fate.clicked_ms and k % 2 else time(fate.clicked_ms),
        "read": fate.read_ms is not None,
        "readAt": time(fate.read_ms),
        "responded": fate.responded_ms is not None,
        "respondedAt": time(fate.responded_ms),
        "messageId": world.broadcast_message_id(broadcast, k) if fate.sent_ms else None,
        "error": fate.error,
    }
    return row | ({"bsuid": contact["bsuid"]} if "bsuid" in contact else {})


def _buttons(messages: Iterable[Row]) -> Iterable[tuple[int, int, int]]:
    """Message (from 0), card (0 if it is none), button (from 1; 0 = the image of a card)."""
    for m, message in enumerate(messages):
        products = message.get("products")
        for card in range(len(products) if isinstance(products, list) else 0):
            yield m, card, 0
            yield m, card, 1
        template = message.get("whatsappTemplate")
        components = template.get("components") if isinstance(template, dict) else None
        buttons = [part for part in components or () if part["type"].lower() == "button"]
        for n in range(len(buttons)):
            yield m, 0, n + 1


def _is(fate: Fate, status: str) -> bool:
    return fate.sent_ms is None if status == "notDelivered" else status in fate.names()


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole if whole else 0:.2f}%"
