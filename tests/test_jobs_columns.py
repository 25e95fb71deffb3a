"""Rows as lines, cells and columns."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest

from omnichat_async.jobs import STREAMS
from omnichat_async.jobs.columns import columns_of, flat_columns, flatten
from omnichat_async.jobs.sinks.files import CsvFormat, JsonlFormat
from omnichat_async.jobs.streams import with_window
from omnichat_async.windows import Window

MESSAGES = STREAMS["messages"]
CSV = CsvFormat()
NASTY = [
    'quote " and, comma',
    "two\nlines\r\nand \r one",
    "tab\tand nul \x00",
    "請問有現貨嗎？👨‍👩‍👧",
    "\u2028 \u0085 \x1e",
    " ",
    "=1+1",
    "\\ud800 spelt out",
]


def lines(rows: list[Any]) -> bytes:
    return JsonlFormat().encode(MESSAGES, rows)


# ---- rows as bytes -----------------------------------------------------------------------------


@pytest.mark.parametrize("text", [*NASTY, "half \ud800 pair", "\udc00\ud800", "", "\\"])
def test_a_json_line_reads_back_as_the_same_object(text: str) -> None:
    row = {"id": text, text: [None, {"deep": {text: None}}], "n": 1, "f": 0.1, "b": False}
    data = lines([row])
    assert data.count(b"\n") == 1
    assert json.loads(data.decode("utf-8")) == row


@pytest.mark.parametrize("text", NASTY)
def test_a_csv_line_reads_back_as_the_same_cells(text: str) -> None:
    data = CSV.header(MESSAGES) + CSV.encode(
        MESSAGES, [{"id": "1", "message": text, "new": {text: text}}]
    )
    (row,) = csv.DictReader(io.StringIO(data.decode("utf-8"), newline=""), strict=True)
    assert (row["id"], row["message"]) == ("1", text)
    assert json.loads(row["extra"]) == {"new": {text: text}}


def test_half_a_surrogate_pair_stays_escaped_in_csv() -> None:
    assert CSV.encode(MESSAGES, [{"id": "a\ud800b"}]).startswith(b"a\\ud800b,")


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\t=1", "\r=1"])
def test_a_formula_is_neutralised_if_asked(text: str) -> None:
    row = {"id": text, "message": "1=1", "time": -5}
    safe = CsvFormat(safe=True).encode(MESSAGES, [row]).decode()
    cells = next(csv.reader(io.StringIO(safe, newline="")))
    assert cells[:2] == [f"'{text}", "-5"]  # a number is no formula
    assert "1=1" in cells
    plain = CSV.encode(MESSAGES, [row]).decode()
    assert next(csv.reader(io.StringIO(plain, newline="")))[0] == text


@pytest.mark.parametrize(
    ("row", "cells"),
    [
        ({"a": None, "b": ""}, ["", "", "", ""]),
        ({}, ["", "", "", ""]),
        ({"a": True, "b": 1.5}, ["true", "1.5", "", ""]),
        ({"a": [1, "二"], "b": {"x": None}}, ['[1,"二"]', '{"x":null}', "", ""]),
        ({"c": {"d": "in"}}, ["", "", "in", ""]),
        ({"c": None}, ["", "", "", ""]),
        ({"c": {"d": None}}, ["", "", "", ""]),
        ({"c": {"d": 1, "new": None}}, ["", "", "1", '{"c":{"new":null}}']),
        ({"c": "no object"}, ["", "", "", '{"c":"no object"}']),
        ({"c.d": "flat", "c": {"d": "in"}}, ["", "", "in", '{"c.d":"flat"}']),
        ({"extra": {"a": 1}}, ["", "", "", '{"extra":{"a":1}}']),
        ({"new": None}, ["", "", "", '{"new":null}']),
        ("no row", ["", "", "", "no row"]),
        (None, ["", "", "", ""]),
        ([1], ["", "", "", "[1]"]),
    ],
)
def test_a_row_as_cells(row: Any, cells: list[str]) -> None:
    flat = flatten(row, ["a", "b", "c.d", "extra"])
    assert ["" if cell is None else str(cell) for cell in flat] == cells


def test_the_columns_are_the_documented_fields_and_stay_as_they_are() -> None:
    columns = {name: flat_columns(stream) for name, stream in STREAMS.items()}
    assert columns["messages"] == [
        *("id", "time", "channel.platform", "channel.channelId", "roomId", "customerUserId"),
        *("bsuid", "senderType", "senderName", "senderUserId", "senderPhone", "senderEmail"),
        *("messageType", "messageStatus", "message", "mediaUrl", "extra"),
    ]
    assert columns["tagging-logs"] == [
        *("time", "platform", "channelId", "userId", "bsuid", "tag", "source", "messageId"),
        "extra",
    ]
    assert columns["report-messages"] == [
        *("name", "employeeCode", "shopLocations", "messageCount"),
        *("window.after", "window.before", "extra"),
    ]
    orders = columns["report-orders"]
    assert orders[-4:] == [f"91appOrderId.{n}Code" for n in ("tg", "tm", "ts")] + ["extra"]
    assert columns["contacts"][:3] == ["id", "channel.platform", "channel.channelId"]


def test_a_row_carries_its_window_if_it_can() -> None:
    row = {"name": "Ada"}
    assert with_window(row, Window(1, 2)) == {"name": "Ada", "window": {"after": 1, "before": 2}}
    assert row == {"name": "Ada"}
    assert with_window(row, None) is row
    assert with_window("odd", Window(1, 2)) == "odd"


def test_each_column_has_a_type_and_a_name_that_needs_no_quotes() -> None:
    kinds = {column.name: column.kind for column in columns_of(STREAMS["contacts"])}
    assert kinds["channel_platform"] == "text"
    assert kinds["updatedAt"] == "time"
    assert (kinds["status"], kinds["tags"]) == ("boolean", "json")
    assert {c.name: c.kind for c in columns_of(STREAMS["tagging-logs"])}["time"] == "naive_time"
    orders = {column.name: column.kind for column in columns_of(STREAMS["report-orders"])}
    assert (orders["total"], orders["91appOrderId_tgCode"]) == ("real", "text")
    reports = {column.name: column.kind for column in columns_of(STREAMS["report-messages"])}
    assert (reports["window_after"], reports["window_before"]) == ("time", "time")
