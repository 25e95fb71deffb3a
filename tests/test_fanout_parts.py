"""The parts of a fan-out one by one: rows, messages, verdicts, the journal's thread, reports."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import re
import sqlite3
import subprocess
import sys
from datetime import datetime
from itertools import chain
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnichat_async import (
    ConfigurationError,
    ContactNotReachable,
    ContactUnsubscribed,
    DecodeError,
    InvalidRequest,
    MarketingMessagesLiteNotEnabled,
    NotFound,
    NotSent,
    OutcomeUnknown,
    PermissionDenied,
    RateLimited,
    ServerError,
    Unauthorized,
)
from omnichat_async.classify import Reply, classify, to_error
from omnichat_async.errors import BadRequest
from omnichat_async.jobs import Message, State
from omnichat_async.jobs.fanout.answers import accepted
from omnichat_async.jobs.fanout.database import Database
from omnichat_async.jobs.fanout.departure import LONGEST_LEAD_S, Lead
from omnichat_async.jobs.fanout.intake import BadRow, Row, batches, read_row
from omnichat_async.jobs.fanout.journal import Journal
from omnichat_async.jobs.fanout.liveness import Lifeline, is_alive
from omnichat_async.jobs.fanout.message import Kind, read_mark
from omnichat_async.jobs.fanout.records import Recipient
from omnichat_async.jobs.fanout.verdicts import judge
from omnichat_async.limits import Permit
from omnichat_async.models import Image, Text, WhatsAppTemplate, headless
from omnichat_async.sandbox import Fault
from tests.support.calls import ONCE
from tests.support.exports import ROOT, served
from tests.support.fanouts import LINE, WHATSAPP, broadcast, fan_out, people, planned
from tests.support.run import run

if TYPE_CHECKING:
    from pathlib import Path

DIRECT = Message.direct(
    platform="line", channel_id=LINE, track_id="t", messages=[Text("Dear ${name}")]
)


async def rows_of(source: Any, column: str = "to") -> list[tuple[int, Any]]:
    return list(
        chain.from_iterable([batch async for batch in batches("recipients", source, column)])
    )


# ---- rows --------------------------------------------------------------------------------------


def test_a_csv_file_keeps_its_line_numbers(tmp_path: Path) -> None:
    path = tmp_path / "people.csv"
    path.write_bytes(b'\xef\xbb\xbfto , name\nU1,"Ann\nLee"\n\nU2\nU3,Eve,x\n\xff,Bob\n')
    rows = run(rows_of(path))
    assert [line for line, _ in rows] == [3, 5, 6, 7]
    assert rows[0][1] == {"to": "U1", "name": "Ann\nLee"}
    assert isinstance(rows[2][1], BadRow)
    read = [read_row(line, raw, "to", DIRECT) for line, raw in rows]
    assert [isinstance(each, BadRow) for each in read] == [False, True, True, True]
    assert [each.reason.partition(":")[0] for each in read if isinstance(each, BadRow)] == [
        "name",
        "row",
        "recipient",
    ]


def test_a_column_that_is_there_twice_fills_no_placeholder(tmp_path: Path) -> None:
    """The wrong one of the two would call people by somebody else's name."""
    path = tmp_path / "people.csv"
    path.write_text("to,name,note,note\nU1,Ann,x,y\n")
    ((line, raw),) = run(rows_of(path))
    assert isinstance(read_row(line, raw, "to", DIRECT), Row)
    path.write_text("to,name,name\nU1,Ann,Lee\n")
    ((line, raw),) = run(rows_of(path))
    bad = read_row(line, raw, "to", DIRECT)
    assert isinstance(bad, BadRow)
    assert bad.reason.startswith("name: ")


def test_a_row_that_is_no_csv_is_bad_and_no_more_than_that(tmp_path: Path) -> None:
    path = tmp_path / "people.csv"
    path.write_text('to,name\nU1,Ann\n"U2"x,Bob\n' + "x" * 200_000 + '\nU3,"Eve""s"\nU4,"Fay')
    rows = run(rows_of(path))
    read = [read_row(line, raw, "to", DIRECT) for line, raw in rows]
    assert [(each.line, isinstance(each, BadRow)) for each in read] == [
        (2, False),
        (3, True),
        (4, True),
        (5, False),
        (6, True),
    ]
    assert "Fay" not in str(read)


