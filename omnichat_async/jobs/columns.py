"""Flat rows: the columns of a stream, and a row as cells."""

from __future__ import annotations

import types
import typing
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args, get_origin

import attrs

from omnichat_async.codec import compact
from omnichat_async.models import Model
from omnichat_async.models.base import wire_name

if TYPE_CHECKING:
    from omnichat_async.jobs.streams import Row, Stream

__all__ = [
    "Column",
    "Kind",
    "columns_of",
    "flat_columns",
    "flatten",
    "value_at",
]

EXTRA = "extra"
"""The last column of a CSV file: fields that have no column of their own, as JSON."""

Kind: TypeAlias = Literal["text", "integer", "real", "boolean", "time", "naive_time", "json"]


@attrs.frozen(kw_only=True)
class Column:
    """A documented field as a column: its `path` from the row's root, and its `kind`, where a
    "time" is epoch milliseconds and a "naive_time" ISO text without a zone."""

    path: tuple[str, ...]
    kind: Kind

    @property
    def dotted(self) -> str:
        """Its name in a CSV file: ``channel.platform``."""
        return ".".join(self.path)

    @property
    def name(self) -> str:
        """Its name in a table, where a dot would need quotes: ``channel_platform``."""
        return "_".join(self.path)


def columns_of(stream: Stream) -> list[Column]:
    """Every documented field of a stream, in the order of the documents."""
    found = list(_columns(stream.model, (), stream.naive))
    if stream.per_window:
        found += [Column(path=("window", name), kind="time") for name in ("after", "before")]
    return found


def flat_columns(stream: Stream) -> list[str]:
    """The columns of a CSV file."""
    return [*(column.dotted for column in columns_of(stream)), EXTRA]


def _columns(
    model: type[Model], prefix: tuple[str, ...], naive: frozenset[str]
) -> typing.Iterator[Column]:
    hints = typing.get_type_hints(model)
    for field in attrs.fields(model):
        if field.name == "extra" or field.metadata.get("local"):
            continue
        path = (*prefix, wire_name(field))
        members = _members(hints[field.name])
        inner = next((m for m in members if isinstance(m, type) and issubclass(m, Model)), None)
        if inner is not None:
            yield from _columns(inner, path, naive)
        else:
            yield Column(path=path, kind=_kind(members, naive=path[-1] in naive))


def _members(tp: Any) -> tuple[Any, ...]:
    """The types a field may hold, but for None."""
    members = get_args(tp) if get_origin(tp) in {types.UnionType, typing.Union} else (tp,)
    return tuple(member for member in members if member is not types.NoneType)


def _kind(members: tuple[Any, ...], *, naive: bool) -> Kind:
    if members == (datetime,):
        return "naive_time" if naive else "time"
    plain: dict[Any, Kind] = {bool: "boolean", int: "integer", float: "real"}
    if len(members) == 1 and members[0] in plain:
        return plain[members[0]]
    if all(isinstance(member, type) and issubclass(member, str) for member in members):
        return "text"
    return "json"


def value_at(row: Any, path: tuple[str, ...]) -> Any:
    """What a row holds at a path; None where it leads nowhere."""
    for name in path:
        if not isinstance(row, dict):
            return None
        row = row.get(name)
    return row


def flatten(row: Any, columns: list[str]) -> list[Any]:
    """The cells of a row. Lists and objects become JSON, null an empty cell; what has no column
    goes to the last one, so nothing the server sent is lost."""
    if not isinstance(row, dict):
        return [None] * (len(columns) - 1) + [_cell(row)]
    cells: Row = {}
    rest: Row = {}
    names = set(columns)
    parents = {column.split(".")[0] for column in columns if "." in column}
    for key, value in row.items():
        if key in parents and isinstance(value, dict):
            inside = {name: part for name, part in value.items() if f"{key}.{name}" not in names}
            cells |= {f"{key}.{name}": part for name, part in value.items()}
            rest |= {key: inside} if inside else {}
        elif key in names and key != EXTRA and "." not in key:
            cells[key] = value
        elif key not in parents or value is not None:
            rest[key] = value
    if rest:
        cells[EXTRA] = rest
    return [_cell(cells.get(column)) for column in columns]


def _cell(value: Any) -> Any:
    return compact(value) if isinstance(value, dict | list | bool) else value
