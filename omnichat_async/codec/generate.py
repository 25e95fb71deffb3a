"""Code for one model: straight lines that read its fields, with no call where none is needed.

A page holds a hundred rows of fifteen fields, so a call per field would cost more than all the
rest of the walk. For ``room_id: str | None`` this writes ::

    x = get('roomId')
    if x is None:
        if 'roomId' not in value: missing += 1
        made.room_id = None
    elif type(x) is str: made.room_id = x
    else: made.room_id = hook_3(x, type_3)

The test in the middle knows the common case only. Whatever else a value may be is decided where
the rules are: by the hook of the field's type, which refuses what does not fit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeAlias, get_type_hints

import attrs

from omnichat_async.codec.misfits import Mismatch
from omnichat_async.models.base import Model, is_frozen, wire_name

__all__ = ["Hook", "Inline", "ModelHooks", "generated_hooks", "known_names"]

Hook: TypeAlias = Callable[[Any, Any], Any]


@attrs.frozen
class Inline:
    """The common case of a type, as Python expressions over the value ``x``: how to know it and
    what it becomes. ``{it}`` in them stands for `it`, an object that they need. `shared` means
    that rows in a row have equal values, which become one object."""

    test: str = ""
    result: str = "x"
    it: Any = None
    shared: bool = False


@attrs.frozen
class ModelHooks:
    """How to read a model from a parsed object, and how to read those in a list: all of them, or
    all up to the first that does not fit."""

    one: Hook
    all: Callable[[list[Any]], list[Any]]


_INDENTS = ("    ", "            ")


def wire_fields(cls: type[Any]) -> list[attrs.Attribute[Any]]:
    """The fields of a model that are on the wire."""
    return [
        field
        for field in attrs.fields(cls)
        if field.name != "extra" and not field.metadata.get("local")
    ]


def known_names(cls: type[Any]) -> frozenset[str]:
    """The wire names of a model's fields."""
    return frozenset(map(wire_name, wire_fields(cls)))


def generated_hooks(
    cls: type[Model],
    hook_for: Callable[[Any], Hook],
    inline_for: Callable[[Any], Inline | None],
) -> ModelHooks:
    """Write and compile the hooks of a model."""
    names: dict[str, Any] = {
        "cls": cls,
        "new": object.__new__,
        "put": object.__setattr__,
        "known": known_names(cls),
        "Mismatch": Mismatch,
        "MISSING": object(),
    }
    lines = list(_lines(cls, hook_for, inline_for, names))
    once, each_row = ("".join(f"\n{indent}{line}" for line in lines) for indent in _INDENTS)
    nothing_yet = "".join(f"{name} = " for name in names if name.startswith("last_")) + "_ = None"
    source = f"""
def one(value, _):
    {nothing_yet}{once}
    return made

def all_of(rows):
    made_all = []
    {nothing_yet}
    try:
        for value in rows:{each_row}
            made_all.append(made)
    except (Mismatch, KeyError): pass
    return made_all
"""
    code = compile(source, f"<reads {cls.__module__}.{cls.__qualname__}>", "exec")
    exec(code, names)  # noqa: S102 - nothing in it comes from outside; attrs and cattrs do the same
    return ModelHooks(names["one"], names["all_of"])


def _lines(
    cls: type[Model],
    hook_for: Callable[[Any], Hook],
    inline_for: Callable[[Any], Inline | None],
    names: dict[str, Any],
) -> Iterator[str]:
    hints = get_type_hints(cls, include_extras=True)
    fields = wire_fields(cls)
    through_init = _needs_init(cls)
    store = _pass if through_init else _put if is_frozen(cls) else _set
    yield "if type(value) is not dict: raise Mismatch('an object', value)"
    yield "given = {}" if through_init else "made = new(cls)"
    yield "get = value.get"
    yield "missing = 0"
    for index, field in enumerate(attrs.fields(cls)):
        if field in fields:
            tp = hints[field.name]
            names[f"type_{index}"], names[f"hook_{index}"] = tp, hook_for(tp)
            yield from _field_lines(index, field, store, inline_for(tp), names)
        elif field.name != "extra" and not through_init:
            yield store(field.name, _default(index, field, names))
    yield f"if len(value) + missing != {len(fields)}:"
    yield "    " + store("extra", "{key: value[key] for key in value if key not in known}")
    if through_init:
        yield "made = cls(**given)"


def _needs_init(cls: type[Any]) -> bool:
    """Whether a class has something to do or to say when an object is made."""
    hooked = any(hasattr(cls, f"__attrs_{when}_init__") for when in ("pre", "post"))
    return hooked or any(each.converter or each.validator for each in attrs.fields(cls))


def _pass(name: str, value: str) -> str:
    return f"given[{name!r}] = {value}"


def _set(name: str, value: str) -> str:
    return f"made.{name} = {value}"


def _put(name: str, value: str) -> str:
    return f"put(made, {name!r}, {value})"


def _field_lines(
    index: int,
    field: attrs.Attribute[Any],
    store: Callable[[str, str], str],
    inline: Inline | None,
    names: dict[str, Any],
) -> Iterator[str]:
    key, name = repr(wire_name(field)), field.name
    then = "if"
    if field.default is attrs.NOTHING:
        yield f"x = value[{key}]"
    else:
        # A hook may have a word to say about null, but only where null is not the default.
        absent = "None" if field.default is None else "MISSING"
        yield f"x = get({key}" + (")" if absent == "None" else ", MISSING)")
        yield f"if x is {absent}:"
        yield f"    if {key} not in value: missing += 1"
        yield "    " + store(name, _default(index, field, names))
        then = "elif"
    read = f"hook_{index}(x, type_{index})"
    if inline is not None and inline.shared:
        names[f"last_{index}"] = None
        yield f"{then} x == last_{index}: {store(name, f'same_{index}')}"
        yield "else:"
        yield f"    same_{index} = {read}"
        yield f"    last_{index} = None if same_{index}.extra else x"
        yield "    " + store(name, f"same_{index}")
        return
    if inline is not None:
        names[f"it_{index}"] = inline.it
        test, result = (each.format(it=f"it_{index}") for each in (inline.test, inline.result))
        yield f"{then} {test}: {store(name, result)}"
        then = "elif"
    yield store(name, read) if then == "if" else f"else: {store(name, read)}"


def _default(index: int, field: attrs.Attribute[Any], names: dict[str, Any]) -> str:
    """An expression that makes the default of a field."""
    if field.default is None:
        return "None"
    factory = getattr(field.default, "factory", None)
    if factory is list:
        return "[]"
    names[f"default_{index}"] = field.default if factory is None else factory
    return f"default_{index}" if factory is None else f"default_{index}()"
