"""What all models that are read share: wire names, unknown fields, open enums."""

import enum
import functools
from typing import TYPE_CHECKING, Annotated, Any, Self, TypeAlias

import attrs

__all__ = [
    "Model",
    "NumericText",
    "OpenEnum",
    "OpenIntEnum",
    "local",
    "wire",
    "wire_name",
]

NumericText: TypeAlias = Annotated[str, "or a whole number"]
"""Text on the object, which the API sends as text or as a whole number."""


@attrs.define(kw_only=True)
class Model:
    """An object of the API.

    Every field but an id may be None, since the API omits and nulls them. Fields that this
    version does not know are kept in `extra` under their wire names.
    """

    extra: dict[str, Any] = attrs.field(factory=dict, hash=False)

    def __init_subclass__(cls) -> None:
        # attrs writes no repr into a class that has one: each has the one it would inherit, under
        # a function of its own, since older versions look for that.
        if "__repr__" not in vars(cls):
            inherited = cls.__repr__
            cls.__repr__ = lambda self: inherited(self)  # type: ignore[method-assign]  # noqa: PLW0108

    def __repr__(self) -> str:
        names = [field.name for field in attrs.fields(type(self)) if field.name != "extra"]
        shown = names + ["extra"] * bool(self.extra)
        values = ", ".join(f"{name}={getattr(self, name)!r}" for name in shown)
        return f"{type(self).__name__}({values})"

    if not TYPE_CHECKING:  # it would let a type checker believe in any name

        def __getattr__(self, name: str) -> Any:
            """An empty `extra`, made when it is first asked for: objects that were read have none,
            since that dict would be the largest part of many. What cannot be changed may be
            shared, so it keeps none."""
            if name != "extra":
                raise AttributeError(
                    f"{type(self).__name__!r} object has no attribute {name!r}",
                    name=name,
                    obj=self,
                )
            made: dict[str, Any] = {}
            if not is_frozen(type(self)):
                self.extra = made
            return made


def is_frozen(cls: type[Model]) -> bool:
    """Whether objects of this class cannot be changed, so that one can stand for all its equals."""
    return cls.__setattr__ is not object.__setattr__


def wire(name: str, **kwargs: Any) -> Any:
    """A field whose name on the wire is not its Python name in camelCase."""
    return attrs.field(metadata={"wire": name}, **kwargs)


def local(**kwargs: Any) -> Any:
    """A field that is not on the wire: this package fills it."""
    return attrs.field(metadata={"local": True}, **kwargs)


def wire_name(field: "attrs.Attribute[Any]") -> str:
    """The name of a field in JSON."""
    given: str | None = field.metadata.get("wire")
    if given is not None:
        return given
    head, *rest = field.name.split("_")
    return head + "".join(word.capitalize() for word in rest)


class OpenEnum(enum.StrEnum):
    """Documented values of a field. The field holds a member, or the raw string of a value that
    this version does not know; members compare equal to their strings."""

    @classmethod
    def aliases(cls) -> dict[str, str]:
        """Other spellings of the same value, as spelling -> member value."""
        return {}

    @classmethod
    @functools.cache
    def known(cls) -> dict[str, Self]:
        """Every spelling that is understood, in lower case where the API varies."""
        table = {member.value: member for member in cls}
        table |= {member.value.lower(): member for member in cls}
        table |= {spelling: cls(value) for spelling, value in cls.aliases().items()}
        return table


class OpenIntEnum(enum.IntEnum):
    """Documented numbers of a field. The field holds a member, or the plain int of a number that
    this version does not know; members compare equal to their numbers."""
