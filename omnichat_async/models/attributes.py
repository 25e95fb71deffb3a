"""Custom attributes and tags as they are written, to contacts, customers and direct messages."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any, TypeAlias

from omnichat_async import checks
from omnichat_async.errors import InvalidRequest
from omnichat_async.models.body import wire_value

__all__ = ["AttributeValue", "check_attributes", "check_tags", "wire_attributes"]

AttributeValue: TypeAlias = str | int | float | bool | date | datetime
"""Text, a number, true or false, a date, or a datetime without a zone, as the attribute's type in
the portal asks. ``""`` clears text, dates and datetimes, 0 a number, False a boolean."""

LONGEST_KEY, LONGEST_VALUE = 100, 1000


def check_attributes(attributes: Mapping[str, AttributeValue] | None) -> None:
    """Keys of at most 100 characters, values of at most 1000, and of a type the API takes."""
    if attributes is None:
        return
    for key, value in checks.mapping("custom_attributes", attributes).items():
        checks.text("custom_attributes key", key, LONGEST_KEY)
        field = "custom_attributes value"
        if isinstance(value, str):
            checks.string(field, value, LONGEST_VALUE)
        elif isinstance(value, datetime):
            checks.naive(field, value)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            checks.number(field, value)
        elif not isinstance(value, bool | date):
            raise InvalidRequest(
                field, "must be text, a number, a boolean, a date or a datetime", _type(value)
            )


def check_tags(
    tags: Sequence[str] | None, to_add: Sequence[str] | None, to_remove: Sequence[str] | None
) -> None:
    """Lists of strings; `tags` replaces all and excludes the other two."""
    for field, values in (("tags", tags), ("tags_to_add", to_add), ("tags_to_remove", to_remove)):
        if values is not None:
            checks.texts(field, values, least=0)
    if tags is not None and (to_add is not None or to_remove is not None):
        raise InvalidRequest(
            "tags", "replaces all tags, so it excludes tags_to_add and tags_to_remove", "both"
        )


def wire_attributes(attributes: Mapping[str, AttributeValue]) -> list[dict[str, Any]]:
    """The list of key and value that the API takes."""
    return [{"key": key, "value": wire_value(value)} for key, value in attributes.items()]


def _type(value: Any) -> str:
    return "None" if value is None else type(value).__name__
