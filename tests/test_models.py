"""Models: every documented answer is read whole, and unknown values stay themselves."""

from __future__ import annotations

import copy
import enum
import pickle
from collections import Counter
from datetime import datetime
from typing import TYPE_CHECKING, Any

import attrs
import pytest

import omnichat_async.models
from omnichat_async.calls import one, page_of
from omnichat_async.codec import decode
from omnichat_async.models import (
    Body,
    Channel,
    Contact,
    Message,
    MessagesSent,
    MessagesSentTotal,
    Model,
    NamedChannel,
    OpenEnum,
    Platform,
    ReferralOrder,
    TaggingLog,
    TaggingSource,
)
from omnichat_async.models.base import local, wire, wire_name
from omnichat_async.models.body import wire_value
from omnichat_async.windows import EPOCH
from tests.support.builders import DATA, load, make_call
from tests.support.leaves import json_leaves, object_leaves

if TYPE_CHECKING:
    from collections.abc import Iterator

EXAMPLES: dict[str, type[Model]] = {
    "message": Message,
    "messages": Message,
    "contacts_line": Contact,
    "contacts_facebook": Contact,
    "contacts_instagram": Contact,
    "contacts_whatsapp": Contact,
    "contacts_webchat": Contact,
    "messages_sent": MessagesSent,
    "referral_orders": ReferralOrder,
    "tagging_logs": TaggingLog,
}
every_model = pytest.mark.parametrize(
    "model",
    [
        value
        for name in omnichat_async.models.__all__
        if attrs.has(value := getattr(omnichat_async.models, name)) and not issubclass(value, Body)
    ],
    ids=lambda model: model.__name__,
)
every_enum = pytest.mark.parametrize(
    "kind", OpenEnum.__subclasses__(), ids=lambda kind: kind.__name__
)


def read(name: str) -> list[Any]:
    """The rows of an example, as objects."""
    model = EXAMPLES[name]
    parsed = load(name)
    if isinstance(parsed["content"], dict):
        return [decode(make_call(answer=one(model)), parsed)]
    page = decode(make_call(answer=page_of(model)), parsed)
    assert page.rejected == {}
    assert page.total == parsed.get("totalElements", parsed.get("totalElement"))
    return list(page.items)


def test_every_example_is_tried() -> None:
    assert {file.stem for file in DATA.glob("*.json")} >= set(EXAMPLES)


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_leaf_of_an_example_is_found_on_its_object(name: str) -> None:
    content = load(name)["content"]
    rows = content if isinstance(content, list) else [content]
    objects = read(name)
    assert len(objects) == len(rows)
    for row, item in zip(rows, objects, strict=True):
        sent, found = dict(json_leaves(row)), dict(object_leaves(item))
        assert len(sent) >= 7
        for path, value in sent.items():
            # The sample says "Bot", the field table "bot".
            wanted = value.lower() if path == ".source" else value
            assert (path, found[path], found[path] is True) == (path, wanted, wanted is True)


@pytest.mark.parametrize("name", EXAMPLES)
def test_examples_hold_nothing_unknown(name: str) -> None:
    def extras(value: Any) -> Iterator[dict[str, Any]]:
        if isinstance(value, Model):
            yield value.extra
            for field in attrs.fields(type(value)):
                yield from extras(getattr(value, field.name))
        elif isinstance(value, list):
            for each in value:
                yield from extras(each)

    assert all(extra == {} for item in read(name) for extra in extras(item))


@pytest.mark.parametrize("name", EXAMPLES)
def test_enum_fields_of_examples_hold_members(name: str) -> None:
    def enums(value: Any) -> Iterator[OpenEnum]:
        if isinstance(value, OpenEnum):
            yield value
        elif isinstance(value, Model):
            for field in attrs.fields(type(value)):
                yield from enums(getattr(value, field.name))
        elif isinstance(value, list):
            for each in value:
                yield from enums(each)

    platforms = {"messages_sent": 3, "referral_orders": 0}.get(name, 1)
    for item in read(name):
        counted = Counter(type(value).__name__ for value in enums(item))
        assert counted["Platform"] == platforms


def test_a_tagging_time_keeps_no_zone_and_a_message_time_is_utc() -> None:
    assert read("tagging_logs")[0].time == datetime(2023, 1, 3, 12, 32, 12)  # noqa: DTZ001
    assert read("message")[0].time.tzinfo is EPOCH.tzinfo


