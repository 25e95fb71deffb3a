"""One call or more of each operation: together they use every parameter and field there is."""

from __future__ import annotations

import functools
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

import attrs

from omnichat_async.models import (
    AgentMessage,
    Block,
    Broadcast,
    CatalogButton,
    ContactUpdate,
    CustomerUpdate,
    DirectMessage,
    FlexTemplate,
    FlexTemplates,
    HeadlessMessage,
    Image,
    MediaHeader,
    Notification,
    Product,
    Products,
    QuickReply,
    Roster,
    RosterRecord,
    Shift,
    Text,
    UrlButton,
    WhatsAppTemplate,
    agent_messages,
    headless,
)
from omnichat_async.models.headless import ReplyButton
from tests.test_agent_messages import WIRE
from tests.test_checks import RSA_SPKI
from tests.test_conversions import EVENTS
from tests.test_headless import CONTENTS
from tests.test_orders import FULL

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from omnichat_async import OmnichatClient

    Drive = Callable[[OmnichatClient], Awaitable[Any]]

WEEK_MS = 7 * 86_400_000
URL = "https://example.com/a"


@attrs.frozen(kw_only=True)
class Ids:
    """What the calls are about; the defaults name nothing that exists."""

    start: int = 1_735_689_600_000
    line: str = "1650000000"
    whatsapp: str = "85251000000"
    line_user: str = "U1"
    whatsapp_user: str = "85291234567"
    bsuid: str = "US.13491208655302741918"
    message: str = "wamid.a/b=="
    chatbot: str = "bot-1"
    block: str = "block-1"
    broadcast: str = "broadcast-1"
    menu: str = "12"
    member: str = "m-1"
    omni: str = "omni-1"
    phone: str = "85291234567"
    email: str = "ada@example.com"
    team: str = "team-1"
    ai_rooms: tuple[str, str, str] = ("room-1", "room-2", "room-3")
    line_ai_room: str = "room-4"
    webchat_ai_room: str = "room-5"
    agent_email: str = "agent1@example.com"
    agent_phone: str = "+85298765432"
    code: str = "S0002"
    shop: str = "S-001"


UPDATE: dict[str, Any] = {
    "name": "Ada",
    "email": "ada@example.com",
    "phone": "85291234567",
    "custom_attributes": {
        "MemberTier": "GOLD",
        "Points": 3,
        "TotalSpending": 1.5,
        "AcceptedMarketingPromotion": True,
        "LastPurchaseDate": date(2022, 11, 1),
        "RegisterDatetime": datetime(2022, 11, 1, 14, 16),  # noqa: DTZ001
    },
}
PRODUCTS = Products([Product(name="Tee", image=URL, url=URL, button_label="View", price="TWD$1")])
TEMPLATES = [
    WhatsAppTemplate(
        "t",
        namespace="n",
        language="en_US",
        language_policy="deterministic",
        header=header,
        body=body,
        buttons=[UrlButton("x"), QuickReply("y"), CatalogButton("z")],
    )
    for header, body in (
        (MediaHeader.image(URL), ["Ada"]),
        (MediaHeader.video(URL), {"first_name": "Ada"}),
        (MediaHeader.document(URL, "a.pdf"), ()),
        (["Hello"], ()),
    )
]
ON_LINE = [WIRE[name][0] for name in ("text", "image", "audio", "video for LINE", "quick reply")]
ON_WEBCHAT = [WIRE[name][0] for name in ("video", "map", "map with app")]
MIXED = [Text("x"), Image(URL), PRODUCTS]


def drives(ids: Ids) -> dict[str, list[Drive]]:
    """The calls of each operation, in an order in which a server with state can take them."""
    return {
        **_reads(ids),
        **_people(ids),
        **_rooms(ids),
        **_messages(ids),
        **_uploads(ids),
        "DELETE /contacts/{platform}": [
            lambda c: c.contacts.delete(
                platform="line", channel_id=ids.line, user_id=ids.line_user
            ),
            lambda c: c.contacts.delete(
                platform="whatsapp", channel_id=ids.whatsapp, bsuid=ids.bsuid
            ),
        ],
        "DELETE /customers": [lambda c: c.customers.delete(ids.member)],
    }


