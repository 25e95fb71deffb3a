"""Webhooks and the client in a FastAPI application. Needs the extra ``fastapi``."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Annotated, Any

from omnichat_async.client import OmnichatClient
from omnichat_async.errors import ConfigurationError
from omnichat_async.integrations.lending import lent
from omnichat_async.webhooks import WebhookRequest

try:
    from fastapi import APIRouter, Depends, FastAPI
    from starlette.requests import ClientDisconnect, HTTPConnection, Request
    from starlette.responses import Response
except ImportError:
    raise ImportError(
        "this needs the extra fastapi: pip install 'omnichat_async[fastapi]'"
    ) from None

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from omnichat_async.webhooks import Receiver

__all__ = ["Client", "endpoint", "get_client", "lifespan", "router", "setup"]

_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD"]


def endpoint(receiver: Receiver) -> Callable[[Request], Awaitable[Response]]:
    """A Starlette endpoint for a receiver: nothing of the request is read but by the receiver."""

    async def handle(request: Request) -> Response:
        answer = await receiver.handle(
            WebhookRequest(
                method=request.method,
                path=request.url.path,
                query=tuple(request.query_params.multi_items()),
                headers=_headers(request),
                body=_stream(request),  # Starlette itself has no limit
                peer=request.client.host if request.client else None,
            )
        )
        return Response(answer.body, status_code=answer.status, headers=answer.headers)

    return handle


def _headers(request: Request) -> list[tuple[str, str]]:
    # Starlette reads them as Latin-1, and a team may have any name.
    return [
        (name.decode("latin-1"), value.decode("utf-8", "surrogateescape"))
        for name, value in request.headers.raw
    ]


async def _stream(request: Request) -> AsyncIterator[bytes]:
    try:
        async for chunk in request.stream():
            yield chunk
    except ClientDisconnect:
        raise ConnectionError from None


def router(receiver: Receiver, path: str = "/webhooks") -> APIRouter:
    """A router that serves `receiver` at `path`, for ``app.include_router``.

    Starting the receiver is left to ``lifespan``, or to ``async with receiver`` in one of yours,
    which needs no client; ``setup`` does both.
    """
    made = APIRouter()
    made.add_route(path, endpoint(receiver), methods=_METHODS, include_in_schema=False)
    return made


def lifespan(
    *receivers: Receiver,
    client: OmnichatClient | None = None,
    inner: Callable[[Any], contextlib.AbstractAsyncContextManager[Any]] | None = None,
) -> Callable[[Any], contextlib.AbstractAsyncContextManager[Any]]:
    """A lifespan that runs receivers and the shared client, and inside them one of yours.

    `client` is the client to share; without it one is made from the environment at the start.
    Receivers without a client get it too. Of several lifespans of one application, those without
    a client share that of the others. `inner` is your own lifespan; what it yields is yielded.
    Raises ConfigurationError as OmnichatClient does.
    """

    @contextlib.asynccontextmanager
    async def context(app: Any) -> AsyncIterator[Any]:
        async with contextlib.AsyncExitStack() as stack:
            shared = await stack.enter_async_context(_sharing(app, client))
            for receiver in receivers:
                stack.enter_context(lent(receiver, shared))
                await stack.enter_async_context(receiver)
            yield await stack.enter_async_context(inner(app)) if inner else None

    return context


@contextlib.asynccontextmanager
async def _sharing(app: Any, client: OmnichatClient | None) -> AsyncIterator[OmnichatClient]:
    """The client that runs already, or else one that runs for as long as this does.

    Two clients would have a rate limit each, and go over that of the account together.
    """
    client = client or getattr(app.state, "omnichat_given", None)
    running = getattr(app.state, "omnichat_client", None)
    if running is not None and client in (None, running):
        yield running
        return
    async with client or OmnichatClient() as shared:
        app.state.omnichat_client = shared
        try:
            yield shared
        finally:
            app.state.omnichat_client = running


def setup(
    app: FastAPI,
    receiver: Receiver,
    path: str = "/webhooks",
    *,
    client: OmnichatClient | None = None,
) -> None:
    """Serve `receiver` at `path`, and run it and the shared client with the application.

    The lifespan that the application has goes on inside. `client` is as for ``lifespan``: one
    that is given with any of several receivers is for all of them that are given none.
    """
    if client is not None:
        app.state.omnichat_given = client
    app.include_router(router(receiver, path))
    inner = app.router.lifespan_context
    app.router.lifespan_context = lifespan(receiver, client=client, inner=inner)


def get_client(connection: HTTPConnection) -> OmnichatClient:
    """The application's shared client, as a dependency: ``client: Client`` in an endpoint.

    Raises ConfigurationError in an application without ``lifespan`` or ``setup``.
    """
    client = getattr(connection.app.state, "omnichat_client", None)
    if not isinstance(client, OmnichatClient):
        raise ConfigurationError("no client is shared: use setup() or lifespan() of this module")
    return client


Client = Annotated[OmnichatClient, Depends(get_client)]
"""The type of a parameter that is to be the shared client."""
