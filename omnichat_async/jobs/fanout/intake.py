"""Recipients on their way in: rows of a file or of an iterator, one after the other.

A row is text (the address), or a mapping, a row of a database or an object that holds the address
and the personal values. What cannot be read is a BadRow and stops nothing; a file that may hold
other rows than it seems to is refused whole.
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
    from typing import TextIO

    from omnichat_async.jobs.fanout.message import Message

__all__ = ["BadRow", "Row", "Source", "address_in", "batches", "read_row", "rows_of_file"]

BATCH = 500
"""Rows that are in memory at once."""

LONGEST_LINE = 1_000_000
"""Characters. A file without line ends must not end up in memory whole."""

Source: TypeAlias = "str | os.PathLike[str] | Iterable[Any] | AsyncIterable[Any]"
"""A file's path, or rows: text, mappings, rows of a database, or objects such as contacts."""


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
        personal = message.personal({name: field_in(raw, name) for name in message.names})
        text = json.dumps(personal, ensure_ascii=False) if personal else None
        (address + (text or "")).encode()
    except InvalidRequest as error:
        return BadRow(line, str(error))
    except UnicodeEncodeError:
        return BadRow(line, "recipient: must be text that fits UTF-8; given: a lone surrogate")
    return Row(line, address, text)


def address_in(raw: Any, column: str) -> object:
    """The recipient in a row, as it came."""
    return raw if isinstance(raw, str | int) else field_in(raw, column)


def field_in(raw: Any, name: str) -> object:
    """A field of a row, or None: of a mapping, of a row of a database, or of an object."""
    if isinstance(raw, Mapping):
        return raw.get(name)
    if hasattr(raw, "keys"):  # sqlite3.Row and its like, which are no Mapping
        return raw[name] if name in raw.keys() else None  # noqa: SIM118 - it has values inside
    return getattr(raw, name, None) if name.isidentifier() else None


async def batches(field: str, source: Source, column: str) -> AsyncIterator[list[Raw]]:
    """The rows of a source with their lines, some at a time; files are read beside the loop.

    `field` is what errors call it.
    """
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
    rows = rows_of_file(field, Path(source), column)
    try:
        while batch := await asyncio.to_thread(lambda: list(islice(rows, BATCH))):
            yield batch
    finally:
        rows.close()


def rows_of_file(field: str, path: Path, column: str) -> Generator[Raw, None, None]:
    """The rows of a ``.csv``, ``.jsonl`` or ``.txt`` file. Raises OSError and InvalidRequest."""
    readers = {".csv": _csv, ".jsonl": _jsonl, ".txt": _text}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise InvalidRequest(field, "must end in .csv, .jsonl or .txt", repr(path.suffix))
    return reader(field, path, column)


def _open(path: Path, newline: str | None = None) -> TextIO:
    return path.open(encoding="utf-8-sig", errors="surrogateescape", newline=newline)


def _lines(field: str, file: TextIO) -> Generator[str, None, None]:
    number = 0
    while line := file.readline(LONGEST_LINE + 1):
        number += 1
        if len(line) > LONGEST_LINE:
            raise InvalidRequest(
                field, f"must have lines of at most {LONGEST_LINE} characters", f"line {number}"
            )
        yield line


def _text(field: str, path: Path, _: str) -> Generator[Raw, None, None]:
    with _open(path) as file:
        for number, line in enumerate(_lines(field, file), 1):
            if line.strip():
                yield number, line.strip()


def _jsonl(field: str, path: Path, _: str) -> Generator[Raw, None, None]:
    with _open(path) as file:
        for number, line in enumerate(_lines(field, file), 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except (ValueError, RecursionError):
                row = BadRow(number, "row: must be JSON; given: something else")
            if row is None or isinstance(row, bool | float | list):
                row = BadRow(number, "row: must be text or an object; given: something else")
            yield number, row


def _csv(field: str, path: Path, column: str) -> Generator[Raw, None, None]:
    with _open(path, newline="") as file:
        rows = _records(field, file)
        _, first = next(rows, (0, []))
        header = [] if isinstance(first, BadRow) else [name.strip() for name in first]
        if header.count(column) != 1:
            # The names are not shown: without a header they are somebody's data.
            raise InvalidRequest(
                field,
                f"must name a column {column!r} in the first line of a .csv file, once "
                "(column= or --column chooses another; a .txt file has one recipient a line)",
                f"{len(header)} columns, {header.count(column)} of that name",
            )
        # Of two columns of one name nobody can say which is meant, so neither fills a placeholder.
        names = [name if header.count(name) == 1 else "" for name in header]
        for line, cells in rows:
            if isinstance(cells, BadRow):
                yield line, cells
            elif len(cells) > len(header):
                reason = f"row: must have {len(header)} cells; given: {len(cells)}"
                yield line, BadRow(line, reason)
            elif any(cells):
                yield line, dict(zip(names, cells, strict=False))


def _records(field: str, file: TextIO) -> Generator[tuple[int, list[str] | BadRow], None, None]:
    """The cells of each row, with its line. Strict, because a quote that is never closed would take
    the rows behind it into one cell, and nobody would miss them."""
    rows = csv.reader(_lines(field, file), strict=True)
    while True:
        before = rows.line_num
        try:
            cells = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            if rows.line_num > before + 1:
                raise InvalidRequest(
                    field,
                    f"must be a .csv file; lines {before + 1} to {rows.line_num} are none "
                    "(is there a quotation mark too many?)",
                    str(error),
                ) from None
            yield rows.line_num, BadRow(rows.line_num, f"row: must be CSV; given: {error}")
        else:
            yield rows.line_num, cells