def _reads(ids: Ids) -> dict[str, list[Drive]]:
    span: dict[str, Any] = {"after": ids.start, "before": ids.start + WEEK_MS}
    updated: dict[str, Any] = {
        "updated_after": ids.start,
        "updated_before": ids.start + WEEK_MS,
    }
    line: dict[str, Any] = {"platform": "line", "channel_id": ids.line}
    whatsapp: dict[str, Any] = {"platform": "whatsapp", "channel_id": ids.whatsapp}
    return {
        "GET /chatbots": [lambda c: c.chatbots.list()],
        "GET /chatbots/{chatbotId}/message-blocks": [
            lambda c: c.chatbots.message_blocks(ids.chatbot)
        ],
        "GET /messages": [lambda c: c.messages.list(**line, **span)],
        "GET /messages/{messageId}": [lambda c: c.messages.get(ids.message)],
        "POST /identities/member-data": [
            lambda c: c.identities.member_data(**line, ids=[ids.line_user])
        ],
        "GET /contacts": [
            lambda c: c.contacts.list(**line, **updated),
            lambda c: c.contacts.find(**line, user_id=ids.line_user),
            lambda c: c.contacts.find(**whatsapp, bsuid=ids.bsuid),
            lambda c: c.contacts.find(platform="line", member_id=ids.member),
            lambda c: c.contacts.find(platform="line", phone=ids.phone),
            lambda c: c.contacts.find(platform="line", email=ids.email),
        ],
        "GET /reports/messages": [lambda c: c.reports.messages_sent(**span)],
        "GET /reports/product-referral-links/orders": [lambda c: c.reports.referral_orders(**span)],
        "GET /product-referral-links/info": [
            lambda c: c.referral_links.info(
                "c9ecaebe-7e50-4b9a-ae3c-e233390319dc:LP:639ace6c69c2b348ad6f6806"
            )
        ],
        "GET /whatsapp-message-templates": [lambda c: c.templates.list(phone=ids.whatsapp)],
        "GET /system-users": [lambda c: c.system_users.list()],
        "GET /tagging-logs/records": [
            lambda c: c.tagging_logs.list(tagged_after=ids.start, tagged_before=ids.start + WEEK_MS)
        ],
        "GET /channels": [lambda c: c.channels.list()],
        "GET /rich-menus": [lambda c: c.rich_menus.list()],
        "GET /rich-menus/{menu_id}": [lambda c: c.rich_menus.get(ids.menu)],
        "GET /broadcast": [
            lambda c: c.broadcasts.list(types=[1, 2, 3, 4], **line, status=1),
        ],
        "GET /broadcast/{id}": [lambda c: c.broadcasts.get(ids.broadcast)],
        "GET /broadcast/{id}/recipients": [
            lambda c: c.broadcasts.recipients(ids.broadcast, status="read")
        ],
        "GET /broadcast/{broadcast_id}/buttons": [lambda c: c.broadcasts.buttons(ids.broadcast)],
        "GET /customers": [lambda c: c.customers.get(ids.member)],
    }


def _people(ids: Ids) -> dict[str, list[Drive]]:
    user: dict[str, Any] = {
        "platform": "line",
        "channel_id": ids.line,
        "user_id": ids.line_user,
    }
    contact = ContactUpdate(
        status=True,
        member_id=ids.member,
        note="",
        agent_employee_code=ids.code,
        agent_location_code=ids.shop,
        tags=["VIP"],
        extra_attributes={"a": "b"},
        **UPDATE,
    )
    return {
        "PUT /contacts/{platform}": [
            lambda c: c.contacts.upsert(**user, contact=contact),
            lambda c: c.contacts.upsert(
                platform="whatsapp",
                channel_id=ids.whatsapp,
                user_id=ids.whatsapp_user,
                bsuid=ids.bsuid,
                contact=ContactUpdate(tags_to_add=["A"], tags_to_remove=["B"]),
            ),
        ],
        "PUT /customers": [
            lambda c: c.customers.upsert(
                CustomerUpdate(tags=["VIP"], **UPDATE), member_id=ids.member
            ),
            lambda c: c.customers.upsert(
                CustomerUpdate(tags_to_add=["A"], tags_to_remove=["B"]),
                omni_customer_id=ids.omni,
            ),
        ],
        "PUT /loyalty-points/action/adjust": [
            lambda c: c.loyalty.adjust(10, phone=ids.phone),
            lambda c: c.loyalty.adjust(-10, email=ids.email),
            lambda c: c.loyalty.adjust(10, member_id=ids.member),
        ],
    }


def _rooms(ids: Ids) -> dict[str, list[Drive]]:
    line: dict[str, Any] = {
        "platform": "line",
        "channel_id": ids.line,
        "user_id": ids.line_user,
    }
    whatsapp: dict[str, Any] = {
        "platform": "whatsapp",
        "channel_id": ids.whatsapp,
        "bsuid": ids.bsuid,
    }
    shop = {"agent_shop_location_code": ids.shop}
    who: list[dict[str, str]] = [
        {"agent_email": ids.agent_email, **shop},
        {"agent_phone": ids.agent_phone, **shop},
        {"agent_employee_code": ids.code, **shop},
    ]

    def each(name: str) -> list[Drive]:
        calls: list[Drive] = [
            lambda c, one=one: getattr(c.rooms, name)(**line, **one)  # type: ignore[misc]
            for one in who
        ]
        return [*calls, lambda c: getattr(c.rooms, name)(**whatsapp, **who[0])]

    first, second, third = ids.ai_rooms
    return {
        "POST /rooms/assign-agent": each("assign_agent"),
        "POST /rooms/assign-collaborator": each("assign_collaborator"),
        "POST /rooms/unassign-collaborator": each("unassign_collaborator"),
        "POST /rooms/unassign-agent": [
            lambda c: c.rooms.unassign_agent(**line),
            lambda c: c.rooms.unassign_agent(**whatsapp),
        ],
        "POST /rooms/to-human-agent": [
            lambda c: c.rooms.to_human_agent(room_id=first, team=ids.team)
        ],
        "POST /rooms/close": [lambda c: c.rooms.close(room_id=second, team=ids.team)],
        "POST /rooms/trigger-auto-assign": [
            lambda c: c.rooms.trigger_auto_assign(room_id=third, team=ids.team, rule_id="r-1")
        ],
    }


