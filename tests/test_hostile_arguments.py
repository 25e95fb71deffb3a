"""Whatever a parameter or a field is given: it is taken, or refused by name and never sent."""

from __future__ import annotations

import collections.abc
import contextlib
import inspect
import math
import types
import typing
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal, Union, get_args, get_origin

import attrs
import pytest

from omnichat_async import InvalidRequest, OmnichatClient, OmnichatError
from omnichat_async.models import agent_messages as agent
from omnichat_async.models import (
    base,
    content,
    customers,
    direct_messages,
    headless,
    notifications,
    orders,
    rosters,
    whatsapp,
)
from omnichat_async.models import broadcasts as sends
from omnichat_async.models import contacts as people
from omnichat_async.models import conversions as events
from omnichat_async.models.body import Body
from omnichat_async.models.templates import MessageTemplate
from omnichat_async.paging import Listing
from tests.support.calls import served
from tests.support.run import run
from tests.support.wire import reply
from tests.test_checks import RSA_SPKI

if TYPE_CHECKING:
    from collections.abc import Callable

URL = "https://example.com/a.png"
NOON = datetime(2026, 11, 1, 12)  # noqa: DTZ001
TEXT = content.Text("Hello")
ITEM = events.ConversionProduct(id="p", name="Tee", quantity=1)
TEMPLATE = whatsapp.WhatsAppTemplate("shipped", language="en")
SECTION = headless.ListSection([headless.ListRow("r", "Row")])
DIRECT = direct_messages.DirectMessage(
    track_id="t", platform="line", channel_id="c", to="U1", messages=[TEXT]
)
BROADCAST = sends.Broadcast(
    subject="s", platform="line", channel_id="c", to=["U1"], messages=[TEXT]
)
ROSTER = rosters.Roster(
    "2026-12", "email", [rosters.RosterRecord("i", "s", [rosters.Shift(1, "09:30", "18:30")])]
)
ORDER = orders.Order(
    member_id="m",
    order_id="o",
    order_name="#1",
    order_date=NOON,
    order_amount=9.5,
    order_currency="USD$",
    order_status="Shipped",
    payment_status="Paid",
    items=[orders.OrderItem(product_id="p", name="Tee", quantity=1, price=9.5)],
)
NOTIFICATION = notifications.Notification(
    channel_id="c", to="886987654321", setting_id="s", value_map={"a": "b"}
)

