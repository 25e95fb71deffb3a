"""Member data: any number of ids, 100 a call, answered in order."""

from __future__ import annotations

import json
from itertools import islice
from typing import TYPE_CHECKING, Any

import pytest

from omnichat_async import OmnichatClient, PartialFailure
from omnichat_async.models import MemberData
from omnichat_async.sandbox import Sandbox
from tests.support.asking import ask, asked, body_of, failure, refusal, samples, sent_twice
from tests.support.calls import served
from tests.support.run import run
from tests.support.wire import reply

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.support.wire import Reply, Request

SAMPLE = samples("identities")[1]


def member_data(
    ids: Any, platform: Any = "line", channel_id: Any = "123456789"
) -> Callable[[OmnichatClient], Awaitable[list[MemberData]]]:
    return lambda client: client.identities.member_data(
        platform=platform, channel_id=channel_id, ids=ids
    )


def member(row: MemberData) -> tuple[str, str | None]:
    return row.id, row.member_id


def answer(request: Request) -> Reply:
    """Members for the even ids, null for those that end in 1, nothing for the others."""
    ids = json.loads(request.body)["ids"]
    rows = [
        {"id": each, "memberId": None if each.endswith("1") else f"M{each}"}
        for each in reversed(ids)
        if int(each[1:]) % 2 == 0 or each.endswith("1")
    ]
    return reply(200, {"content": rows, "totalElements": len(rows)})


def test_the_documented_sample() -> None:
    ids = SAMPLE["request"]["ids"]
    rows, (request,) = ask(member_data(ids), reply(200, SAMPLE["response"]))
    assert (request.method, request.target) == ("POST", "/v1/identities/member-data")
    assert body_of(request) == SAMPLE["request"]
    assert [member(row) for row in rows] == [(ids[0], "1234"), (ids[1], None)]


@pytest.mark.parametrize("count", [1, 99, 100, 101, 250, 1000])
def test_any_number_is_asked_100_a_call_and_answered_in_order(count: int) -> None:
    ids = [f"u{n}" for n in range(count)]

    async def main() -> None:
        async with served(answer) as (server, client):
            rows = await member_data(ids)(client)
            asked_for = [json.loads(request.body)["ids"] for request in server.requests]
        assert sorted(map(len, asked_for)) == sorted(
            [100] * (count // 100) + [count % 100] * (count % 100 > 0)
        )
        assert sorted(each for chunk in asked_for for each in chunk) == sorted(ids)
        assert [member(row) for row in rows] == [
            (each, f"M{each}" if int(each[1:]) % 2 == 0 else None) for each in ids
        ]

    run(main())


def test_nobody_is_asked_about_nothing() -> None:
    assert ask(member_data([]), reply(500)) == ([], [])


def test_repeated_ids_are_asked_once_and_answered_each_time() -> None:
    ids = ["u2", "u4", "u2", "u2"]

    async def main() -> None:
        async with served(answer) as (server, client):
            rows = await member_data(tuple(ids))(client)
            assert [member(row) for row in rows] == [(each, f"M{each}") for each in ids]
            assert [json.loads(request.body)["ids"] for request in server.requests] == [
                ["u2", "u4"]
            ]

    run(main())


@pytest.mark.parametrize(
    "body", [{"content": []}, {"content": None}, {"totalElements": 0}, {}, [], b""]
)
def test_an_id_the_server_leaves_out_has_no_member(body: Any) -> None:
    assert ask(member_data(["u1"]), reply(200, body))[0] == [MemberData(id="u1")]


def test_webchat_and_upper_case_are_written_as_the_api_has_them() -> None:
    assert asked(member_data(["u"], "LINE"))[1]["platform"] == "line"
    assert asked(member_data(["u"], "website"))[1]["platform"] == "webchat"


@pytest.mark.parametrize(
    ("ids", "platform", "channel_id", "field"),
    [
        ("u1", "line", "1", "ids"),
        (iter(["u1"]), "line", "1", "ids"),
        (["u1", ""], "line", "1", "ids"),
        (["u1"] * 150 + [None], "line", "1", "ids"),
        ([5], "line", "1", "ids"),
        (["u1"], "", "1", "platform"),
        (["u1"], "line", "", "channel_id"),
    ],
)
def test_what_the_api_would_refuse_is_not_sent(
    ids: Any, platform: str, channel_id: str, field: str
) -> None:
    assert refusal(member_data(ids, platform, channel_id)).field == field


def test_it_is_a_post_that_may_be_repeated() -> None:
    sent_twice(member_data(["u1"]), reply(200, {"content": []}))


def test_what_is_known_survives_a_call_that_fails() -> None:
    def fail_one(request: Request) -> Reply:
        ids = json.loads(request.body)["ids"]
        return reply(400, {"errorCode": "X"}) if "u100" in ids else answer(request)

    async def main() -> None:
        async with served(fail_one) as (_, client):
            with pytest.raises(PartialFailure) as caught:
                await member_data([f"u{n}" for n in range(250)])(client)
            assert sorted(caught.value.failed) == list(range(100, 200))
            assert caught.value.outcomes[248] == MemberData(id="u248", member_id="Mu248")

    run(main())


def test_one_call_fails_with_its_own_error() -> None:
    error, _ = failure(member_data(["u1"]), reply(400, {"errorCode": "INVALID_REQUEST_BODY"}))
    assert type(error).__name__ == "BadRequest"


def test_the_sandbox_knows_its_members() -> None:
    async def main() -> None:
        sandbox = Sandbox(rows=1000, limit=None)
        async with sandbox, OmnichatClient(sandbox.token, base_url=sandbox.url) as client:
            span = (sandbox.config.start_ms, sandbox.config.end_ms)
            first: dict[str, Any] = next(sandbox.rows("contacts", *span, "line"))
            channel = first["channel"]["channelId"]
            rows_there = sandbox.rows("contacts", *span, "line", channel)
            contacts: list[dict[str, Any]] = list(islice(rows_there, 230))
            ids = [row["id"] for row in contacts]
            rows = await client.identities.member_data(
                platform="line", channel_id=channel, ids=[*ids, "nobody"]
            )
            expected = [(row["id"], row["memberId"] or None) for row in contacts]
            assert [member(row) for row in rows] == [*expected, ("nobody", None)]
            assert any(row.member_id for row in rows)

    run(main())