# ---- base classes ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("id", "id"),
        ("channel_id", "channelId"),
        ("agent_bind_time", "agentBindTime"),
        ("product_referral_links", "productReferralLinks"),
    ],
)
def test_wire_names_are_camel_case(name: str, expected: str) -> None:
    cls = attrs.make_class("Made", {name: attrs.field()})
    assert wire_name(attrs.fields(cls)[0]) == expected


def test_a_wire_name_may_be_given() -> None:
    @attrs.define
    class Odd:
        in_: str = wire("in", default="")
        here: int = local(default=0)

    in_, here = attrs.fields(Odd)
    assert wire_name(in_) == "in"
    assert (in_.metadata.get("local"), here.metadata["local"]) == (None, True)
    assert (Odd().in_, Odd().here) == ("", 0)


def build(model: type[Any]) -> Any:
    """An object with a filler in each required field."""
    fields = [f for f in attrs.fields(model) if f.default is attrs.NOTHING and f.init]
    values: dict[str, Any] = {f.name: {} if "dict" in str(f.type) else "x" for f in fields}
    return model(**values)


@every_model
def test_models_are_slotted_keyword_only_values_that_travel(model: type[Any]) -> None:
    item = build(model)
    assert not hasattr(item, "__dict__")
    assert pickle.loads(pickle.dumps(item)) == item == copy.deepcopy(item)
    with pytest.raises(TypeError):
        model("x")


@every_model
def test_only_ids_are_required(model: type[Any]) -> None:
    required = {f.name for f in attrs.fields(model) if f.default is attrs.NOTHING}
    if model is MessagesSentTotal:  # made here, never read
        return
    assert required <= {"id", "key", "order_id", "broadcast_id"}


@every_enum
def test_every_spelling_leads_to_its_member(kind: type[OpenEnum]) -> None:
    known = kind.known()
    members: list[OpenEnum] = list(kind)
    assert set(known.values()) == set(members)
    for member in members:
        text = str(member)
        assert known[text] is known[text.lower()] is member is kind(text)
        assert member == text
    for spelling, value in kind.aliases().items():
        assert spelling == spelling.lower()
        assert known[spelling] is kind(value)


def test_each_enum_has_a_table_of_its_own() -> None:
    assert Platform.known() is Platform.known()
    assert "bot" in TaggingSource.known()
    assert "bot" not in Platform.known()
    assert OpenEnum.aliases() == {}


def test_an_enum_in_upper_case_is_known_in_both() -> None:
    class Status(OpenEnum):
        APPROVED = "APPROVED"

    assert Status.known() == {"APPROVED": Status.APPROVED, "approved": Status.APPROVED}
    assert issubclass(Status, enum.StrEnum)


def test_the_reports_total_is_a_fixed_value() -> None:
    total = MessagesSentTotal(
        name=None, employee_code="S1", messages={"line": 3}, product_referral_links={}
    )
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        total.name = "x"  # type: ignore[misc]


def test_a_channel_says_nothing_by_default() -> None:
    assert (Channel().platform, Channel().channel_id, Channel().extra) == (None, None, {})


def test_models_are_imported_when_they_are_used() -> None:
    assert "Message" in dir(omnichat_async.models)
    with pytest.raises(AttributeError, match="Nothing"):
        _ = omnichat_async.models.Nothing  # type: ignore[attr-defined]


def test_a_repr_shows_unknown_fields_last_and_only_where_there_are_some() -> None:
    channel = Channel(platform="line", channel_id="1")
    assert repr(channel) == "Channel(platform='line', channel_id='1')"
    channel.extra["new"] = [1]
    assert repr(channel) == "Channel(platform='line', channel_id='1', extra={'new': [1]})"
    named = NamedChannel(platform="line", channel_id="1", channel_name="A")
    assert repr(named) == "NamedChannel(platform='line', channel_id='1', channel_name='A')"


class Colour(enum.Enum):
    """An enum of the caller's own."""

    RED = "red"


def test_an_enum_goes_out_as_its_value() -> None:
    assert wire_value([Colour.RED, {"key": Colour.RED}]) == ["red", {"key": "red"}]
    assert type(wire_value(Colour.RED)) is str