def _messages(ids: Ids) -> dict[str, list[Drive]]:
    def direct(messages: Any, **more: Any) -> Drive:
        on_line = not isinstance(messages[0], WhatsAppTemplate)
        message = DirectMessage(
            track_id="t",
            platform="line" if on_line else "whatsapp",
            channel_id=ids.line if on_line else ids.whatsapp,
            to=ids.line_user if on_line else ids.whatsapp_user,
            messages=messages,
            **more,
        )
        return lambda c: c.direct_messages.send(message)

    def broadcast(messages: Any, **more: Any) -> Drive:
        on_line = not isinstance(messages[0], WhatsAppTemplate)
        message = Broadcast(
            subject="s",
            platform="line" if on_line else "whatsapp",
            channel_id=ids.line if on_line else ids.whatsapp,
            to=[ids.line_user if on_line else ids.whatsapp_user],
            messages=messages,
            **more,
        )
        return lambda c: c.broadcasts.send(message)

    block = [Block(ids.block)]
    attributes = {"OPEN_API_ATTR_NAME": "Ada"}
    return {
        "POST /direct-messages": [
            direct(
                MIXED,
                tags=["a"],
                custom_attributes={**UPDATE["custom_attributes"], **attributes},
                employee_code="E",
                location_code="L",
                track_transaction_link=True,
            ),
            direct(block),
            direct([FlexTemplates([FlexTemplate("id1", {"k": "v"})])]),
            *(direct([each]) for each in TEMPLATES),
        ],
        "POST /broadcast": [
            broadcast(MIXED, tags=["a"], scheduled_at=datetime(2030, 1, 1, 12)),  # noqa: DTZ001
            broadcast(block),
            *(broadcast([each]) for each in TEMPLATES),
        ],
        "POST /whatsapp/headless-api/{business-phone-number}/messages": [
            functools.partial(_push, ids, content, index)
            for index, content in enumerate([*CONTENTS.values(), *MORE_CONTENTS])
        ],
        "POST /agent-messages": [
            functools.partial(_say, ids, ids.line_ai_room, ON_LINE),
            functools.partial(_say, ids, ids.webchat_ai_room, ON_WEBCHAT),
        ],
        "POST /notification-messages": [
            lambda c: c.notifications.send(
                [
                    Notification(
                        channel_id=ids.line,
                        to="886987654321",
                        setting_id="s",
                        value_map={"a": "b", "n": 1, "x": 1.5, "y": True},
                    )
                ]
            )
        ],
        "POST /pixel/events": [functools.partial(_track, action) for action in EVENTS],
    }


MORE_CONTENTS: list[headless.Content] = [
    *(
        kind(media_id="1")
        for kind in (
            headless.Image,
            headless.Video,
            headless.Document,
            headless.Audio,
            headless.Sticker,
        )
    ),
    headless.Image(URL, caption="c"),
    headless.Location(22.3, 114.1),
    *(
        headless.Buttons("?", [ReplyButton("1", "A")], header=header, footer="f")
        for header in (
            MediaHeader.image(URL),
            MediaHeader.video(URL),
            MediaHeader.document(URL, "a.pdf"),
            "Hello",
        )
    ),
    *(headless.Template(attrs.evolve(each, namespace=None)) for each in TEMPLATES),
]


async def _push(ids: Ids, content: headless.Content, index: int, client: OmnichatClient) -> Any:
    message = HeadlessMessage(ids.whatsapp_user, content, "wamid.1" if index % 2 else None)
    return await client.headless.send(ids.whatsapp, message)


async def _say(
    ids: Ids, room: str, contents: list[agent_messages.Content], client: OmnichatClient
) -> Any:
    message = AgentMessage(
        team=ids.team,
        room_id=room,
        messages=contents,
        reply_token="token" if contents is ON_LINE else None,
    )
    return await client.agent_messages.send(message)


async def _track(action: str, client: OmnichatClient) -> Any:
    return await client.conversions.track(EVENTS[action][0])


def _uploads(ids: Ids) -> dict[str, list[Drive]]:
    names: dict[Any, str] = {"email": ids.agent_email, "phone": "1", "employeeCode": ids.code}

    def roster(field: Any) -> Drive:
        record = RosterRecord(names[field], ids.shop, [Shift(1, "09:30", "18:30"), Shift(2)])
        return lambda c: c.rosters.upload(Roster("2025-01", field, [record]))

    return {
        "PUT /rosters": [roster(field) for field in names],
        "PUT /third-party-orders": [lambda c: c.orders.upsert([FULL])],
        "POST /whatsapp-business/public-key": [
            lambda c: c.whatsapp_business.upload_public_key(ids.whatsapp, RSA_SPKI)
        ],
    }
