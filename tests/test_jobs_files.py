"""Growing files and their notes, and rows as lines and cells."""

from __future__ import annotations

import csv
import io
import json
import os
import sys
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from omnichat_async.errors import InvalidRequest
from omnichat_async.jobs import STREAMS
from omnichat_async.jobs.files import (
    CsvFormat,
    GrowingFile,
    JsonlFormat,
    Note,
    note_path,
    read_note,
    write_note,
)
from omnichat_async.jobs.streams import flat_columns, flatten, with_window
from omnichat_async.windows import Checkpoint, Window

if TYPE_CHECKING:
    from pathlib import Path

START = Checkpoint(query="q", window=0, page=1, row=0, page_size=100, size=100)
LATER = attrs.evolve(START, page=2, rows_before=100)
NOTE = Note(stream="messages", window=Window(0, 10), bytes=0, rows=0, checkpoint=START)
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
    return JsonlFormat().encode(rows)


# ---- rows as bytes -----------------------------------------------------------------------------


@pytest.mark.parametrize("text", [*NASTY, "half \ud800 pair", "\udc00\ud800", "", "\\"])
def test_a_json_line_reads_back_as_the_same_object(text: str) -> None:
    row = {"id": text, text: [None, {"deep": {text: None}}], "n": 1, "f": 0.1, "b": False}
    data = lines([row])
    assert data.count(b"\n") == 1
    assert json.loads(data.decode("utf-8")) == row


@pytest.mark.parametrize("text", NASTY)
def test_a_csv_line_reads_back_as_the_same_cells(text: str) -> None:
    made = CsvFormat(["id", "message", "extra"], flatten)
    data = made.header() + made.encode([{"id": "1", "message": text, "new": {text: text}}])
    ((head), (row)) = csv.reader(io.StringIO(data.decode("utf-8"), newline=""), strict=True)
    assert (head, row[:2]) == (["id", "message", "extra"], ["1", text])
    assert json.loads(row[2]) == {"new": {text: text}}


def test_half_a_surrogate_pair_stays_escaped_in_csv() -> None:
    made = CsvFormat(["id", "extra"], flatten)
    assert made.encode([{"id": "a\ud800b"}]) == b"a\\ud800b,\r\n"


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


# ---- notes -------------------------------------------------------------------------------------


def test_a_note_reads_back(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    assert read_note(path) is None
    write_note(path, NOTE)
    write_note(path, attrs.evolve(NOTE, rows=7, bytes=70, checkpoint=LATER))
    assert read_note(path) == attrs.evolve(NOTE, rows=7, bytes=70, checkpoint=LATER)
    assert [each.name for each in tmp_path.iterdir()] == ["x.jsonl.checkpoint"]


def changed(**fields: Any) -> bytes:
    return json.dumps({**json.loads(NOTE.to_json()), **fields}).encode()


@pytest.mark.parametrize(
    ("content", "given"),
    [
        (b"", "something else"),
        (b"{", "something else"),
        (b"rubbish", "something else"),
        (b"\xff\xfe\x00", "no text"),
        (b"[]", "something else"),
        (b"{}", "something else"),
        (b'"v"', "something else"),
        (b"[" * 100_000, "something else"),
        (changed(v=2), "format 2"),
        (changed(v=None), "format None"),
        (changed(bytes=-1), "impossible numbers"),
        (changed(rows="7"), "impossible numbers"),
        (changed(rows=True), "impossible numbers"),
        (changed(after=10), "impossible numbers"),
        (changed(after="then"), "something else"),
        (changed(checkpoint=None), "something else"),
        (changed(checkpoint="{}"), "something else"),
        (changed(checkpoint='{"v": 2}'), "something else"),
        (NOTE.to_json().replace('"rows"', '"roads"').encode(), "something else"),
    ],
)
def test_a_note_that_is_none_is_refused_in_one_sentence(
    tmp_path: Path, content: bytes, given: str
) -> None:
    path = tmp_path / "x.jsonl"
    note_path(path).write_bytes(content)
    with pytest.raises(InvalidRequest) as caught:
        read_note(path)
    assert str(caught.value) == (
        "resume: x.jsonl.checkpoint must be the checkpoint that this version writes of an "
        f"unfinished export (force starts over); given: {given}"
    )
    assert note_path(path).read_bytes() == content


# ---- growing files -----------------------------------------------------------------------------


def test_rows_count_once_they_are_committed(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    file = GrowingFile(path, JsonlFormat(), NOTE)
    file.commit()
    assert not list(tmp_path.iterdir())  # nothing is touched before there is a row
    file.write([{"n": 1}, {"n": 2}], LATER)
    assert read_note(path) is None
    file.commit()
    assert read_note(path) == attrs.evolve(NOTE, rows=2, bytes=16, checkpoint=LATER) == file.note
    file.write([{"n": 3}], LATER)
    file.close()
    noted = read_note(path)
    assert noted is not None
    assert path.stat().st_size == 24
    again = GrowingFile(path, JsonlFormat(), noted)
    again.write([{"n": 4}], LATER)
    again.finish()
    again.close()
    assert path.read_bytes() == lines([{"n": 1}, {"n": 2}, {"n": 4}])
    assert [each.name for each in tmp_path.iterdir()] == ["x.jsonl"]


@pytest.mark.parametrize("old", [None, b"an older, longer file\n" * 9])
def test_a_file_without_rows_has_its_header_only(tmp_path: Path, old: bytes | None) -> None:
    path = tmp_path / "x.csv"
    if old is not None:
        path.write_bytes(old)
    file = GrowingFile(path, CsvFormat(["a", "b"], flatten), NOTE)
    file.finish()
    file.close()
    assert path.read_bytes() == b"a,b\r\n"


def test_a_leftover_of_a_note_that_was_being_written_goes(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    (tmp_path / "x.jsonl.checkpoint.new").write_text("half a no")
    file = GrowingFile(path, JsonlFormat(), NOTE)
    file.finish()
    file.close()
    assert [each.name for each in tmp_path.iterdir()] == ["x.jsonl"]


@pytest.mark.skipif(sys.platform != "linux", reason="/dev/full")
def test_a_full_disk_names_the_file_and_moves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.symlink_to("/dev/full")
    file = GrowingFile(path, JsonlFormat(), NOTE)
    with pytest.raises(OSError, match=r"x\.jsonl") as caught:
        file.write([{"n": 1}], LATER)
    file.close()
    assert caught.value.filename == str(path)
    assert file.note == NOTE


def test_a_failed_sync_is_never_trusted_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x.jsonl"
    file = GrowingFile(path, JsonlFormat(), NOTE)
    file.write([{"n": 1}], LATER)

    def broken(_: int) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", broken)
        with pytest.raises(OSError, match="Input/output error"):
            file.commit()
    file.commit()  # the disk says that all is well, and may have dropped the rows
    file.close()
    assert read_note(path) is None