@pytest.mark.parametrize(
    ("name", "content", "limit"),
    [
        ("people.csv", "U1,Ann\nU2,Bob\n", "must name a column 'to'"),
        ("people.csv", "", "must name a column 'to'"),
        ("people.csv", "to,name,to\nU1,Ann,U2\n", "3 columns, 2 of that name"),
        ("people.csv", 'to,name\nU1,"Ann\nU2,Bob\nU3,Eve\n', "lines 2 to 4 are none"),
        ("people.csv", 'to,name\nU1,"Ann\nU2,"Bob"\nU3,Eve\n', "lines 2 to 3 are none"),
        ("people.txt", "U1\n" + "x" * 2_000_000, "line 2"),
        ("people.jsonl", "[" + "1," * 1_000_000, "line 1"),
        ("people.xlsx", "", "must end in"),
    ],
)
def test_a_file_that_cannot_be_read_says_why_and_names_nobody(
    tmp_path: Path, name: str, content: str, limit: str
) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(InvalidRequest, match=limit) as caught:
        run(rows_of(tmp_path / name))
    assert "Ann" not in str(caught.value)


def test_json_lines_are_text_or_objects(tmp_path: Path) -> None:
    path = tmp_path / "people.jsonl"
    path.write_text(
        '"U1"\n\n{"to": "U2", "name": 7}\n{\n[1]\nnull\n1.5\n{"name": "x"}\n85291234567'
    )
    rows = run(rows_of(str(path)))
    read = [read_row(line, raw, "to", broadcast()) for line, raw in rows]
    good = [each for each in read if not isinstance(each, BadRow)]
    assert [(each.line, each.address) for each in good] == [
        (1, "U1"),
        (3, "U2"),
        (9, "85291234567"),
    ]
    assert [each.line for each in read if isinstance(each, BadRow)] == [4, 5, 6, 7, 8]


def test_a_missing_file_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        run(rows_of(tmp_path / "nobody.txt"))


def test_rows_of_a_database_and_objects_fill_placeholders() -> None:
    database = sqlite3.connect(":memory:")
    database.row_factory = sqlite3.Row
    selected = database.execute("SELECT 'U1' AS \"to\", 'Ann' AS name")
    (of_database,) = selected.fetchall()
    database.close()
    for row in (of_database, SimpleNamespace(to="U1", name="Ann"), {"to": "U1", "name": "Ann"}):
        read = read_row(1, row, "to", DIRECT)
        assert isinstance(read, Row)
        assert (read.address, read.personal) == ("U1", '{"name": "Ann"}')
    assert isinstance(read_row(1, SimpleNamespace(to="U1"), "to", DIRECT), BadRow)
    assert isinstance(read_row(1, of_database, "phone", DIRECT), BadRow)


@pytest.mark.parametrize(
    "value", [None, "", "  ", float("nan"), float("inf"), True, [], "x" * 1001]
)
def test_a_value_that_would_look_odd_is_bad(value: object) -> None:
    row = read_row(1, {"to": "U1", "name": value}, "to", DIRECT)
    assert isinstance(row, BadRow)
    assert row.reason.startswith("name: ")


@pytest.mark.parametrize(
    "value",
    [
        "85291234567.0",  # out of a spreadsheet: one digit more, and somebody else's number
        "85291234567.",
        "+85291234567.00",
        "+44 (0)20 7946 0958",
        "8.5291234567E+10",
        "９1234567",
        "8529123\x004567",
        85291234567.0,
    ],
)
def test_what_could_become_another_phone_number_is_bad(value: object) -> None:
    message = broadcast(platform="whatsapp", channel_id=WHATSAPP)
    assert isinstance(read_row(1, {"to": value}, "to", message), BadRow)


@pytest.mark.parametrize(
    "value", ["+852 9123-4567", "00852 91234567", "(852) 9123 4567", "852.9123.4567", 85291234567]
)
def test_one_phone_number_written_in_many_ways_is_one(value: object) -> None:
    message = broadcast(platform="whatsapp", channel_id=WHATSAPP)
    row = read_row(1, {"to": value}, "to", message)
    assert isinstance(row, Row)
    assert row.address == "85291234567"


