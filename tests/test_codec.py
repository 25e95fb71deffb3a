"""Bytes to objects: nothing is coerced, nothing new breaks, and errors name places, not values."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnichat_async import codec
from omnichat_async.calls import NOTHING, RAW, Answer, list_of, one, page_of
from omnichat_async.codec import decode, decode_page, loads, structure, text, total_of
from omnichat_async.codec.explain import _parts
from omnichat_async.codec.misfits import kind_of
from omnichat_async.errors import DecodeError
from omnichat_async.models import (
    Contact,
    CustomAttribute,
    Message,
    MessagesSent,
    Model,
    Platform,
    ReferralOrder,
    SenderType,
    TaggingLog,
)
from omnichat_async.models.base import local
from omnichat_async.windows import EPOCH, to_ms
from tests.support.builders import SECRETS, make_call

EMAIL = SECRETS["email"]
TIME = "a time (epoch milliseconds or ISO 8601)"

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@attrs.define(kw_only=True)
class Nested(Model):
    """A model with what the API's own models do not combine yet."""

    rows: list[Contact] | None = None
    known: dict[str, Any] = attrs.field(factory=dict)
    made_here: int | None = local(default=None)
    needed_here: int = local(default=7)


@attrs.define(kw_only=True)
class Own(Model):
    """A model of a user's own, with types that the API's own models do not have."""

    id: str
    labels: set[str] = attrs.field(factory=set)
    sizes: tuple[int, ...] = ()
    groups: set[str] | None = None


def fails(model: type[Any], value: Any) -> tuple[str, str, str]:
    """Path, expected and found of the error that this value leads to."""
    with pytest.raises(DecodeError) as caught:
        structure(model, value)
    error = caught.value
    assert str(error) == f"{error.path}: expected {error.expected}, found {error.found}"
    assert EMAIL not in str(error)
    assert error.__cause__ is None
    assert error.__suppress_context__
    return error.path, error.expected, error.found


def test_the_package_has_no_other_names() -> None:
    with pytest.raises(AttributeError, match=r"codec' has no attribute 'nothing'"):
        _ = codec.nothing  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]


# ---- text to JSON ------------------------------------------------------------------------------


@pytest.fixture(params=["msgspec", "orjson", "standard library"])
def parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """All ways that text is read."""
    parse = None
    if request.param != "standard library":
        pytest.importorskip(request.param, reason="pip install 'omnichat_async[speed]'")
        parse = getattr(text, f"_{request.param}")()
    monkeypatch.setattr(text, "_fast", lambda: parse)


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b"null", None),
        (b' {"a": [1, 2.5, true, "\xe7\x8e\x8b"]} \r\n', {"a": [1, 2.5, True, "王"]}),
        (b"[]", []),
        (b'"\\ud83d\\ude00"', "😀"),
    ],
)
@pytest.mark.usefixtures("parser")
def test_json_is_parsed(body: bytes, value: Any) -> None:
    assert loads(body) == value


REFUSED = {
    "nothing": b"",
    "white space": b" \n",
    "NaN": b'{"a": NaN}',
    "Infinity": b"[Infinity]",
    "-Infinity": b"-Infinity",
    "byte order mark": b"\xef\xbb\xbf{}",
    "UTF-16": '{"a": "b"}'.encode("utf-16"),
    "UTF-16 without a mark": '{"a": "b"}'.encode("utf-16-le"),
    "UTF-32": b'{\x00\x00\x00"\x00\x00\x00}\x00\x00\x00',
    "Latin-1": '{"a": "é"}'.encode("latin-1"),
    "lone surrogate in UTF-8": b'"\xed\xa0\x80"',
    "deep nesting": b"[" * 100_000,
    "deep and closed": b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
    "two values": b"{} {}",
    "HTML": b"<html></html>",
    "trailing comma": b"[1,]",
    "comment": b"[1] // one",
    "single quotes": b"{'a': 1}",
    "control character": b'"a\nb"',
    "cut off": b'{"content": [{"id": "a',
    "5000 digits": b"9" * 5000,
}


