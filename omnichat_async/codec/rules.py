"""What JSON values may be: one cattrs converter that takes values as they are, or not at all."""

from __future__ import annotations

import types
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any, Union, get_args, get_origin

from omnichat_async.codec.generate import Hook, Inline, ModelHooks, Writer
from omnichat_async.codec.misfits import SCALARS, Mismatch
from omnichat_async.codec.times import AS_EXPRESSION, FIRST_MS, LAST_MS, from_ms
from omnichat_async.models.base import Model, NumericText, OpenEnum, OpenIntEnum, is_frozen

if TYPE_CHECKING:
    from collections.abc import Callable

    import cattrs

__all__ = ["hook_for", "is_list", "is_model", "is_union", "rows_hook", "writer_for"]

# ---- the kinds of types ------------------------------------------------------------------------


def is_union(tp: Any) -> bool:
    """``A | B``, in either of Python's forms."""
    return get_origin(tp) in {Union, types.UnionType}


def is_list(tp: Any) -> bool:
    """``list[A]``."""
    return get_origin(tp) is list


def is_model(tp: Any) -> bool:
    """A class of the API's objects."""
    return isinstance(tp, type) and issubclass(tp, Model)


def _is_dict(tp: Any) -> bool:
    return get_origin(tp) is dict


def _is_numeric_text(tp: Any) -> bool:
    return bool(tp == NumericText)


# ---- the rules ---------------------------------------------------------------------------------


def _exact(allowed: tuple[type, ...]) -> frozenset[type]:
    return frozenset(allowed) | ({int} if float in allowed else frozenset())


def _scalar(*allowed: type) -> Hook:
    exact = _exact(allowed)
    expected = " or ".join(SCALARS[kind] for kind in allowed)

    def hook(value: Any, _: Any) -> Any:
        # type() and not isinstance(): True is an int, and an id must not become 1.
        if type(value) in exact:
            return value
        raise Mismatch(expected, value)

    return hook


def _time(value: Any, _: Any) -> datetime | None:
    """Epoch milliseconds become an aware UTC datetime; ISO text keeps the zone it has or lacks."""
    try:
        if type(value) is int and FIRST_MS <= value <= LAST_MS:
            return from_ms(value)
        # Digits alone are refused: fromisoformat() would read an epoch as a date of the year 1612.
        if type(value) is str and not value.isdigit():
            return datetime.fromisoformat(value) if value.strip() else None
    except ValueError:
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


def _members(tp: Any) -> list[Any]:
    """What a field may hold besides None."""
    return [each for each in get_args(tp) if each is not type(None)] if is_union(tp) else [tp]


def _one_of(members: list[Any], base: type[Any]) -> Any:
    return next((m for m in members if isinstance(m, type) and issubclass(m, base)), None)


def _union(tp: Any) -> Hook:
    members = _members(tp)
    if enum := _one_of(members, OpenEnum):
        inner = _open_enum(enum)
    elif number := _one_of(members, OpenIntEnum):
        inner = _open_int_enum(number)
    elif all(m in SCALARS for m in members):
        inner = _scalar(*members)
    else:
        inner = hook_for(members[0])
    return _nullable(inner) if type(None) in get_args(tp) else inner


def _list(tp: Any) -> Hook:
    (item,) = get_args(tp)
    inner = hook_for(item)
    plain = _exact((item,)) if item in SCALARS else frozenset()
    # Where nulls are values, as in the ids of messages of which some failed, each keeps its place.
    keeps_nulls = is_union(item) and type(None) in get_args(item)

    def hook(value: Any, _: Any) -> list[Any]:
        if value is None:
            return []
        if type(value) is not list:
            raise Mismatch("an array", value)
        for each in value:
            if type(each) not in plain:
                break
        else:
            return value.copy()
        return [inner(each, item) for each in value if keeps_nulls or each is not None]

    return hook


def _numeric_text(value: Any, _: Any) -> str:
    if type(value) not in {str, int}:
        raise Mismatch("a string or a whole number", value)
    return str(value)


# ---- models ------------------------------------------------------------------------------------


def _inline(tp: Any) -> Inline | None:
    """The common case of a field's type, for generated code, or None to leave all to its hook."""
    members = _members(tp)
    if enum := _one_of(members, OpenEnum):
        test, given = "(known_as := {known}({x}))", {"known": enum.known().get}
        return Inline(test, "known_as", given, kind=str, only=True)
    if members == [datetime]:
        return Inline(f"{FIRST_MS} <= {{x}} <= {LAST_MS}", *AS_EXPRESSION, kind=int)
    if _is_dict(members[0]):
        return Inline(kind=dict, only=True)
    if not all(m in SCALARS for m in members):
        return None
    exact = _exact(tuple(members))
    return (
        Inline(kind=members[0], only=True)
        if len(exact) == 1
        else Inline("type({x}) in {exact}", given={"exact": exact})
    )


_generated: dict[type[Model], ModelHooks] = {}


def _hooks(cls: type[Model]) -> ModelHooks:
    if cls not in _generated:
        _generated[cls] = ModelHooks(Writer(cls, hook_for, _inline))
    return _generated[cls]


def _model(cls: type[Model]) -> Hook:
    return _latest_again(_hooks(cls).one) if is_frozen(cls) else _hooks(cls).one


def _latest_again(read: Hook) -> Hook:
    """A hook that gives the same object again for a value that equals the latest one."""
    latest: tuple[Any, Any] = (None, None)

    def hook(value: Any, tp: Any) -> Any:
        nonlocal latest
        before, made = latest
        if made is not None and value == before:
            return made
        made = read(value, tp)
        # True equals 1 among unknown fields; and what was parsed may be changed by its owner.
        latest = (None, None) if made.extra else (value.copy(), made)
        return made

    return hook


# ---- all the rules -----------------------------------------------------------------------------

_OF_TYPES: dict[Any, Hook] = {**{kind: _scalar(kind) for kind in SCALARS}, datetime: _time}
_OF_KINDS: tuple[tuple[Callable[[Any], bool], Callable[[Any], Hook]], ...] = (
    (is_union, _union),
    (is_list, _list),
    (_is_dict, lambda _: _object),
    (_is_numeric_text, lambda _: _numeric_text),
    (is_model, _model),
)


_made = _OF_TYPES.copy()


def hook_for(tp: Any) -> Hook:
    """The function that reads values of a type; it is made when it is first asked for."""
    if tp not in _made:
        make = next((make for is_one, make in _OF_KINDS if is_one(tp)), None)
        _made[tp] = make(tp) if make is not None else _by_cattrs(tp)
    return _made[tp]


def _by_cattrs(tp: Any) -> Hook:
    read: Hook = _converter().get_structure_hook(tp)
    return lambda value, _: read(value, tp)  # a field may say that it is this or null


@cache
def _converter() -> cattrs.Converter:
    """What reads all other types, with these rules for what is in them. The models here have none,
    so it is imported with the first model that does."""
    import cattrs  # noqa: PLC0415

    converter = cattrs.Converter(detailed_validation=False)
    for kind, hook in _OF_TYPES.items():
        converter.register_structure_hook(kind, hook)
    for is_one, make in _OF_KINDS:
        converter.register_structure_hook_factory(is_one, make)
    return converter


def rows_hook(model: type[Any]) -> Callable[[list[Any]], list[Any]]:
    """The function that reads rows as `model` objects, up to the first that does not fit."""
    return _hooks(model).all


def writer_for(model: type[Any]) -> Writer:
    """What writes the code that reads a model."""
    return _hooks(model).writer
