"""Webhooks and the client in an aiohttp.web application."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from aiohttp import web

from omnichat_async.client import OmnichatClient
from omnichat_async.integrations.lending import lent
from omnichat_async.webhooks import WebhookRequest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from omnichat_async.webhooks import Receiver

__all__ = ["CLIENT", "cleanup_ctx", "handler", "serving", "setup"]

CLIENT: web.AppKey[OmnichatClient] = web.AppKey("omnichat_client", OmnichatClient)
"""Where the application keeps its client: ``request.app[CLIENT]``."""


def cleanup_ctx(
    client: OmnichatClient | None = None,
) -> Callable[[web.Application], AsyncIterator[None]]:
    """For ``app.cleanup_ctx``: the application's client under CLIENT, closed with it.

    `client` is the one to use; without it one is made from the environment, at the start.
    Raises ConfigurationError as OmnichatClient does.
    """

    async def context(app: web.Application) -> AsyncIterator[None]:
        async with client or OmnichatClient() as running:
            app[CLIENT] = running
            yield

    return context


def setup(
    app: web.Application, receiver: Receiver, path: str = "/webhooks", *, name: str | None = None
) -> None:
    """Serve `receiver` at `path`, and start and stop it with the application.

    If the application has a client under CLIENT by then and the receiver has none, handlers get
    that one: append ``cleanup_ctx()`` first. `name` is the route's.
    """

    async def context(app: web.Application) -> AsyncIterator[None]:
        with lent(receiver, app.get(CLIENT)):
            async with receiver:
                yield

    app.cleanup_ctx.append(context)
    app.router.add_route("*", path, handler(receiver), name=name)


def handler(
    receiver: Receiver,
) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """A request handler for a receiver that somebody else starts."""

    async def handle(request: web.Request) -> web.Response:
        peer = request.transport.get_extra_info("peername") if request.transport else None
        answer = await receiver.handle(
            WebhookRequest(
                method=request.method,
                path=request.path,
                query=tuple(request.query.items()),
                headers=tuple(request.headers.items()),
                body=_stream(request),
                peer=peer[0] if isinstance(peer, tuple) else None,
            )
        )
        # aiohttp's own header has its version and Python's: whoever probes may do without.
        headers = {**answer.headers, "Server": "aiohttp"}
        return web.Response(status=answer.status, body=answer.body, headers=headers)

    return handle


async def _stream(request: web.Request) -> AsyncIterator[bytes]:
    # Not request.read(), which stops at the application's client_max_size of 1 MiB.
    try:
        async for chunk in request.content.iter_any():
            yield chunk
    except web.RequestPayloadError:
        raise ConnectionError from None


@contextlib.asynccontextmanager
async def serving(receiver: Receiver, host: str, port: int, path: str) -> AsyncIterator[str]:
    """Serve nothing but a receiver, on a server of its own; its URL. Port 0 takes a free one."""
    app = web.Application()
    setup(app, receiver, path)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        yield f"http://{host}:{runner.addresses[0][1]}{path}"
    finally:
        await runner.cleanup()