@pytest.mark.parametrize("body", REFUSED.values(), ids=REFUSED.keys())
@pytest.mark.usefixtures("parser")
def test_anything_else_is_a_value_error(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        loads(body)


@given(st.binary(max_size=40))
def test_any_bytes_are_json_or_a_value_error(body: bytes) -> None:
    try:
        loads(body)
    except ValueError:
        return


# ---- no coercion -------------------------------------------------------------------------------

STRING, WHOLE, NUMBER, BOOLEAN = "a string", "a whole number", "a number", "true or false"
JSON_KINDS = {STRING, WHOLE, NUMBER, BOOLEAN, "null", "an object", "an array", "nothing"}
ANY_SCALAR = "a string or a whole number or a number or true or false"

MISFITS: list[tuple[type[Model], str, Any, str, str]] = [
    (Message, "id", None, STRING, "null"),
    (Message, "id", 5, STRING, WHOLE),
    (Message, "id", True, STRING, BOOLEAN),
    (Message, "id", [EMAIL], STRING, "an array"),
    (Message, "senderEmail", 1.9, STRING, NUMBER),
    (Message, "senderEmail", {"a": EMAIL}, STRING, "an object"),
    (Message, "senderType", 5, STRING, WHOLE),
    (Message, "senderType", False, STRING, BOOLEAN),
    (Message, "channel", EMAIL, "an object", STRING),
    (Message, "channel", [], "an object", "an array"),
    (Contact, "status", "false", BOOLEAN, STRING),
    (Contact, "status", 0, BOOLEAN, WHOLE),
    (Contact, "status", EMAIL, BOOLEAN, STRING),
    (Contact, "tags", EMAIL, "an array", STRING),
    (Contact, "tags", {}, "an array", "an object"),
    (Contact, "tags", False, "an array", BOOLEAN),
    (Contact, "customAttributes", {"key": EMAIL}, "an array", "an object"),
    (Contact, "extraAttributes", [EMAIL], "an object", "an array"),
    (CustomAttribute, "value", [EMAIL], ANY_SCALAR, "an array"),
    (CustomAttribute, "value", {"a": EMAIL}, ANY_SCALAR, "an object"),
    (ReferralOrder, "total", "100", NUMBER, STRING),
    (ReferralOrder, "total", True, NUMBER, BOOLEAN),
    (ReferralOrder, "91appOrderId", "TG1", "an object", STRING),
    (Message, "time", True, TIME, BOOLEAN),
    (Message, "time", 1.5, TIME, NUMBER),
    (Message, "time", EMAIL, TIME, STRING),
    (Message, "time", [], TIME, "an array"),
    (Nested, "known", None, "an object", "null"),
    (Nested, "rows", EMAIL, "an array", STRING),
]
REQUIRED = {Message: {"id": "m"}, Contact: {"id": "c"}, ReferralOrder: {"orderId": "o"}}
REQUIRED[CustomAttribute] = {"key": "k"}


@pytest.mark.parametrize(
    ("model", "name", "value", "expected", "found"),
    MISFITS,
    ids=[f"{row[0].__name__}.{row[1]}={row[2]!r}" for row in MISFITS],
)
def test_a_value_of_the_wrong_kind_is_an_error_and_not_converted(
    model: type[Model], name: str, value: Any, expected: str, found: str
) -> None:
    row = {**REQUIRED.get(model, {}), name: value}
    assert fails(model, row) == (f"$.{name}", expected, found)


@pytest.mark.parametrize("value", [1.9, True, "5", None])
def test_a_count_is_a_whole_number(value: Any) -> None:
    row = {"messageCount": [{"platform": "line", "messages": value}]}
    if value is None:
        assert structure(MessagesSent, row).message_count[0].messages is None
    else:
        path = "$.messageCount[0].messages"
        assert fails(MessagesSent, row) == (path, WHOLE, kind_of(value))


@pytest.mark.parametrize("value", ["1", "", 0, 5, -1.5, True, False, None])
def test_a_custom_attribute_keeps_its_value_and_type(value: Any) -> None:
    read = structure(CustomAttribute, {"key": "k", "value": value}).value
    assert (read, type(read)) == (value, type(value))


@pytest.mark.parametrize("value", [0, 100, 14.51])
def test_a_number_stays_what_it_is(value: float) -> None:
    read = structure(ReferralOrder, {"orderId": "o", "total": value}).total
    assert (read, type(read)) == (value, type(value))


@pytest.mark.parametrize("value", [None, 5, "x", [], True, 1.5])
def test_a_model_is_an_object(value: Any) -> None:
    assert fails(Message, value) == ("$", "an object", kind_of(value))


@pytest.mark.parametrize(
    ("row", "place"),
    [
        ({}, ("$.id", "a value", "nothing")),
        ({"name": EMAIL}, ("$.id", "a value", "nothing")),
        ({"id": None}, ("$.id", "a string", "null")),
        (
            {"id": "c", "customAttributes": [{"key": "a"}, None, {"value": EMAIL}]},
            ("$.customAttributes[2].key", "a value", "nothing"),
        ),
        (
            {"id": "c", "customAttributes": [{"key": "a"}, EMAIL]},
            ("$.customAttributes[1]", "an object", "a string"),
        ),
        ({"id": "c", "tags": ["a", None, 3]}, ("$.tags[2]", "a string", "a whole number")),
        (
            {"id": "c", "channel": {"channelId": 5}},
            ("$.channel.channelId", "a string", "a whole number"),
        ),
    ],
)
def test_an_error_leads_to_the_exact_place(row: Any, place: tuple[str, str, str]) -> None:
    assert fails(Contact, row) == place


def test_the_place_is_found_inside_lists_that_may_be_null() -> None:
    value = {"rows": [{"id": "a"}, {"id": "b", "tags": [EMAIL, 5]}]}
    assert fails(Nested, value) == ("$.rows[1].tags[1]", "a string", "a whole number")


def test_the_search_for_a_misfit_looks_at_every_part() -> None:
    places = [
        [name for _, _, name in _parts(tp, value)]
        for tp, value in (
            (list[str], ["a", None, "b"]),
            (Nested, {"known": {}, "rows": [], "unknown": 1, "madeHere": 1}),
            (CustomAttribute, {}),
            (CustomAttribute, "not an object"),
            (list[str], "not an array"),
            (str, "a"),
        )
    ]
    assert places == [["[0]", "[2]"], [".rows", ".known"], [".key"], [], [], []]


def test_kinds_are_said_in_words() -> None:
    values: tuple[Any, ...] = (None, {}, [], "", 1, 1.0, True, b"")
    assert [kind_of(value) for value in values] == [
        *("null", "an object", "an array", "a string", "a whole number", "a number"),
        *("true or false", "bytes"),
    ]


@given(
    st.sampled_from([Message, Contact, MessagesSent, ReferralOrder, TaggingLog]),
    json_values | st.fixed_dictionaries({"id": json_values, "time": json_values}),
)
def test_any_json_is_read_or_is_a_decode_error(model: type[Model], value: Any) -> None:
    read = outcome(model, value)
    if isinstance(read, DecodeError):
        assert read.path.startswith("$")
        assert read.found in JSON_KINDS
    else:
        assert type(read) is model


def outcome(model: type[Model], value: Any) -> Model | DecodeError:
    try:
        return structure(model, value)
    except DecodeError as error:
        return error


# ---- what is unknown is normal -----------------------------------------------------------------


@pytest.mark.parametrize("model", [Message, Contact, MessagesSent, ReferralOrder, TaggingLog])
def test_everything_but_an_id_may_be_null_or_missing(model: type[Model]) -> None:
    required = REQUIRED.get(model, {})
    names = [name for name in wire_names(model) if name not in required]
    assert names
    missing = structure(model, required)
    nulls = structure(model, {**required, **dict.fromkeys(names)})
    assert missing == nulls == model(**{k: v for k, v in attrs_of(missing).items() if v})
    assert nulls.extra == {}


def attrs_of(value: Model) -> dict[str, Any]:
    return {field.name: getattr(value, field.name) for field in attrs.fields(type(value))}


def wire_names(model: type[Model]) -> list[str]:
    from omnichat_async.models.base import wire_name

    fields = attrs.fields(model)
    return [wire_name(f) for f in fields if f.name != "extra" and not f.metadata.get("local")]


def test_a_null_in_a_list_is_left_out_and_a_null_list_is_empty() -> None:
    contact = structure(Contact, {"id": "c", "tags": [None, "a", None], "customAttributes": None})
    assert (contact.tags, contact.custom_attributes) == (["a"], [])


def test_two_objects_do_not_share_their_empty_lists() -> None:
    first, second = structure(Contact, {"id": "a"}), structure(Contact, {"id": "b"})
    first.tags.append("x")
    first.extra["y"] = 1
    assert (second.tags, second.extra) == ([], {})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("line", Platform.LINE),
        ("LINE", Platform.LINE),
        ("WhatsApp", Platform.WHATSAPP),
        ("WHATSAPP", Platform.WHATSAPP),
        ("webchat", Platform.WEBCHAT),
        ("website", Platform.WEBCHAT),
        ("web", Platform.WEBCHAT),
        ("WEB", Platform.WEBCHAT),
        ("Website", Platform.WEBCHAT),
    ],
)
def test_a_platform_is_known_under_all_its_names(text: str, expected: Platform) -> None:
    read = structure(TaggingLog, {"platform": text}).platform
    assert read is expected
    assert read == expected.value


