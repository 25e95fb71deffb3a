"""Who follows a room up: agents and collaborators. These calls have errors of their own shape."""

from collections.abc import Callable
from functools import partial

import attrs

from omnichat_async.sandbox.body import Fields
from omnichat_async.sandbox.data.people import Teammate
from omnichat_async.sandbox.data.platforms import PLATFORMS
from omnichat_async.sandbox.endpoints.base import Endpoint
from omnichat_async.sandbox.state.profile import UNBOUND, Changes, binding
from omnichat_async.sandbox.state.rooms import Room, RoomStatus
from omnichat_async.sandbox.wire import NO_CONTENT, Call, Reply, Row, bad_room_request
from omnichat_async.sandbox.world import World

_ROOM = ("platform", "channelId", "userId", "bsuid")
_AGENT = ("agentEmail", "agentPhone", "agentEmployeeCode")
_SHOP = "agentShopLocationCode"
_SUPPORTED = ("line", "whatsapp")
RoomEndpoint = partial(Endpoint, unauthorized=bad_room_request("Unauthenticated access token"))


def assign_agent(world: World, call: Call) -> Reply:
    """`POST /rooms/assign-agent`: the contact shows the agent from now on."""
    body = _body(call)
    place = _place(world, body, call.now_ms)
    agent = _agent(world, body)
    room = place.room
    if agent.shops and not body.has(_SHOP):
        raise bad_room_request(f"{_SHOP} is required to assign a salesperson")
    if room.collaborators and agent.shops and agent not in room.collaborators:
        raise bad_room_request("the agent must be assigned as a collaborator before")
    room.agent = agent
    room.status = RoomStatus.IN_PROGRESS
    place.bind(binding(agent, body.text_or_none(_SHOP), call.now_ms))
    return NO_CONTENT


def unassign_agent(world: World, call: Call) -> Reply:
    """`POST /rooms/unassign-agent`; no agent there is fine."""
    place = _place(world, _body(call), call.now_ms)
    place.room.agent = None
    place.bind(UNBOUND)
    return NO_CONTENT


def assign_collaborator(world: World, call: Call) -> Reply:
    """`POST /rooms/assign-collaborator`; being one already is fine."""
    body = _body(call)
    room = _place(world, body, call.now_ms).room
    if not any(body.has(name) for name in _AGENT):
        raise bad_room_request(
            "At least one of agentEmail, agentPhone, or agentEmployeeCode must be provided"
        )
    agent = _agent(world, body)
    if agent not in room.collaborators:
        room.collaborators.append(agent)
    return NO_CONTENT


def unassign_collaborator(world: World, call: Call) -> Reply:
    """`POST /rooms/unassign-collaborator`; not being one is fine."""
    body = _body(call)
    room = _place(world, body, call.now_ms).room
    agent = _agent(world, body, shop_needed=False)
    room.collaborators = [one for one in room.collaborators if one is not agent]
    return NO_CONTENT


@attrs.frozen
class _Place:
    """A room, and how to set the agent's fields on its contact."""

    room: Room
    bind: Callable[[Row], None]


def _body(call: Call) -> Fields:
    body = Fields.of(call, (*_ROOM, *_AGENT, _SHOP), bad_room_request)
    for name in (*_AGENT, _SHOP):  # unassign-agent has no use for them, but knows them
        body.text_or_none(name)
    return body


def _place(world: World, body: Fields, now_ms: int) -> _Place:
    user_field = "userId" if body.has("userId") or not body.has("bsuid") else "bsuid"
    user = body.text(user_field)
    channel_id, platform = body.text("channelId"), body.text("platform")
    if platform not in PLATFORMS:
        raise bad_room_request(f"Platform not found: {platform}")
    if platform not in _SUPPORTED:
        raise bad_room_request(f"platform ({platform}) is not supported yet")
    book = world.contacts[platform]
    channel = book.platform.channel_number(channel_id)
    if channel is None:
        raise bad_room_request(f"Channel not found: {channel_id}")
    number = book.at(channel, "id" if user_field == "userId" else "bsuid", user, now_ms)
    if number is None:  # the documents name only WhatsApp's
        kind = "WhatsappAccUserDoc" if platform == "whatsapp" else "LineUserDoc"
        raise bad_room_request(f"{kind} not found: {user}")
    user_id = str(book.read(number)["id"])

    def bind(fields: Row) -> None:
        world.change_contact(book, channel, user_id, Changes(fields=fields), now_ms, number)

    return _Place(world.rooms.of(book, user_id), bind)


def _agent(world: World, body: Fields, *, shop_needed: bool = True) -> Teammate:
    email, phone, code = (body.text_or_none(name) for name in _AGENT)
    shop = body.text_or_none(_SHOP)
    if code and not shop and shop_needed:
        raise bad_room_request(f"{_SHOP} is required when agentEmployeeCode is provided")
    for mate in world.team:
        wanted = mate.email == email or _same_phone(mate.phone, phone)
        if (wanted or (code and mate.employee_code == code)) and (not shop or mate.works_at(shop)):
            return mate
    raise bad_room_request("No valid agent identifier provided")


def _same_phone(phone: str, given: str | None) -> bool:
    return given is not None and phone == given.removeprefix("+")
