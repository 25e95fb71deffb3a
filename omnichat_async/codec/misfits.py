"""What is wrong with a value, in words that hold nothing of the value itself."""

from __future__ import annotations

from typing import Any

__all__ = ["SCALARS", "Mismatch", "kind_of"]

SCALARS: dict[type, str] = {
    str: "a string",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
}


class Mismatch(Exception):  # noqa: N818 - a signal inside this room, never seen by a caller
    """A value of the wrong kind. It holds the kinds, never the value."""

    def __init__(self, expected: str, value: Any) -> None:
        super().__init__(expected)
        self.expected = expected
        self.found = kind_of(value)


def kind_of(value: Any) -> str:
    """The JSON type of a parsed value, in words."""
    if value is None:
        return "null"
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "an array"
    return SCALARS.get(type(value), type(value).__name__)