@pytest.mark.parametrize("text", ["telegram", "TELEGRAM", "", " line", "ⅬINE"])
def test_an_unknown_enum_value_stays_the_string_it_was(text: str) -> None:
    read = structure(TaggingLog, {"platform": text}).platform
    assert (read, type(read)) == (text, str)


@pytest.mark.parametrize("text", ["Bot", "bot", "BOT"])
def test_a_tagging_source_is_known_in_any_case(text: str) -> None:
    read = structure(TaggingLog, {"source": text}).source
    assert read == "bot"
    assert type(read).__name__ == "TaggingSource"


def test_sender_types_with_a_hyphen() -> None:
    assert (
        structure(Message, {"id": "m", "senderType": "ai-chat"}).sender_type is SenderType.AI_CHAT
    )


def test_unknown_fields_are_kept_at_every_level() -> None:
    row = {
        "id": "c",
        "newField": {"deep": [1, None]},
        "newNull": None,
        "tags": [],
        "channel": {"platform": "line", "nick": "n"},
        "customAttributes": [{"key": "k", "unit": "kg"}],
    }
    contact = structure(Contact, row)
    assert contact.extra == {"newField": {"deep": [1, None]}, "newNull": None}
    assert contact.channel is not None
    assert contact.channel.extra == {"nick": "n"}
    assert contact.custom_attributes[0].extra == {"unit": "kg"}


