"""How a request gets to the server: over connections of our own, or through a given session.

Nothing leaves without a permit, and nothing is sent that nobody counted. An aiohttp session sends
a GET, PUT or DELETE again by itself when a kept-alive connection turns out dead. So in a session
the innermost middleware takes the permit, and turns every failure into our own kind before the
session can see it. Our own requests go past the session: what it does besides (redirects, cookies,
proxies) is not wanted here, and takes as long as all the rest that aiohttp does for a request.
"""

from __future__ import annotations

import asyncio
import re
from functools import partial
from types import FunctionType
from typing import TYPE_CHECKING, Protocol

import aiohttp
import aiohttp.client

from omnichat_async.classify import Failure, Phase

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiohttp.connector import Connection
    from yarl import URL

    from omnichat_async.transport import Attempt

__all__ = ["BROKEN", "OwnConnections", "Road", "ThroughSession", "is_known"]

BROKEN = (aiohttp.ClientError, TimeoutError, OSError)
"""What aiohttp raises when there is no whole answer."""

_TRIED = ((3, 12), (3, 14))
"""The versions of aiohttp, from and to, whose parts below the session this was tried with."""


def is_known(version: str) -> bool:
    """Whether the parts below the session of this aiohttp are those that we know."""
    first, last = _TRIED
    found = re.match(r"(\d+)\.(\d+)", version)
    return found is not None and first <= (int(found[1]), int(found[2])) <= last


def _aiohttps_own(name: str) -> object:
    """A method of aiohttp's session, or None where something stands in for it already."""
    method = vars(aiohttp.ClientSession).get(name)
    original = type(method) is FunctionType and method.__globals__ is vars(aiohttp.client)
    return method if original else None


_REQUEST, _REQUEST_INSIDE = _aiohttps_own("request"), _aiohttps_own("_request")


def is_hooked(session: aiohttp.ClientSession) -> bool:
    """Whether tracing (OpenTelemetry, Sentry) or a stand-in (aioresponses, VCR.py) waits for the
    requests of `session`, and would miss what goes past it."""
    return (
        aiohttp.ClientSession._request is not _REQUEST_INSIDE  # noqa: SLF001
        or aiohttp.ClientSession.request is not _REQUEST
        or bool(session.trace_configs)
    )


class Road(Protocol):
    """Sends requests. `heard` says that an attempt sees all that comes in: then its silence can be
    told from what else may keep it waiting."""

    heard: bool

    async def answer(
        self,
        method: str,
        url: URL,
        attempt: Attempt,
        *,
        headers: Mapping[str, str],
        body: bytes | None,
    ) -> aiohttp.ClientResponse:
        """Send a request once and wait for the head of its answer. Raises what is BROKEN, or
        Failure."""
        ...


class OwnConnections:
    """Over the connections of our own session's pool, past the session, unless somebody hooks it.

    These are the steps that the session itself would take. A connection may take `connect_s`
    seconds to open.
    """

    heard = True

    def __init__(
        self,
        session: aiohttp.ClientSession,
        loop: asyncio.AbstractEventLoop,
        *,
        connect_s: float,
    ) -> None:
        assert session.connector is not None
        self._session = session
        self._loop = loop
        self._pool = session.connector
        self._timeout = aiohttp.ClientTimeout(total=None, sock_connect=connect_s)

    async def answer(
        self,
        method: str,
        url: URL,
        attempt: Attempt,
        *,
        headers: Mapping[str, str],
        body: bytes | None,
    ) -> aiohttp.ClientResponse:
        """See Road."""
        if is_hooked(self._session):
            middleware = partial(self._inside, attempt)
            return await through(
                self._session, method, url, headers, body, self._timeout, middleware
            )
        request = aiohttp.ClientRequest(
            method, url, headers=headers, data=body, loop=self._loop, session=self._session
        )
        return await self._send(attempt, request)

    async def _inside(
        self, attempt: Attempt, request: aiohttp.ClientRequest, _: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        """The innermost middleware of a session that is hooked."""
        try:
            return await self._send(attempt, request)
        except BROKEN as error:  # aiohttp must not see it, and send again
            raise attempt.failure(error) from error

    async def _send(
        self, attempt: Attempt, request: aiohttp.ClientRequest
    ) -> aiohttp.ClientResponse:
        await attempt.take_permit()
        connection = await self._connection(request, attempt)
        attempt.about_to_send()
        try:
            response = await request.send(connection)
            try:
                await response.start(connection)
            except BaseException:
                response.close()
                raise
        except BaseException:
            connection.close()
            raise
        return response

    async def _connection(self, request: aiohttp.ClientRequest, attempt: Attempt) -> Connection:
        """A connection that is ready for `request`, with a permit that is still good."""
        traces = request._traces  # noqa: SLF001
        try:
            connection = await self._pool.connect(request, traces=traces, timeout=self._timeout)
        except TimeoutError as error:
            raise aiohttp.ConnectionTimeoutError from error
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            # Nobody cancelled us: a pool that is closed cancels its own look for the address.
            raise aiohttp.ClientConnectionError from None
        if attempt.must_pay_again():
            try:
                await attempt.renew_permit()
            except BaseException:
                connection.release()
                raise
        protocol = connection.protocol
        # What a server says before it is asked is no answer, and what comes behind it neither.
        if protocol is None or protocol.should_close or not protocol.is_connected():
            connection.close()
            raise Failure(Phase.NOT_SENT, "a connection that was closed before its first use")
        protocol.set_response_params(read_until_eof=True)  # of an answer that hides its length
        return connection


async def through(
    session: aiohttp.ClientSession,
    method: str,
    url: URL,
    headers: Mapping[str, str],
    body: bytes | None,
    timeout: aiohttp.ClientTimeout,
    middleware: aiohttp.ClientMiddlewareType,
) -> aiohttp.ClientResponse:
    """Send a request through `session`, with our middleware as its innermost."""
    return await session.request(
        method,
        url,
        data=body,
        headers=dict(headers),  # whoever hooks sessions may add to them
        allow_redirects=False,  # the token goes to this host and to no other
        raise_for_status=False,
        auto_decompress=True,
        timeout=timeout,
        # What the session's own middlewares send is paced too.
        middlewares=(*getattr(session, "_middlewares", ()), middleware),
    )


class ThroughSession:
    """Through a session that was given, or ours where we do not know what is below it.

    A connection may take `connect_s` seconds to open, and be silent for `read_s`.
    """

    heard = False

    def __init__(
        self,
        session: aiohttp.ClientSession,
        *,
        connect_s: float,
        read_s: float,
    ) -> None:
        self._session = session
        # Only aiohttp knows when we listen: the pool may be full of what is not ours, and
        # middlewares may wait between requests.
        self._timeout = aiohttp.ClientTimeout(total=None, sock_connect=connect_s, sock_read=read_s)

    async def answer(
        self,
        method: str,
        url: URL,
        attempt: Attempt,
        *,
        headers: Mapping[str, str],
        body: bytes | None,
    ) -> aiohttp.ClientResponse:
        """See Road."""
        middleware = partial(self._paced, attempt)
        return await through(self._session, method, url, headers, body, self._timeout, middleware)

    async def _paced(
        self,
        attempt: Attempt,
        request: aiohttp.ClientRequest,
        handler: aiohttp.ClientHandlerType,
    ) -> aiohttp.ClientResponse:
        """The innermost middleware: what reaches the network has a permit."""
        await attempt.take_permit()
        attempt.about_to_send()  # when the connection is ready nobody tells us
        try:
            return await handler(request)
        except BROKEN as error:  # aiohttp must not see it, and send again
            raise attempt.failure(error) from error
