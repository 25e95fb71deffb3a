"""The chat history."""

from omnichat_async.sandbox.endpoints.base import listing
from omnichat_async.sandbox.params import Query
from omnichat_async.sandbox.wire import Call, Reply, json_reply, not_found
from omnichat_async.sandbox.world import World

_LIST = frozenset({"page", "pageSize", "after", "before", "platform", "channelId"})


def list_messages(world: World, call: Call) -> Reply:
    """`GET /messages`: the messages of one platform in a range."""
    query = Query.of(call, _LIST)
    rows = world.select(
        "messages",
        *query.window("after", "before"),
        call.now_ms,
        query.platform(),
        query.text("channelId"),
    )
    # Only this endpoint's sample has the total in the singular.
    return listing(world.config, rows, query.paging(world.config), "totalElement")


def get_message(world: World, call: Call) -> Reply:
    """`GET /messages/{messageId}`."""
    Query.of(call, frozenset())
    wanted = call.path_args["message_id"]
    for chat in world.chats.values():
        number = chat.find(wanted, call.now_ms)
        if number is not None:
            return json_reply({"content": chat.build(number)})
    raise not_found("message not found")
