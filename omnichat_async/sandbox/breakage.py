"""Faults below HTTP: connections that end the wrong way."""

import socket
import struct
from contextlib import suppress

from aiohttp import web

from omnichat_async.sandbox.wire import Reply

_NO_LINGER = struct.pack("ii", 1, 0)


def reset(request: web.Request) -> web.Response:
    """Drop the connection with a RST. The response returned can no longer be sent."""
    transport = request.transport
    if transport is not None:  # else the client has gone already
        transport.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER
        )
        transport.abort()
    return web.Response()


async def truncate(request: web.Request, reply: Reply) -> web.StreamResponse:
    """Announce the whole body, send half of it, then close. Half of no body is a reset."""
    if not reply.body:
        return reset(request)
    response = web.StreamResponse(status=reply.status, headers=reply.headers)
    response.content_type = reply.content_type
    response.content_length = len(reply.body)
    with suppress(ConnectionError):  # the client may have hung up by itself
        await response.prepare(request)
        await response.write(reply.body[: len(reply.body) // 2])
    if request.transport is not None:
        request.transport.close()
    return response
