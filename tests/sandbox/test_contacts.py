"""Contacts and customers: what is changed is seen, what is deleted is gone."""

from typing import Any

import pytest

from .asking import NOON, changed_contacts, customer, find, noon, tag_log, upsert
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


def test_an_upserted_contact_is_found_by_all_its_ids_and_in_the_range() -> None:
    async def steps(client: Client) -> None:
        ids = {"memberId": "X1", "phone": "852900", "email": "x@example.com"}
        await upsert(client, "Unew", name="Neu", note="n", **ids)
        row = await find(client, "Unew")
        assert row["name"] == "Neu"
        assert row["updatedAt"] == row["subscribedAt"] == NOON
        assert row["channel"] == {"platform": "line", "channelId": LINE}
        for name, value in ids.items():
            answer = await client.get("/contacts", platform="line", **{name: value})
            assert answer.json == {"content": [row], "totalElements": 1}
        assert await changed_contacts(client) == [row]
        assert await changed_contacts(client, channelId=LINE) == [row]
        assert await changed_contacts(client, channelId=LINE_2) == []
        assert await changed_contacts(client, channelId="no such channel") == []
        linked = (await customer(client, "X1"))["linkedUsers"]
        assert [user["channelUserId"] for user in linked] == ["Unew"]
        await upsert(client, "Unew", memberId="X2")
        old = await client.get("/contacts", platform="line", memberId="X1")
        assert refusal(old) == (404, "USER_ID_NOT_FOUND")

    visit(noon(), steps)


def test_a_changed_contact_moves_in_the_list_and_keeps_the_rest() -> None:
    sandbox = noon()
    rows = sandbox.rows("contacts", START_MS, END_MS, "line", LINE)
    before: dict[str, Any] = next(row for row in rows if row["tags"])
    count = sandbox.count("contacts", START_MS, END_MS, "line")

    async def steps(client: Client) -> None:
        await upsert(client, before["id"], name="Neu", tagsToAdd=["a", "a"], status=False)
        await upsert(client, before["id"], status=True)
        row = await find(client, before["id"])
        changed = {"name", "tags", "status", "updatedAt", "subscribedAt", "unsubscribedAt"}
        assert {key: row[key] for key in set(before) - changed} == {
            key: before[key] for key in set(before) - changed
        }
        assert row["tags"] == [*before["tags"], "a"]
        assert row["subscribedAt"] == row["unsubscribedAt"] == row["updatedAt"] == NOON

    visit(sandbox, steps)
    assert sandbox.count("contacts", START_MS, END_MS, "line") == count - 1
    assert sandbox.count("contacts", NOON, NOON + 1, "line") == 1
    assert sandbox.count("contacts", START_MS, END_MS, "facebook") == count


@pytest.mark.parametrize(
    ("changes", "tags", "logged"),
    [
        ({"tags": ["b", "c", "c"]}, ["b", "c"], ["c"]),
        ({"tags": []}, [], []),
        ({"tagsToAdd": ["a", "c"]}, ["a", "b", "c"], ["c"]),
        ({"tagsToRemove": ["a", "z"]}, ["b"], []),
        ({"tagsToAdd": ["c", "d"], "tagsToRemove": ["a", "d"]}, ["b", "c"], ["c"]),
        ({"tags": None, "tagsToAdd": ["c"]}, ["a", "b", "c"], ["c"]),
    ],
)
@pytest.mark.parametrize("by", ["contact", "member", "omni"])
def test_tags(changes: dict[str, Any], tags: list[str], logged: list[str], by: str) -> None:
    sandbox = noon()

    async def steps(client: Client) -> None:
        await upsert(client, "Unew", memberId="X1", tags=["a", "b"])
        if by == "contact":
            await upsert(client, "Unew", **changes)
        else:
            omni_id = sandbox.omni_customer_id("X1")
            query = {"memberId": "X1"} if by == "member" else {"omniCustomerId": omni_id}
            assert (await client.send("PUT", "/customers", changes, **query)).status == 204
        assert (await find(client, "Unew"))["tags"] == tags
        assert (await customer(client, "X1"))["tags"] == tags
        log = await tag_log(client)
        assert [row["tag"] for row in log] == ["a", "b", *logged]
        assert {row["source"] for row in log} == {"open_api"}
        assert {row["messageId"] for row in log} == {None}
        assert {(row["platform"], row["channelId"]) for row in log} == {("line", LINE)}
        assert {row["userId"] for row in log} == {"Unew"}

    visit(sandbox, steps)


