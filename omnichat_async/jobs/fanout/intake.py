"""Recipients on their way in: rows of a file or of an iterator, one after the other.

A row is text (the address), a mapping (an address and personal values) or an object with an
attribute that is the address. What cannot be read is a BadRow and stops nothing.
"""

from __future__ import annotations

import asyncio
import csv
import json
from collections.abc import AsyncIterable, Iterable, Mapping
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import attrs

from omnichat_async.errors import InvalidRequest

if TYPE_CHECKING:
    import os
    from collections.abc import AsyncIterator, Generator, Iterator

    from omnichat_async.jobs.fanout.message import Message

__all__ = ["BadRow", "Row", "Source", "address_in", "batches", "read_row", "rows_of_file"]

BATCH = 500
"""Rows that are in memory at once."""

Source: TypeAlias = "str | os.PathLike[str] | Iterable[Any] | AsyncIterable[Any]"
"""A file's path, or rows: text, mappings or objects such as contacts."""


@attrs.frozen
class BadRow:
    """A row that cannot be used: its line, from 1, and why. The reason names nobody."""

    line: int
    reason: str


@attrs.frozen(repr=False)
class Row:
    """A row that can: the address, and the personal values as JSON if there are any."""

    line: int
    address: str
    personal: str | None = None


Raw: TypeAlias = "tuple[int, Any]"
"""A line number and a row, as it came; the row may be a BadRow already."""


def read_row(line: int, raw: Any, column: str, message: Message) -> Row | BadRow:
    """Check and normalise one row."""
    if isinstance(raw, BadRow):
        return raw
    try:
        address = message.address(address_in(raw, column))
        personal = message.personal(raw if isinstance(raw, Mapping) else {})
        text = json.dumps(personal, ensure_ascii=False) if personal else None
        (address + (text or "")).encode()
    except InvalidRequest as error:
        return BadRow(line, str(error))
    except UnicodeEncodeError:
        return BadRow(line, "recipient: must be text that fits UTF-8; given: a lone surrogate")
    return Row(line, address, text)


def address_in(raw: Any, column: str) -> object:
    """The recipient in a row, as it came."""
    if isinstance(raw, str | int):
        return raw
    return raw.get(column) if isinstance(raw, Mapping) else getattr(raw, column, None)


async def batches(source: Source, column: str) -> AsyncIterator[list[Raw]]:
    """The rows of a source with their lines, some at a time; files are read beside the loop."""
    if isinstance(source, AsyncIterable):
        batch: list[Raw] = []
        line = 0
        async for raw in source:
            line += 1
            batch.append((line, raw))
            if len(batch) == BATCH:
                yield batch
                batch = []
        if batch:
            yield batch
        return
    if isinstance(source, Iterable) and not isinstance(source, str | Path):
        numbered: Iterator[Raw] = enumerate(source, 1)
        while batch := list(islice(numbered, BATCH)):
            yield batch
        return
    rows = rows_of_file(Path(source), column)
    try:
        while batch := await asyncio.to_thread(lambda: list(islice(rows, BATCH))):
            yield batch
    finally:
        rows.close()


def rows_of_file(path: Path, column: str) -> Generator[Raw, None, None]:
    """The rows of a ``.csv``, ``.jsonl`` or ``.txt`` file. Raises OSError and InvalidRequest."""
    readers = {".csv": _csv, ".jsonl": _jsonl, ".txt": _text}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise InvalidRequest("recipients", "must end in .csv, .jsonl or .txt", repr(path.suffix))
    return reader(path, column)


def _text(path: Path, _: str) -> Generator[Raw, None, None]:
    with path.open(encoding="utf-8-sig", errors="surrogateescape") as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                yield number, line.strip()


def _jsonl(path: Path, _: str) -> Generator[Raw, None, None]:
    with path.open(encoding="utf-8-sig", errors="surrogateescape") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except (ValueError, RecursionError):
                row = BadRow(number, "row: must be JSON; given: something else")
            if row is None or isinstance(row, bool | float | list):
                row = BadRow(number, "row: must be text or an object; given: something else")
            yield number, row


def _csv(path: Path, column: str) -> Generator[Raw, None, None]:
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        rows = csv.reader(file)
        try:
            header = [name.strip() for name in next(rows, [])]
            if column not in header:
                # The names are not shown: without a header they are somebody's data.
                raise InvalidRequest(
                    "recipients",
                    f"must name a column {column!r} in the first line of a .csv file (column= or "
                    "--column chooses another; a .txt file has one recipient a line)",
                    f"{len(header)} other columns",
                )
            for cells in rows:
                if not any(cells):
                    continue
                if len(cells) > len(header):
                    reason = f"row: must have {len(header)} cells; given: {len(cells)}"
                    yield rows.line_num, BadRow(rows.line_num, reason)
                else:
                    yield rows.line_num, dict(zip(header, cells, strict=False))
        except csv.Error as error:
            raise InvalidRequest(
                "recipients", f"must be a .csv file, line {rows.line_num} is not ({error})", "none"
            ) from None
