"""The five stages of a call: limit, send once, classify, retry, decode."""

from __future__ import annotations

import asyncio
import logging
import math
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, TypeVar, cast

from omnichat_async import codec
from omnichat_async.classify import TOO_MANY_REQUESTS, Failure, classify, to_error
from omnichat_async.clock import ServerClock
from omnichat_async.errors import DecodeError
from omnichat_async.retries import LONGEST_WAIT_S, Law, RetryPolicy, persist

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from omnichat_async.calls import Call
    from omnichat_async.classify import Reply
    from omnichat_async.events import Hook, Observers
    from omnichat_async.limits import Lane, RateLimiter
    from omnichat_async.transport import Transport

__all__ = ["Options", "Session"]

T = TypeVar("T")

HEADLESS = "/whatsapp/headless-api/"
"""The WhatsApp headless API stands behind a gateway that may want another scheme."""

log = logging.getLogger("omnichat_async")


class Options:
    """How calls are made: `timeout` is the whole time of one call in seconds, queueing, attempts
    and waits together (None for no bound); `lane` None means interactive for single calls and
    bulk for walks over listings."""

    def __init__(
        self,
        *,
        timeout: float | None = 60.0,
        retry: RetryPolicy = RetryPolicy(),  # noqa: B008 - it cannot be changed
        lane: Lane | None = None,
    ) -> None:
        self.timeout = timeout
        self.retry = retry
        self.lane: Lane | None = lane


class Session:
    """Executes calls for one client. Everything that shares it shares its rate limiter.

    `connect` makes the transport, once, when it is first needed. `headless` are the headers
    that go to the headless API in place of what all requests have.
    """

    def __init__(
        self,
        *,
        connect: Callable[[], Transport],
        limiter: RateLimiter,
        headless: Mapping[str, str],
        hooks: Sequence[Hook] = (),
    ) -> None:
        self._connect = connect
        self.limiter = limiter
        self.clock = ServerClock()
        self._headless = headless
        self._observers = _observers(hooks)

    @cached_property
    def transport(self) -> Transport:
        """What sends the requests of this client."""
        return self._connect()

    def execute(self, call: Call[T], options: Options) -> Awaitable[T]:
        """Send `call` until it succeeds or its policy gives up, and decode the answer."""
        return self._perform(call, options, _decode)

    def fetch(self, call: Call[T], options: Options) -> Awaitable[Callable[[], T]]:
        """The same, but the answer is decoded when the result is called: an answer that has to
        wait for its turn takes least memory as it came, and is in the cache when it is read."""
        return self._perform(call, options, _unread)

    async def _perform(
        self, call: Call[Any], options: Options, read: Callable[[Call[Any], Reply], T]
    ) -> T:
        now = asyncio.get_running_loop().time
        start = now()
        deadline = math.inf if options.timeout is None else start + options.timeout
        law = Law(call, options.retry, left=lambda: deadline - now(), announce=self._announce)
        lane = options.lane or "interactive"
        outcome: str | None = None
        try:
            return read(call, await persist(law, partial(self._attempt, law, lane, now, deadline)))
        except Failure as failure:
            error = to_error(call, law.verdict(failure), law.attempts)
            outcome = type(error).__name__
            try:
                raise error from error.__cause__
            finally:
                del error  # or its traceback would lead back to it, and wait for the collector
        except BaseException as error:
            outcome = type(error).__name__
            raise
        finally:
            self._finished(law, start, outcome)

    async def _attempt(
        self, law: Law, lane: Lane, now: Callable[[], float], deadline: float
    ) -> Reply:
        """The first three stages: wait for the limit, send once, classify the answer."""
        call, law.reply = law.call, None
        attempt = self.transport.attempt(
            self.limiter,
            lane=lane,
            now=now,
            deadline=deadline,
            on_start=None if self._observers is None else partial(self._observers.started, law),
        )
        headers = self._headless if call.path.startswith(HEADLESS) else {}
        reply = await self.transport.send(call, attempt, headers)
        law.reply = reply
        if call.base is None:  # another host has another clock
            self.clock.saw(reply.headers)
        if reply.status == TOO_MANY_REQUESTS:
            told = reply.retry_after
            attempt.throttled(1.0 if told is None else min(told, LONGEST_WAIT_S))
        if (failure := classify(call, reply)) is None:
            return reply
        try:
            raise failure
        finally:
            del failure  # as above

    # ---- telling the outside -------------------------------------------------------------------

    def _announce(self, law: Law, failure: Failure) -> None:
        label, wait = law.call.label, failure.wait or 0.0
        log.info(
            "%s: attempt %d failed (%s), again in %.1f s", label, law.attempts, failure.reason, wait
        )
        if self._observers is not None:
            self._observers.failed(law, failure, wait)

    def _finished(self, law: Law, start: float, outcome: str | None) -> None:
        if self._observers is None and not log.isEnabledFor(logging.DEBUG):
            return
        seconds = asyncio.get_running_loop().time() - start
        status = None if law.reply is None else law.reply.status
        log.debug(
            "%s: %s after %d attempts, %.3f s",
            law.call.label,
            outcome or status,
            law.attempts,
            seconds,
        )
        if self._observers is not None:
            self._observers.finished(law, seconds, status, outcome)


def _observers(hooks: Sequence[Hook]) -> Observers | None:
    """What tells the hooks, if there are any: few programs need to import it."""
    if not hooks:
        return None
    from omnichat_async.events import Observers  # noqa: PLC0415

    return Observers(tuple(hooks))


def _decode(call: Call[T], reply: Reply) -> T:
    """The last stage. What cannot be read is a DecodeError with the whole answer on it."""
    parse = partial(_json_of, call, reply)
    answer = call.answer
    try:
        if answer.lines is not None:
            return cast("T", codec.read_lines(answer.lines, reply.body, parse))
        if answer.kind == "page" and answer.model is not None and codec.pays_off():
            return cast("T", codec.read_page(answer.model, reply.body, parse))
        return codec.decode(call, parse())
    except DecodeError as error:
        raise DecodeError(
            error.path,
            error.expected,
            error.found,
            call=call,
            status=reply.status,
            body=reply.body,
            raw=error.raw,
        ) from None


def _unread(call: Call[T], reply: Reply) -> Callable[[], T]:
    return partial(_decode, call, reply)


def _json_of(call: Call[Any], reply: Reply) -> Any:
    """The body as JSON, or None where the call allows that there is none."""
    kind = call.answer.kind
    may_be_empty = kind == "raw" or call.answer.or_nothing
    is_json, parsed = reply.json
    if not is_json and not (kind == "nothing" or (may_be_empty and not reply.body)):
        raise DecodeError("$", "JSON", "something else" if reply.body else "an empty body")
    return parsed
