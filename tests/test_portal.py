"""What the team has set up: chatbots, users, channels, menus, referral links, the public key."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from omnichat_async import DecodeError, NotFound, OmnichatClient
from omnichat_async.models import (
    Chatbot,
    ChatbotType,
    LinkTrackingMode,
    MessageBlock,
    NamedChannel,
    Platform,
    ReferralLink,
    RichMenu,
    RichMenuAction,
    RichMenuArea,
    RichMenuStatus,
    Shop,
    SystemUser,
)
from omnichat_async.sandbox import Sandbox
from tests.support.asking import ask, asked, failure, refusal, samples, sent_twice
from tests.support.run import run
from tests.support.wire import reply
from tests.test_checks import RSA_PKCS1, RSA_SPKI

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

NASTY = "a/b?c#d%e +&=.."
ENCODED = "a%2Fb%3Fc%23d%25e%20%2B%26%3D.."
CALLS: dict[str, Callable[[OmnichatClient], Awaitable[Any]]] = {
    "GET /chatbots": lambda client: client.chatbots.list(),
    f"GET /chatbots/{ENCODED}/message-blocks": lambda client: client.chatbots.message_blocks(NASTY),
    "GET /system-users": lambda client: client.system_users.list(),
    "GET /channels": lambda client: client.channels.list(),
    "GET /rich-menus": lambda client: client.rich_menus.list(),
    f"GET /rich-menus/{ENCODED}": lambda client: client.rich_menus.get(NASTY),
    f"GET /product-referral-links/info?ocsaid={ENCODED}": lambda client: client.referral_links.info(
        NASTY
    ),
}
MAY_SAY_NOTHING = [name for name in CALLS if "message-blocks" in name or "ocsaid" in name]


def answered(name: str, body: Any) -> Any:
    """What the call of this request gives for an answer."""
    return ask(CALLS[name], reply(200, body))[0]


@pytest.mark.parametrize("name", CALLS)
def test_each_call_is_one_get_that_may_be_repeated(name: str) -> None:
    good = reply(200, {"content": []})
    _, (request,) = ask(CALLS[name], good)
    assert f"{request.method} {request.target.removeprefix('/v1')}" == name
    assert request.body == b""
    sent_twice(CALLS[name], good)


@pytest.mark.parametrize("body", [{"content": []}, [], {"content": [], "totalElements": 0}])
@pytest.mark.parametrize("name", CALLS)
def test_an_empty_list_is_one(name: str, body: Any) -> None:
    assert answered(name, body) in ([], None)


@pytest.mark.parametrize("body", [{"content": None}, {}, {"totalElements": 0}, b"", None])
@pytest.mark.parametrize("name", CALLS)
def test_an_answer_without_a_list_is_an_error_unless_there_may_be_nothing(
    name: str, body: Any
) -> None:
    if name in MAY_SAY_NOTHING:
        assert answered(name, body) in ([], None)
    else:
        assert isinstance(failure(CALLS[name], reply(200, body))[0], DecodeError)


@pytest.mark.parametrize("body", [b"<html></html>", {"content": "x"}, {"content": [5]}, 5])
@pytest.mark.parametrize("name", CALLS)
def test_an_answer_that_is_something_else_is_an_error(name: str, body: Any) -> None:
    assert isinstance(failure(CALLS[name], reply(200, body))[0], DecodeError)


@pytest.mark.parametrize("bad", ["", None, 5])
def test_ids_are_text(bad: Any) -> None:
    assert refusal(lambda client: client.chatbots.message_blocks(bad)).field == "chatbot_id"
    assert refusal(lambda client: client.rich_menus.get(bad)).field == "menu_id"
    assert refusal(lambda client: client.referral_links.info(bad)).field == "ocsaid"


# ---- chatbots ----------------------------------------------------------------------------------


def test_the_documented_chatbots_and_blocks() -> None:
    assert answered("GET /chatbots", samples("chatbots")[0]["response"]) == [
        Chatbot(
            id="0031ab01-93b1-480a-9270-83b4f48c4229", name="LINE chatbot", type=ChatbotType.LINE
        ),
        Chatbot(
            id="007898be-c595-4668-a6ba-1ab9c593cace",
            name="FB chatbot",
            type=ChatbotType.FACEBOOK_INSTAGRAM,
        ),
    ]
    blocks = samples("message_blocks")[0]["response"]
    assert answered(MAY_SAY_NOTHING[0], blocks) == [
        MessageBlock(id="07269d7a-68d6-4f36-9c0b-c837d9b296ef", name="Promo 1 Block"),
        MessageBlock(id="0833e711-f607-42da-aff7-b566b2d760e9", name="Promo 2 Block"),
    ]


@pytest.mark.parametrize("number", [1, 2, 3, 4, 5, 6, 7, 0, -1, None])
def test_a_chatbot_of_any_type_is_read(number: int | None) -> None:
    (bot,) = answered("GET /chatbots", [{"id": "b", "type": number}])
    assert bot.type == number
    assert isinstance(bot.type, ChatbotType) == (number in range(1, 7))


@pytest.mark.parametrize("bad", [True, "1", 1.0, []])
def test_a_chatbots_type_is_a_whole_number(bad: Any) -> None:
    error, _ = failure(CALLS["GET /chatbots"], reply(200, [{"id": "b", "type": bad}]))
    assert isinstance(error, DecodeError)
    assert (error.path, error.expected) == ("$[0].type", "a whole number")


def test_no_such_chatbot() -> None:
    unknown = reply(400, {"errorCode": "CHATBOT_NOT_FOUND", "message": ""})
    assert isinstance(failure(CALLS[MAY_SAY_NOTHING[0]], unknown)[0], NotFound)


# ---- users and channels ------------------------------------------------------------------------


def test_the_documented_users() -> None:
    john, peter = answered("GET /system-users", samples("system_users")[0]["response"])
    assert john == SystemUser(
        username="1d9e3925-f08c-4236-92ef-b4c5394c9a14",
        team="Omnichat",
        name="John Doe",
        email="john.doe@omnichat.ai",
        phone="+85212345678",
        profile_picture="https://media-cdn.omnichat.ai/upload/photos/user-upload-photo/"
        "1d9e3925-f08c-4236-92ef-b4c5394c9a14.png",
        available=True,
        status=1,
        role=7,
        employee_code="E0001",
        shops=[Shop(id="60fd8409892243037e17f1d2", code="A01", name="Shop A01")],
    )
    assert (peter.phone, peter.profile_picture, peter.employee_code) == (None, None, None)
    assert peter.shops == []


@pytest.mark.parametrize("wrapped", [True, False])
def test_the_documented_channels(wrapped: bool) -> None:
    rows = samples("channels")[0]["response"]
    assert answered("GET /channels", {"content": rows} if wrapped else rows) == [
        NamedChannel(platform=Platform.WEBCHAT, channel_id="webchat", channel_name="Team name"),
        NamedChannel(
            platform=Platform.LINE, channel_id="1657703186", channel_name="LINE Channel Name"
        ),
    ]


def test_the_remark_calls_webchat_web() -> None:
    (channel,) = answered("GET /channels", [{"platform": "web", "channelId": "webchat"}])
    assert channel.platform is Platform.WEBCHAT


# ---- rich menus --------------------------------------------------------------------------------


@pytest.mark.parametrize("menu_id", ["1001", 1001])
def test_a_menu_has_its_id_as_text(menu_id: Any) -> None:
    row = {"id": menu_id, "name": "Menu", "status": "PUBLISHED"}
    expected = RichMenu(id="1001", name="Menu", status=RichMenuStatus.PUBLISHED)
    for body in ({"content": [row]}, {"content": row}, [row], {"content": {"menus": [row]}}):
        assert answered("GET /rich-menus", body) == [expected]


@pytest.mark.parametrize(
    ("row", "path", "expected"),
    [
        ({"id": True}, "content[0].id", "a string or a whole number"),
        ({"id": None}, "content[0].id", "a string or a whole number"),
        ({"id": 1.5}, "content[0].id", "a string or a whole number"),
        ({"id": 1, "name": 5}, "content[0].name", "a string"),
        ({"name": "x"}, "content[0].id", "a value"),
    ],
)
def test_a_menu_without_a_proper_id_is_an_error(row: Any, path: str, expected: str) -> None:
    error, _ = failure(CALLS["GET /rich-menus"], reply(200, {"content": [row]}))
    assert isinstance(error, DecodeError)
    assert (error.path, error.expected) == (path, expected)


AREAS = [
    {
        "area": "A",
        "actionType": "postback",
        "actionContent": "LINE chatbot > Welcome",
        "clickedCount": 12,
        "clickedPercentage": "23.45%",
    },
    {"area": "B", "actionType": "certified_provider", "actionContent": None},
    {"area": "C", "actionType": "hologram", "clickedPercentage": ""},
]


@pytest.mark.parametrize(
    "body",
    [
        {"content": AREAS},
        {"content": {"areas": AREAS}},
        {"content": {"id": 7, "name": "Menu", "areas": AREAS}},
        AREAS,
        {"areas": AREAS},
    ],
)
def test_areas_come_as_an_array_or_in_an_object(body: Any) -> None:
    first, second, third = answered(f"GET /rich-menus/{ENCODED}", body)
    assert first == RichMenuArea(
        area="A",
        action_type=RichMenuAction.POSTBACK,
        action_content="LINE chatbot > Welcome",
        clicked_count=12,
        clicked_percentage="23.45%",
    )
    assert first.percent == Decimal("23.45")
    assert (second.action_type, second.action_content, second.percent) == (
        RichMenuAction.CERTIFIED_PROVIDER,
        None,
        None,
    )
    assert (third.action_type, third.percent) == ("hologram", None)


# ---- referral links ----------------------------------------------------------------------------

OCSAID = "c9ecaebe-7e50-4b9a-ae3c-e233390319dc:LP:639ace6c69c2b348ad6f6806"
INFO = samples("referral_links")[0]["response"]
KEN = ReferralLink(
    agent_name="Sales Ken",
    agent_employee_code="S0001",
    agent_location_name="Shop A",
    agent_location_code="S-001",
    link_sent_time=datetime(2020, 11, 6, 8, 17, 36, 53_000, UTC),
    link_clicked_time=datetime(2020, 11, 6, 8, 17, 36, 53_000, UTC),
    link_tracking_mode=LinkTrackingMode.SENT,
    link_lifetime=14,
)


@pytest.mark.parametrize(
    "body",
    [
        INFO,
        INFO["content"],
        {"content": [INFO["content"]], "totalElements": 1},
        [INFO["content"], {"agentName": "another"}],
    ],
)
def test_a_link_is_an_object_or_an_array(body: Any) -> None:
    link, (request,) = ask(lambda client: client.referral_links.info(OCSAID), reply(200, body))
    assert link == KEN
    query = "ocsaid=c9ecaebe-7e50-4b9a-ae3c-e233390319dc%3ALP%3A639ace6c69c2b348ad6f6806"
    assert request.target == f"/v1/product-referral-links/info?{query}"


def test_a_link_nobody_knows() -> None:
    info = CALLS[MAY_SAY_NOTHING[1]]
    assert ask(info, reply(404, {"errorCode": "NOT_FOUND", "message": ""}))[0] is None
    assert isinstance(failure(info, reply(404, b"<html>"))[0], NotFound)


# ---- the public key ----------------------------------------------------------------------------


def upload(phone: Any, pem: Any) -> Callable[[OmnichatClient], Awaitable[None]]:
    return lambda client: client.whatsapp_business.upload_public_key(phone, pem)


@pytest.mark.parametrize("pem", [RSA_SPKI, RSA_PKCS1, RSA_SPKI.replace("\n", "\r\n")])
def test_a_key_goes_out_as_it_is(pem: str) -> None:
    assert asked(upload("85298765432", pem)) == (
        "POST /whatsapp-business/public-key",
        {"phone": "85298765432", "businessPublicKey": pem},
    )
    assert ask(upload("85298765432", pem), reply(200))[0] is None
    sent_twice(upload("85298765432", pem), reply(200))


@pytest.mark.parametrize(
    ("phone", "pem", "field"),
    [
        ("+85298765432", RSA_SPKI, "phone"),
        ("", RSA_SPKI, "phone"),
        (85298765432, RSA_SPKI, "phone"),
        ("85298765432", "", "pem"),
        ("85298765432", "hello", "pem"),
        ("85298765432", RSA_SPKI.replace("PUBLIC", "PRIVATE"), "pem"),
        ("85298765432", RSA_SPKI[:200], "pem"),
        ("85298765432", RSA_SPKI.encode(), "pem"),
    ],
)
def test_what_is_no_public_key_stays_here(phone: Any, pem: Any, field: str) -> None:
    error = refusal(upload(phone, pem))
    assert error.field == field
    assert "9876" not in str(error)
    assert "MIIB" not in str(error)


# ---- the sandbox -------------------------------------------------------------------------------


@pytest.mark.parametrize("variants", ["collection", "guide"])
def test_the_sandbox_shows_its_portal(variants: Any) -> None:
    async def main() -> None:
        sandbox = Sandbox(rows=500, limit=None, variants=variants)
        async with sandbox, OmnichatClient(sandbox.token, base_url=sandbox.url) as client:
            bots = await client.chatbots.list()
            assert {type(bot.type) for bot in bots} == {ChatbotType}
            assert await client.chatbots.message_blocks(bots[0].id)
            with pytest.raises(NotFound):
                await client.chatbots.message_blocks("none")
            assert any(user.shops for user in await client.system_users.list())
            channels = {channel.platform for channel in await client.channels.list()}
            assert channels == {Platform.LINE, Platform.WEBCHAT}
            menus = await client.rich_menus.list()
            assert [menu.status for menu in menus] == list(RichMenuStatus)
            areas = await client.rich_menus.get(menus[0].id)
            assert [area.action_type for area in areas] == list(RichMenuAction)
            with pytest.raises(NotFound):
                await client.rich_menus.get("none")
            link = await client.referral_links.info(OCSAID)
            assert link is not None
            assert link.extra == {}
            assert type(link.link_tracking_mode) is LinkTrackingMode
            assert await client.referral_links.info("nobody:LP:knows") is None
            await client.whatsapp_business.upload_public_key("85290000001", RSA_SPKI)
            assert list(sandbox.public_keys.values()) == [RSA_SPKI]

    run(main())
