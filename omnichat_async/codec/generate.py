"""Code for one model: straight lines that read its fields, with no call where none is needed.

A page holds a hundred rows of fifteen fields, so a call per field would cost more than all the
rest of the walk. Rows of a page have the same keys, so that all their values can be taken at
once; for keys ``id`` and ``roomId``, and a field ``room_id: str | None``, this writes ::

    for value in rows:
        ...
        (x_0, x_3) = pick(value)
        ...
        if type(x_3) is str or x_3 is None: made.room_id = x_3
        else: made.room_id = hook_3(x_3, type_3)

The test knows the common case only. Whatever else a value may be is decided where the rules are:
by the hook of the field's type, which refuses what does not fit. For single objects, and for
rows with ever other keys, there is code that looks for each key by itself; and for rows that a
parser has filled into mirrors of the model, code without the tests that it has made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from operator import itemgetter
from types import MappingProxyType
from typing import Any, TypeAlias, get_type_hints

import attrs

from omnichat_async.codec.misfits import Mismatch
from omnichat_async.models.base import Model, is_frozen, wire_name

__all__ = ["Hook", "Inline", "Mirrored", "ModelHooks", "Writer", "known_names", "unknown_fields"]

Hook: TypeAlias = Callable[[Any, Any], Any]
Reader: TypeAlias = Callable[[list[Any], Callable[[Any], None]], None]
"""Reads rows and hands on the objects: up to one with other keys, or it raises at one that does
not fit."""


class Inline:
    """The common case of a type, as Python expressions over the value ``{x}``: how to know it and
    what it becomes. Names in braces in them stand for the objects in `given` that they need.

    `kind` is the exact type of such a value, for which nothing needs to be in `test`; `only`
    says that no value of another type is ever right, so that a parser may look after it.
    """

    def __init__(
        self,
        test: str = "",
        result: str = "{x}",
        given: Mapping[str, Any] = MappingProxyType({}),
        *,
        kind: type[Any] | None = None,
        only: bool = False,
    ) -> None:
        self.test = test
        self.result = result
        self.given = given
        self.kind = kind
        self.only = only

    def known_by(self, *, parsed: bool) -> str:
        """The whole test; `parsed` if a parser has looked at the type."""
        if self.kind is None or (parsed and self.only):
            return self.test
        by_kind = f"type({{x}}) is {self.kind.__name__}"
        return f"{by_kind} and {self.test}" if self.test else by_kind


class Mirrored:
    """A field of a mirror. `kind` is the only type that is ever right, None if there are more;
    with `nullable` null is right too, and is what a missing value is read as."""

    def __init__(
        self,
        name: str,
        wire: str,
        kind: type[Any] | None = None,
        *,
        required: bool = False,
        nullable: bool = False,
    ) -> None:
        self.name = name
        self.wire = wire
        self.kind = kind
        self.required = required
        self.nullable = nullable


def unknown_fields(names: Iterable[str]) -> list[Mirrored]:
    """Fields of a mirror for wire names that nobody has heard of."""
    return [Mirrored(f"u_{n}", name) for n, name in enumerate(names)]


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


_MOST_SHAPES = 64
"""Sets of keys that get code of their own, for each model: a server may think of ever new ones."""
_RUN = 10
"""Rows in a row with the same keys that are worth it."""


class ModelHooks:
    """How to read a model. Its code is written and compiled when it is first needed."""

    def __init__(self, writer: Writer) -> None:
        self.writer = writer
        self._readers: dict[frozenset[str], Reader] = {}
        self._latest: Reader = _none

    @cached_property
    def one(self) -> Hook:
        """Reads one object."""
        hook: Hook = self.writer.compiled("one", self.writer.reads_one())
        return hook

    def all(self, rows: list[Any]) -> list[Any]:
        """Read the objects in a list: all of them, or all up to the first that does not fit."""
        made: list[Any] = []
        try:
            while (done := len(made)) < len(rows):
                self._latest(rows[done:] if done else rows, made.append)
                if len(made) > done:
                    continue
                reader = self._reader_for(rows[done : done + _RUN])
                if reader is None:
                    made.append(self.one(rows[done], None))
                else:
                    self._latest = reader
        except (Mismatch, KeyError):
            pass
        return made

    def _reader_for(self, rows: list[Any]) -> Reader | None:
        """The code for rows with the keys of the first one, if they get any."""
        if type(rows[0]) is not dict:
            return None
        keys = frozenset(rows[0])
        found = self._readers.get(keys)
        if found is None and self._are_worth_it(rows, keys):
            lines = self.writer.reads_rows(keys)
            found = self._readers[keys] = self.writer.compiled("rows_of", lines)
        return found

    def _are_worth_it(self, rows: list[Any], keys: frozenset[str]) -> bool:
        return (
            len(rows) == _RUN
            and len(self._readers) < _MOST_SHAPES
            and self.writer.can_pick(keys)
            and all(type(row) is dict and row.keys() == keys for row in rows)
        )


def _none(rows: list[Any], add: Callable[[Any], None]) -> None:
    """Reads no rows: what comes first has other keys."""


class Writer:
    """Writes the code of one model."""

    def __init__(
        self,
        cls: type[Model],
        hook_for: Callable[[Any], Hook],
        inline_for: Callable[[Any], Inline | None],
    ) -> None:
        hints = get_type_hints(cls, include_extras=True)
        on_wire = wire_fields(cls)
        self._cls = cls
        self._fields = [
            (index, field, field in on_wire)
            for index, field in enumerate(attrs.fields(cls))
            if field.name != "extra"
        ]
        self._known = known_names(cls)
        self._through_init = _needs_init(cls)
        self._store = _pass if self._through_init else _put if is_frozen(cls) else _set
        self._inline: dict[int, Inline | None] = {}
        self._names: dict[str, Any] = {
            "cls": cls,
            "new": object.__new__,
            "put": object.__setattr__,
            "known": self._known,
            "Mismatch": Mismatch,
            "MISSING": object(),
        }
        for index, field, wired in self._fields:
            if wired:
                tp = hints[field.name]
                inline = self._inline[index] = inline_for(tp)
                self._names[f"type_{index}"], self._names[f"hook_{index}"] = tp, hook_for(tp)
                for name, value in inline.given.items() if inline else ():
                    self._names[f"{name}_{index}"] = value

    def compiled(self, name: str, lines: Iterator[str]) -> Any:
        """The function that `lines` define."""
        title = f"<reads {self._cls.__module__}.{self._cls.__qualname__}>"
        code = compile("\n".join(lines), title, "exec")
        names = self._names.copy()
        exec(code, names)  # noqa: S102 - nothing in it comes from outside; attrs and cattrs do the same
        return names[name]

    def can_pick(self, keys: frozenset[str]) -> bool:
        """Whether rows with these keys have all that is required, and enough to pick at once."""
        needed = {
            wire_name(field)
            for _, field, wired in self._fields
            if wired and field.default is attrs.NOTHING
        }
        return needed <= keys and len(self._known & keys) > 1

    def reads_one(self) -> Iterator[str]:
        """Code that reads one object, whatever keys it has."""
        yield "def one(value, _):"
        yield "    if type(value) is not dict: raise Mismatch('an object', value)"
        yield "    given = {}" if self._through_init else "    made = new(cls)"
        yield "    missing = 0"
        for index, field, wired in self._fields:
            if wired:
                yield from _indented(self._looked_up(index, field))
            elif not self._through_init:
                yield "    " + self._store(field.name, self._default(index, field))
        yield f"    if len(value) + missing != {len(self._known)}: {self._extra()}"
        yield "    return cls(**given)" if self._through_init else "    return made"

    def _looked_up(self, index: int, field: attrs.Attribute[Any]) -> Iterator[str]:
        key, then = repr(wire_name(field)), "if"
        if field.default is attrs.NOTHING:
            yield f"x = value[{key}]"
        else:
            yield f"x = value.get({key}, MISSING)"
            yield "if x is MISSING:"
            yield "    missing += 1"
            yield "    " + self._store(field.name, self._default(index, field))
            then = "elif"
        yield from self._value(index, field, "x", then)

    def reads_rows(self, keys: frozenset[str]) -> Iterator[str]:
        """Code that reads rows with exactly these keys, up to one with others."""
        present = [
            (index, field)
            for index, field, wired in self._fields
            if wired and wire_name(field) in keys
        ]
        unknown = sorted(keys - self._known)
        # The unknown ones too: with as many keys and all of these, a row has no others.
        self._names["pick"] = itemgetter(*(wire_name(field) for _, field in present), *unknown)
        picked = [f"x_{index}" for index, _ in present] + ["*_"] * bool(unknown)
        yield "def rows_of(rows, add):"
        yield "    for value in rows:"
        yield f"        if type(value) is not dict or len(value) != {len(keys)}: return"
        yield f"        try: ({', '.join(picked)}) = pick(value)"
        yield "        except KeyError: return"
        yield "        given = {}" if self._through_init else "        made = new(cls)"
        for index, field, _ in self._fields:
            if (index, field) in present:
                yield from _indented(self._value(index, field, f"x_{index}"), 2)
            elif not self._through_init:
                yield "        " + self._store(field.name, self._default(index, field))
        if unknown:
            yield "        " + self._extra()
        yield "        add(cls(**given))" if self._through_init else "        add(made)"

    def mirror(self, unknown: Sequence[str]) -> list[Mirrored]:
        """The fields of an object for a parser to fill, which code of `reads_mirrors` reads: those
        on the wire, and then those with the `unknown` wire names, which the model lacks."""
        fields = []
        for index, field, wired in self._fields:
            if wired:
                inline = self._inline[index]
                kind = inline.kind if inline is not None and inline.only else None
                required, nullable = field.default is attrs.NOTHING, field.default is None
                name = f"x_{index}"
                wire = wire_name(field)
                fields.append(Mirrored(name, wire, kind, required=required, nullable=nullable))
        return fields + unknown_fields(unknown)

    def reads_mirrors(self, unknown: Sequence[str]) -> Iterator[str]:
        """Code that reads mirrors, given as tuples of values; UNSET stands for what is missing."""
        names = [field.name for field in self.mirror(unknown)]
        extra = [field.name for field in unknown_fields(unknown)]
        self._names["unknown"] = unknown
        yield "def rows_of(rows, add, UNSET):"
        yield f"    for ({', '.join(names)},) in rows:"
        yield "        given = {}" if self._through_init else "        made = new(cls)"
        for index, field, wired in self._fields:
            if wired:
                yield from _indented(self._mirrored(index, field), 2)
            elif not self._through_init:
                yield "        " + self._store(field.name, self._default(index, field))
        if extra:
            values = ", ".join(extra)
            known = f"{{k: u for k, u in zip(unknown, ({values},)) if u is not UNSET}}"
            yield f"        if {' or '.join(f'{u} is not UNSET' for u in extra)}:"
            yield "            " + self._store("extra", known)
        yield "        add(cls(**given))" if self._through_init else "        add(made)"

    def _mirrored(self, index: int, field: attrs.Attribute[Any]) -> Iterator[str]:
        x, then = f"x_{index}", "if"
        if field.default is not None and field.default is not attrs.NOTHING:
            yield f"if {x} is UNSET: {self._store(field.name, self._default(index, field))}"
            then = "elif"
        yield from self._value(index, field, x, then, parsed=True)

    def _value(
        self,
        index: int,
        field: attrs.Attribute[Any],
        x: str,
        then: str = "if",
        *,
        parsed: bool = False,
    ) -> Iterator[str]:
        """Lines that keep a value that is there."""
        inline, read = self._inline[index], f"hook_{index}({x}, type_{index})"
        test, result = "", x
        if inline is not None:
            test, result = (
                each.format(x=x, **{name: f"{name}_{index}" for name in inline.given})
                for each in (inline.known_by(parsed=parsed), inline.result)
            )
        is_right = inline is not None and not test  # whatever it is
        # A hook may have a word to say about null, but only where null is not the default.
        if field.default is None and result != x:
            yield f"{then} {x} is None: {self._store(field.name, 'None')}"
            then = "elif"
        elif field.default is None and not is_right:
            test = f"{test} or {x} is None" if test else f"{x} is None"
        if test:
            yield f"{then} {test}: {self._store(field.name, result)}"
            then = "elif"
        last = self._store(field.name, result if is_right else read)
        yield last if then == "if" else f"else: {last}"

    def _extra(self) -> str:
        return self._store("extra", "{key: value[key] for key in value if key not in known}")

    def _default(self, index: int, field: attrs.Attribute[Any]) -> str:
        """An expression that makes the default of a field."""
        if field.default is None:
            return "None"
        factory = getattr(field.default, "factory", None)
        if factory is list:
            return "[]"
        self._names[f"default_{index}"] = field.default if factory is None else factory
        return f"default_{index}" if factory is None else f"default_{index}()"


def _indented(lines: Iterator[str], depth: int = 1) -> Iterator[str]:
    return ("    " * depth + line for line in lines)


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
