"""Profile changes in requests: tags and custom attributes of contacts and customers."""

import re
from collections.abc import Callable
from datetime import date

from omnichat_async.sandbox.body import Fields
from omnichat_async.sandbox.config import SandboxConfig
from omnichat_async.sandbox.data.times import read_naive_time
from omnichat_async.sandbox.state.profile import AttributeValue, Changes
from omnichat_async.sandbox.wire import ApiError, Refuse

PROFILE = ("name", "email", "phone", "tags", "tagsToAdd", "tagsToRemove", "customAttributes")
_LONGEST_KEY = 100
_LONGEST_VALUE = 1000
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)

Attribute = tuple[str, str, AttributeValue]


def read_changes(body: Fields, config: SandboxConfig, names: tuple[str, ...]) -> Changes:
    """The changes of a profile; `names` are the plain texts that may be set."""
    if body.values.get("tags") is not None and (
        body.values.get("tagsToAdd") is not None or body.values.get("tagsToRemove") is not None
    ):
        raise body.refuse("tags cannot be used together with tagsToAdd or tagsToRemove")
    given = {name: body.text_or_none(name) for name in names}
    return Changes(
        fields={name: text for name, text in given.items() if text is not None},
        tags=None if body.values.get("tags") is None else body.texts("tags"),
        tags_to_add=body.texts("tagsToAdd"),
        tags_to_remove=body.texts("tagsToRemove"),
        attributes=read_attributes(body, config, _unfit),
    )


def read_attributes(body: Fields, config: SandboxConfig, unfit: Refuse) -> tuple[Attribute, ...]:
    """The `customAttributes`; `unfit` is raised where the schema of the portal says no."""
    read = []
    for item in body.groups("customAttributes", ("key", "value"), least=0):
        key, value = item.text("key"), item.scalar("value")
        if len(key) > _LONGEST_KEY:
            raise body.refuse(f"a custom attribute's key is longer than {_LONGEST_KEY}")
        if len(str(value)) > _LONGEST_VALUE:
            raise body.refuse(f"the value of {key} is longer than {_LONGEST_VALUE}")
        kind = config.custom_attributes.get(key)
        if kind is None:
            known = ", ".join(config.custom_attributes)
            raise unfit(f"custom attribute {key} does not exist; the portal has {known}")
        if not _FITS[kind](value):
            raise unfit(f"the value of custom attribute {key} is no {kind}")
        read.append((key, kind, value))
    return tuple(read)


def _unfit(message: str) -> ApiError:
    return ApiError(400, "INVALID_CUSTOM_ATTRIBUTE", message)


def _is_day(value: AttributeValue) -> bool:
    if not isinstance(value, str) or not _DAY.fullmatch(value):
        return value == ""
    try:
        date.fromisoformat(value)
    except ValueError:
        return False
    return True


def _is_moment(value: AttributeValue) -> bool:
    return isinstance(value, str) and (value == "" or read_naive_time(value) is not None)


_FITS: dict[str, Callable[[AttributeValue], bool]] = {
    "text": lambda value: isinstance(value, str),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "boolean": lambda value: isinstance(value, bool),
    "date": _is_day,
    "datetime": _is_moment,
}