BODIES: list[Body] = [
    TEXT,
    content.Image(URL),
    content.Block("b"),
    content.Product(name="Tee", image=URL, url=URL, button_label="View"),
    content.Products([content.Product(name="Tee", image=URL, url=URL, button_label="View")]),
    content.FlexTemplate("i", {"k": "v"}),
    content.FlexTemplates([content.FlexTemplate("i")]),
    whatsapp.MediaHeader("document", URL, "a.pdf"),
    whatsapp.QuickReply("p"),
    whatsapp.UrlButton("v"),
    whatsapp.CatalogButton("p"),
    TEMPLATE,
    DIRECT,
    BROADCAST,
    people.ContactUpdate(name="n"),
    customers.CustomerUpdate(name="n"),
    ROSTER,
    *ROSTER.records,
    *ROSTER.records[0].time,
    ORDER,
    *ORDER.items,
    NOTIFICATION,
    agent.Image(URL),
    agent.Audio(URL),
    agent.Video(URL),
    agent.QuickReply("?", ["Yes"]),
    agent.GoogleMap(static_url=URL, embedding_url=URL),
    agent.AgentMessage(team="t", room_id="r", messages=[TEXT]),
    ITEM,
    events.PageView(url=URL),
    events.ViewProduct(device="web", items=[ITEM]),
    events.AddToCart(device="web", items=[ITEM]),
    events.RemoveFromCart(device="ios", items=[ITEM]),
    events.Checkout(device="ios", items=[ITEM]),
    events.Purchase(device="web", transaction_id="t", amount=1.0, currency="TWD"),
    events.TrafficSource(device="android"),
    events.MemberMapping(device="web", member_id="m"),
    headless.Text("Hello"),
    headless.Reaction("wamid", ""),
    headless.Image(URL),
    headless.Video(URL),
    headless.Document(URL),
    headless.Audio(URL),
    headless.Sticker(URL),
    headless.Location(22.3, 114.2),
    SECTION.rows[0],
    SECTION,
    headless.List("?", button="Open", sections=[SECTION]),
    headless.ReplyButton("b", "B"),
    headless.Buttons("?", [headless.ReplyButton("b", "B")]),
    headless.Product(catalog_id="c", product_retailer_id="p"),
    headless.ProductSection(["p"]),
    headless.Products(
        catalog_id="c", header="h", body="b", sections=[headless.ProductSection(["p"])]
    ),
    headless.Catalog("b"),
    headless.Template(TEMPLATE),
    headless.HeadlessMessage("852", headless.Text("Hello")),
]
SPAN = {"after": 1, "before": 2}
USER = {"platform": "whatsapp", "channel_id": "c", "user_id": "u"}
CALLS: dict[str, dict[str, Any]] = {
    "agent_messages.send": {"message": agent.AgentMessage(team="t", room_id="r", messages=[TEXT])},
    "broadcasts.send": {"broadcast": BROADCAST},
    "broadcasts.list": {"types": [3]},
    "broadcasts.get": {"broadcast_id": "b"},
    "broadcasts.recipients": {"broadcast_id": "b"},
    "broadcasts.buttons": {"broadcast_id": "b"},
    "channels.list": {},
    "chatbots.list": {},
    "chatbots.message_blocks": {"chatbot_id": "c"},
    "contacts.list": {"platform": "line", "updated_after": 1, "updated_before": 2},
    "contacts.find": {"platform": "line", "member_id": "m"},
    "contacts.upsert": {**USER, "contact": people.ContactUpdate(name="n")},
    "contacts.delete": USER,
    "conversions.track": {"event": events.PageView(url=URL)},
    "customers.get": {"member_id": "m"},
    "customers.upsert": {"customer": customers.CustomerUpdate(name="n"), "member_id": "m"},
    "customers.delete": {"member_id": "m"},
    "direct_messages.send": {"message": DIRECT},
    "headless.send": {
        "business_phone": "85212345678",
        "message": headless.HeadlessMessage("852", headless.Text("Hello")),
    },
    "identities.member_data": {"platform": "line", "channel_id": "c", "ids": ["U1"]},
    "loyalty.adjust": {"points": 1, "member_id": "m"},
    "messages.list": {"platform": "line", **SPAN},
    "messages.get": {"message_id": "m"},
    "notifications.send": {"notifications": [NOTIFICATION]},
    "orders.upsert": {"orders": [ORDER]},
    "referral_links.info": {"ocsaid": "o"},
    "reports.messages_sent": SPAN,
    "reports.messages_sent_totals": SPAN,
    "reports.referral_orders": SPAN,
    "rich_menus.list": {},
    "rich_menus.get": {"menu_id": "m"},
    "rooms.assign_agent": {**USER, "agent_email": "e"},
    "rooms.assign_collaborator": {**USER, "agent_email": "e"},
    "rooms.unassign_agent": USER,
    "rooms.unassign_collaborator": {**USER, "agent_email": "e"},
    "rooms.to_human_agent": {"room_id": "r", "team": "t"},
    "rooms.close": {"room_id": "r", "team": "t"},
    "rooms.trigger_auto_assign": {"room_id": "r", "team": "t", "rule_id": "u"},
    "rosters.upload": {"roster": ROSTER},
    "system_users.list": {},
    "tagging_logs.list": {"tagged_after": 1, "tagged_before": 2},
    "templates.list": {"phone": "85212345678"},
    "whatsapp_business.upload_public_key": {"phone": "85212345678", "pem": RSA_SPKI},
}

SECRET = "ada.wong@example.com"
HOSTILE: list[Callable[[], Any]] = [
    lambda: None,
    lambda: True,
    lambda: 7,
    lambda: -1,
    lambda: 2**70,
    lambda: 10**5000,
    lambda: 1.5,
    lambda: math.nan,
    lambda: -math.inf,
    lambda: Decimal("9.50"),
    lambda: "",
    lambda: SECRET,
    lambda: "..",
    lambda: "a/../b?c#d%2e",
    lambda: f"{SECRET}\ud800",
    lambda: f"{SECRET} " * 10_000,
    SECRET.encode,
    object,
    lambda: int,
    list,
    lambda: [SECRET],
    lambda: (SECRET,),
    lambda: {SECRET},
    lambda: [None],
    lambda: [["a"]],
    lambda: ["\ud800"],
    lambda: (each for each in [SECRET]),
    dict,
    lambda: {"a": SECRET},
    lambda: {"a": math.nan},
    lambda: {"a": object()},
    lambda: {"": "a"},
    lambda: {1: "a"},
    lambda: [{"type": object()}],
    lambda: [{"type": math.nan}],
    lambda: NOON,
    lambda: NOON.replace(tzinfo=UTC),
    lambda: date(2026, 11, 1),
    lambda: DIRECT,
    lambda: [DIRECT],
]

