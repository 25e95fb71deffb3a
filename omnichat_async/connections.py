"""How a request gets to the server: over connections of our own, or through an aiohttp session.

Nothing leaves without a permit, and nothing is sent that nobody counted. An aiohttp session sends
a GET, PUT or DELETE again by itself when a kept-alive connection turns out dead; in one that was
given the innermost middleware takes the permit, and turns every failure into our own kind before
the session can see it. Where nobody needs a session there is none in the way: what it does besides
(redirects, cookies, proxies, tracing) is not wanted here, and takes as long as all the rest that
aiohttp does for a request.
"""

from __future__ import annotations

from functools import partial
from types import FunctionType
from typing import TYPE_CHECKING, Protocol

import aiohttp
import aiohttp.client

from omnichat_async.classify import Failure, Phase

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Mapping

    from aiohttp.connector import Connection
    from yarl import URL

    from omnichat_async.transport import Attempt

__all__ = ["BROKEN", "OwnConnections", "Road", "ThroughSession", "is_bare"]

BROKEN = (aiohttp.ClientError, TimeoutError, OSError)
"""What aiohttp raises when there is no whole answer."""

_TRIED = ((3, 12), (3, 14))
"""The versions of aiohttp, from and to, whose parts below the session this was tried with."""


def is_bare(session: aiohttp.ClientSession) -> bool:
    """Whether nothing but aiohttp itself, in a version that we know, deals with the requests of
    `session`. Tracing (OpenTelemetry, Sentry) and stand-ins (aioresponses, VCR.py) hook sessions,
    and would miss what goes past them."""
    first, last = _TRIED
    major, minor = aiohttp.__version__.split(".")[:2]
    request = aiohttp.ClientSession._request  # noqa: SLF001
    return (
        first <= (int(major), int(minor)) <= last
        and not session.trace_configs
        and type(request) is FunctionType
        and request.__globals__ is vars(aiohttp.client)
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


class OwnConnections:
    """Over the connections of a session's pool, past the session, which only opens and closes it.

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
        request = aiohttp.ClientRequest(
            method, url, headers=headers, data=body, loop=self._loop, session=self._session
        )
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
        try:
            connection = await self._pool.connect(request, traces=[], timeout=self._timeout)
        except TimeoutError as error:
            raise aiohttp.ConnectionTimeoutError from error
        if attempt.must_pay_again():
            try:
                await attempt.renew_permit()
            except BaseException:
                connection.release()
                raise
        protocol = connection.protocol
        if protocol is None or protocol.transport is None:
            connection.close()
            raise Failure(Phase.NOT_SENT, "a connection that was closed before its first use")
        protocol.set_response_params(read_until_eof=True)  # of an answer that hides its length
        return connection


class ThroughSession:
    """Through a session: one that was given, or ours where somebody hooks sessions.

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
        return await self._session.request(
            method,
            url,
            data=body,
            headers=headers,
            allow_redirects=False,  # the token goes to this host and to no other
            raise_for_status=False,
            auto_decompress=True,
            timeout=self._timeout,
            # Innermost, so that what the session's own middlewares send is paced too.
            middlewares=(
                *getattr(self._session, "_middlewares", ()),
                partial(self._paced, attempt),
            ),
        )

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
