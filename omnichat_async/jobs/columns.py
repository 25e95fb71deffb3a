"""Flat rows: the columns of a stream, and a row as cells."""

from __future__ import annotations

import json
import types
import typing
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args, get_origin

import attrs

from omnichat_async.models import Model
from omnichat_async.models.base import wire_name

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from omnichat_async.jobs.streams import Row, Stream

__all__ = [
    "Column",
    "Kind",
    "columns_of",
    "compact",
    "flat_columns",
    "flatten",
    "texts",
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


def compact(value: Any) -> str:
    """JSON without needless space. Half of a surrogate pair, which UTF-8 cannot hold, stays
    escaped."""
    return texts([value])[0].decode()


def texts(values: Sequence[Any]) -> list[bytes]:
    """Each value as JSON of `compact`."""
    encode = _fast()
    if encode is not None:
        try:
            return encode(values)
        except (ValueError, OverflowError, RecursionError):
            pass  # half of a pair; a number too big for older versions; nested deeply
    return list(map(_slowly, values))


def _slowly(value: Any) -> bytes:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "backslashreplace")


@cache
def _fast() -> Callable[[Sequence[Any]], list[bytes]] | None:
    """What writes rows in a tenth of the time; imported with the first ones."""
    try:
        import msgspec  # noqa: PLC0415
    except ImportError:
        return None
    write, pack_into = msgspec.json.Encoder().encode, msgspec.msgpack.Encoder().encode_into

    def encode(values: Sequence[Any]) -> list[bytes]:
        found, packed = [], bytearray()
        for value in values:
            pack_into(value, packed)
            # Only of floats there is more than one way to write them: msgspec leaves out the sign
            # and zeros of an exponent, and knows no infinity.
            odd = _FLOAT in packed and _holds_float(value)
            found.append(_slowly(value) if odd else write(value))
        return found

    return encode


_FLOAT = 0xCB
"""What MessagePack puts before each float. To pack a row and look for it takes half as long as to
look at each value; where it stands for something else, which is rare, that is done too."""


def _holds_float(value: Any) -> bool:
    if type(value) is dict:
        return any(map(_holds_float, value.values()))
    return any(map(_holds_float, value)) if type(value) is list else type(value) is float


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
