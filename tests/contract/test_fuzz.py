"""Mutated answers: whatever the API changes about them, nothing but DecodeError comes of it."""

from __future__ import annotations

import copy
import datetime
import enum
import types
import typing
from typing import Any, Union, get_args, get_origin

import attrs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from omnichat_async import models
from omnichat_async.calls import list_of, one, page_of
from omnichat_async.codec import decode, structure
from omnichat_async.errors import DecodeError
from omnichat_async.models import Body, Model
from omnichat_async.models.base import NumericText, wire_name
from tests.contract.support import ANSWERS, COLLECTION, key_of, walk_models
from tests.contract.test_responses import content_of
from tests.support.builders import make_call

MODELS_OF: dict[str, type[Model]] = {
    "GET /chatbots": models.Chatbot,
    "GET /chatbots/{chatbotId}/message-blocks": models.MessageBlock,
    "GET /messages": models.Message,
    "GET /messages/{messageId}": models.Message,
    "POST /direct-messages": models.DirectMessageSent,
    "POST /identities/member-data": models.MemberData,
    "GET /contacts": models.Contact,
    "GET /reports/messages": models.MessagesSent,
    "GET /reports/product-referral-links/orders": models.ReferralOrder,
    "GET /product-referral-links/info": models.ReferralLink,
    "PUT /rosters": models.InvalidRecord,
    "GET /whatsapp-message-templates": models.MessageTemplate,
    "POST /broadcast": models.BroadcastSent,
    "GET /broadcast": models.BroadcastJob,
    "GET /broadcast/{id}": models.BroadcastJob,
    "GET /broadcast/{id}/recipients": models.BroadcastRecipient,
    "GET /customers": models.Customer,
    "POST /whatsapp/headless-api/{business-phone-number}/messages": models.HeadlessSent,
    "GET /system-users": models.SystemUser,
    "GET /tagging-logs/records": models.TaggingLog,
    "GET /channels": models.NamedChannel,
    "POST /agent-messages": models.AgentSent,
    "POST /notification-messages": models.NotificationSent,
    "PUT /third-party-orders": models.OrdersUpserted,
    "GET /rich-menus": models.RichMenu,
    "GET /rich-menus/{menu_id}": models.RichMenuArea,
    "GET /broadcast/{broadcast_id}/buttons": models.BroadcastButton,
}
SECRET = "s3cr3t-ünknown-Ada"
CASES = 50
ODD = st.sampled_from(
    [SECRET, 918273645, 918273.645, True, [SECRET], {"deep": {"er": SECRET}}, [], {}, -1, "", "x"]
).map(copy.deepcopy)
SETTINGS = settings(
    max_examples=CASES,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
Place = tuple[str | int, ...]


def _rows() -> dict[str, list[Any]]:
    """The sample rows of each operation."""
    bodies: dict[str, list[Any]] = {}
    for entry in COLLECTION:
        for answer in entry["responses"]:
            if answer["json"] is not None and (answer["status"] or 200) < 400:
                bodies.setdefault(key_of(entry), []).append(answer["json"])
    for key, answer in ANSWERS.items():
        bodies.setdefault(key, [answer])
    rows = {}
    for key, each in bodies.items():
        contents = [content_of(body) for body in each]
        rows[key] = [
            row
            for content in contents
            for row in (content if isinstance(content, list) else [content])
        ]
    return rows


ROWS = _rows()


def test_every_answer_and_every_model_is_tried() -> None:
    assert set(MODELS_OF) == set(ROWS)
    assert len(MODELS_OF) * CASES * 2 >= 2000
    reached: set[type[Model]] = set()
    for key, model in MODELS_OF.items():
        for row in ROWS[key]:
            walk_models(structure(model, row), lambda each: reached.add(type(each)))
    wanted = {
        value
        for name in models.__all__
        if attrs.has(value := getattr(models, name))
        and issubclass(value, Model)
        and not issubclass(value, Body)
    }
    assert reached == wanted - {Model}


# ---- where what lies ---------------------------------------------------------------------------


def places(value: Any, here: Place = ()) -> list[Place]:
    """All places inside a value, its own not counted."""
    items: list[tuple[str | int, Any]] = []
    if isinstance(value, dict):
        items = list(value.items())
    elif isinstance(value, list):
        items = list(enumerate(value))
    found: list[Place] = []
    for key, each in items:
        found += [(*here, key), *places(each, (*here, key))]
    return found


def at(value: Any, place: Place) -> Any:
    for key in place:
        value = value[key]
    return value


def _plain(hint: Any) -> Any:
    """A hint without its None."""
    if get_origin(hint) in {Union, types.UnionType}:
        members = [each for each in get_args(hint) if each is not type(None)]
        return next((each for each in members if is_enum(each)), members[0])
    return hint


def is_model(hint: Any) -> bool:
    return isinstance(hint, type) and issubclass(hint, Model)


def is_enum(hint: Any) -> bool:
    return isinstance(hint, type) and issubclass(hint, enum.Enum)


Typed = list[tuple[Place, Any, bool]]


def typed_places(model: Any, value: Any, here: Place = ()) -> Typed:
    """The fields inside a row that its model knows: place, type, and whether it is required."""
    found: Typed = []
    if is_model(model) and isinstance(value, dict):
        hints = typing.get_type_hints(model, include_extras=True)
        for field in attrs.fields(model):
            name = wire_name(field)
            if field.name == "extra" or field.metadata.get("local") or name not in value:
                continue
            hint, there = _plain(hints[field.name]), (*here, name)
            found.append((there, hint, field.default is attrs.NOTHING))
            found += typed_places(hint, value[name], there)
    elif is_list(model) and isinstance(value, list):
        for index, each in enumerate(value):
            found += typed_places(_plain(get_args(model)[0]), each, (*here, index))
    return found


def is_list(hint: Any) -> bool:
    origin: Any = get_origin(hint)
    return origin is list


def objects(model: Any, value: Any, here: Place = ()) -> list[Place]:
    """The places of the objects that are read as models."""
    inner = [
        place
        for place, hint, _ in typed_places(model, value, here)
        if is_model(hint) and isinstance(at(value, place), dict)
    ]
    for place, hint, _ in typed_places(model, value, here):
        if is_list(hint) and is_model(_plain(get_args(hint)[0])):
            rows = at(value, place)
            inner += [(*place, index) for index in range(len(rows or []))]
    return [here, *inner]


# ---- anything may happen -----------------------------------------------------------------------


@st.composite
def broken(draw: st.DrawFn, key: str) -> Any:
    """A sample row with up to four things done to it, anywhere."""
    row = copy.deepcopy(draw(st.sampled_from(ROWS[key])))
    for _ in range(draw(st.integers(1, 4))):
        there = places(row)
        if not there:
            break
        place = draw(st.sampled_from(there))
        holder = at(row, place[:-1])
        what = draw(st.sampled_from(["null", "missing", "extra", "odd", "wrap"]))
        if what == "null":
            holder[place[-1]] = None
        elif what == "missing":
            del holder[place[-1]]
        elif what == "extra" and isinstance(holder, dict):
            holder["newField"] = draw(ODD)
        elif what == "wrap":
            holder[place[-1]] = [holder[place[-1]]]
        else:
            holder[place[-1]] = draw(ODD)
    return row


def says_no_value(error: DecodeError) -> None:
    text = f"{error} {error.args!r} {error.path} {error.expected} {error.found}"
    for value in (SECRET, "918273", "Ada"):
        assert value not in text


@pytest.mark.parametrize("key", MODELS_OF)
@SETTINGS
@given(data=st.data())
def test_nothing_but_a_decode_error(key: str, data: st.DataObject) -> None:
    model, row = MODELS_OF[key], data.draw(broken(key))
    before = copy.deepcopy(row)
    try:
        built = structure(model, row)
    except DecodeError as error:
        says_no_value(error)
    else:
        assert built.extra == {name: row[name] for name in set(row) - known(model)}
    for answer in (one(model), list_of(model), list_of(model, or_nothing=True), page_of(model)):
        call = make_call(answer=answer)
        for body in ({"content": [row, row], "totalElements": 2}, {"content": row}, [row], row):
            try:
                decode(call, body)
            except DecodeError as error:
                says_no_value(error)
    assert row == before  # what came over the wire is not changed


def known(model: type[Model]) -> set[str]:
    return {
        wire_name(field)
        for field in attrs.fields(model)
        if field.name != "extra" and not field.metadata.get("local")
    }


# ---- what the API may do to its answers at any time --------------------------------------------


@st.composite
def grown(draw: st.DrawFn, key: str) -> tuple[Any, dict[Place, Any], dict[Place, Any]]:
    """A sample row with nulls, without keys, with new keys and with new values of enums; the new
    keys and the new values by their places."""
    model = MODELS_OF[key]
    row = copy.deepcopy(draw(st.sampled_from(ROWS[key])))
    news: dict[Place, Any] = {}
    values: dict[Place, Any] = {}
    for _ in range(draw(st.integers(1, 5))):
        what = draw(st.sampled_from(["null", "missing", "extra", "enum"]))
        fields = typed_places(model, row)
        optional = [place for place, _, needed in fields if not needed]
        enums = [(place, hint) for place, hint, _ in fields if is_enum(hint)]
        if what == "extra":
            place = draw(st.sampled_from(objects(model, row)))
            at(row, place)["newField"] = draw(ODD)
        elif what == "enum" and enums:
            place, hint = draw(st.sampled_from(enums))
            number = issubclass(hint, int)
            at(row, place[:-1])[place[-1]] = 918273645 if number else SECRET
        elif what in {"null", "missing"} and optional:
            place = draw(st.sampled_from(optional))
            if what == "null":
                at(row, place[:-1])[place[-1]] = None
            else:
                del at(row, place[:-1])[place[-1]]
    for place in objects(model, row):
        if "newField" in at(row, place):
            news[place] = at(row, place)["newField"]
    for place, hint, _ in typed_places(model, row):
        if is_enum(hint) and at(row, place) in (SECRET, 918273645):
            values[place] = at(row, place)
    return row, news, values


def found_at(value: Any, place: Place) -> Any:
    """What is at a wire place of a decoded object."""
    for key in place:
        if isinstance(value, Model):
            names = {wire_name(field): field.name for field in attrs.fields(type(value))}
            value = getattr(value, names[str(key)])
        else:
            value = value[key]
    return value


@pytest.mark.parametrize("key", MODELS_OF)
@SETTINGS
@given(data=st.data())
def test_what_grows_is_read_and_kept(key: str, data: st.DataObject) -> None:
    model = MODELS_OF[key]
    row, news, values = data.draw(grown(key))
    built = structure(model, row)
    for place, value in news.items():
        assert found_at(built, place).extra == {"newField": value}
    for place, value in values.items():
        assert found_at(built, place) == value
    page = decode(make_call(answer=page_of(model)), {"content": [row, row], "totalElements": 2})
    assert (page.items, page.rejected) == ([built, built], {})
    assert decode(make_call(answer=one(model)), {"content": row}) == built


def test_the_helpers_see_what_there_is() -> None:
    row = ROWS["GET /contacts"][0]
    fields = {place: (hint, needed) for place, hint, needed in typed_places(models.Contact, row)}
    assert fields[("id",)] == (str, True)
    assert fields[("channel", "platform")] == (models.Platform, False)
    assert fields[("customAttributes", 1, "type")] == (models.AttributeType, False)
    assert fields[("updatedAt",)] == (datetime.datetime, False)
    assert set(objects(models.Contact, row)) == {
        (),
        ("channel",),
        ("customAttributes", 0),
        ("customAttributes", 1),
    }
    menu = typed_places(models.RichMenu, ROWS["GET /rich-menus"][0])
    assert (("id",), NumericText, True) in menu
