"""Broadcasts: list, statistics, recipients, buttons, tags."""

from typing import Any

import pytest

from .asking import NOON, find, noon, upsert
from .bodies import PRODUCT, TEMPLATE, TEXT, broadcast
from .support import (
    END_MS,
    LINE,
    LINE_2,
    START_MS,
    WHATSAPP,
    Client,
    contact,
    refusal,
    small,
    visit,
)

Place = tuple[int, int, int]


async def _send(client: Client, **changes: Any) -> str:
    answer = await client.send("POST", "/broadcast", broadcast(**changes))
    assert answer.status == 200
    return str(answer.json["content"]["broadcastId"])


async def _pages(client: Client, path: str, **query: object) -> list[Any]:
    rows: list[Any] = []
    while True:
        page = len(rows) // 7 + 1
        answer = await client.get(path, page=page, pageSize=7, **query)
        rows += answer.json["content"]
        if len(answer.json["content"]) < 7:
            assert answer.json["totalElements"] == len(rows)
            return rows


def test_a_broadcast_is_listed_with_its_statistics() -> None:
    sandbox = noon()
    users = [str(row["id"]) for row in sandbox.rows("contacts", START_MS, END_MS, "line", LINE)]
    to = [*users[:97], "U-unreachable", "U-unsubscribed", "Ustranger"]
    counts = {name: name for name in ("success", "failed", "read", "clicked", "responded")}
    counts |= {"notDelivered": "failed", "unsubscribed": "unsubscribed"}

    async def steps(client: Client) -> None:
        await upsert(client, users[0], phone="852900", name="First")
        broadcast_id = await _send(client, to=to)
        (brief,) = await _pages(client, "/broadcast", type="3", platform="line", channelId=LINE)
        assert (brief["type"], brief["recipientType"], brief["status"]) == (3, 3, 1)
        assert brief["recipientCount"] == 100
        assert brief["success"] + brief["failed"] == 100
        assert brief["successRate"] == f"{brief['success']}.00%"
        details = (await client.get(f"/broadcast/{broadcast_id}")).json["content"]
        assert brief.items() <= details.items()
        path = f"/broadcast/{broadcast_id}/recipients"
        rows = await _pages(client, path)
        assert len(rows) == 100
        assert (rows[0]["name"], rows[0]["phone"]) == ("First", "852900")
        assert [row["error"] for row in rows[97:99]] == ["Undeliverable"] * 2
        assert (rows[99]["name"], rows[99]["phone"]) == ("", None)
        for status, count in counts.items():
            assert len(await _pages(client, path, status=status)) == details[count] > 0
        assert any(row["clicked"] and row["clickedAt"] == "" for row in rows)

    visit(sandbox, steps)
    assert [sent.recipients for sent in sandbox.sent] == [tuple(to)]


def test_those_who_are_reached_get_the_tags() -> None:
    sandbox = noon()
    users = [str(row["id"]) for row in sandbox.rows("contacts", START_MS, END_MS, "line", LINE)]
    to, tags = [*users[:99], "Ustranger"], ["sale", "2025"]

    async def steps(client: Client) -> None:
        broadcast_id = await _send(client, to=to, tags=tags)
        rows = await _pages(client, f"/broadcast/{broadcast_id}/recipients")
        reached = [k for k, row in enumerate(rows) if row["success"]]
        assert 80 < len(reached) < 100
        log: list[Any] = []
        for page in (1, 2):
            query = {"taggedAfter": NOON, "taggedBefore": NOON + 1, "page": page, "pageSize": 100}
            answer = await client.get("/tagging-logs/records", **query)
            assert answer.json["totalElements"] == 2 * len(reached)
            log += answer.json["content"]
        truth = [(to[k], tag, rows[k]["messageId"]) for k in reached for tag in tags]
        assert [(row["userId"], row["tag"], row["messageId"]) for row in log] == truth
        assert {row["source"] for row in log} == {"broadcast"}
        assert {(row["platform"], row["channelId"]) for row in log} == {("line", LINE)}
        for k in range(99):
            own = (await find(client, users[k]))["tags"]
            assert (own[-2:] == tags) is rows[k]["success"]

    visit(sandbox, steps)


def test_whatsapp_recipients_show_phone_and_bsuid() -> None:
    sandbox = noon()
    rows = sandbox.rows("contacts", START_MS, END_MS, "whatsapp", WHATSAPP)
    known = next(row for row in rows if "bsuid" in row)

    async def steps(client: Client) -> None:
        to = {"to": [known["id"]], "platform": "whatsapp", "channelId": WHATSAPP}
        path = f"/broadcast/{await _send(client, **to)}/recipients"
        (row,) = await _pages(client, path)
        assert (row["phone"], row["bsuid"]) == (known["id"], known["bsuid"])

    visit(sandbox, steps)


