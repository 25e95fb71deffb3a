"""Third-party AI agents: their messages, and moving a room out of AI chat."""

from omnichat_async.sandbox.body import Fields
from omnichat_async.sandbox.magic import DEAD_TOKEN, DISABLED_RULE, UNDELIVERED
from omnichat_async.sandbox.state.chats import Said
from omnichat_async.sandbox.state.rooms import Room, RoomStatus
from omnichat_async.sandbox.wire import (
    NO_CONTENT,
    ApiError,
    Call,
    Reply,
    bad_body,
    json_reply,
    not_found,
)
from omnichat_async.sandbox.world import World

_MESSAGES = ("team", "roomId", "messages", "replyToken")
_MESSAGE = ("type", "text", "url", "video", "quick_reply", "quickReply", "googleMap")
_KINDS = ("text", "image", "video", "audio", "quick_reply", "google_map")
_MOST_MESSAGES = 5


def send_agent_messages(world: World, call: Call) -> Reply:
    """`POST /agent-messages`: an id for each message, null for one that failed."""
    body = Fields.of(call, _MESSAGES)
    if body.text("team") != world.config.team_id:
        raise bad_body(f"team {body.text('team')} does not have the AI agent feature")
    room = world.rooms.find(body.text("roomId"), call.now_ms)
    if room is None:
        raise bad_body("roomId not found")
    messages = body.groups("messages", _MESSAGE)
    if len(messages) > _MOST_MESSAGES:
        raise bad_body(f"Up to {_MOST_MESSAGES} messages are allowed at a time")
    said = [_read(message, room) for message in messages]
    if room.platform == "line":
        _spend(world, body.text("replyToken"))
    else:
        body.text_or_none("replyToken")
    world.record("agent_message", call.body, call.now_ms)
    book = world.contacts[room.platform]
    channel = book.ledger.channel(book.find("id", room.user_id, call.now_ms)[0])
    chat = world.chats[room.platform]
    ids = [None if one is None else chat.add(channel, one, call.now_ms) for one in said]
    return json_reply({"messageIds": ids})


def to_human_agent(world: World, call: Call) -> Reply:
    """`POST /rooms/to-human-agent`: from AI chat to open."""
    room = _room(world, Fields.of(call, ("roomId", "team")), call, "ROOM_NOT_FOUND")
    if room.status is not RoomStatus.AI_CHAT:
        raise ApiError(400, "NOT_ALLOWED_ASSIGN_TO_HUMAN", "")
    room.status = RoomStatus.OPEN
    return NO_CONTENT


def close_room(world: World, call: Call) -> Reply:
    """`POST /rooms/close`: from AI chat to closed. Two vocabularies of errors are documented."""
    old = world.config.guide
    body = Fields.of(call, ("roomId", "team"))
    room = _room(world, body, call, "NOT_FOUND" if old else "ROOM_NOT_FOUND")
    if room.status is not RoomStatus.AI_CHAT:
        if old:
            raise _unsupported(room)
        raise ApiError(
            400,
            "NOT_ALLOWED_TO_CLOSE_ROOM",
            "Not allowed to close room: room status is not AI_CHAT, "
            f"current status: {int(room.status)}",
        )
    if room.collaborators:
        code = "INVALID_REQUEST_BODY" if old else "NOT_ALLOWED_TO_CLOSE_ROOM"
        raise ApiError(400, code, "Not allowed to close room: it has collaborating agents")
    room.status = RoomStatus.CLOSED
    return NO_CONTENT


def trigger_auto_assign(world: World, call: Call) -> Reply:
    """`POST /rooms/trigger-auto-assign`: from AI chat to in progress."""
    body = Fields.of(call, ("roomId", "team", "ruleId"))
    rule_id = body.text("ruleId")
    room = _room(world, body, call, "NOT_FOUND")
    if room.status is not RoomStatus.AI_CHAT:
        raise _unsupported(room)
    if rule_id.endswith(DISABLED_RULE):
        raise bad_body("trigger rule not available")
    room.status = RoomStatus.IN_PROGRESS
    return NO_CONTENT


def _room(world: World, body: Fields, call: Call, code: str) -> Room:
    room_id, team = body.text("roomId"), body.text("team")
    room = world.rooms.find(room_id, call.now_ms) if team == world.config.team_id else None
    if room is None:
        raise not_found(f"Can't find the Room={room_id} in team={team}", code)
    return room


def _unsupported(room: Room) -> ApiError:
    return bad_body(f"The room status is not supported, RoomStatus={int(room.status)}")


def _spend(world: World, reply_token: str) -> None:
    """A reply token works once."""
    if reply_token.endswith(DEAD_TOKEN) or reply_token in world.spent_reply_tokens:
        raise ApiError(424, "LINE_API_EXCEPTION", "Invalid reply token")
    world.spent_reply_tokens.add(reply_token)


def _read(message: Fields, room: Room) -> Said | None:
    """The message as the chat history keeps it; None for one that will not be delivered."""
    kind = message.choice("type", _KINDS)
    text, url = None, None
    match kind:
        case "text":
            text = message.text("text")
        case "image" | "audio":
            url = message.text("url")
            if kind == "audio" and room.platform == "webchat":
                raise bad_body("audio is not supported on webchat")
        case "video":
            video = message.group("video", ("url", "thumbnailUrl"))
            url = video.text("url")
            if room.platform == "line":
                video.text("thumbnailUrl")
        case "quick_reply":
            text = _read_quick_reply(message)
        case _:
            if room.platform != "webchat":
                raise bad_body("google_map is supported on webchat only")
            place = message.group("googleMap", ("staticUrl", "embeddingUrl", "appUrl"))
            url = place.text("staticUrl")
            place.text("embeddingUrl")
    if (text or url or "").endswith(UNDELIVERED):
        return None
    shown = {"image": "photo", "audio": "audio", "video": "video"}.get(kind, "text")
    return Said(room.user_id, shown, text, url, sender="ai-chat")


def _read_quick_reply(message: Fields) -> str:
    key = "quickReply" if message.has("quickReply") else "quick_reply"  # one table, all samples
    quick = message.group(key, ("text", "replies"))
    if not quick.has("text"):
        raise bad_body("quick_reply.text is required for quick_reply-type messages")
    for reply in quick.groups("replies", ("text",)):
        reply.text("text")
    return quick.text("text")
