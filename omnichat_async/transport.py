"""Send one request, once, and read its answer. Repeating is the business of ``retries``."""

from __future__ import annotations

import asyncio
import json
import math
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from omnichat_async.classify import Failure, Phase, Reply
from omnichat_async.connections import BROKEN, OwnConnections, ThroughSession, is_known
from omnichat_async.errors import ConfigurationError, DecodeError, InvalidRequest
from omnichat_async.limits import InFlight, QueueTooLong

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from omnichat_async.calls import Call
    from omnichat_async.connections import Road
    from omnichat_async.limits import Lane, Permit, RateLimiter

__all__ = ["Latency", "Transport"]

CONNECT_S = 10.0
READ_S = 30.0
"""An answer that does not begin, or go on, for so many seconds and up to an eighth more ends an
attempt; the call's own timeout bounds it all."""

SLOWEST_UPLOAD = 16 * 1024
"""Bytes per second of a request's body, for which no answer is expected yet: what is still in the
buffers of a connection cannot be told from what has arrived."""

STOOD_STILL_S = 0.5
"""A loop that is so many seconds late has not read what came in meanwhile."""

LARGEST_BODY = 32 * 1024 * 1024
"""Bytes of one answer after decompression. A page of 100 rows has well under one percent of it."""

_NEVER_SENT = (
    aiohttp.ClientConnectorError,
    aiohttp.ConnectionTimeoutError,
    aiohttp.ClientHttpProxyError,
    aiohttp.InvalidURL,
)
# Trying again cannot mend a certificate or a wrong host name in it.
_HOPELESS = (aiohttp.ClientConnectorCertificateError, aiohttp.ServerFingerprintMismatch)


class Latency:
    """A running estimate of how long answers take, in seconds, as TCP keeps it."""

    def __init__(self) -> None:
        self.mean = 0.0
        self.spread = 0.0
        self.samples = 0

    def add(self, seconds: float) -> None:
        """Take one answer into account."""
        if self.samples == 0:
            self.mean, self.spread = seconds, seconds / 2
        else:
            self.spread += (abs(seconds - self.mean) - self.spread) / 4
            self.mean += (seconds - self.mean) / 8
        self.samples += 1

    def high(self) -> float:
        """What nearly all answers stay below, in seconds."""
        return self.mean + 2 * self.spread