MAY_BE_EMPTY = {"ContactUpdate", "CustomerUpdate", "Reaction.emoji", "Notification.value_map"}
MAY_BE_EMPTY |= {"FlexTemplate.parameters", "DirectMessage.custom_attributes"}


def fits(tp: Any, value: Any, empty: bool) -> bool:
    """Whether a value is of a declared type, where text is UTF-8 and numbers are what JSON has."""
    origin, args = get_origin(tp), get_args(tp)
    if tp is Any:
        return isinstance(value, str | int | list | dict)
    if origin in {Union, types.UnionType}:
        return any(fits(each, value, empty) for each in args)
    if origin is Literal:
        return isinstance(value, str) and value in args
    if origin is collections.abc.Sequence:
        plain = isinstance(value, list | tuple)
        return plain and all(fits(args[0], each, empty) for each in value)
    if origin is collections.abc.Mapping:
        return isinstance(value, dict) and all(
            fits(args[0], key, False) and fits(args[1], each, empty) for key, each in value.items()
        )
    if tp is int or (isinstance(tp, type) and issubclass(tp, base.OpenIntEnum)):
        return type(value) is int and -(2**63) <= value < 2**63
    if tp is float:
        return fits(int, value, empty) or (type(value) is float and math.isfinite(value))
    if tp is str or (isinstance(tp, type) and issubclass(tp, base.OpenEnum)):
        return isinstance(value, str) and "\ud800" not in value and (empty or value != "")
    if tp is date:
        return type(value) is date
    return isinstance(value, tp)


def shown(value: Any) -> str:
    """A value, short, for a test's name and report."""
    if type(value) is int:
        return f"an int of {value.bit_length()} bits"
    return f"{type(value).__name__} {ascii(value)[:30]}".split(" at 0x")[0]


def judge(error: Exception | None, field: str, right: bool) -> str:
    """What is wrong with how one value was taken; nothing if all is well."""
    if error is None:
        return "" if right else "taken"
    if not isinstance(error, InvalidRequest):
        ours = isinstance(error, OmnichatError) and right
        return "" if ours else f"raised {type(error).__name__}"
    if "ada" in f"{error!s}{error!r}".lower():
        return "leaks"
    names = error.field.replace(",", " ").replace("[", " ").split()
    return "" if field in names or right else f"blames {error.field}"


# ---- objects that are sent ---------------------------------------------------------------------


def kinds_of(cls: type[Any]) -> list[type[Any]]:
    return [cls, *(each for sub in cls.__subclasses__() for each in kinds_of(sub))]


def test_every_object_that_is_sent_is_tried() -> None:
    public = {
        each
        for each in kinds_of(Body)
        if each.__module__.startswith("omnichat_async.models.")
        and not each.__name__.startswith("_")
    }
    # attrs makes slotted classes anew, so each is there once under its name
    named = {f"{each.__module__}.{each.__name__}" for each in public} - {f"{Body.__module__}.Body"}
    assert {f"{type(each).__module__}.{type(each).__name__}" for each in BODIES} == named


@pytest.mark.parametrize("body", BODIES, ids=lambda body: type(body).__name__)
def test_a_field_takes_its_type_or_refuses_it_by_name(body: Body) -> None:
    cls = type(body)
    hints = typing.get_type_hints(cls)
    wrong = []
    for field in attrs.fields(cls):
        empty = bool({cls.__name__, f"{cls.__name__}.{field.name}"} & MAY_BE_EMPTY)
        for make in HOSTILE:
            value = make()
            error: Exception | None = None
            try:
                attrs.evolve(body, **{field.name: value}).to_wire()
            except Exception as caught:
                error = caught
            said = judge(error, field.name, fits(hints[field.name], make(), empty))
            wrong += [f"{field.name}={shown(make())}: {said}"] if said else []
    assert wrong == []