def test_custom_attributes_are_typed_merged_and_cleared() -> None:
    first: dict[str, Any] = {"MemberTier": "GOLD", "Points": 2031, "TotalSpending": 900.5}
    first |= {"AcceptedMarketingPromotion": True, "LastPurchaseDate": "2022-11-01"}
    first |= {"RegisterDatetime": "2022-11-01T14:16:00"}
    then = {"MemberTier": "", "Points": 0, "LastPurchaseDate": "", "RegisterDatetime": ""}
    cleared = dict.fromkeys(("LastPurchaseDate", "RegisterDatetime"), "1970-01-01")

    def as_list(values: dict[str, Any]) -> list[dict[str, Any]]:
        return [{"key": key, "value": value} for key, value in values.items()]

    async def steps(client: Client) -> None:
        await upsert(client, "Unew", memberId="X1", customAttributes=as_list(first))
        shown = (await customer(client, "X1"))["customAttributes"]
        assert {a["key"]: a["type"] for a in shown} == {
            "MemberTier": 1,
            "Points": 2,
            "TotalSpending": 2,
            "LastPurchaseDate": 3,
            "RegisterDatetime": 4,
            "AcceptedMarketingPromotion": 5,
        }
        assert {a["key"]: a["value"] for a in shown}["RegisterDatetime"] == "2022-11-01 14:16:00"
        await upsert(client, "Unew", customAttributes=as_list(then))
        row = await find(client, "Unew")
        values = {a["key"]: a["value"] for a in row["customAttributes"]}
        assert values == first | then | cleared

    visit(noon(), steps)


def test_an_agent_can_be_bound_to_a_contact() -> None:
    async def steps(client: Client) -> None:
        users = (await client.get("/system-users")).json["content"]
        agent = next(user for user in users if user["employeeCode"] == "S0003")
        shop = agent["shops"][1]
        code = {"agentEmployeeCode": "S0003", "agentLocationCode": shop["code"]}
        await upsert(client, "Unew", **code, extraAttributes={"a": "b"})
        row = await find(client, "Unew")
        assert row["agentName"] == agent["name"]
        assert row["agentLocationName"] == shop["name"]
        assert row["agentBindTime"] == NOON

    visit(noon(), steps)


def test_a_contact_without_a_phone_is_found_by_its_bsuid() -> None:
    async def steps(client: Client) -> None:
        query = {"channelId": WHATSAPP, "bsuid": "US.1"}
        await client.send("PUT", "/contacts/whatsapp", {"name": "Neu"}, **query)
        await client.send("PUT", "/contacts/whatsapp", {"note": "n"}, **query)
        answer = await client.get("/contacts", platform="whatsapp", **query)
        (row,) = answer.json["content"]
        assert (row["bsuid"], row["name"], row["note"]) == ("US.1", "Neu", "n")
        both = await client.send("PUT", "/contacts/whatsapp", {}, userId="85260999999", **query)
        assert both.status == 204
        assert (await find(client, "85260999999", "whatsapp"))["phone"] == "85260999999"
        deleted = await client.send("DELETE", "/contacts/whatsapp", **query)
        assert deleted.status == 204

    visit(noon(), steps)


@pytest.mark.parametrize("made", [True, False])
def test_a_deleted_contact_is_gone(made: bool) -> None:
    sandbox = noon()
    user_id = "Unew" if made else contact(sandbox)["id"]

    async def steps(client: Client) -> None:
        await upsert(client, "Uother")
        if made:
            await upsert(client, user_id, phone="852900")
        query = {"channelId": LINE, "userId": user_id}
        answer = await client.send("DELETE", "/contacts/line", **query)
        assert (answer.status, answer.raw) == (204, b"")
        again = await client.send("DELETE", "/contacts/line", **query)
        assert refusal(again) == (404, "CONTACT_NOT_FOUND")
        looked = await client.get("/contacts", platform="line", **query)
        assert refusal(looked) == (404, "USER_ID_NOT_FOUND")
        assert [row["id"] for row in await changed_contacts(client)] == ["Uother"]
        await upsert(client, user_id)  # and may come back
        assert (await find(client, user_id))["tags"] == []

    before = sandbox.count("contacts", START_MS, END_MS)
    visit(sandbox, steps)
    assert sandbox.count("contacts", START_MS, END_MS) == before - (not made)


@pytest.mark.parametrize("spelling", ["webchat", "website"])
def test_a_webchat_contact_is_changed_and_deleted_in_either_spelling(spelling: str) -> None:
    sandbox = noon()
    user_id = contact(sandbox, "webchat")["id"]

    async def steps(client: Client) -> None:
        await upsert(client, user_id, "webchat", memberId="X1")
        (linked,) = (await customer(client, "X1"))["linkedUsers"]
        assert linked["channelUserId"] is linked["channelUsername"] is linked["roomId"] is None
        query = {"channelId": spelling, "userId": user_id}
        assert (await client.send("DELETE", f"/contacts/{spelling}", **query)).status == 204

    visit(sandbox, steps)


def test_a_contact_made_before_its_computed_time_does_not_come_twice() -> None:
    now = [START_MS]
    sandbox = small(wall_ms=lambda: now[0])
    late = contact(small(), n=300)

    async def steps(client: Client) -> None:
        await upsert(client, late["id"], name="early")
        now[0] = END_MS
        assert (await find(client, late["id"]))["name"] == "early"

    visit(sandbox, steps)
    ids = [row["id"] for row in sandbox.rows("contacts", START_MS, END_MS, "line")]
    assert ids.count(late["id"]) == 1


