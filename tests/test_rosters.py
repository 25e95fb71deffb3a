"""Rosters: what is checked before, what is sent, and what comes back refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from omnichat_async import DecodeError, InvalidRequest, OmnichatClient
from omnichat_async.models import InvalidRecord, Roster, RosterRecord, RosterTime, Shift
from omnichat_async.sandbox import Sandbox
from tests.support.asking import ask, asked, failure, samples, sent_twice
from tests.support.run import run
from tests.support.wire import reply

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

SAMPLES = samples("rosters")
DAYS = [Shift(1, "09:30", "18:30"), Shift(2, "09:30", "18:30")]
THREE = [*DAYS, Shift(3, "09:30", "18:30")]
APRIL = Roster(
    "2023-04",
    "email",
    [
        RosterRecord("A001", "locationCode-001", THREE),
        RosterRecord("A002", "locationCode-001", DAYS),
    ],
)


def upload(roster: Roster = APRIL) -> Callable[[OmnichatClient], Awaitable[list[InvalidRecord]]]:
    return lambda client: client.rosters.upload(roster)


def make(**changes: Any) -> Roster:
    """A roster with some arguments changed, down to its only shift."""
    shift: dict[str, Any] = {"day": 1, "clock_in": "09:00", "clock_out": "18:00"}
    shift |= {name: changes.pop(name) for name in list(changes) if name in shift}
    record: dict[str, Any] = {"id": "a", "location_code": "S", "time": [Shift(**shift)]}
    record |= {name: changes.pop(name) for name in list(changes) if name in record}
    roster: dict[str, Any] = {
        "month": "2024-02",
        "id_field": "phone",
        "records": [RosterRecord(**record)],
    }
    return Roster(**(roster | changes))


def test_the_documented_request() -> None:
    assert asked(upload()) == ("PUT /rosters", SAMPLES[0]["request"])


def test_a_day_off_is_written_as_empty_text() -> None:
    assert Shift(3).to_wire() == {"day": 3, "in": "", "out": ""}


@pytest.mark.parametrize(
    "answer",
    [
        reply(200, SAMPLES[1]["response"]),
        reply(200, {"content": {"invalidRecords": None}}),
        reply(200, {"content": {}}),
        reply(200, {"content": None}),
        reply(200, {"invalidRecords": []}),
        reply(200, {}),
        reply(200, []),
        reply(200),
        reply(204),
    ],
)
def test_a_roster_that_is_taken_over_whole(answer: Any) -> None:
    assert ask(upload(), answer)[0] == []


@pytest.mark.parametrize("wrapped", [True, False])
def test_the_documented_invalid_records(wrapped: bool) -> None:
    body = SAMPLES[2]["response"]
    records, _ = ask(upload(), reply(200, body if wrapped else body["content"]))
    assert [(each.id, each.error) for each in records] == [
        ("A001", "Duplicate 'id': 'A001', 'locationCode': 'locationCode-001'"),
        ("A001", "Duplicate 'id': 'A001', 'locationCode': 'locationCode-001'"),
        ("A001", "Invalid in/out time format: '28:30'"),
        ("A002", "User Not Found 'id' = A002"),
    ]
    assert records[2].location_code == "locationCode4"
    assert records[2].time == [
        RosterTime(day=1, clock_in="09:30", clock_out="28:30"),
        RosterTime(day=2, clock_in="09:30", clock_out="18:30"),
    ]
    assert all(each.extra == {} for each in records)


@pytest.mark.parametrize(
    ("body", "path", "found"),
    [
        ({"content": {"invalidRecords": "none"}}, "content", "an object"),
        ({"content": "ok"}, "content", "a string"),
        ({"content": {"invalidRecords": [5]}}, "content.invalidRecords[0]", "a whole number"),
        ({"a": [], "b": []}, "$", "an object"),
        (5, "$", "a whole number"),
    ],
)
def test_an_answer_nobody_knows_is_not_taken_for_success(body: Any, path: str, found: str) -> None:
    error, _ = failure(upload(), reply(200, body))
    assert isinstance(error, DecodeError)
    assert (error.path, error.found) == (path, found)


FINE: list[dict[str, Any]] = [
    {"day": 29},
    {"month": "2023-12", "day": 31},
    {"clock_in": "00:00", "clock_out": "23:59"},
    {"clock_in": "22:00", "clock_out": "06:00"},
    {"clock_in": None, "clock_out": None},
    {"id_field": "email"},
    {"id_field": "employeeCode"},
    {"time": (Shift(5), Shift(1), Shift(3))},
]


@pytest.mark.parametrize("changes", FINE)
def test_rosters_that_are_fine(changes: dict[str, Any]) -> None:
    assert make(**changes).to_wire()["records"][0]["time"]


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"month": "2023-02", "day": 29}, "day"),
    ({"month": "2100-02", "day": 29}, "day"),
    ({"month": "2023-04", "day": 31}, "day"),
    ({"day": 30}, "day"),
    ({"day": 0}, "day"),
    ({"day": 32}, "day"),
    ({"day": -1}, "day"),
    ({"day": True}, "day"),
    ({"day": "1"}, "day"),
    ({"month": "2023-4"}, "month"),
    ({"month": "2023-13"}, "month"),
    ({"month": "2023-00"}, "month"),
    ({"month": "0000-01"}, "month"),
    ({"month": "2023-04-01"}, "month"),
    ({"month": "２０２３-04"}, "month"),
    ({"month": ""}, "month"),
    ({"month": 202304}, "month"),
    ({"id_field": "employee_code"}, "id_field"),
    ({"id_field": "name"}, "id_field"),
    ({"id_field": None}, "id_field"),
    ({"clock_out": None}, "clock_out"),
    ({"clock_in": None}, "clock_in"),
    ({"clock_in": ""}, "clock_in"),
    ({"clock_in": "9:30"}, "clock_in"),
    ({"clock_out": "24:00"}, "clock_out"),
    ({"clock_out": "28:30"}, "clock_out"),
    ({"clock_out": "18:60"}, "clock_out"),
    ({"clock_out": "18:30:00"}, "clock_out"),
    ({"clock_out": 1830}, "clock_out"),
    ({"id": ""}, "id"),
    ({"id": 5}, "id"),
    ({"location_code": ""}, "location_code"),
    ({"time": []}, "time"),
    ({"time": Shift(1)}, "time"),
    ({"time": [{"day": 1}]}, "time"),
    ({"time": [Shift(1), Shift(2), Shift(1, "09:00", "10:00")]}, "time"),
    ({"records": []}, "records"),
    ({"records": [Shift(1)]}, "records"),
    ({"records": None}, "records"),
]


@pytest.mark.parametrize(("changes", "field"), REFUSED)
def test_a_roster_the_server_would_refuse_cannot_be_made(
    changes: dict[str, Any], field: str
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        make(**changes)
    assert caught.value.field == field


def test_it_is_safe_to_repeat() -> None:
    sent_twice(upload(), reply(200))


def test_the_sandbox_takes_over_what_is_good() -> None:
    async def main() -> None:
        sandbox = Sandbox(rows=10, limit=None)
        async with sandbox, OmnichatClient(sandbox.token, base_url=sandbox.url) as client:
            users = await client.system_users.list()
            seller = next(user for user in users if user.shops)
            assert seller.email is not None
            shop = seller.shops[0].code
            assert shop is not None
            roster = Roster(
                "2023-04",
                "email",
                [
                    RosterRecord(seller.email, shop, [*DAYS, Shift(3)]),
                    RosterRecord("nobody@example.com", shop, DAYS),
                ],
            )
            (refused,) = await client.rosters.upload(roster)
            assert (refused.id, refused.error) == (
                "nobody@example.com",
                "User Not Found 'id' = nobody@example.com",
            )
            assert list(sandbox.rosters) == [("2023-04", seller.email, shop)]

    run(main())
