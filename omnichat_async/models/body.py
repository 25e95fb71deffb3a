"""What all models that are sent share. Programs that only read do without."""

import datetime
import enum
from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from omnichat_async.models.base import wire_name

__all__ = ["Body", "wire_value"]


@attrs.frozen
class Body:
    """Something that is sent. It is checked when it is made, so that what exists can be sent:
    later changes to a list or mapping that was given do not reach it."""

    def __attrs_post_init__(self) -> None:
        self._check()
        for field in attrs.fields(type(self)):
            object.__setattr__(self, field.name, _kept(getattr(self, field.name)))

    def _check(self) -> None:
        """The rules of this class. Raises InvalidRequest."""

    def to_wire(self) -> dict[str, Any]:
        """The JSON object: wire names, and nothing that is None."""
        return {
            wire_name(field): wire_value(value)
            for field in attrs.fields(type(self))
            if (value := getattr(self, field.name)) is not None
        }


def _kept(value: Any) -> Any:
    """A copy of lists and mappings, whatever their kind; all else as it is."""
    if isinstance(value, Mapping):
        return {key: _kept(each) for key, each in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return tuple(_kept(each) for each in value)
    return value


def wire_value(value: Any) -> Any:  # noqa: PLR0911 - one line for each kind of value
    """A value in the form JSON has for it; times without a zone, to the second."""
    if isinstance(value, Body):
        return value.to_wire()
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, datetime.datetime):
        return value.isoformat(timespec="seconds")
    if isinstance(value, datetime.date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {key: wire_value(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [wire_value(each) for each in value]
    return value
