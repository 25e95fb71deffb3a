"""The five stages of a call: limit, send once, classify, retry, decode."""

from __future__ import annotations

import asyncio
import logging
import math
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, TypeVar, cast

from omnichat_async import codec
from omnichat_async.classify import TOO_MANY_REQUESTS, Failure, Phase, classify, to_error
from omnichat_async.clock import ServerClock
from omnichat_async.errors import DecodeError
from omnichat_async.retries import LONGEST_WAIT_S, Law, RetryPolicy, persist

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from omnichat_async.calls import Call
    from omnichat_async.classify import Reply
    from omnichat_async.events import Hook, Observed
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

    `connect` makes the transport, once, when it is first needed.
    """

    def __init__(
        self,
        *,
        connect: Callable[[], Transport],
        limiter: RateLimiter,
        token: str,
        headless_auth: str = "Bearer",
        hooks: Sequence[Hook] = (),
    ) -> None:
        self._connect = connect
        self.limiter = limiter
        self.clock = ServerClock()
        self._authorization = f"Bearer {token}"
        self._headless_authorization = f"{headless_auth} {token}"
        self._observed = _observed(hooks)

    @cached_property
    def transport(self) -> Transport:
        """What sends the requests of this client."""
        return self._connect()

    async def execute(self, call: Call[T], options: Options) -> T:
        """Send `call` until it succeeds or its policy gives up, and decode the answer."""
        return await self._perform(call, options, _decode)

    async def fetch(self, call: Call[T], options: Options) -> Callable[[], T]:
        """The same, but the answer is decoded when the result is called: an answer that has to
        wait for its turn takes least memory as it came, and is in the cache when it is read."""
        return await self._perform(call, options, partial(partial, _decode))

    async def _perform(
        self, call: Call[Any], options: Options, read: Callable[[Call[Any], Reply], T]
    ) -> T:
        loop = asyncio.get_running_loop()
        start = loop.time()
        deadline = math.inf if options.timeout is None else start + options.timeout
        law = Law(
            call,
            options.retry,
            left=lambda: deadline - loop.time(),
            announce=lambda failure: self._announce(law, failure),
        )
        reply: Reply | None = None
        unsettled: Failure | None = None
        refused: Failure | None = None
        outcome: str | None = None

        async def attempt() -> Reply:
            nonlocal reply, unsettled, refused
            reply = None
            try:
                reply = await self._send(call, law, options.lane or "interactive", deadline)
                if (failure := classify(call, reply)) is not None:
                    raise failure
            except Failure as failure:
                if failure.throttled:
                    refused = failure
                elif failure.phase is not Phase.NOT_SENT:
                    unsettled = failure
                raise
            return reply

        try:
            return read(call, await persist(law, attempt))
        except Failure as failure:
            if failure.phase is Phase.NOT_SENT and unsettled is not None:
                # The last attempt never left, but an earlier one did.
                both = f"{unsettled.reason}, then {failure.reason}"
                failure = Failure(Phase.UNKNOWN, both, reply=unsettled.reply)
            elif failure.phase is Phase.NOT_SENT and refused is not None:
                failure = refused  # time ran out in the queue, but that is not why it failed
            error = to_error(call, failure, law.attempts)
            outcome = type(error).__name__
            raise error from error.__cause__
        except BaseException as error:
            outcome = type(error).__name__
            raise
        finally:
            self._finished(law, loop.time() - start, reply, outcome)

    async def _send(self, call: Call[Any], law: Law, lane: Lane, deadline: float) -> Reply:
        """The first two stages: wait for the limit, send once."""
        attempt = self.transport.attempt(
            self.limiter,
            lane=lane,
            deadline=deadline,
            on_start=None if self._observed is None else partial(self._observed.started, law),
        )
        try:
            async with asyncio.timeout_at(None if deadline == math.inf else deadline):
                reply = await self.transport.send(call, attempt, self._authorization_for(call))
        except TimeoutError:
            raise Failure(attempt.phase, "the call's timeout ran out", transient=False) from None
        if call.base is None:  # another host has another clock
            self.clock.saw(reply.headers)
        if reply.status == TOO_MANY_REQUESTS:
            told = reply.retry_after
            attempt.throttled(1.0 if told is None else min(told, LONGEST_WAIT_S))
        return reply

    def _authorization_for(self, call: Call[Any]) -> str:
        headless = call.path.startswith(HEADLESS)
        return self._headless_authorization if headless else self._authorization

    # ---- telling the outside -------------------------------------------------------------------

    def _announce(self, law: Law, failure: Failure) -> None:
        label, wait = law.call.label, failure.wait or 0.0
        log.info(
            "%s: attempt %d failed (%s), again in %.1f s", label, law.attempts, failure.reason, wait
        )
        if self._observed is not None:
            self._observed.failed(law, failure, wait)

    def _finished(self, law: Law, seconds: float, reply: Reply | None, outcome: str | None) -> None:
        if self._observed is None and not log.isEnabledFor(logging.DEBUG):
            return
        status = None if reply is None else reply.status
        log.debug(
            "%s: %s after %d attempts, %.3f s",
            law.call.label,
            outcome or status,
            law.attempts,
            seconds,
        )
        if self._observed is not None:
            self._observed.finished(law, seconds, status, outcome)


def _observed(hooks: Sequence[Hook]) -> Observed | None:
    """What tells the hooks, if there are any: few programs need to import it."""
    if not hooks:
        return None
    from omnichat_async.events import Observed  # noqa: PLC0415

    return Observed(tuple(hooks))


def _decode(call: Call[T], reply: Reply) -> T:
    """The last stage. What cannot be read is a DecodeError with the whole answer on it."""
    parse = partial(_json_of, call, reply)
    try:
        if call.answer.kind == "page" and call.answer.model is not None and codec.pays_off():
            return cast("T", codec.read_page(call.answer.model, reply.body, parse))
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


def _json_of(call: Call[Any], reply: Reply) -> Any:
    """The body as JSON, or None where the call allows that there is none."""
    kind = call.answer.kind
    may_be_empty = kind == "raw" or call.answer.or_nothing
    if not reply.is_json and not (kind == "nothing" or (may_be_empty and not reply.body)):
        raise DecodeError("$", "JSON", "something else" if reply.body else "an empty body")
    return reply.parsed