class Attempt:
    """One attempt on its way: takes the permit, and knows whether anything was sent.

    `now` is the clock of the loop, `deadline` a time on it in seconds; `check` raises where
    nothing may be sent any more.
    """

    def __init__(
        self,
        limiter: RateLimiter,
        *,
        lane: Lane,
        now: Callable[[], float],
        deadline: float = math.inf,
        on_start: Callable[[float], None] | None = None,
        check: Callable[[], object],
    ) -> None:
        self.lane: Lane = lane
        self.sent = False
        self.sent_at = self.heard_at = 0.0
        self.upload_s = 0.0
        self.bound: asyncio.Timeout | None = None
        self.answer: aiohttp.ClientResponse | None = None
        self._silent = False
        self._limiter = limiter
        self.now = now
        self._deadline = deadline
        self._on_start = on_start
        self._check = check
        self._permit: Permit | None = None

    @property
    def phase(self) -> Phase:
        """What a failure at this moment means."""
        return Phase.UNKNOWN if self.sent else Phase.NOT_SENT

    async def take_permit(self) -> None:
        """Wait for the rate limit's leave."""
        start = self.now() if self._on_start is not None else 0.0
        try:
            self._permit = await self._limiter.acquire(lane=self.lane, deadline=self._deadline)
        except QueueTooLong as error:
            raise Failure(Phase.NOT_SENT, str(error), transient=False) from None
        if self._on_start is not None:
            self._on_start(self.now() - start)
        self._check()  # much may have happened meanwhile

    def must_pay_again(self) -> bool:
        """Whether opening a connection took so long that the permit is no longer good."""
        assert self._permit is not None
        return self._limiter.stale(self._permit)

    async def renew_permit(self) -> None:
        """Pay again."""
        self._permit = await self._limiter.acquire(lane=self.lane, instead_of=self._permit)

    def about_to_send(self) -> None:
        """From here on nobody can promise that the server got nothing."""
        self.sent = True
        self.sent_at = self.now()
        self.heard_at = self.sent_at + self.upload_s  # nobody answers what is still on its way

    def alarm(self, until: float) -> float | None:
        """The deadline, if it lies before `until`: it needs a timer now."""
        return self._deadline if self._deadline < until else None

    def look(self, now: float, *, until: float, heard_by: float) -> None:
        """End this attempt if it has heard nothing since `heard_by`, or see to it that it ends at
        its deadline, if that lies before `until`."""
        if self.bound is None or self.bound.expired():
            return
        if self.sent and self.heard_at <= heard_by:
            self._end_silence(self.bound, now)
        elif not self._silent and (at := self.alarm(until)) is not None:
            self.bound.reschedule(at)

    def _end_silence(self, bound: asyncio.Timeout, now: float) -> None:
        """End as if the time were up. An answer that has begun is broken off instead: its status
        may settle what became of the call."""
        if self.answer is not None:
            self.answer.close()
        else:
            self._silent = True
            bound.reschedule(now)

    def out_of_time(self) -> Failure:
        """Say why `bound` has ended this attempt."""
        if self._silent:
            return self._heard_nothing()
        return Failure(self.phase, "the call's timeout ran out", transient=False)

    def _heard_nothing(self) -> Failure:
        return Failure(self.phase, f"{READ_S:g} s of silence")

    def throttled(self, retry_after: float) -> None:
        """Tell the limiter that the server answered 429, asking for a wait in seconds."""
        if self._permit is not None:  # a given session's own middleware can answer unasked
            self._limiter.throttled(self._permit, retry_after)

    def failure(self, error: Exception) -> Failure:
        """Say what an error of aiohttp means for this attempt.

        The text is made here and not taken over, since aiohttp puts whole URLs into its own.
        """
        why = type(error).__name__
        if isinstance(error, OSError) and error.strerror:
            why = f"{why}: {error.strerror}"
        if isinstance(error, _HOPELESS):
            return Failure(Phase.NOT_SENT, f"no trusted connection ({why})", transient=False)
        if isinstance(error, _NEVER_SENT):
            return Failure(Phase.NOT_SENT, f"no connection ({why})")
        if isinstance(error, TimeoutError):
            return self._heard_nothing()
        return Failure(self.phase, f"a broken connection ({why})")


