"""Contacts: list, look up, change, delete."""

import attrs

from omnichat_async.sandbox.body import Fields
from omnichat_async.sandbox.data.people import Teammate
from omnichat_async.sandbox.data.platforms import PLATFORMS
from omnichat_async.sandbox.endpoints.base import channel_of, listing
from omnichat_async.sandbox.endpoints.profiles import PROFILE, read_changes
from omnichat_async.sandbox.params import Query
from omnichat_async.sandbox.state.contacts import ContactBook
from omnichat_async.sandbox.state.profile import Changes, binding
from omnichat_async.sandbox.wire import (
    NO_CONTENT,
    ApiError,
    Call,
    Reply,
    Row,
    bad_parameters,
    not_found,
)
from omnichat_async.sandbox.world import Selection, World

_LOOKUPS = {  # parameter: field of the row
    "userId": "id",
    "bsuid": "bsuid",
    "memberId": "memberId",
    "phone": "phone",
    "email": "email",
}
_WITHIN_CHANNEL = ("userId", "bsuid")
_LIST = frozenset(
    {"platform", "channelId", "page", "pageSize", "updatedAfter", "updatedBefore", *_LOOKUPS}
)
_ONE = frozenset({"channelId", "userId", "bsuid"})
_TEXTS = ("name", "note", "email", "phone", "memberId")
_BODY = (
    *(*PROFILE, "status", "note", "memberId", "agentEmployeeCode", "agentLocationCode"),
    "extraAttributes",
)


def list_contacts(world: World, call: Call) -> Reply:
    """`GET /contacts`: those updated in a range, or those with a given id."""
    query = Query.of(call, _LIST)
    platform = query.platform()
    asked = [name for name in _LOOKUPS if query.text(name) is not None]
    if asked:
        rows = _find(world, call, query, platform, asked)
    elif query.text("updatedAfter") is None or query.text("updatedBefore") is None:
        raise bad_parameters("give channelId and userId, or updatedAfter and updatedBefore")
    else:
        rows = world.select(
            "contacts",
            *query.window("updatedAfter", "updatedBefore"),
            call.now_ms,
            platform,
            query.text("channelId"),
        )
    page, size = query.paging(world.config)
    more: Row = {}
    if world.config.guide:
        pages = -(-len(rows.numbers) // size)
        more = {"totalPages": pages, "page": page, "pageSize": size}
    return listing(world.config, rows, (page, size), more=more)


def _find(world: World, call: Call, query: Query, platform: str, asked: list[str]) -> Selection:
    channel_id = query.text("channelId")
    if channel_id is None and any(name in asked for name in _WITHIN_CHANNEL):
        raise bad_parameters(f"{asked[0]} needs channelId")
    book = world.contacts[platform]
    first, *others = (
        book.find(_LOOKUPS[name], query.required(name), call.now_ms) for name in asked
    )
    found = [number for number in first if all(number in numbers for numbers in others)]
    if channel_id is not None:
        channel = book.platform.channel_number(channel_id)
        found = [number for number in found if book.ledger.channel(number) == channel]
    if not found:
        raise not_found("no such contact", "USER_ID_NOT_FOUND")
    return Selection(found, book.build)


def upsert_contact(world: World, call: Call) -> Reply:
    """`PUT /contacts/{platform}`: change a contact, or make it."""
    query = Query.parse(call.query, _ONE)
    book = _book(world, call)
    channel, field, who = _one(query, book)
    body = Fields.body_of(call, _BODY)
    changes = _read(world, body, call.now_ms)
    number = book.at(channel, field, who, call.now_ms)
    if number is None and book.platform.name == "webchat":
        raise not_found("webchat users can be changed, not made", "WEBCHAT_USER_NOT_FOUND")
    bsuid = query.text("bsuid")
    if bsuid is not None:
        changes = attrs.evolve(changes, fields={**changes.fields, "bsuid": bsuid})
    user_id = query.text("userId") or (str(book.read(number)["id"]) if number is not None else "")
    world.change_contact(book, channel, user_id, changes, call.now_ms, number)
    return NO_CONTENT


def delete_contact(world: World, call: Call) -> Reply:
    """`DELETE /contacts/{platform}`."""
    query = Query.of(call, _ONE)
    book = _book(world, call, website=True)
    number = book.at(*_one(query, book), call.now_ms)
    if number is None:
        raise not_found("no such contact", "CONTACT_NOT_FOUND")
    book.delete(number)
    return NO_CONTENT


def _book(world: World, call: Call, *, website: bool = False) -> ContactBook:
    name = call.path_args["platform"]
    if website and name == "website":  # so the collection; the guide says webchat
        name = "webchat"
    if name not in PLATFORMS:
        raise ApiError(400, "INVALID_PLATFORM", f"{name} is none of {', '.join(PLATFORMS)}")
    return world.contacts[name]


def _one(query: Query, book: ContactBook) -> tuple[int, str, str]:
    """The channel, and by which field a request names one contact."""
    name = book.platform.name

    def no_channel(message: str) -> ApiError:
        return not_found(message, "CHANNEL_ID_NOT_FOUND")

    channel = channel_of(name, query.required("channelId"), no_channel)
    bsuid = query.text("bsuid")
    if bsuid is not None and name != "whatsapp":
        raise bad_parameters("bsuid is for whatsapp only")
    if bsuid is not None and query.text("userId") is None:
        return channel, "bsuid", bsuid
    return channel, "id", query.required("userId")


def _read(world: World, body: Fields, now_ms: int) -> Changes:
    changes = read_changes(body, world.config, _TEXTS)
    status = body.flag("status")
    fields = dict(changes.fields)
    if status is not None:
        fields["status"] = status
    if body.has("extraAttributes"):
        extra = body.group("extraAttributes")
        for name in extra.values:
            extra.given_text(name)
    code, location = body.text_or_none("agentEmployeeCode"), body.text_or_none("agentLocationCode")
    if code:
        fields |= binding(*_agent(world, code, location), now_ms)
    elif location:
        raise body.refuse("agentLocationCode needs agentEmployeeCode")
    return attrs.evolve(changes, fields=fields)


def _agent(world: World, code: str, location: str | None) -> tuple[Teammate, str | None]:
    for mate in world.team:
        if mate.employee_code == code and (location is None or mate.works_at(location)):
            return mate, location
    raise not_found(f"no agent {code} at {location}", "AGENT_NOT_FOUND")