def test_a_customer_is_one_person_on_all_platforms() -> None:
    async def steps(client: Client) -> None:
        await upsert(client, "Uline", memberId="X1", tags=["a"], name="L", phone="1")
        await upsert(client, "85260999999", "whatsapp", memberId="X1", tags=["b"], status=False)
        shown = await customer(client, "X1")
        assert shown["tags"] == ["a", "b"]
        assert shown["name"] == "85260999999"  # of the last platform
        assert [user["platform"] for user in shown["linkedUsers"]] == ["line", "whatsapp"]
        assert [user["subscribed"] for user in shown["linkedUsers"]] == [True, False]
        body = {"name": "Both", "tagsToAdd": ["c"], "tagsToRemove": ["b"]}
        assert (await client.send("PUT", "/customers", body, memberId="X1")).status == 204
        assert (await find(client, "Uline"))["tags"] == ["a", "c"]
        assert (await find(client, "85260999999", "whatsapp"))["name"] == "Both"
        await upsert(client, "Uline", tagsToRemove=["a"], name="L2")
        shown = await customer(client, "X1")
        assert (shown["name"], shown["tags"]) == ("L2", ["c"])
        assert (await client.send("DELETE", "/customers", memberId="X1")).status == 204
        again = await client.send("DELETE", "/customers", memberId="X1")
        assert refusal(again) == (404, "CONTACT_NOT_FOUND")
        gone = await client.get("/customers", memberId="X1")
        assert refusal(gone) == (404, "CONTACT_NOT_FOUND")
        assert await changed_contacts(client) == []

    visit(noon(), steps)


def test_customers_without_contacts() -> None:
    sandbox = noon()

    async def steps(client: Client) -> None:
        body = {"name": "Solo", "tags": ["a"], "email": "solo@example.com"}
        await client.send("PUT", "/customers", body, memberId="X9")
        shown = await customer(client, "X9")
        assert (shown["name"], shown["memberId"], shown["email"]) == ("Solo", "X9", body["email"])
        assert (shown["socialChannelSubscribed"], shown["reachable"]) == (False, False)
        assert shown["createdAt"] == shown["updatedAt"] == NOON
        await client.send("PUT", "/customers", {"name": "Nobody"}, omniCustomerId="oc-1")
        assert await tag_log(client) == []

    visit(sandbox, steps)
    nobody = sandbox.customer("oc-1")
    assert nobody is not None
    assert (nobody["name"], nobody["memberId"]) == ("Nobody", None)
    assert sandbox.customer("oc-2") is None


def test_a_computed_customer_is_changed_by_its_omni_id() -> None:
    sandbox = noon()
    rows = sandbox.rows("contacts", START_MS, END_MS, "line", LINE)
    row = next(row for row in rows if row["memberId"])
    member_id = str(row["memberId"])

    async def steps(client: Client) -> None:
        omni_id = sandbox.omni_customer_id(member_id)
        assert (await customer(client, member_id))["username"] == omni_id
        await client.send("PUT", "/customers", {"phone": "852900"}, omniCustomerId=omni_id)
        assert (await find(client, row["id"]))["phone"] == "852900"

    visit(sandbox, steps)


def test_points_add_up_and_doubles_are_seen() -> None:
    sandbox = noon()

    async def steps(client: Client) -> None:
        await upsert(client, "Unew", memberId="X1", phone="852900", email="x@example.com")
        for body in (
            {"memberId": "X1", "points": 10},
            {"memberId": "X1", "points": 10, "phone": "", "email": ""},
            {"phone": "852900", "points": 5},
            {"email": "x@example.com", "points": -3},
        ):
            answer = await client.send("PUT", "/loyalty-points/action/adjust", body)
            assert (answer.status, answer.raw) == (200, b"")
        shown = await customer(client, "X1")
        assert (shown["pointBalance"], shown["accumulatedPoints"]) == ("22", "25")

    visit(sandbox, steps)
    everybody = ("X1", "852900", "x@example.com", "X2")
    assert [sandbox.points(who) for who in everybody] == [20, 5, -3, 0]


def test_computed_customers_have_points_already() -> None:
    sandbox = noon()
    row = next(row for row in sandbox.rows("contacts", START_MS, END_MS, "line") if row["memberId"])
    member_id = str(row["memberId"])

    async def steps(client: Client) -> None:
        before = int((await customer(client, member_id))["pointBalance"])
        body = {"memberId": member_id, "points": 7}
        await client.send("PUT", "/loyalty-points/action/adjust", body)
        assert int((await customer(client, member_id))["pointBalance"]) == before + 7

    visit(sandbox, steps)
    assert sandbox.points(member_id) == 7


def test_identities() -> None:
    sandbox = noon()
    rows = list(sandbox.rows("contacts", START_MS, END_MS, "line", LINE))[:20]
    other = next(sandbox.rows("contacts", START_MS, END_MS, "line", LINE_2))
    expected = {row["id"]: row["memberId"] or None for row in rows}
    expected |= {other["id"]: None, "nobody": None}
    body = {"platform": "line", "channelId": LINE, "ids": list(expected)}
    answer = visit(sandbox, lambda client: client.send("POST", "/identities/member-data", body))
    content = [{"id": user_id, "memberId": member} for user_id, member in expected.items()]
    assert answer.json == {"content": content}