def test_other_types_are_read_by_cattrs_with_the_same_rules_inside() -> None:
    given = {"id": "a", "labels": ["x", "y"], "sizes": [1, 2]}
    own = Own(id="a", labels={"x", "y"}, sizes=(1, 2))
    assert structure(Own, given) == structure(Own, given | {"groups": None}) == own
    assert structure(Own, given | {"groups": ["z"]}) == attrs.evolve(own, groups={"z"})
    names = ("labels", "sizes", "groups")
    assert [fails(Own, {"id": "a", name: ["1", 2]})[0] for name in names] == [
        "$.labels",
        "$.sizes",
        "$.groups",
    ]


def test_names_of_this_package_are_unknown_fields_too() -> None:
    row = {"extra": 1, "window": 2, "employee_code": "x", "shop_locations": []}
    read = structure(MessagesSent, row)
    assert read.extra == row
    assert (read.window, read.employee_code, read.shop_locations) == (None, None, [])
    nested = structure(Nested, {"madeHere": "x", "made_here": "y", "neededHere": None})
    assert (nested.made_here, nested.needed_here) == (None, 7)
    assert nested.extra == {"madeHere": "x", "made_here": "y", "neededHere": None}


def test_a_key_that_is_no_python_name() -> None:
    row = {"orderId": "o", "91appOrderId": {"tgCode": "T", "tmCode": ["a"], "tsCode": None}}
    order = structure(ReferralOrder, row)
    assert order.app91_order_id is not None
    assert (order.app91_order_id.tg_code, order.app91_order_id.tm_code) == ("T", ["a"])
    assert order.app91_order_id.ts_code == []
    assert order.extra == {}


