"""Customers: one person with all linked contacts."""

from omnichat_async.sandbox.body import Fields
from omnichat_async.sandbox.endpoints.base import content
from omnichat_async.sandbox.endpoints.profiles import PROFILE, read_changes
from omnichat_async.sandbox.params import Query
from omnichat_async.sandbox.wire import (
    NO_CONTENT,
    ApiError,
    Call,
    Reply,
    bad_parameters,
    not_found,
)
from omnichat_async.sandbox.world import World

_BY_MEMBER = frozenset({"memberId"})
_BY_EITHER = frozenset({"memberId", "omniCustomerId"})
_TEXTS = ("name", "email", "phone")


def get_customer(world: World, call: Call) -> Reply:
    """`GET /customers?memberId=`."""
    member_id = _member_id(Query.of(call, _BY_MEMBER))
    row = world.customers.view(world.customers.omni_id(member_id), call.now_ms)
    if row is None:
        raise not_found("no such customer", "CONTACT_NOT_FOUND")
    return content(world.config, row)


def upsert_customer(world: World, call: Call) -> Reply:
    """`PUT /customers` by `memberId` or by `omniCustomerId`: the linked contacts change too."""
    query = Query.parse(call.query, _BY_EITHER)
    member_id, omni_id = query.text("memberId"), query.text("omniCustomerId")
    if member_id is not None and omni_id is not None:
        raise bad_parameters("give memberId or omniCustomerId, not both")
    if omni_id is None:
        omni_id = world.customers.omni_id(_member_id(query))
    changes = read_changes(Fields.body_of(call, PROFILE), world.config, _TEXTS)
    member_id = world.customers.member_id(omni_id)
    world.customers.change(omni_id, changes, call.now_ms)
    for book, number in list(world.customers.contacts(member_id or "", call.now_ms)):
        user_id = str(book.read(number)["id"])
        channel = book.ledger.channel(number)
        world.change_contact(book, channel, user_id, changes, call.now_ms, number)
    return NO_CONTENT


def delete_customer(world: World, call: Call) -> Reply:
    """`DELETE /customers?memberId=`: the linked contacts go too."""
    member_id = _member_id(Query.of(call, _BY_MEMBER))
    omni_id = world.customers.omni_id(member_id)
    if world.customers.view(omni_id, call.now_ms) is None:
        raise not_found("no such customer", "CONTACT_NOT_FOUND")
    for book, number in list(world.customers.contacts(member_id, call.now_ms)):
        book.delete(number)
    world.customers.delete(omni_id)
    return NO_CONTENT


def _member_id(query: Query) -> str:
    member_id = query.text("memberId")
    if member_id is None:
        raise ApiError(400, "MISSING_URL_PARAMETER", "Missing URL parameters")
    return member_id