class _Watch:
    """Ends attempts whose time is up, or that have heard nothing for READ_S.

    It looks at all of them eight times in that while, and only a deadline that comes before the
    next look gets a timer: most calls are over long before theirs. A timer for each call costs
    more than the rest of its bookkeeping, and one for each piece of each answer, which is how
    aiohttp keeps its sock_read, several times as much as reading the piece. Without `heard`
    somebody else looks after silence.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, *, heard: bool) -> None:
        self._loop = loop
        self._heard = heard
        self._attempts: set[Attempt] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._next_look = 0.0

    def bound(self, attempt: Attempt) -> asyncio.Timeout:
        """Look after `attempt` until it is left; what it does goes inside of what this gives."""
        self._attempts.add(attempt)
        if self._timer is None:
            self._look_later()
        attempt.bound = asyncio.timeout_at(attempt.alarm(self._next_look))
        return attempt.bound

    def leave(self, attempt: Attempt) -> None:
        """Have nothing more to do with `attempt`."""
        self._attempts.discard(attempt)

    def break_off(self) -> None:
        """Stop reading what is being read."""
        for attempt in self._attempts:
            if attempt.answer is not None:
                attempt.answer.close()

    def rest(self) -> None:
        """Leave no timer behind, unless there is somebody to look after."""
        if self._timer is not None and not self._attempts:
            self._timer.cancel()
            self._timer = None

    def _look_later(self) -> None:
        self._next_look = self._loop.time() + READ_S / 8
        self._timer = self._loop.call_at(self._next_look, self._look)

    def _look(self) -> None:
        now = self._loop.time()
        late, self._timer = now - self._next_look, None
        if self._attempts:
            self._look_later()
        # A loop that stood still has still to read what came in meanwhile.
        heard_by = now - READ_S if self._heard and late < STOOD_STILL_S else -math.inf
        for attempt in self._attempts:
            attempt.look(now, until=self._next_look, heard_by=heard_by)


class Transport:
    """The HTTP session of one client. It closes the aiohttp session it made, never a given one."""

    def __init__(
        self,
        *,
        base_url: str,
        conversions_url: str,
        headers: Mapping[str, str],
        session: aiohttp.ClientSession | None,
        max_in_flight: int | None = None,
    ) -> None:
        if session is not None and session.auth is not None:
            raise ConfigurationError(
                "the given aiohttp session has an auth= of its own, where the token has to go"
            )
        self.base_url = base_url
        self.conversions_url = conversions_url
        self.latency = Latency()
        self._headers = CIMultiDict({"Accept": "application/json", **headers})
        self._given = session
        self._session = session
        self._road: Road | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False
        self._max_in_flight = max_in_flight if session is None else _room_in(session, max_in_flight)
        self._in_flight: InFlight | None = None
        self._watch: _Watch | None = None

    def attempt(
        self,
        limiter: RateLimiter,
        *,
        lane: Lane,
        now: Callable[[], float],
        deadline: float,
        on_start: Callable[[float], None] | None,
    ) -> Attempt:
        """One attempt for `send`; see Attempt."""
        return Attempt(
            limiter,
            lane=lane,
            now=now,
            deadline=deadline,
            on_start=on_start,
            check=self._check_open,
        )

    async def send(self, call: Call[Any], attempt: Attempt, headers: Mapping[str, str]) -> Reply:
        """Send `call` once, with `headers` in place of those that every request has. Raises
        Failure when no whole answer came back."""
        if self._loop is not asyncio.get_running_loop() and not self._closed:
            await self._move_to(self._running_loop())
        self._check_open()  # what cannot work is said before any waiting
        body = None if call.json is None else _json_body(call.json)
        watch = self._watch
        assert watch is not None
        try:
            async with watch.bound(attempt):
                if self._in_flight is None:
                    reply = await self._exchange(call, body, attempt, headers)
                else:
                    async with self._in_flight.slot(attempt.lane):
                        self._check_open()  # much may have happened meanwhile
                        reply = await self._exchange(call, body, attempt, headers)
        except TimeoutError:
            raise attempt.out_of_time() from None
        finally:
            watch.leave(attempt)
        if reply.whole and attempt.sent:
            self.latency.add(attempt.heard_at - attempt.sent_at)
        return reply

    async def _exchange(
        self, call: Call[Any], body: bytes | None, attempt: Attempt, headers: Mapping[str, str]
    ) -> Reply:
        assert self._road is not None
        everywhere = self._headers
        if headers or body is not None:
            everywhere = everywhere.copy()
            everywhere.update(headers)
        if body is not None:
            attempt.upload_s = len(body) / SLOWEST_UPLOAD
            everywhere["Content-Type"] = "application/json"
        url = _url(call.base or self.base_url, *call.target())
        try:
            response = await self._road.answer(
                call.method, url, attempt, headers=everywhere, body=body
            )
            return await self._read(response, call, attempt)
        except BROKEN as error:
            raise attempt.failure(error) from error

    async def aclose(self) -> None:
        """Close the session this transport made. Later calls raise ConfigurationError."""
        loop = self._running_loop()
        self._closed = True
        session, self._session = self._session, None
        if self._watch is not None and self._loop is loop:  # nothing lives on in another one
            if self._given is None:
                self._watch.break_off()  # closing the session alone would leave readers waiting
            self._watch.rest()
        if session is not None and session is not self._given:
            await session.close()

    def _check_open(self) -> None:
        if self._closed:
            raise ConfigurationError("the client is closed: make a new OmnichatClient")
        assert self._session is not None
        if self._session.closed:
            raise ConfigurationError("the aiohttp session of this client was closed elsewhere")

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        """The running loop, unless the client belongs to another one that is alive."""
        loop = asyncio.get_running_loop()
        if self._loop is not None and self._loop is not loop and not self._loop.is_closed():
            raise ConfigurationError(
                "the client is in use in another event loop: make one OmnichatClient per loop"
            )
        return loop

    async def _move_to(self, loop: asyncio.AbstractEventLoop) -> None:
        """Belong to `loop`; what was opened in a loop that has ended is given up."""
        if self._given is not None and getattr(self._given, "_loop", loop) is not loop:
            raise ConfigurationError(
                "the given aiohttp session belongs to another event loop: make it in the one "
                "that uses it"
            )
        self._loop = loop
        if self._max_in_flight is not None:
            self._in_flight = InFlight(self._max_in_flight)
        ended = None
        if self._given is None:
            _warm_up_malloc()
            ended, self._session = self._session, _own_session()
        assert self._session is not None
        if self._given is None and is_known(aiohttp.__version__):
            self._road = OwnConnections(self._session, loop, connect_s=CONNECT_S)
        else:
            self._road = ThroughSession(self._session, connect_s=CONNECT_S, read_s=READ_S)
        self._watch = _Watch(loop, heard=self._road.heard)
        if ended is not None:
            await ended.close()

    async def _read(
        self, response: aiohttp.ClientResponse, call: Call[Any], attempt: Attempt
    ) -> Reply:
        now = attempt.now
        chunks: list[bytes] = []
        size = 0
        whole = True
        headers = {name.lower(): value for name, value in response.headers.items()}
        attempt.answer = response
        try:
            attempt.heard_at = now()
            while chunk := await response.content.readany():
                attempt.heard_at = now()
                chunks.append(chunk)
                size += len(chunk)
                if size > LARGEST_BODY:
                    raise DecodeError(
                        "$",
                        f"a body of at most {LARGEST_BODY} bytes",
                        "a larger one",
                        call=call,
                        status=response.status,
                    )
        except BROKEN:
            whole = False
        except BaseException:
            response.close()
            raise
        response.release() if whole else response.close()
        return Reply(response.status, headers, b"".join(chunks), whole)


def _own_session() -> aiohttp.ClientSession:
    # The rate bounds what is in flight; a pool limit would let bulk block interactive.
    pool = aiohttp.TCPConnector(limit=0)
    return aiohttp.ClientSession(connector=pool, cookie_jar=aiohttp.DummyCookieJar())


def _warm_up_malloc() -> None:
    """Give a block back that is larger than those asyncio reads into, which have 256 KiB.

    glibc maps blocks of 128 KiB or more one by one, at the price of a page fault for each 4 KiB of
    an answer, until a larger one is given back. Most programs do so sooner or later.
    """
    bytearray(512 * 1024)


def _url(base: str, path: str, query: str) -> URL:
    scheme, authority, above = _parts(base)
    return URL.build(
        scheme=scheme, authority=authority, path=above + path, query_string=query, encoded=True
    )


@lru_cache(maxsize=8)
def _parts(base: str) -> tuple[str, str, str]:
    """Scheme, authority and path of a base URL: taken apart once, and not for every request."""
    url = URL(base, encoded=True)
    return url.scheme, url.raw_authority, url.raw_path.rstrip("/")


def _room_in(session: aiohttp.ClientSession, most: int | None) -> int | None:
    """How many requests a given session takes at once. Beyond that they would wait in its pool
    with a permit in hand, and then leave together."""
    connector = session.connector
    pool = (connector.limit, connector.limit_per_host) if connector is not None else ()
    return min((bound for bound in (most, *pool) if bound), default=None)


def _json_body(value: Any) -> bytes:
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidRequest("json", "must be what JSON can hold", type(error).__name__) from None
