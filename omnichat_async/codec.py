"""Bytes to objects: strict where a value would change, open where the API grows.

One cattrs converter holds the rules. Nothing is coerced: a string stays a string, and a number
where a string belongs is an error that names its place. A null is fine anywhere but in a
required field, an enum field takes values nobody has heard of yet, and a field nobody has heard
of yet is kept in the object's ``extra``.
"""

from __future__ import annotations

import json
import re
import types
import typing
from datetime import datetime
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar, Union, get_args, get_origin

import attrs
import cattrs
from cattrs.gen import make_dict_structure_fn, override

from omnichat_async.calls import Call, Page
from omnichat_async.errors import DecodeError
from omnichat_async.models.base import Model, NumericText, OpenEnum, OpenIntEnum, wire_name
from omnichat_async.windows import EPOCH, MILLISECOND

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["decode", "decode_page", "loads", "structure"]

T = TypeVar("T")
M = TypeVar("M")
Hook = typing.Callable[[Any, Any], Any]

_TOTAL_KEYS = ("totalElements", "totalElement")
_LIKE_A_TOTAL = re.compile(
    r"total[_-]?(elements?|counts?|rows?|records?|items?|results?|hits)?", re.IGNORECASE
)
_SCALARS: dict[type, str] = {
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
    return _SCALARS.get(type(value), type(value).__name__)


# ---- text to JSON ------------------------------------------------------------------------------


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


_parse = json.JSONDecoder(parse_constant=_no_constant).decode


def loads(body: bytes) -> Any:
    """Parse a JSON body. Raises ValueError for anything that is not strict UTF-8 JSON."""
    try:
        return _parse(body.decode("utf-8"))
    except RecursionError:
        raise ValueError("nested too deeply") from None


# ---- the rules ---------------------------------------------------------------------------------


def _scalar(*allowed: type) -> Hook:
    exact = frozenset(allowed) | ({int} if float in allowed else frozenset())
    expected = " or ".join(_SCALARS[kind] for kind in allowed)

    def hook(value: Any, _: Any) -> Any:
        # type() and not isinstance(): True is an int, and an id must not become 1.
        if type(value) in exact:
            return value
        raise Mismatch(expected, value)

    return hook


def _time(value: Any, _: Any) -> datetime | None:
    """Epoch milliseconds become an aware UTC datetime; ISO text keeps the zone it has or lacks."""
    try:
        if type(value) is int:
            return EPOCH + value * MILLISECOND
        # Digits alone are refused: fromisoformat() would read an epoch as a date of the year 1612.
        if type(value) is str and not value.isdigit():
            return datetime.fromisoformat(value) if value.strip() else None
    except (ValueError, OverflowError):
        pass
    raise Mismatch("a time (epoch milliseconds or ISO 8601)", value)


def _object(value: Any, _: Any) -> dict[str, Any]:
    if type(value) is not dict:
        raise Mismatch("an object", value)
    return value


def _nullable(inner: Hook) -> Hook:
    def hook(value: Any, tp: Any) -> Any:
        return None if value is None else inner(value, tp)

    return hook


def _open_enum(kind: type[OpenEnum]) -> Hook:
    known = kind.known()

    def hook(value: Any, _: Any) -> Any:
        if type(value) is not str:
            raise Mismatch("a string", value)
        return known.get(value) or known.get(value.lower(), value)

    return hook


def _open_int_enum(kind: type[OpenIntEnum]) -> Hook:
    known = {member.value: member for member in kind}

    def hook(value: Any, _: Any) -> Any:
        if type(value) is not int:
            raise Mismatch("a whole number", value)
        return known.get(value, value)

    return hook


def _union(tp: Any) -> Hook:
    args = get_args(tp)
    members = [arg for arg in args if arg is not type(None)]
    enums = [m for m in members if isinstance(m, type) and issubclass(m, OpenEnum)]
    numbers = [m for m in members if isinstance(m, type) and issubclass(m, OpenIntEnum)]
    if enums:
        inner = _open_enum(enums[0])
    elif numbers:
        inner = _open_int_enum(numbers[0])
    elif all(m in _SCALARS for m in members):
        inner = _scalar(*members)
    else:
        inner = _converter.get_structure_hook(members[0])
    return _nullable(inner) if type(None) in args else inner


def _list(tp: Any) -> Hook:
    (item,) = get_args(tp)
    inner = _converter.get_structure_hook(item)
    # Where nulls are values, as in the ids of messages of which some failed, each keeps its place.
    keeps_nulls = _is_union(item) and type(None) in get_args(item)

    def hook(value: Any, _: Any) -> list[Any]:
        if value is None:
            return []
        if type(value) is not list:
            raise Mismatch("an array", value)
        return [inner(each, item) for each in value if keeps_nulls or each is not None]

    return hook


def _numeric_text(value: Any, _: Any) -> str:
    if type(value) not in {str, int}:
        raise Mismatch("a string or a whole number", value)
    return str(value)


def known_names(cls: type[Any]) -> frozenset[str]:
    """The wire names of a model's fields."""
    return frozenset(
        wire_name(field)
        for field in attrs.fields(cls)
        if field.name != "extra" and not field.metadata.get("local")
    )


def _model(cls: type[Model]) -> Hook:
    names = {field.name: wire_name(field) for field in attrs.fields(cls) if field.init}
    overrides = {attr: override(rename=name) for attr, name in names.items() if attr != "extra"}
    local = {field.name for field in attrs.fields(cls) if field.metadata.get("local")}
    overrides |= {name: override(omit=True) for name in local | {"extra"}}
    build = make_dict_structure_fn(
        cls, _converter, _cattrs_detailed_validation=False, **typing.cast("Any", overrides)
    )
    known = known_names(cls)

    def hook(value: Any, _: Any) -> Model:
        if type(value) is not dict:
            raise Mismatch("an object", value)
        built = build(value, cls)
        if not value.keys() <= known:
            built.extra = {key: value[key] for key in value if key not in known}
        return built

    return hook


def _is_union(tp: Any) -> bool:
    return get_origin(tp) in {Union, types.UnionType}


def _is_list(tp: Any) -> bool:
    return get_origin(tp) is list


def _is_dict(tp: Any) -> bool:
    return get_origin(tp) is dict


def _is_numeric_text(tp: Any) -> bool:
    return bool(tp == NumericText)


def _is_model(tp: Any) -> bool:
    return isinstance(tp, type) and issubclass(tp, Model)


_converter = cattrs.Converter(detailed_validation=False)
for _kind in _SCALARS:
    _converter.register_structure_hook(_kind, _scalar(_kind))
_converter.register_structure_hook(datetime, _time)
_converter.register_structure_hook_factory(_is_union, _union)
_converter.register_structure_hook_factory(_is_list, _list)
_converter.register_structure_hook_func(_is_dict, _object)
_converter.register_structure_hook_factory(_is_model, _model)
_converter.register_structure_hook_func(_is_numeric_text, _numeric_text)


def _hook_for(model: type[Any]) -> Hook:
    return _converter.get_structure_hook(model)


def structure(model: type[M], value: Any, path: str = "$") -> M:
    """Build one `model` from parsed JSON; a value that does not fit is a DecodeError."""
    try:
        return typing.cast("M", _hook_for(model)(value, model))
    except (Mismatch, KeyError):
        raise _explain(model, value, path) from None


# ---- what went wrong, and where ----------------------------------------------------------------


def _fits(tp: Any, value: Any) -> bool:
    try:
        _converter.get_structure_hook(tp)(value, tp)
    except (Mismatch, KeyError):
        return False
    return True


def _explain(tp: Any, value: Any, path: str) -> DecodeError:
    """Find the first place in `value` that does not fit `tp`. Only called when one exists."""
    if _is_union(tp):
        inner = [m for m in get_args(tp) if _is_model(m) or _is_list(m)]
        if inner:
            return _explain(inner[0], value, path)
    for part, found, name in _parts(tp, value):
        if found is _MISSING:
            return DecodeError(path + name, "a value", "nothing")
        if not _fits(part, found):
            return _explain(part, found, path + name)
    try:
        _converter.get_structure_hook(tp)(value, tp)
    except Mismatch as error:
        return DecodeError(path, error.expected, error.found)
    raise AssertionError("unreachable: the value fits")  # pragma: no cover


_MISSING = object()


def _parts(tp: Any, value: Any) -> Iterator[tuple[Any, Any, str]]:
    """The values inside `value` that have a type of their own: type, value, how to write it."""
    if _is_list(tp) and type(value) is list:
        for index, each in enumerate(value):
            if each is not None:
                yield get_args(tp)[0], each, f"[{index}]"
    elif _is_model(tp) and type(value) is dict:
        hints = typing.get_type_hints(tp, include_extras=True)
        for field in attrs.fields(tp):
            name = wire_name(field)
            if name in value and not field.metadata.get("local"):
                yield hints[field.name], value[name], f".{name}"
            elif field.default is attrs.NOTHING:
                yield hints[field.name], _MISSING, f".{name}"


# ---- answers -----------------------------------------------------------------------------------


def total_of(parsed: Any) -> int | None:
    """The server's count of all rows, under one of its spellings or another that can mean nothing
    else; None when it gives none."""
    if not isinstance(parsed, dict):
        return None
    others = [key for key in parsed if _LIKE_A_TOTAL.fullmatch(key)]
    for key in (*_TOTAL_KEYS, *others):
        total = parsed.get(key)
        # The length keeps int() from raising on thousands of digits.
        if isinstance(total, str) and total.isascii() and total.isdigit() and len(total) < 20:
            total = int(total)
        if type(total) is int and total >= 0:
            return total
    return None


def rows_of(parsed: Any) -> list[Any]:
    """The rows of a list answer: under ``content``, or the whole body when it is an array."""
    rows = parsed.get("content") if isinstance(parsed, dict) else parsed
    if not isinstance(rows, list):
        path = "content" if isinstance(parsed, dict) else "$"
        raise DecodeError(path, "an array", kind_of(rows))
    return rows


def decode_page(model: type[M] | None, parsed: Any) -> Page[Any]:
    """Read one page; `model` None leaves the rows as they are. One odd row spoils no other."""
    rows = rows_of(parsed)
    total = total_of(parsed)
    if model is None:
        return Page(rows, total)
    hook = _hook_for(model)
    try:
        return Page([hook(row, model) for row in rows], total)
    except (Mismatch, KeyError):
        return _page_with_odd_rows(model, rows, total)


def _page_with_odd_rows(model: type[M], rows: list[Any], total: int | None) -> Page[M]:
    items: list[M] = []
    rejected: dict[int, DecodeError] = {}
    for index, row in enumerate(rows):
        try:
            items.append(structure(model, row, f"content[{index}]"))
        except DecodeError as error:
            error.raw = row
            rejected[index] = error
    return Page(items, total, rejected=rejected)


def decode(call: Call[T], parsed: Any) -> T:
    """Turn the parsed body of a good answer into what `call` promises."""
    answer, model = call.answer, call.answer.model
    result: Any
    if answer.kind == "nothing":
        result = None
    elif answer.kind == "page":
        result = decode_page(model, parsed)
    elif answer.kind == "list" and model is not None:
        result = _decode_list(model, parsed, answer.or_nothing)
    elif answer.kind == "one" and model is not None:
        inside = isinstance(parsed, dict) and "content" in parsed
        value = parsed["content"] if inside else parsed
        result = structure(model, value, "content" if inside else "$")
    else:
        result = parsed
    return typing.cast("T", result)


def _decode_list(model: type[M], parsed: Any, or_nothing: bool) -> list[M]:
    inside = isinstance(parsed, dict) and "content" in parsed
    rows, path = (parsed["content"], "content") if inside else (parsed, "$")
    if or_nothing and _says_nothing(rows):
        return []
    if isinstance(rows, dict):
        if not known_names(model).isdisjoint(rows):
            return [structure(model, rows, path)]
        rows, path = _unwrap(rows, path)
    if not isinstance(rows, list):
        raise DecodeError(path, "an array", kind_of(rows))
    return [structure(model, row, f"{path}[{index}]") for index, row in enumerate(rows)]


def _says_nothing(value: Any) -> bool:
    """Null, or an object with nothing but nulls and a total in it."""
    fields = value.items() if isinstance(value, dict) else [("", value)]
    return all(each is None for name, each in fields if name not in _TOTAL_KEYS)


def _unwrap(value: dict[str, Any], path: str) -> tuple[Any, str]:
    """The only array in an object, whatever its name; without one, the object itself."""
    names = [name for name, each in value.items() if isinstance(each, list)]
    return (value[names[0]], f"{path}.{names[0]}") if len(names) == 1 else (value, path)