def test_a_free_object_is_handed_on_as_it_is() -> None:
    given = {"tier": "gold", "n": 1, "none": None, "list": ["a", None]}
    assert structure(Contact, {"id": "c", "extraAttributes": given}).extra_attributes == given


def test_a_row_is_not_changed_by_reading_it() -> None:
    row = {"id": "c", "tags": ["a", None], "x": {"y": 1}, "channel": {"platform": "WEB"}}
    before = {**row, "tags": ["a", None], "x": {"y": 1}, "channel": {"platform": "WEB"}}
    structure(Contact, row)
    assert row == before


# ---- times -------------------------------------------------------------------------------------


def time_of(value: Any) -> datetime | None:
    return structure(Message, {"id": "m", "time": value}).time


TAIPEI = timezone(timedelta(hours=8))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0, datetime(1970, 1, 1, tzinfo=UTC)),
        (1_604_647_464_032, datetime(2020, 11, 6, 7, 24, 24, 32_000, tzinfo=UTC)),
        (-1, datetime(1969, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC)),
        (253_402_300_799_999, datetime(9999, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC)),
        ("2023-01-03T12:32:12", datetime(2023, 1, 3, 12, 32, 12)),  # noqa: DTZ001
        ("2025-05-01 08:00:00", datetime(2025, 5, 1, 8)),  # noqa: DTZ001
        ("1970-01-01", datetime(1970, 1, 1)),  # noqa: DTZ001
        (
            "2023-11-09T17:53:08.734+08:00",
            datetime(2023, 11, 9, 17, 53, 8, 734_000, tzinfo=TAIPEI),
        ),
        ("2024-02-29T00:00:00.5Z", datetime(2024, 2, 29, 0, 0, 0, 500_000, tzinfo=UTC)),
        ("", None),
        ("  \n", None),
        (None, None),
    ],
)
def test_times_come_in_many_forms(value: Any, expected: datetime | None) -> None:
    read = time_of(value)
    assert read == expected
    if read is not None and expected is not None:
        assert read.utcoffset() == expected.utcoffset()


@pytest.mark.parametrize(
    "value",
    [
        253_402_300_800_000,
        10**18,
        -(10**15),
        10**400,
        "2023-13-01T00:00:00",
        "2023-02-30",
        "yesterday",
        "2023-01-03T12:32:12+99:00",
        "1604647464032",
        "1612010112345",
        "20230103",
    ],
)
def test_a_time_that_cannot_be_is_an_error(value: Any) -> None:
    """ "1612010112345" is ISO 8601 for a day in the year 1612, and more likely an epoch."""
    assert fails(Message, {"id": "m", "time": value}) == ("$.time", TIME, kind_of(value))


@given(st.integers(-62_135_596_800_000, 253_402_300_799_999))
def test_epoch_milliseconds_are_exact(value: int) -> None:
    read = time_of(value)
    assert read is not None
    assert (read.tzinfo, read - EPOCH) == (UTC, timedelta(milliseconds=value))
    if value >= 0:
        assert to_ms("time", read) == value


