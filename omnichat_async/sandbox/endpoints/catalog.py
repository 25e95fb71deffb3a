"""What the team has set up in the portal: chatbots, templates, rich menus, channels, users."""

from omnichat_async.sandbox.data.platforms import PLATFORMS, TEAM_NAME
from omnichat_async.sandbox.data.templates import TEMPLATES, build_template
from omnichat_async.sandbox.endpoints.base import channel_of, listing
from omnichat_async.sandbox.params import Query
from omnichat_async.sandbox.wire import Call, Reply, Row, json_reply, not_found
from omnichat_async.sandbox.world import Selection, World

_NOTHING: frozenset[str] = frozenset()
_TEMPLATES = frozenset({"phone", "page", "pageSize"})
_AI_CHANNELS = ("webchat", "line")
_SALES, _SERVICE = 1, 7  # roles; the documents show 7 and explain none


def list_chatbots(world: World, call: Call) -> Reply:
    """`GET /chatbots`."""
    Query.of(call, _NOTHING)
    return json_reply({"content": [bot for bot, _ in world.chatbots.values()]})


def list_message_blocks(world: World, call: Call) -> Reply:
    """`GET /chatbots/{chatbotId}/message-blocks`."""
    Query.of(call, _NOTHING)
    found = world.chatbots.get(call.path_args["chatbot_id"])
    if found is None:
        raise not_found("no such chatbot", "CHATBOT_NOT_FOUND")
    return json_reply({"content": found[1]})


def list_templates(world: World, call: Call) -> Reply:
    """`GET /whatsapp-message-templates`."""
    query = Query.of(call, _TEMPLATES)
    channel = channel_of("whatsapp", query.required("phone"))
    key = world.template_keys[channel]
    rows = Selection(range(TEMPLATES), lambda n: build_template(key, n))
    return listing(world.config, rows, query.paging(world.config, 10 if world.config.guide else 20))


def list_rich_menus(world: World, call: Call) -> Reply:
    """`GET /rich-menus`."""
    Query.of(call, _NOTHING)
    menus: list[Row] = [
        {"id": number if world.config.guide else str(number), **menu}
        for number, (menu, _) in world.menus.items()
    ]
    return json_reply({"content": menus})


def get_rich_menu(world: World, call: Call) -> Reply:
    """`GET /rich-menus/{menu_id}`: its areas."""
    Query.of(call, _NOTHING)
    wanted = call.path_args["menu_id"]
    for number, (_, areas) in world.menus.items():
        if str(number) == wanted:
            return json_reply({"content": {"areas": areas} if world.config.guide else areas})
    raise not_found("no such rich menu")


def list_channels(world: World, call: Call) -> Reply:
    """`GET /channels`: a bare array of what an AI agent sees, LINE and webchat."""
    Query.of(call, _NOTHING)
    web = "web" if world.config.guide else "webchat"  # the remark says so, the sample so
    channels: list[Row] = [
        {
            "platform": web if name == "webchat" else name,
            "channelId": channel_id,
            "channelName": PLATFORMS[name].channel_name(n),
        }
        for name in _AI_CHANNELS
        for n, channel_id in enumerate(PLATFORMS[name].channels)
    ]
    return json_reply(channels)


def list_system_users(world: World, call: Call) -> Reply:
    """`GET /system-users`."""
    Query.of(call, _NOTHING)
    users: list[Row] = []
    for n, mate in enumerate(world.team):
        shops: list[Row] = [
            {
                "id": f"60fd8409892243037e{code.encode().hex()[-6:]}",
                "code": code,
                "name": name,
                "categories": [],
            }
            for name, code in mate.shops
        ]
        users.append(
            {
                "team": TEAM_NAME,
                "username": mate.user_id,
                "email": mate.email,
                "phone": mate.phone if n % 4 else None,
                "profilePicture": f"https://example.com/{mate.user_id}.png" if n % 3 else None,
                "available": n % 5 != 0,
                "status": 1,
                "role": _SALES if mate.shops else _SERVICE,
                "name": mate.name,
                "employeeCode": mate.employee_code,
                "shops": shops or None,
            }
        )
    return json_reply({"content": users})
