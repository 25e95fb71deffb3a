"""`/_sandbox/…`: the sandbox about itself, for other processes. Not counted, no token, no delay."""

from typing import TYPE_CHECKING

import attrs
from aiohttp import web

from omnichat_async.sandbox.params import Query
from omnichat_async.sandbox.wire import ApiError, Reply, bad_parameters, json_reply
from omnichat_async.sandbox.world import STREAMS

if TYPE_CHECKING:
    from omnichat_async.sandbox.server import Gateway

_COUNT = frozenset({"stream", "after", "before", "platform", "channelId"})


def control_routes(gateway: "Gateway") -> list[web.RouteDef]:
    """The three routes."""

    async def stats(_: web.Request) -> web.Response:
        return _response(json_reply(attrs.asdict(gateway.stats())))

    async def reset(_: web.Request) -> web.Response:
        gateway.reset_stats()
        return web.Response(status=204)

    async def count(request: web.Request) -> web.Response:
        try:
            return _response(json_reply({"count": _count(gateway, request)}))
        except ApiError as error:
            return _response(error.reply())

    return [
        web.get("/_sandbox/stats", stats),
        web.post("/_sandbox/reset", reset),
        web.get("/_sandbox/count", count),
    ]


def _count(gateway: "Gateway", request: web.Request) -> int:
    query = Query.parse(request.query.items(), _COUNT)
    wanted = query.required("stream")
    for stream in STREAMS:
        if stream == wanted:
            break
    else:
        raise bad_parameters(f"stream {wanted} is none of {', '.join(STREAMS)}")
    after_ms, before_ms = query.window("after", "before", max_ms=None)
    platform, channel_id = query.text("platform"), query.text("channelId")
    now_ms = gateway.config.wall_ms()
    try:
        parts = gateway.world.parts(stream, after_ms, before_ms, now_ms, platform, channel_id)
        return sum(len(part.numbers) for part in parts)
    except ValueError as error:
        raise bad_parameters(str(error)) from None


def _response(reply: Reply) -> web.Response:
    return web.Response(status=reply.status, body=reply.body, content_type=reply.content_type)
