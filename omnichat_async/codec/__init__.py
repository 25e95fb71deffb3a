"""Bytes to objects: strict where a value would change, open where the API grows.

One table holds the rules, and a cattrs converter that is given them reads types that it lacks.
Nothing is coerced: a string stays a string, and a number where a string belongs is an error that
names its place. A null is fine anywhere but in a
required field, an enum field takes values nobody has heard of yet, and a field nobody has heard
of yet is kept in the object's ``extra``.

Two passes: a fast one that only knows whether everything fits, and after a misfit, on the same
values, one that finds its place. Where msgspec is installed, one before them reads typed pages
as long as nothing about them is odd. All are imported with the first answer, cattrs with the first
type that needs it, and msgspec when there have been some pages, or for the first that is read as
lines.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from omnichat_async.codec.text import loads, pays_off

if TYPE_CHECKING:
    from omnichat_async.codec.answers import decode, decode_page, total_of
    from omnichat_async.codec.explain import structure
    from omnichat_async.codec.lines import compact, lines_of, read_lines
    from omnichat_async.codec.straight import read_page

__all__ = [
    "compact",
    "decode",
    "decode_page",
    "lines_of",
    "loads",
    "pays_off",
    "read_lines",
    "read_page",
    "structure",
    "total_of",
]

_HOMES = {
    "compact": "lines",
    "lines_of": "lines",
    "read_lines": "lines",
    "read_page": "straight",
    "structure": "explain",
}


if not TYPE_CHECKING:  # it would let a type checker believe in any name

    def __getattr__(name: str) -> Any:
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        home = importlib.import_module(f"{__name__}.{_HOMES.get(name, 'answers')}")
        value = getattr(home, name)
        globals()[name] = value
        return value