def test_the_broadcast_list_is_filtered() -> None:
    async def steps(client: Client) -> None:
        ids = [
            await _send(client),
            await _send(client, channelId=LINE_2),
            await _send(client, platform="facebook", channelId="202104673972398"),
            await _send(client, scheduledAt="2099-01-01T00:00:00"),
        ]
        cases: list[tuple[dict[str, str], list[str]]] = [
            ({"type": "1,2,3,4"}, ids),
            ({"type": "1,2,4"}, []),
            ({"type": "3", "platform": "line"}, [ids[0], ids[1], ids[3]]),
            ({"type": "3", "channelId": LINE}, [ids[0], ids[3]]),
            ({"type": "3", "status": "1"}, ids[:3]),
            ({"type": "3", "status": "completed"}, ids[:3]),
            ({"type": "3", "status": "4"}, ids[3:]),
            ({"type": "3", "status": "scheduled,pending"}, ids[3:]),
            ({"type": "3", "status": "failed"}, []),
        ]
        for query, expected in cases:
            rows = await _pages(client, "/broadcast", **query)
            assert [row["id"] for row in rows] == expected

    visit(noon(), steps)


@pytest.mark.parametrize("at", ["asc", "desc", "id"])
def test_the_broadcast_list_has_the_order_of_the_server(at: Any) -> None:
    async def steps(client: Client) -> tuple[list[str], list[str]]:
        ids = [await _send(client) for _ in range(9)]
        return ids, [row["id"] for row in await _pages(client, "/broadcast", type="3")]

    sent, listed = visit(noon(order=at), steps)
    assert sorted(listed) == sorted(sent)
    assert (listed == sent, listed == sent[::-1]) == (at == "asc", at == "desc")


def test_a_scheduled_broadcast_goes_out_later() -> None:
    now = [NOON]
    sandbox = small(wall_ms=lambda: now[0])
    user_id = contact(sandbox)["id"]
    later = 4_070_908_800_000  # 2099-01-01 00:00 UTC, 08:00 in Taipei

    async def steps(client: Client) -> None:
        schedule = {"scheduledAt": "2099-01-01T08:00:00", "tags": ["later"], "to": [user_id] * 9}
        path = f"/broadcast/{await _send(client, **schedule)}"
        before = (await client.get(path)).json["content"]
        assert (before["status"], before["sentAt"], before["success"]) == (4, None, 0)
        assert await _pages(client, f"{path}/recipients", status="success") == []
        assert "later" not in (await find(client, user_id))["tags"]
        now[0] = later
        after = (await client.get(path)).json["content"]
        assert (after["status"], after["sentAt"]) == (1, schedule["scheduledAt"])
        reached = await _pages(client, f"{path}/recipients", status="success")
        assert len(reached) == after["success"]
        assert "later" in (await find(client, user_id))["tags"]

    visit(sandbox, steps)
    assert sandbox.count("tagging_logs", later, later + 1) > 0


def test_a_broadcast_that_is_due_counts_without_a_request() -> None:
    now = [NOON]
    sandbox = small(wall_ms=lambda: now[0])
    schedule = {"scheduledAt": "2099-01-01T08:00:00", "tags": ["later"]}
    visit(sandbox, lambda client: _send(client, **schedule))
    now[0] = 4_070_908_800_000
    assert sandbox.count("tagging_logs", now[0], now[0] + 1) > 0


def test_a_schedule_in_the_past_means_now() -> None:
    async def steps(client: Client) -> None:
        broadcast_id = await _send(client, scheduledAt="2020-01-01T00:00:00")
        assert (await client.get(f"/broadcast/{broadcast_id}")).json["content"]["status"] == 1

    visit(noon(), steps)


def test_buttons() -> None:
    products = {"type": "products", "products": [PRODUCT, PRODUCT]}
    button = TEMPLATE["whatsappTemplate"]["components"][0]
    whatsapp = {"platform": "whatsapp", "channelId": WHATSAPP}

    def template(**more: object) -> dict[str, Any]:
        return {"type": "whatsappTemplate", "whatsappTemplate": {"name": "t", **more}}

    cases: list[tuple[dict[str, Any], list[Place]]] = [
        ({"messages": [TEXT, products]}, [(1, 0, 0), (1, 0, 1), (1, 1, 0), (1, 1, 1)]),
        (whatsapp | {"messages": [template(components=[button] * 2)]}, [(0, 0, 1), (0, 0, 2)]),
        (whatsapp | {"messages": [template()]}, []),
        ({}, []),
    ]

    async def steps(client: Client) -> None:
        for changes, places in cases:
            path = f"/broadcast/{await _send(client, to=[f'U{n}' for n in range(99)], **changes)}"
            answer = await client.get(f"{path}/buttons")
            assert set(answer.json) == {"content"}
            rows = answer.json["content"]
            assert [(r["messageIndex"], r["cardIndex"], r["buttonIndex"]) for r in rows] == places
            clicked = (await client.get(path)).json["content"]["clicked"]
            assert all(0 <= row["clickedCount"] <= clicked for row in rows)
            assert all(row["clickedPercentage"].endswith("%") for row in rows)

    visit(noon(), steps)


@pytest.mark.parametrize("path", ["", "/recipients", "/buttons"])
def test_unknown_broadcasts(path: str) -> None:
    unknown = "9748a4b1-d106-4d67-bc1c-9fe6cb85a91b"
    answer = visit(noon(), lambda client: client.get(f"/broadcast/{unknown}{path}"))
    assert refusal(answer) == (404, "BROADCAST_NOT_FOUND")