def test_later_changes_to_what_was_given_do_not_reach_a_message() -> None:
    to, texts, values = ["U1"], [TEXT], {"a": "b"}
    component: dict[str, Any] = {"type": "body", "parameters": []}
    broadcast = attrs.evolve(BROADCAST, to=to, messages=texts)
    notification = attrs.evolve(NOTIFICATION, value_map=values)
    template = whatsapp.WhatsAppTemplate("t", components=[component])
    before = [each.to_wire() for each in (broadcast, notification, template)]
    to += [f"U{number}" for number in range(2, 500)]
    texts += [TEXT] * 9
    values[""] = "c"
    component["type"] = object()
    assert [each.to_wire() for each in (broadcast, notification, template)] == before
    assert len(broadcast.to) == 1


def test_what_goes_out_is_nobody_elses() -> None:
    template = whatsapp.WhatsAppTemplate("t", components=[{"type": "body", "parameters": []}])
    before = template.to_wire()
    template.to_wire()["whatsappTemplate"]["components"][0]["parameters"].append(1)
    assert template.to_wire() == before


@pytest.mark.parametrize("value", [make() for make in HOSTILE if make() != []], ids=shown)
def test_a_template_is_made_of_a_template(value: Any) -> None:
    with pytest.raises(InvalidRequest) as caught:
        whatsapp.WhatsAppTemplate.of(value)
    assert caught.value.field == "template"
    listed = MessageTemplate(id="1", name="t", components=[])
    for field in ("body", "header", "buttons"):
        with contextlib.suppress(InvalidRequest):  # and nothing else
            whatsapp.WhatsAppTemplate.of(listed, **{field: value})


# ---- calls -------------------------------------------------------------------------------------


def test_every_method_is_tried() -> None:
    client = OmnichatClient("t")
    areas = {name: getattr(client, name) for name in OmnichatClient.__annotations__}
    methods = {
        f"{area}.{name}"
        for area, holder in areas.items()
        for name in dir(type(holder))
        if not name.startswith("_")
    }
    assert set(CALLS) == methods


@pytest.mark.parametrize("name", CALLS)
def test_a_parameter_takes_its_type_or_is_refused_by_name_and_nothing_is_sent(name: str) -> None:
    area, method_name = name.split(".")
    valid = CALLS[name]

    async def attempt(client: OmnichatClient, arguments: dict[str, Any]) -> Exception | None:
        try:
            made = getattr(getattr(client, area), method_name)(**arguments)
            if isinstance(made, Listing):
                await made
            else:
                await made
        except Exception as error:
            return error
        return None

    async def main() -> list[str]:
        wrong = []
        answer = {"content": [], "totalElements": 0}
        async with served([reply(200, answer)]) as (server, client):
            method = getattr(getattr(client, area), method_name)
            hints = hints_of(method)
            assert set(valid) <= set(hints)
            for parameter, tp in hints.items():
                for make in HOSTILE:
                    before = len(server.requests)
                    error = await attempt(client, {**valid, parameter: make()})
                    said = judge(error, parameter, fits(tp, make(), False))
                    if isinstance(error, InvalidRequest) and len(server.requests) > before:
                        said = "sent and refused"
                    wrong += [f"{parameter}={shown(make())}: {said}"] if said else []
            assert await attempt(client, {**valid, "no_such_thing": 1})
        return wrong

    assert run(main()) == []


def hints_of(method: Any) -> dict[str, Any]:
    """The declared types of a method's own parameters, but for the options of all listings."""
    import omnichat_async.endpoints as _  # noqa: F401

    module = inspect.getmodule(method)
    names = {
        name: getattr(source, name)
        for source in (base, sends, people, events, customers, rosters, orders, notifications)
        for name in getattr(source, "__all__", ())
    }
    from omnichat_async.models.common import Platform

    space = {**names, "Platform": Platform, "Sequence": collections.abc.Sequence}
    space |= {"datetime": datetime, **vars(module)}
    signature = inspect.signature(method)
    return {
        parameter.name: eval(parameter.annotation, space)
        for parameter in signature.parameters.values()
        if parameter.kind is not parameter.VAR_KEYWORD and parameter.name != "raw"
    }