# ---- envelopes ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parsed", "total"),
    [
        ({"totalElements": 5}, 5),
        ({"totalElement": 2301}, 2301),
        ({"totalElements": 0}, 0),
        ({"totalElements": "12"}, 12),
        ({"totalElements": 1, "totalElement": 2}, 1),
        ({"totalElements": None, "totalElement": 2}, 2),
        ({"totalElements": "x", "totalElement": "3"}, 3),
        ({"totalElements": -1}, None),
        ({"totalElements": "-1"}, None),
        ({"totalElements": "1.0"}, None),
        ({"totalElements": "²"}, None),
        ({"totalElements": "٣"}, None),
        ({"totalElements": ""}, None),
        ({"totalElements": "9" * 19}, int("9" * 19)),
        ({"totalElements": "9" * 20}, None),
        ({"totalElements": "9" * 5000}, None),
        ({"totalElements": True}, None),
        ({"total": 7}, 7),
        ({"total_count": "7"}, 7),
        ({"totalRecords": 7}, 7),
        ({"TotalElements": 7}, 7),
        ({"totalElements": None, "totalRows": 7}, 7),
        ({"totalElements": 6, "total": 7}, 6),
        ({"totalPages": 7}, None),
        ({"subtotal": 7}, None),
        ({"totalElements": 5.0}, None),
        ({"totalElements": [5]}, None),
        ({}, None),
        ([], None),
        (None, None),
        ("totalElements", None),
    ],
)
def test_totals(parsed: Any, total: int | None) -> None:
    read = total_of(parsed)
    assert (read, type(read)) == (total, type(total))


@pytest.mark.parametrize("envelope", [lambda rows: {"content": rows}, lambda rows: rows])
def test_a_page_is_content_or_a_bare_array(envelope: Any) -> None:
    page = decode_page(Message, envelope([{"id": "a"}, {"id": "b"}]))
    assert [message.id for message in page] == ["a", "b"]
    assert page.rejected == {}


@pytest.mark.parametrize(
    ("parsed", "path", "found"),
    [
        ({}, "content", "null"),
        ({"content": None}, "content", "null"),
        ({"content": {"id": EMAIL}}, "content", "an object"),
        ({"content": EMAIL}, "content", "a string"),
        ({"items": []}, "content", "null"),
        (None, "$", "null"),
        (EMAIL, "$", "a string"),
        (5, "$", "a whole number"),
        (True, "$", "true or false"),
    ],
)
@pytest.mark.parametrize("model", [Message, None])
def test_a_page_without_rows_is_an_error(
    parsed: Any, path: str, found: str, model: type[Model] | None
) -> None:
    with pytest.raises(DecodeError) as caught:
        decode_page(model, parsed)
    error = caught.value
    assert (error.path, error.expected, error.found) == (path, "an array", found)
    assert EMAIL not in str(error)


def test_an_empty_page_is_a_page() -> None:
    page = decode_page(Message, {"content": [], "totalElements": 0})
    assert (page.items, page.total, page.rejected) == ([], 0, {})


@pytest.mark.parametrize("odd", [None, "x", {"id": None}, {"id": "m", "time": EMAIL}, {}])
def test_one_odd_row_spoils_no_other(odd: Any) -> None:
    rows: list[Any] = [{"id": f"m{n}"} for n in range(100)]
    rows[17] = odd
    page = decode_page(Message, {"content": rows, "totalElements": 100})
    assert [message.id for message in page] == [f"m{n}" for n in range(100) if n != 17]
    assert list(page.rejected) == [17]
    error = page.rejected[17]
    assert error.path.startswith("content[17]")
    assert error.raw is odd
    assert EMAIL not in str(error)
    assert page.total == 100


def test_every_odd_row_is_named() -> None:
    page = decode_page(Message, [{"id": 1}, {"id": "a"}, {"id": "b", "channel": {"channelId": 1}}])
    assert [(place, str(error)) for place, error in page.rejected.items()] == [
        (0, "content[0].id: expected a string, found a whole number"),
        (2, "content[2].channel.channelId: expected a string, found a whole number"),
    ]


