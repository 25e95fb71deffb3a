"""Contacts are written and erased: exact requests, what is refused first, what is repeated."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from omnichat_async import BadRequest, InvalidRequest, NotFound, OmnichatClient
from omnichat_async.models import ContactUpdate, Platform
from omnichat_async.sandbox import Sandbox
from tests.support.asking import ask, asked, failure, refusal, samples, sent_twice
from tests.support.builders import CHANGES
from tests.support.run import run
from tests.support.wire import drop, reply

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

LINE: dict[str, Any] = {
    "platform": "line",
    "channel_id": "1655713616",
    "user_id": "Ufc16ca0dac59929c665558fd0c040d1c",
}
WHATSAPP: dict[str, Any] = {"platform": "whatsapp", "channel_id": "85290000001"}
PETER = ContactUpdate(
    status=False,
    member_id="M00001",
    agent_employee_code="EMP-001",
    agent_location_code="SHOP-A",
    **CHANGES,
)


def upsert(
    contact: ContactUpdate | None = None, **where: Any
) -> Callable[[OmnichatClient], Awaitable[None]]:
    body = ContactUpdate() if contact is None else contact
    return lambda client: client.contacts.upsert(**(where or LINE), contact=body)


def delete(**where: Any) -> Callable[[OmnichatClient], Awaitable[None]]:
    return lambda client: client.contacts.delete(**(where or LINE))


def test_the_documented_sample_is_written_exactly() -> None:
    target = "PUT /contacts/line?channelId=1655713616&userId=Ufc16ca0dac59929c665558fd0c040d1c"
    assert asked(upsert(PETER)) == (target, samples("contact_upsert")[0]["request"])


@pytest.mark.parametrize(
    ("update", "body"),
    [
        ({}, {}),
        ({"name": "", "note": ""}, {"name": "", "note": ""}),
        ({"tags": []}, {"tags": []}),
        ({"tags": ("a", "b")}, {"tags": ["a", "b"]}),
        ({"status": True}, {"status": True}),
        ({"extra_attributes": {"k": ""}}, {"extraAttributes": {"k": ""}}),
        ({"custom_attributes": {}}, {"customAttributes": []}),
        (
            {"custom_attributes": {"a": "", "b": 0, "c": False}},
            {
                "customAttributes": [
                    {"key": "a", "value": ""},
                    {"key": "b", "value": 0},
                    {"key": "c", "value": False},
                ]
            },
        ),
    ],
)
def test_only_what_is_given_is_written(update: dict[str, Any], body: Any) -> None:
    assert asked(upsert(ContactUpdate(**update)))[1] == body


@pytest.mark.parametrize(
    ("where", "put", "erase"),
    [
        (
            {"platform": "WHATSAPP", "channel_id": "852", "user_id": "853"},
            "whatsapp?channelId=852&userId=853",
            "whatsapp?channelId=852&userId=853",
        ),
        (
            WHATSAPP | {"bsuid": "HK.1&2"},
            "whatsapp?channelId=85290000001&bsuid=HK.1%262",
            "whatsapp?channelId=85290000001&bsuid=HK.1%262",
        ),
        (
            WHATSAPP | {"user_id": "853", "bsuid": "HK.1"},
            "whatsapp?channelId=85290000001&userId=853&bsuid=HK.1",
            "whatsapp?channelId=85290000001&userId=853&bsuid=HK.1",
        ),
        (
            {"platform": Platform.WEBCHAT, "channel_id": "webchat", "user_id": "u"},
            "webchat?channelId=webchat&userId=u",
            "website?channelId=website&userId=u",
        ),
        (
            {"platform": "website", "channel_id": "website", "user_id": "u"},
            "webchat?channelId=webchat&userId=u",
            "website?channelId=website&userId=u",
        ),
        (
            {"platform": "web", "channel_id": "shop-2", "user_id": "u"},
            "webchat?channelId=shop-2&userId=u",
            "website?channelId=shop-2&userId=u",
        ),
        (
            {"platform": "../x/y?z#%", "channel_id": "a+b c", "user_id": "wamid.H/+=="},
            "..%2Fx%2Fy%3Fz%23%25?channelId=a%2Bb%20c&userId=wamid.H%2F%2B%3D%3D",
            "..%2Fx%2Fy%3Fz%23%25?channelId=a%2Bb%20c&userId=wamid.H%2F%2B%3D%3D",
        ),
    ],
)
def test_a_contact_is_named_in_the_path_and_the_query(
    where: dict[str, Any], put: str, erase: str
) -> None:
    assert asked(upsert(**where)) == (f"PUT /contacts/{put}", {})
    assert asked(delete(**where)) == (f"DELETE /contacts/{erase}", None)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"platform": ""}, "platform"),
        ({"platform": None}, "platform"),
        ({"channel_id": ""}, "channel_id"),
        ({"channel_id": None}, "channel_id"),
        ({"user_id": ""}, "user_id"),
        ({"user_id": None}, "user_id"),
        ({"user_id": 5}, "user_id"),
        ({"bsuid": "HK.1"}, "bsuid"),
        ({"user_id": None, "bsuid": "HK.1"}, "bsuid"),
        ({"platform": "whatsapp", "bsuid": ""}, "bsuid"),
        ({"platform": "whatsapp", "user_id": None}, "user_id"),
    ],
)
def test_a_contact_nobody_could_find_is_refused_first(change: Any, field: str) -> None:
    for call in (upsert, delete):
        assert refusal(call(**(LINE | change))).field == field


LONG_KEY, LONG_VALUE = "k" * 101, "v" * 1001


@pytest.mark.parametrize(
    ("update", "field"),
    [
        ({"tags": ["a"], "tags_to_add": ["b"]}, "tags"),
        ({"tags": ["a"], "tags_to_remove": []}, "tags"),
        ({"tags": "a"}, "tags"),
        ({"tags_to_add": [""]}, "tags_to_add"),
        ({"tags_to_remove": [5]}, "tags_to_remove"),
        ({"custom_attributes": [("a", 1)]}, "custom_attributes"),
        ({"custom_attributes": {LONG_KEY: 1}}, "custom_attributes key"),
        ({"custom_attributes": {"a": LONG_VALUE}}, "custom_attributes value"),
        ({"custom_attributes": {"a": float("nan")}}, "custom_attributes value"),
        ({"custom_attributes": {"a": None}}, "custom_attributes value"),
        ({"extra_attributes": ["a"]}, "extra_attributes"),
        ({"extra_attributes": {"": "a"}}, "extra_attributes key"),
        ({"extra_attributes": {"a": 5}}, "extra_attributes value"),
        ({"name": 5}, "name"),
        ({"note": b"x"}, "note"),
        ({"member_id": 7}, "member_id"),
        ({"agent_employee_code": 7}, "agent_employee_code"),
        ({"status": 1}, "status"),
        ({"status": "false"}, "status"),
    ],
)
def test_an_update_the_api_would_refuse_cannot_be_made(update: Any, field: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        ContactUpdate(**update)
    assert caught.value.field == field


def test_the_longest_attribute_is_fine() -> None:
    ContactUpdate(custom_attributes={"k" * 100: "v" * 1000})


def test_both_are_safe_to_repeat() -> None:
    sent_twice(upsert(PETER), reply(204))
    sent_twice(delete(), reply(204))


GONE = reply(404, {"errorCode": "CONTACT_NOT_FOUND", "message": ""})


def test_a_contact_that_an_earlier_attempt_erased_is_no_error() -> None:
    assert ask(delete(), drop(), GONE)[0] is None


@pytest.mark.parametrize("script", [[GONE], [drop(), reply(404, b"<html>")]])
def test_a_contact_that_never_was_is_an_error(script: Any) -> None:
    assert isinstance(failure(delete(), *script)[0], NotFound)


def test_the_server_may_know_better() -> None:
    unknown = reply(400, {"errorCode": "INVALID_CUSTOM_ATTRIBUTE", "message": "no"})
    error, requests = failure(upsert(PETER), unknown)
    assert isinstance(error, BadRequest)
    assert (error.code, requests) == ("INVALID_CUSTOM_ATTRIBUTE", 1)


@pytest.mark.parametrize("platform", ["line", "whatsapp", "webchat"])
def test_a_contact_of_the_sandbox_is_changed_and_erased(platform: str) -> None:
    async def main() -> None:
        sandbox = Sandbox(rows=500, limit=None)
        async with sandbox, OmnichatClient(sandbox.token, base_url=sandbox.url) as client:
            span = (sandbox.config.start_ms, sandbox.config.end_ms)
            row: dict[str, Any] = next(sandbox.rows("contacts", *span, platform))
            channel = row["channel"]["channelId"]
            where: dict[str, Any] = {"platform": platform, "channel_id": channel}
            where["user_id"] = row["id"]
            update = ContactUpdate(name="Ada", tags=["VIP"], custom_attributes={"Points": 5})
            await client.contacts.upsert(**where, contact=update)
            found = await client.contacts.find(**where)
            assert found is not None
            assert (found.name, found.tags) == ("Ada", ["VIP"])
            assert ("Points", 5) in [(each.key, each.value) for each in found.custom_attributes]
            await client.contacts.delete(**where)
            assert await client.contacts.find(**where) is None
            with pytest.raises(NotFound):
                await client.contacts.delete(**where)

    run(main())
