"""Request bodies, read strictly: a wrong type, a missing or an unknown field is refused."""

import json
from collections.abc import Iterable
from math import isfinite
from typing import Any, Self

import attrs

from omnichat_async.sandbox.params import INT_MAX, Query
from omnichat_async.sandbox.wire import JSON, Call, Refuse, bad_body

_NAMES: dict[type, str] = {
    str: "a string",
    int: "an integer",
    float: "a number",
    bool: "true or false",
    list: "an array",
    dict: "an object",
}


@attrs.frozen
class Fields:
    """One JSON object of a request. `where` tells its place in messages, `refuse` shapes them.

    `null` counts as "not given": the documents' own samples send it.
    """

    values: dict[str, object]
    refuse: Refuse
    where: str = ""

    @classmethod
    def of(cls, call: Call, known: Iterable[str], refuse: Refuse = bad_body) -> Self:
        """The body of a request that takes no query."""
        Query.parse(call.query, frozenset(), refuse)
        return cls.body_of(call, known, refuse)

    @classmethod
    def body_of(cls, call: Call, known: Iterable[str], refuse: Refuse = bad_body) -> Self:
        """The body of a request."""
        if call.content_type != JSON:
            raise refuse(f"Content-Type is {call.content_type or 'missing'}, send {JSON}")
        try:
            values = json.loads(call.body, parse_constant=_number, parse_float=_number)
            json.dumps(values, ensure_ascii=False).encode()  # no half of a surrogate pair
        except (ValueError, RecursionError):
            raise refuse("the body is not valid JSON") from None
        if not isinstance(values, dict):
            raise refuse("the body must be a JSON object")
        return cls(values, refuse).only(known)

    def only(self, known: Iterable[str]) -> Self:
        """Refuse unknown names."""
        known = tuple(known)
        for name in self.values:
            if name not in known:
                raise self.refuse(f"{self._at(name)} is unknown; known here: {', '.join(known)}")
        return self

    def _at(self, name: str) -> str:
        return f"{self.where}{name}"

    def _get(self, name: str, *kinds: type) -> Any:
        """The value, of one of these types; None if it is not given."""
        value = self.values.get(name)
        if value is not None and type(value) not in kinds:  # so true is no integer
            raise self.refuse(f"{self._at(name)} must be {_NAMES[kinds[0]]}")
        return value

    def _need(self, name: str, *kinds: type) -> Any:
        value = self._get(name, *kinds)
        if value is None or value == "":
            raise self.refuse(f"{self._at(name)} is required")
        return value

    def has(self, name: str) -> bool:
        """Whether the field is given: neither missing nor null nor an empty string."""
        value = self.values.get(name)
        return value is not None and value != ""

    def text(self, name: str) -> str:
        """A string that must be there and not be empty."""
        value: str = self._need(name, str)
        return value

    def text_or_none(self, name: str) -> str | None:
        """A string, maybe empty; None if it is not given."""
        value: str | None = self._get(name, str)
        return value

    def given_text(self, name: str) -> str:
        """A string that must be there but may be empty."""
        value = self.text_or_none(name)
        if value is None:
            raise self.refuse(f"{self._at(name)} is required")
        return value

    def choice(self, name: str, options: Iterable[str]) -> str:
        """One of some strings."""
        value, options = self.text(name), tuple(options)
        if value not in options:
            raise self.refuse(f"{self._at(name)} {value} is none of {', '.join(options)}")
        return value

    def integer(self, name: str) -> int:
        """An Integer of 32 bits that must be there."""
        value: int = self._need(name, int)
        if not -INT_MAX - 1 <= value <= INT_MAX:
            raise self.refuse(f"{self._at(name)} must fit into 32 bits")
        return value

    def number(self, name: str) -> float:
        """A number that must be there."""
        value: float = self._need(name, float, int)
        return value

    def number_or_none(self, name: str) -> float | None:
        """A number."""
        value: float | None = self._get(name, float, int)
        return value

    def flag(self, name: str) -> bool | None:
        """True, False, or None if it is not given."""
        value: bool | None = self._get(name, bool)
        return value

    def scalar(self, name: str) -> str | float:
        """A string, number or boolean that must be there."""
        value: str | float | None = self._get(name, str, int, float, bool)
        if value is None:
            raise self.refuse(f"{self._at(name)} is required")
        return value

    def texts(self, name: str, least: int = 0, most: int | None = None) -> tuple[str, ...]:
        """An array of strings that are not empty; () if it may be missing and is."""
        values = self._items(name, least, most)
        for value in values:
            if not isinstance(value, str) or not value:
                raise self.refuse(f"{self._at(name)} must hold strings that are not empty")
        return tuple(values)

    def group(self, name: str, known: Iterable[str] | None = None) -> "Fields":
        """An object that must be there; without `known` its keys are free."""
        return self._inner(self._need(name, dict), f"{self._at(name)}.", known)

    def groups(
        self,
        name: str,
        known: Iterable[str] | None = None,
        least: int = 1,
        most: int | None = None,
    ) -> list["Fields"]:
        """An array of objects; without `known` their keys are free."""
        inner = []
        for n, value in enumerate(self._items(name, least, most)):
            if not isinstance(value, dict):
                raise self.refuse(f"{self._at(name)}[{n}] must be an object")
            inner.append(self._inner(value, f"{self._at(name)}[{n}].", known))
        return inner

    def _items(self, name: str, least: int, most: int | None) -> list[Any]:
        values: list[Any] = self._need(name, list) if least else self._get(name, list) or []
        if len(values) < least:
            raise self.refuse(f"{self._at(name)} must not be empty")
        if most is not None and len(values) > most:
            raise self.refuse(f"{self._at(name)} has {len(values)} entries, {most} are allowed")
        return values

    def _inner(
        self, values: dict[str, object], where: str, known: Iterable[str] | None
    ) -> "Fields":
        inner = Fields(values, self.refuse, where)
        return inner if known is None else inner.only(known)


def _number(text: str) -> float:
    number = float(text)
    if not isfinite(number):  # NaN and Infinity are no JSON, and 1e999 fits no double
        raise ValueError(text)
    return number
