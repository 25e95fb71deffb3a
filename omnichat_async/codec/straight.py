"""Typed pages straight from their bytes, with no dicts on the way, where msgspec is installed.

msgspec parses rows into mirrors of a model, and refuses what does not look as expected: a value
of another type, a field nobody has heard of, text that is no JSON. What it refuses is no error
here: the page is read the ordinary way, which alone decides what fits and says what does not.
Fields that prove unknown then get a place in the mirrors of the pages to come.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from omnichat_async.calls import Page
from omnichat_async.codec.answers import TOTAL_KEYS, decode_page, total_of
from omnichat_async.codec.generate import Mirrored, unknown_fields
from omnichat_async.codec.misfits import Mismatch
from omnichat_async.codec.rules import writer_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from omnichat_async.models.base import Model

__all__ = ["read_page"]

_MOST_UNKNOWN = 64
"""Unknown fields that get a place, for each model: a server may think of ever new ones."""
_PLAIN = r'[^\\"\x00-\x1f]+'
"""Names that a mirror can have."""


def read_page(model: type[Any], body: bytes, parse: Callable[[], Any]) -> Page[Any]:
    """Read one page. `parse` gives the body's JSON, for what cannot be read straight."""
    straight = _straight(model)
    page = None if straight is None else straight.read(body)
    if page is None:
        parsed = parse()
        page = decode_page(model, parsed)
        if straight is not None:
            straight.learn(parsed, page)
    return page


class _Straight:
    """Reads pages of one model."""

    def __init__(self, model: type[Model], msgspec: Any) -> None:
        self._writer = writer_for(model)
        self._msgspec = msgspec
        self._of_rows: tuple[str, ...] = ()
        self._of_pages: tuple[str, ...] = TOTAL_KEYS
        self._prepare()

    def _prepare(self) -> None:
        writer = self._writer
        row = self._struct(writer.mirror(self._of_rows))
        rows = Mirrored("rows", "content", list[row], required=True)  # type: ignore[valid-type]
        page = self._struct([rows, *unknown_fields(self._of_pages)])
        self._decode = self._msgspec.json.Decoder(page).decode
        self._make = writer.compiled("rows_of", writer.reads_mirrors(self._of_rows))

    def _struct(self, fields: Sequence[Mirrored]) -> Any:
        missing = self._msgspec.UNSET
        return self._msgspec.defstruct(
            "Mirror",
            [
                (field.name, _annotation(field))
                if field.required
                else (field.name, _annotation(field), None if field.nullable else missing)
                for field in fields
            ],
            rename={field.name: field.wire for field in fields},
            kw_only=True,
            forbid_unknown_fields=True,
            gc=False,  # they are gone with the page, and nothing in JSON leads back to them
        )

    def read(self, body: bytes) -> Page[Any] | None:
        """The page, or None where anything about it is not as expected."""
        spread, missing = self._msgspec.structs.astuple, self._msgspec.UNSET
        items: list[Any] = []
        try:
            rows, *others = spread(self._decode(body))
            self._make(map(spread, rows), items.append, missing)
        except (self._msgspec.MsgspecError, ValueError, RecursionError, Mismatch, KeyError):
            return None
        given = zip(self._of_pages, others, strict=True)
        return Page(items, total_of({name: value for name, value in given if value is not missing}))

    def learn(self, parsed: Any, page: Page[Any]) -> None:
        """Make place for what was unknown in a page that had to be read the ordinary way."""
        of_pages = parsed.keys() - {"content"} if isinstance(parsed, dict) else ()
        of_rows = {name for item in page.items for name in item.extra}
        known = self._of_rows, self._of_pages
        self._of_rows = _joined(self._of_rows, of_rows)
        self._of_pages = _joined(self._of_pages, of_pages)
        if known != (self._of_rows, self._of_pages):
            self._prepare()


def _annotation(field: Mirrored) -> Any:
    if field.kind is None:
        return Any
    return field.kind | None if field.nullable else field.kind


def _joined(known: tuple[str, ...], found: Iterable[str]) -> tuple[str, ...]:
    new = sorted(name for name in set(found) - set(known) if re.fullmatch(_PLAIN, name))
    return (*known, *new)[:_MOST_UNKNOWN]


_readers: dict[type[Model], _Straight | None] = {}


def _straight(model: type[Model]) -> _Straight | None:
    """What reads pages of a model; msgspec is imported with the first one."""
    if model not in _readers:
        try:
            import msgspec  # noqa: PLC0415
        except ImportError:
            _readers[model] = None
        else:
            _readers[model] = _Straight(model, msgspec)
    return _readers[model]