@pytest.mark.parametrize("value", ["U1 U2", "U1\nU2", "U1\x00", "U1\u200b", "U1\u00a0x", "x" * 201])
def test_an_id_holds_nothing_that_cannot_be_seen(value: str) -> None:
    assert isinstance(read_row(1, value, "to", broadcast()), BadRow)


def test_a_business_scoped_id_is_no_phone_number_for_notifications() -> None:
    message = Message.notification(channel_id=LINE, setting_id="s", value_map={"a": "b"})
    assert isinstance(read_row(1, "US.13491208655302741918", "to", message), BadRow)


def test_an_error_about_the_suppression_list_says_so(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    path.write_text("phone\n1\n")

    async def main() -> None:
        async with fan_out(sandbox, tmp_path / "j") as job:
            with pytest.raises(InvalidRequest) as caught:
                await job.plan(broadcast(), ["U1"], suppress=path)
            assert caught.value.field == "suppress"

    with served(rows=10) as sandbox:
        run(main())


def test_a_row_that_is_no_utf_8_is_bad() -> None:
    row = read_row(1, {"to": "U1", "name": "\ud800"}, "to", DIRECT)
    assert isinstance(row, BadRow)


# ---- messages ----------------------------------------------------------------------------------

CONTENTS: list[dict[str, Any]] = [
    {"type": "text", "text": "hi"},
    {"type": "image", "image": "https://example.com/a.png"},
    {"type": "block", "blockId": "b"},
    {
        "type": "products",
        "products": [
            {
                "name": "Tee",
                "image": "https://example.com/a.png",
                "url": "https://example.com",
                "buttonLabel": "View",
                "price": "HK$ 1",
            }
        ],
    },
    {
        "type": "whatsappTemplate",
        "whatsappTemplate": {
            "name": "cart",
            "namespace": "n",
            "language": {"code": "en", "policy": "deterministic"},
            "components": [{"type": "button", "sub_type": "flow", "index": 0, "parameters": []}],
        },
    },
]
TEMPLATE_OF_NOTHING = {
    "type": "whatsappTemplate",
    "whatsappTemplate": {"name": "cart", "components": [{"type": "body", "x": float("nan")}]},
}
FLEX = {
    "type": "lineFlexMessageTemplates",
    "lineFlexMessageTemplates": [
        {"templateId": "t", "parameters": [{"key": "k", "value": "${name}"}]}
    ],
}


@pytest.mark.parametrize("content", CONTENTS, ids=lambda content: content["type"])
def test_a_documented_broadcast_is_sent_as_it_is(content: dict[str, Any]) -> None:
    given = {"subject": "s", "platform": "whatsapp", "channelId": "c", "messages": [content]}
    given |= {"tags": ["t"], "scheduledAt": "2099-01-01T00:00:00"}
    message = Message.from_json(json.dumps(given))
    assert (message.kind, message.per_call, message.names) == ("broadcast", 150, ())
    assert Message.from_json(message.to_json()) == message
    path, body = message.request([Recipient("U1"), Recipient("U2")], "0123abcd", 7)
    assert path == "/broadcast"
    assert body == {**given, "subject": "s [0123abcd-7]", "to": ["U1", "U2"]}
    assert message.request([Recipient("U1")], None, 7)[1]["subject"] == "s"


@pytest.mark.parametrize("content", [*CONTENTS, FLEX], ids=lambda content: content["type"])
def test_a_documented_direct_message_is_sent_as_it_is(content: dict[str, Any]) -> None:
    given = {"trackId": "t", "platform": "line", "channelId": "c", "messages": [content]}
    given |= {"customAttributes": [{"key": "k", "value": "v"}]}
    message = Message.from_json(json.dumps({"kind": "direct-message", **given}))
    assert Message.from_json(message.to_json()) == message
    path, body = message.request([Recipient("U1", {"name": "Ann"})], None, 1)
    expected = json.loads(json.dumps({**given, "to": "U1"}).replace("${name}", "Ann"))
    assert (path, body) == ("/direct-messages", expected)


def test_a_documented_headless_message_is_sent_as_it_is() -> None:
    content = {"type": "contacts", "contacts": {"name": "${name}"}}
    given = {"kind": "headless", "businessPhone": "852/1", "content": {**content, "to": "1"}}
    message = Message.from_json(json.dumps(given))
    assert Message.from_json(message.to_json()) == message
    assert (message.platform, message.to_phones, message.names) == ("whatsapp", True, ("name",))
    path, body = message.request([Recipient("85291234567", {"name": "Ann"})], None, 1)
    assert path == "/whatsapp/headless-api/852%2F1/messages"
    assert body["contacts"] == {"name": "Ann"}
    assert (body["to"], body["messaging_product"]) == ("85291234567", "whatsapp")


def test_a_documented_notification_is_sent_as_it_is() -> None:
    given = {"platform": "line", "channelId": "c", "settingId": "s", "valueMap": {"a": "${name}"}}
    message = Message.from_json(json.dumps({"kind": "notification", **given}))
    assert Message.from_json(message.to_json()) == message
    assert (message.per_call, message.to_phones) == (100, True)
    _, body = message.request([Recipient("85291234567", {"name": "Ann"})], None, 1)
    (sent,) = body["notifications"]
    assert (sent["to"], sent["valueMap"]) == ("85291234567", {"a": "Ann"})


@pytest.mark.parametrize(
    ("data", "field"),
    [
        ({"messages": "text"}, "messages"),
        ({"messages": ["text"]}, "messages"),
        ({"messages": [{"type": "video"}]}, "type"),
        ({"messages": [{"type": "products", "products": {}}]}, "products"),
        ({"messages": [{"type": "whatsappTemplate"}]}, "whatsappTemplate"),
        ({"messages": [{"type": "text", "text": "Dear ${name}"}]}, "messages"),
        ({"messages": [FLEX]}, "messages"),
        ({"messages": [{"type": "text", "text": "Dear ${}"}]}, "message"),
        ({"messages": [{"type": "text", "text": "Dear ${name"}]}, "message"),
        ({"messages": [TEMPLATE_OF_NOTHING]}, "message"),
        ({"messages": [CONTENTS[2], CONTENTS[0]]}, "messages"),
        ({"subject": ""}, "subject"),
        ({"scheduledAt": "tomorrow"}, "scheduledAt"),
        ({"scheduledAt": "2099-01-01T00:00:00+08:00"}, "scheduled_at"),
        ({"kind": "direct-message"}, "message"),
        ({"kind": "headless", "content": {"type": "text"}}, "message"),
        ({"kind": "notification", "platform": "whatsapp"}, "platform"),
    ],
)
def test_a_wrong_message_names_the_field(data: dict[str, Any], field: str) -> None:
    whole = {"subject": "s", "platform": "line", "channelId": "c", "messages": [CONTENTS[0]]}
    with pytest.raises(InvalidRequest) as caught:
        Message.from_json(json.dumps({**whole, **data}))
    assert caught.value.field == field


@pytest.mark.parametrize("key", [{"a": 1}, [], None, 7, ""])
def test_the_key_of_an_attribute_is_text(key: object) -> None:
    data: dict[str, Any] = {
        "kind": "direct-message",
        "trackId": "t",
        "platform": "line",
        "channelId": "1",
    }
    data |= {"messages": [CONTENTS[0]], "customAttributes": [{"key": key, "value": "x"}]}
    with pytest.raises(InvalidRequest, match=r"^custom.?[aA]ttributes key: "):
        Message.from_json(json.dumps(data))


def test_the_messages_of_the_documentation_are_messages() -> None:
    page = (ROOT / "docs" / "pages" / "fanout.md").read_text(encoding="utf-8")
    found = [Message.from_json(text) for text in re.findall(r"```json\n(.*?)```", page, re.DOTALL)]
    assert {message.kind for message in found} == set(get_args(Kind))


def test_a_field_too_many_is_named_unless_it_may_be_data() -> None:
    whole = {"subject": "s", "platform": "line", "channelId": "c", "messages": [CONTENTS[0]]}
    with pytest.raises(InvalidRequest, match="given: chanelId, to"):
        Message.from_json(json.dumps({**whole, "to": ["U1"], "chanelId": "c"}))
    with pytest.raises(InvalidRequest, match="given: 1 other fields"):
        Message.from_json(json.dumps({**whole, "+85291234567": "c"}))


def test_a_headless_content_needs_an_object_of_its_type() -> None:
    contents: list[Any] = [{"type": "text"}, {"text": {}}, "text"]
    for content in contents:
        given = {"kind": "headless", "businessPhone": "1", "content": content}
        with pytest.raises(InvalidRequest):
            Message.from_json(json.dumps(given))


def test_typed_and_written_messages_are_the_same() -> None:
    typed = Message.broadcast(
        subject="s",
        platform="line",
        channel_id="c",
        messages=[Text("hi"), Image("https://example.com/a.png")],
        scheduled_at=datetime(2099, 1, 1),  # noqa: DTZ001
    )
    given = {"subject": "s", "platform": "line", "channelId": "c", "messages": CONTENTS[:2]}
    assert Message.from_json(json.dumps({**given, "scheduledAt": "2099-01-01T00:00:00"})) == typed
    template = WhatsAppTemplate("cart", language="en", body=["${name}"])
    message = Message.headless(business_phone=WHATSAPP, content=headless.Template(template))
    assert Message.from_json(message.to_json()) == message
    assert message.texts({"name": "Ann"}) == []


def test_placeholders_have_the_names_of_columns() -> None:
    message = Message.direct(
        platform="line",
        channel_id=LINE,
        track_id="t",
        messages=[Text("Dear ${First Name} ${ 姓 }, $5 {off}")],
    )
    assert message.names == ("First Name", "姓")
    row = read_row(1, {"to": "U1", "First Name": "Ann", "姓": "李"}, "to", message)
    assert isinstance(row, Row)
    _, body = message.request([Recipient("U1", json.loads(row.personal or ""))], None, 1)
    assert body["messages"][0]["text"] == "Dear Ann 李, $5 {off}"


def test_a_lone_surrogate_anywhere_in_a_message_is_refused() -> None:
    content = {"type": "text", "text": {"body": "hi"}, "context": {"x": "\ud800"}}
    given = {"kind": "headless", "businessPhone": WHATSAPP, "content": content}
    with pytest.raises(InvalidRequest):
        Message.from_json(json.dumps(given))


@given(st.dictionaries(st.just("name"), st.text(min_size=1, max_size=20), min_size=1))
def test_a_value_is_never_filled_again(personal: dict[str, str]) -> None:
    _, body = DIRECT.request([Recipient("U1", personal)], None, 1)
    assert body["messages"] == [{"type": "text", "text": f"Dear {personal['name']}"}]


@given(st.text(max_size=30), st.integers(1, 10**9))
def test_a_mark_is_read_back(subject: str, number: int) -> None:
    message = broadcast(subject="s" + subject)
    assert read_mark(message.subject("0123abcd", number)) == ("0123abcd", number)


@pytest.mark.parametrize("subject", [None, "", "Sale", "Sale [0123abcd]", "[0123abcd-1] Sale"])
def test_other_subjects_have_no_mark(subject: str | None) -> None:
    assert read_mark(subject) is None


@pytest.mark.parametrize(
    ("kind", "answer", "ref"),
    [
        ("broadcast", {"content": {"broadcastId": "b"}}, "b"),
        ("broadcast", {"broadcastId": "b"}, "b"),
        ("broadcast", {"broadcastId": 17}, "17"),
        ("direct-message", {"content": {"messageId": ["m", "n"]}}, "m"),
        ("direct-message", {"content": {"messageIds": ["m"]}}, "m"),
        ("direct-message", {"content": {"messageId": None, "messageIds": ["m"]}}, "m"),
        ("direct-message", {"content": {"messageIds": []}}, None),
        ("direct-message", {"content": {"trackId": "t"}}, None),
        ("notification", {"triggerId": "t"}, "t"),
        ("notification", {"content": {"triggerId": "t"}}, "t"),
        ("headless", {"messages": [{"id": "wamid.1"}]}, "wamid.1"),
    ],
)
def test_the_id_in_an_answer(kind: Any, answer: Any, ref: str | None) -> None:
    assert accepted(kind, answer) == ref


@pytest.mark.parametrize(
    "answer", [None, [], {}, "ok", 200, True, {"status": "ok"}, {"content": []}, {"errorCode": "X"}]
)
@pytest.mark.parametrize("kind", ["broadcast", "direct-message", "headless", "notification"])
def test_an_answer_of_somebody_else_is_none(kind: Any, answer: Any) -> None:
    with pytest.raises(DecodeError):
        accepted(kind, answer)
    with pytest.raises(DecodeError):
        accepted("broadcast", {"broadcastId": ""})


# ---- verdicts ----------------------------------------------------------------------------------


def answered(status: int, body: object = None) -> Exception:
    """The error of a send that was answered so."""
    raw = b"" if body is None else json.dumps(body).encode()
    failure = classify(ONCE, Reply(status, {}, raw))
    assert failure is not None
    return to_error(ONCE, failure, 1)


def code(text: str) -> dict[str, str]:
    return {"errorCode": text, "message": "not found"}


@pytest.mark.parametrize(
    ("error", "kind", "state", "then"),
    [
        (NotSent("no connection"), NotSent, State.PENDING, "stumble"),
        (answered(429), RateLimited, State.PENDING, "stumble"),
        (answered(400, {"error": {"code": 130429}}), BadRequest, State.PENDING, "stumble"),
        (answered(401), Unauthorized, State.PENDING, "halt"),
        (answered(403), PermissionDenied, State.PENDING, "halt"),
        (
            answered(500, {"content": {"code": "MARKETING_MESSAGES_LITE_NOT_ENABLED"}}),
            MarketingMessagesLiteNotEnabled,
            State.PENDING,
            "halt",
        ),
        (answered(400, code("INVALID_BROADCAST_MESSAGE")), BadRequest, State.PENDING, "halt"),
        (answered(400, code("CHANNEL_ID_NOT_FOUND")), BadRequest, State.PENDING, "halt"),
        (answered(404), NotFound, State.PENDING, "halt"),
        (answered(405), BadRequest, State.PENDING, "halt"),
        (answered(501), ServerError, State.PENDING, "halt"),
        (InvalidRequest("to", "no", "no"), InvalidRequest, State.PENDING, "halt"),
        (ConfigurationError("closed"), ConfigurationError, State.PENDING, "halt"),
        (answered(400), BadRequest, State.REFUSED, "suspicious"),
        (answered(400, code("INVALID_REQUEST_BODY")), NotFound, State.REFUSED, "suspicious"),
        (answered(400, {"error": {"code": 131026}}), BadRequest, State.REFUSED, "suspicious"),
        (
            answered(400, code("CONTACT_NOT_REACHABLE")),
            ContactNotReachable,
            State.REFUSED,
            "suspicious",
        ),
        (answered(400, code("CONTACT_UNSUBSCRIBED")), ContactUnsubscribed, State.REFUSED, ""),
        (answered(500), OutcomeUnknown, State.UNKNOWN, ""),
        (answered(408), OutcomeUnknown, State.UNKNOWN, ""),
        (answered(500, code("UNEXPECTED_ERROR")), OutcomeUnknown, State.UNKNOWN, ""),
        (DecodeError("$", "JSON", "something else"), DecodeError, State.UNKNOWN, ""),
        (RuntimeError("a bug"), RuntimeError, State.UNKNOWN, ""),
    ],
)
def test_what_an_error_means(
    error: Exception, kind: type[Exception], state: State, then: str
) -> None:
    assert type(error) is kind
    verdict = judge(error)
    assert verdict.state is state
    flags = {name for name in ("halt", "stumble", "suspicious") if getattr(verdict, name)}
    assert flags == ({then} if then else set())


def test_a_reason_holds_no_free_text() -> None:
    verdict = judge(answered(400, {"errorCode": "Ann Lee +85291234567", "message": "Ann"}))
    assert verdict.reason == "BadRequest (HTTP 400)"


# ---- the lead ----------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 0.2)), min_size=1, max_size=20))
def test_calls_leave_at_least_as_far_apart_as_they_were_permitted_to(
    given_: list[tuple[float, float]],
) -> None:
    """Whatever the disk takes, or else it would break the law of the rate limit."""
    lead, granted, now = Lead(), 0.0, 0.0
    last = Permit(-10.0), Permit(-10.0)
    for gap, took in given_:
        granted += gap
        now = max(now, granted + took)
        permit = Permit(granted)
        moved = lead.moved(permit, now)
        assert moved.granted_at - last[1].granted_at >= granted - last[0].granted_at - 1e-9
        assert min(now - granted, LONGEST_LEAD_S) <= lead.seconds <= LONGEST_LEAD_S
        last = permit, moved


# ---- the journal -------------------------------------------------------------------------------


def test_what_is_asked_for_together_is_committed_together(tmp_path: Path) -> None:
    async def main() -> None:
        database = Database(tmp_path / "j")
        await database.open()
        commits: list[str] = []
        await database.do(lambda db: db.set_trace_callback(commits.append))
        work = [database.do(lambda db, n=n: _note(db, n)) for n in range(50)]  # type: ignore[misc]
        assert await asyncio.gather(*work) == list(range(50))
        rows = await database.do(lambda db: db.execute("SELECT line FROM invalid").fetchall())
        await database.aclose()
        assert sorted(line for (line,) in rows) == list(range(50))
        assert commits.count("COMMIT") < 50
        with pytest.raises(ConfigurationError, match="closed"):
            await database.do(lambda _: None)

    run(main())


def _note(db: sqlite3.Connection, n: int) -> int:
    db.execute("INSERT INTO invalid VALUES (?, 'x')", (n,))
    return n


def test_a_piece_of_work_that_fails_takes_no_other_with_it(tmp_path: Path) -> None:
    def fail(db: sqlite3.Connection) -> None:
        _note(db, 99)
        raise InvalidRequest("x", "y", "z")

    async def main() -> None:
        database = Database(tmp_path / "j")
        await database.open()
        results = await asyncio.gather(
            database.do(lambda db: _note(db, 1)),
            database.do(fail),
            database.do(lambda db: _note(db, 2)),
            return_exceptions=True,
        )
        rows = await database.do(lambda db: db.execute("SELECT line FROM invalid").fetchall())
        await database.aclose()
        assert isinstance(results[1], InvalidRequest)
        assert (results[0], results[2], sorted(rows)) == (1, 2, [(1,), (2,)])

    run(main())


def test_a_full_disk_is_an_os_error_and_nothing_is_half_done(tmp_path: Path) -> None:
    async def main() -> None:
        database = Database(tmp_path / "j")
        await database.open()
        pages = await database.do(lambda db: db.execute("PRAGMA page_count").fetchone()[0])
        await database.do(lambda db: db.execute(f"PRAGMA max_page_count = {pages}").fetchone())
        big = "x" * 50_000
        with pytest.raises(OSError, match="full") as caught:
            await database.do(lambda db: db.execute("INSERT INTO invalid VALUES (1, ?)", (big,)))
        assert caught.value.errno == errno.EIO
        rows = await database.do(lambda db: db.execute("SELECT * FROM invalid").fetchall())
        await database.aclose()
        assert rows == []

    run(main())


def test_a_journal_of_another_format_is_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "j"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE other (a)")
    connection.commit()
    connection.close()
    with pytest.raises(InvalidRequest, match="format"):
        run(Journal(path).open())


def test_a_journal_that_is_opened_again_keeps_its_locks(tmp_path: Path) -> None:
    """As a status does in the process of a running job. POSIX ends all locks of a process on a
    file when any descriptor of it is closed; without them another process that closes the journal
    removes the log, and what is committed after that is lost with a kill."""
    path = tmp_path / "j"
    elsewhere = (
        "import sqlite3, sys\n"
        "database = sqlite3.connect(sys.argv[1])\n"
        "print(database.execute('SELECT count(*) FROM invalid').fetchone()[0])\n"
        "database.close()"
    )

    async def seen_elsewhere() -> int:
        command = [sys.executable, "-c", elsewhere, str(path)]
        done = await asyncio.to_thread(subprocess.run, command, capture_output=True, check=True)
        return int(done.stdout)

    async def main() -> None:
        first, second = Database(path), Database(path, create=False)
        await first.open()
        await first.do(lambda db: _note(db, 1))
        await second.open()
        await second.aclose()
        assert await seen_elsewhere() == 1
        await first.do(lambda db: _note(db, 2))
        assert await seen_elsewhere() == 2
        await first.aclose()

    run(main())


def test_a_journal_that_cannot_be_opened_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def opening(path: Path, *, create: bool) -> str:
        with pytest.raises(OSError) as caught:  # noqa: PT011 - any; what matters is its text
            await Database(path, create=create).open()
        assert caught.value.filename == str(path)
        return str(caught.value.strerror)

    for create in (True, False):
        assert run(opening(tmp_path, create=create)) == "Is a directory"
        missing = tmp_path / "missing" / "j"
        assert run(opening(missing, create=create)) == "No such file or directory"
    (tmp_path / "theirs").touch()
    monkeypatch.setattr(os, "access", lambda *_: False)  # nothing is refused to root
    assert run(opening(tmp_path / "theirs", create=True)) == "Permission denied"


def test_a_worker_lives_as_long_as_it_holds_its_line(tmp_path: Path) -> None:
    line = Lifeline(tmp_path / "j")
    assert is_alive(str(line.path))
    line.release()
    assert not is_alive(str(line.path))
    left = tmp_path / "j.worker-dead"
    left.touch()
    assert not is_alive(str(left))
    assert list(tmp_path.iterdir()) == []


def test_a_result_that_cannot_be_written_stops_the_run_and_stays_in_doubt(tmp_path: Path) -> None:
    """The disk fills up between intent and result: what was sent is unknown, nothing follows."""

    async def main() -> None:
        await planned(sandbox, tmp_path / "j", 3000)
        with pytest.raises(OSError, match="disk"):  # noqa: PT012 - leaving belongs to it
            async with fan_out(sandbox, tmp_path / "j", concurrency=1) as job:
                settle = job._journal.settle
                left = [3]

                async def failing(*args: Any, **kwargs: Any) -> None:
                    left[0] -= 1
                    if not left[0]:
                        raise OSError(errno.ENOSPC, "disk full")
                    await settle(*args, **kwargs)

                job._journal.settle = failing  # type: ignore[method-assign]
                await job.run()
        assert sandbox.stats().requests == 3
        async with fan_out(sandbox, tmp_path / "j") as job:
            status = await job.status()
            assert (status.sent, status.unknown) == (300, 150)
            assert (await job.reconcile()).found == 150

    with served(rows=10) as sandbox:
        run(main())


# ---- reports -----------------------------------------------------------------------------------


def test_a_report_on_line_keeps_rows_that_name_nobody_apart(tmp_path: Path) -> None:
    async def main() -> None:
        async with fan_out(sandbox, tmp_path / "j") as job:
            await job.plan(broadcast(), [*people(200), "U-invalid"])
            await job.run()
            report = await job.report(tmp_path / "report.json")
            assert (report.status.sent, report.status.refused) == (200, 1)
            assert (report.shown, report.missing) == (200, 0)
            assert report.success + report.failed == 200
            assert report.rate("read") == report.read / report.success
            empty = tmp_path / "empty.json"
        async with fan_out(sandbox, tmp_path / "k") as job:
            await job.plan(broadcast(), [])
            assert (await job.run()).done
            report = await job.report(empty)
            assert (report.rate("success"), json.loads(empty.read_text())) == (None, [])

    with served(rows=10) as sandbox:
        run(main())
    rows = json.loads((tmp_path / "report.json").read_text())
    ours = [row for row in rows if row["state"] != "shown"]
    assert [row["address"] for row in ours] == [*people(200), "U-invalid"]
    theirs = [row for row in rows if row["state"] == "shown"]
    assert len(theirs) == 200
    assert {row["ref"] for row in theirs} == {row["ref"] for row in ours if row["ref"]}


def test_a_report_that_fails_leaves_no_file(tmp_path: Path) -> None:
    async def main() -> None:
        async with fan_out(sandbox, tmp_path / "j") as job:
            await job.plan(broadcast(), people(10))
            await job.run()
            sandbox.add_fault(
                Fault(kind="json500", at=1, times=50, code="INVALID_REQUEST_PARAMETERS")
            )
            with pytest.raises(BadRequest):
                await job.report(tmp_path / "report.csv")

    with served(rows=10) as sandbox:
        run(main())
    assert [path.name for path in tmp_path.iterdir()] == ["j"]