def test_a_page_without_a_model_leaves_its_rows_alone() -> None:
    rows = [{"id": None}, None, 5]
    page = decode_page(None, {"content": rows, "totalElement": 3})
    assert page.items is rows
    assert (page.total, page.rejected) == (3, {})


@pytest.mark.parametrize("parsed", [{"content": {"id": "a"}}, {"id": "a"}])
def test_one_object_is_inside_content_or_bare(parsed: Any) -> None:
    assert decode(make_call(answer=one(Message)), parsed) == Message(id="a")


@pytest.mark.parametrize(
    ("parsed", "path", "found"),
    [
        ({"content": None}, "content", "null"),
        ({"content": []}, "content", "an array"),
        ({"content": {"id": 5}}, "content.id", "a whole number"),
        ({"content": {}}, "content.id", "nothing"),
        ([], "$", "an array"),
        (None, "$", "null"),
        ({"id": None}, "$.id", "null"),
    ],
)
def test_one_object_that_is_none_says_where(parsed: Any, path: str, found: str) -> None:
    with pytest.raises(DecodeError) as caught:
        decode(make_call(answer=one(Message)), parsed)
    assert (caught.value.path, caught.value.found) == (path, found)


ROW = {"id": "a", "tags": ["x"]}


@pytest.mark.parametrize(
    "parsed",
    [
        [ROW],
        ROW,
        {"content": [ROW]},
        {"content": ROW},
        {"content": {"people": [ROW], "page": 1}},
        {"people": [ROW], "totalElements": 1},
        {"content": {"tags": ["x"], "id": "a"}},
    ],
)
@pytest.mark.parametrize("or_nothing", [True, False])
def test_a_whole_list_comes_in_many_forms(parsed: Any, or_nothing: bool) -> None:
    answer = list_of(Contact, or_nothing=or_nothing)
    assert decode(make_call(answer=answer), parsed) == [Contact(id="a", tags=["x"])]


@pytest.mark.parametrize(
    ("parsed", "path", "found"),
    [
        ({"content": None}, "content", "null"),
        ({"content": {}}, "content", "an object"),
        ({}, "$", "an object"),
        ({"totalElements": 0}, "$", "an object"),
        (None, "$", "null"),
    ],
)
def test_a_list_may_be_missing_only_where_the_call_says_so(
    parsed: Any, path: str, found: str
) -> None:
    assert decode(make_call(answer=list_of(Contact, or_nothing=True)), parsed) == []
    with pytest.raises(DecodeError) as caught:
        decode(make_call(answer=list_of(Contact)), parsed)
    assert (caught.value.path, caught.value.found) == (path, found)


@pytest.mark.parametrize(
    ("parsed", "path", "found"),
    [
        ({"content": {"code": "X", "message": EMAIL}}, "content", "an object"),
        ({"a": [ROW], "b": [ROW]}, "$", "an object"),
        ({"people": [ROW, {"id": 5}]}, "$.people[1].id", "a whole number"),
        ({"content": [ROW, None]}, "content[1]", "null"),
        (EMAIL, "$", "a string"),
        (False, "$", "true or false"),
    ],
)
@pytest.mark.parametrize("or_nothing", [True, False])
def test_what_is_no_list_is_an_error(parsed: Any, path: str, found: str, or_nothing: bool) -> None:
    with pytest.raises(DecodeError) as caught:
        decode(make_call(answer=list_of(Contact, or_nothing=or_nothing)), parsed)
    assert (caught.value.path, caught.value.found) == (path, found)
    assert EMAIL not in str(caught.value)


def test_decode_gives_what_the_call_promises() -> None:
    parsed = {"content": [{"id": "a"}], "totalElements": 1}
    page = decode(make_call(answer=page_of(Message)), parsed)
    assert (page.items, page.total) == ([Message(id="a")], 1)
    assert decode(make_call(answer=RAW), parsed) is parsed
    assert decode(make_call(answer=Answer("one")), parsed) is parsed
    assert decode(make_call(answer=NOTHING), parsed) is None
