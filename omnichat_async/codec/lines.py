"""Rows as lines of JSON: written anew from values, or cut out of the body that they came in.

A body is cut where msgspec is installed: it finds the ends of the rows, and what they are known
by, and makes no object of anything else in them.
"""

from __future__ import annotations

import json
import re
from functools import cache
from operator import attrgetter
from typing import TYPE_CHECKING, Annotated, Any

from omnichat_async.calls import Page
from omnichat_async.codec.answers import TOTAL_KEYS, decode_page, total_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from omnichat_async.calls import KnownBy

__all__ = ["compact", "lines_of", "read_lines"]


# ---- values to text ------------------------------------------------------------------------------


def compact(value: Any) -> str:
    """JSON without needless space. Half of a surrogate pair, which UTF-8 cannot hold, stays
    escaped."""
    return lines_of([value])[0].decode()


def lines_of(values: Sequence[Any]) -> list[bytes]:
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
    if "Infinity" in text:  # a number beyond 1.8e308 was read as that, which is no JSON
        text = _STRING_OR_INFINITY.sub(lambda found: found[1] or "1e999", text)
    return text.encode("utf-8", "backslashreplace")


_STRING_OR_INFINITY = re.compile(r'("(?:[^"\\]|\\.)*")|Infinity')


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


# ---- bodies to lines -----------------------------------------------------------------------------


def read_lines(known_by: KnownBy, body: bytes, parse: Callable[[], Any]) -> Page[Any]:
    """Read one page, each row as its key, its time and its text in the body; or, where the body
    cannot be cut into such, as it is. `parse` gives the body's JSON."""
    cutter = _cutter(known_by)
    page = None if cutter is None else cutter.cut(body, parse)
    return decode_page(None, parse()) if page is None else page


@cache
def _cutter(known_by: KnownBy) -> _Cutter | None:
    """What cuts pages with such rows; msgspec is imported with the first one."""
    try:
        import msgspec  # noqa: PLC0415
    except ImportError:
        return None
    return _Cutter(known_by, msgspec)


class _Cutter:
    """Cuts pages whose rows all have plain text as their key, and a whole number as their time or
    none."""

    def __init__(self, known_by: KnownBy, msgspec: Any) -> None:
        self._msgspec = msgspec
        self._texts = self._pages_of(msgspec.Raw)
        key, time = known_by
        fields: dict[str, tuple[Any, ...]] = dict.fromkeys(
            key, (Annotated[str, msgspec.Meta(min_length=1)],)
        )
        self._time: Callable[[Any], int | None] = _no_time
        if time is not None:
            fields[time] = (int | None, None)  # many contacts have none
            self._time = attrgetter(time)
        self._key = attrgetter(*key)
        self._rows = self._pages_of(self._row_of(fields))

    def _pages_of(self, row: Any) -> Callable[[bytes], Any]:
        missing = self._msgspec.UNSET
        totals = [(name, Any, missing) for name in TOTAL_KEYS]
        page = self._msgspec.defstruct("Mirror", [("content", list[row]), *totals], gc=False)
        decode: Callable[[bytes], Any] = self._msgspec.json.Decoder(page).decode
        return decode

    def _row_of(self, fields: dict[str, tuple[Any, ...]]) -> Any:
        """A row with nothing but these fields, by their paths: type, and a default or none."""
        inside: dict[str, dict[str, tuple[Any, ...]]] = {}
        for path, field in fields.items():
            name, _, rest = path.partition(".")
            inside.setdefault(name, {})[rest] = field
        members = [
            (name, *(below[""] if "" in below else (self._row_of(below),)))
            for name, below in inside.items()
        ]
        return self._msgspec.defstruct("Mirror", members, gc=False, kw_only=True)

    def cut(self, body: bytes, parse: Callable[[], Any]) -> Page[Any] | None:
        """The page, or None where anything about its rows is not as expected."""
        inside = body.rstrip()
        if b"\n" in inside or b"\r" in inside:  # a row may be several lines
            return None
        try:
            body.decode()  # what msgspec skips need not be text
            page, rows = self._texts(body), self._rows(body).content
        except (self._msgspec.MsgspecError, ValueError, RecursionError):
            return None
        totals = {name: getattr(page, name) for name in TOTAL_KEYS}
        total = total_of(totals)
        if total is None:
            total = total_of(parse())
        texts = map(bytes, page.content)
        items = list(zip(map(self._key, rows), map(self._time, rows), texts, strict=True))
        return Page(items, total)


def _no_time(_: Any) -> None:
    """The time of rows without one."""
