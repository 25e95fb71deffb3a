"""What all webhook objects share, and how one with an odd field is read all the same."""

import re
from typing import Any, TypeVar

import attrs

from omnichat_async.codec import structure
from omnichat_async.errors import DecodeError
from omnichat_async.models.base import Model

__all__ = ["Payload", "UnknownData", "as_written", "fit"]

P = TypeVar("P", bound="Payload")

_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+)\]")
_SINGLE_REPAIRS = 4


@attrs.define(kw_only=True, repr=False)
class Payload(Model):
    """An object of a webhook. Any field may be None; `extra` keeps the unknown ones.

    Its repr names the fields that are set and shows no value, since most are personal.
    """

    def __repr__(self) -> str:
        fields = (field.name for field in attrs.fields(type(self)))
        names = ", ".join(name for name in fields if getattr(self, name) not in (None, [], {}))
        return f"{type(self).__name__}({names})"


@attrs.define(kw_only=True, repr=False)
class UnknownData(Payload):
    """An object this version has no class for: everything is in `extra`."""


def as_written(_: type[Any], fields: "list[attrs.Attribute[Any]]") -> "list[attrs.Attribute[Any]]":
    """An attrs field_transformer: names on the wire are the Python names, as in Meta's JSON."""
    return [
        each
        if each.name == "extra" or "wire" in each.metadata
        else each.evolve(metadata={**each.metadata, "wire": each.name})
        for each in fields
    ]


def fit(model: type[P], value: dict[str, Any]) -> tuple[P, tuple[str, ...]]:
    """Read a `model` from an object, leaving out what does not fit it.

    Returns it and a line for each value left out: its place and what was expected. One field of
    an unexpected type costs that field and no other.
    """
    problems: list[str] = []
    while True:
        try:
            return structure(model, value), tuple(problems)
        except DecodeError as error:
            problems.append(str(error))
            steps = [name or int(index) for name, index in _STEP.findall(error.path)]
            # A long list of odd items must not cost a whole pass for each of them.
            value = _without(value, steps if len(problems) <= _SINGLE_REPAIRS else steps[:1])


def _without(value: Any, steps: list[Any]) -> Any:
    """A copy of `value` that lacks what `steps` lead to; an item of a list becomes null."""
    copy = value.copy()
    first, *rest = steps
    if rest:
        copy[first] = _without(copy[first], rest)
    elif isinstance(copy, list):
        copy[first] = None
    else:
        del copy[first]
    return copy
