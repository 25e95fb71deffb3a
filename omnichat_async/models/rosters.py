"""Rosters: who works when, as they are uploaded and as they come back refused.

::

    Roster(
        "2026-12",
        "email",
        [RosterRecord("ada@example.com", "S-001", [Shift(1, "09:30", "18:30"), Shift(2)])],
    )
"""

from collections.abc import Sequence
from typing import Any, Literal, get_args

import attrs

from omnichat_async import checks
from omnichat_async.errors import InvalidRequest
from omnichat_async.models.base import Model, wire
from omnichat_async.models.body import Body

__all__ = ["IdField", "InvalidRecord", "Roster", "RosterRecord", "RosterTime", "Shift"]

IdField = Literal["email", "phone", "employeeCode"]
"""What the ids of a roster are."""


@attrs.frozen
class Shift(Body):
    """One day of the month: clock-in and clock-out as ``hh:mm``, neither of them on a day off."""

    day: int
    clock_in: str | None = None
    clock_out: str | None = None

    def _check(self) -> None:
        if not 1 <= checks.whole_number("day", self.day) <= 31:
            raise InvalidRequest("day", "must be 1 to 31", str(self.day))
        if (self.clock_in is None) != (self.clock_out is None):
            missing = "clock_in" if self.clock_in is None else "clock_out"
            raise InvalidRequest(missing, "goes with the other one; a day off has neither", "none")
        if self.clock_in is not None and self.clock_out is not None:
            checks.clock_time("clock_in", self.clock_in)
            checks.clock_time("clock_out", self.clock_out)

    def to_wire(self) -> dict[str, Any]:
        return {"day": self.day, "in": self.clock_in or "", "out": self.clock_out or ""}


@attrs.frozen
class RosterRecord(Body):
    """The shifts of one teammate in one shop, at most one a day. `id` and `location_code` must
    be those of the teammate's settings in Omnichat."""

    id: str
    location_code: str
    time: Sequence[Shift]

    def _check(self) -> None:
        checks.text("id", self.id)
        checks.text("location_code", self.location_code)
        days = [shift.day for shift in checks.instances("time", self.time, Shift)]
        for day in days:
            if days.count(day) > 1:
                raise InvalidRequest("time", "must name each day once", f"day {day} twice or more")


@attrs.frozen
class Roster(Body):
    """The roster of one month, written ``YYYY-MM``; `id_field` says what the records' ids are."""

    month: str
    id_field: IdField
    records: Sequence[RosterRecord]

    def _check(self) -> None:
        year, month = checks.month("month", self.month)
        checks.one_of("id_field", self.id_field, get_args(IdField))
        for record in checks.instances("records", self.records, RosterRecord):
            for shift in record.time:
                checks.day_of("day", year, month, shift.day)


@attrs.define(kw_only=True)
class RosterTime(Model):
    """One day of a refused record, as it was sent; empty strings on a day off."""

    day: int | None = None
    clock_in: str | None = wire("in", default=None)
    clock_out: str | None = wire("out", default=None)


@attrs.define(kw_only=True)
class InvalidRecord(Model):
    """A record that was not taken over, and the server's reason in `error`."""

    id: str | None = None
    location_code: str | None = None
    time: list[RosterTime] = attrs.field(factory=list)
    error: str | None = None
