"""Rosters: who works when in which shop."""

import re
from calendar import monthrange
from collections import Counter
from collections.abc import Iterator

from omnichat_async.sandbox.body import Fields
from omnichat_async.sandbox.wire import Call, Reply, bad_body, json_reply
from omnichat_async.sandbox.world import World

_BODY = ("month", "idField", "records")
_RECORD = ("id", "locationCode", "time")
_DAY = ("day", "in", "out")
_ID_FIELDS = {"email": "email", "phone": "phone", "employeeCode": "employee_code"}
_MONTH = re.compile(r"(\d{4})-(0[1-9]|1[0-2])", re.ASCII)
_CLOCK = re.compile(r"([01]\d|2[0-3]):[0-5]\d", re.ASCII)


def upload_roster(world: World, call: Call) -> Reply:
    """`PUT /rosters`: 200 even if every record is refused."""
    body = Fields.of(call, _BODY)
    month = body.text("month")
    match = _MONTH.fullmatch(month)
    if match is None or match[1] == "0000":
        raise bad_body(f"month {month} must have the form YYYY-MM")
    days = monthrange(int(match[1]), int(match[2]))[1]
    id_field = _ID_FIELDS[body.choice("idField", _ID_FIELDS)]
    records = body.groups("records", _RECORD)
    places = Counter(map(_place, records))
    invalid = []
    for record in records:
        times = list(_times(record, days))
        who, where = _place(record)
        if places[who, where] > 1:
            error = f"Duplicate 'id': '{who}', 'locationCode': '{where}'"
        elif (wrong := _first_wrong(times)) is not None:
            error = f"Invalid in/out time format: '{wrong}'"
        elif not _works_there(world, id_field, who, where):
            error = f"User Not Found 'id' = {who}"
        else:
            world.rosters[month, who, where] = record.values
            continue
        invalid.append({**record.values, "error": error})
    return json_reply({"content": {"invalidRecords": invalid}})


def _place(record: Fields) -> tuple[str, str]:
    return record.text("id"), record.text("locationCode")


def _times(record: Fields, days: int) -> Iterator[tuple[str, str]]:
    for entry in record.groups("time", _DAY):
        day = entry.integer("day")
        if not 1 <= day <= days:
            raise bad_body(f"day {day} is not in this month of {days} days")
        yield entry.given_text("in"), entry.given_text("out")


def _first_wrong(times: list[tuple[str, str]]) -> str | None:
    """The first time that is none; both are empty on a day off."""
    for pair in times:
        if pair != ("", ""):
            for clock in pair:
                if _CLOCK.fullmatch(clock) is None:
                    return clock
    return None


def _works_there(world: World, id_field: str, who: str, where: str) -> bool:
    return any(getattr(mate, id_field) == who and mate.works_at(where) for mate in world.team)
