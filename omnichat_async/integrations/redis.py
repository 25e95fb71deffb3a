"""Events deduplicated in Redis, for several workers or hosts. Needs the extra ``redis``.

::

    receiver = Receiver(auth, inbox=SqliteInbox(path), dedupe=RedisDedupe("redis://localhost"))
"""

from __future__ import annotations

import asyncio
import hashlib
import uuid
from typing import TYPE_CHECKING, Any, TypeVar

from omnichat_async.errors import ConfigurationError
from omnichat_async.webhooks.dedupe import Claim, DedupeUnavailable

try:
    from redis.asyncio import Redis
    from redis.exceptions import RedisError
except ImportError:
    raise ImportError("this needs the extra redis: pip install 'omnichat_async[redis]'") from None

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

__all__ = ["RedisDedupe"]

T = TypeVar("T")

_DONE = "1"
_AT_ONCE = 32
"""Commands at once, each on a connection of its own: a client has only so many, and what is one
too many fails as if the server were down."""

# Only the claim's own token is replaced. A claim that has ended, and that nobody else has, counts:
# its event was handled all the same.
_SET_DONE = """
local held = redis.call('GET', KEYS[1])
if not held or held == ARGV[1] then redis.call('SET', KEYS[1], '1', 'PX', ARGV[2]) end
return 0
"""
_RENEW = """
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return 0
"""
_RELEASE = """
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
return 0
"""


class RedisDedupe:
    """A dedupe store in Redis, shared by all receivers that use the same server and `prefix`.

    `redis` is a URL (``redis://``, ``rediss://``, ``unix://``), or a ``redis.asyncio`` client,
    which stays yours to close and should allow 32 connections or more. No command takes longer
    than `timeout` seconds, nor waits longer for its turn. If Redis does not
    answer, events are handled without a claim, so one that comes twice may be handled twice; with
    `fail_closed` they wait until it does, and with ``ack="handled"`` are refused with status 503.
    Raises ConfigurationError for a URL that is none.

    An event takes one key: `prefix` and a hash of 64 characters, which holds nothing of the event,
    for a week after it was handled. Give Redis a policy that evicts no such key before its time
    (``noeviction`` or ``volatile-ttl``): an event whose key is gone can be handled again.
    """

    def __init__(
        self,
        redis: Redis | str,
        *,
        prefix: str = "omnichat:webhooks:",
        fail_closed: bool = False,
        timeout: float = 1.0,
    ) -> None:
        self._owned = isinstance(redis, str)
        self._redis: Any = _connected(redis) if isinstance(redis, str) else redis
        self._prefix = prefix
        self._fail_closed = fail_closed
        self._timeout = timeout
        self._free: tuple[asyncio.AbstractEventLoop, asyncio.Semaphore] | None = None

    async def claim(self, key: str, lease: float) -> Claim:
        token = uuid.uuid4().hex
        try:
            state = await self._in_time(lambda: self._claim(self._name(key), token, lease))
        except (RedisError, OSError) as error:  # a timeout is an OSError
            if self._fail_closed:
                raise DedupeUnavailable("Redis does not answer") from error
            raise
        if state == token:
            return Claim("new", token)
        return Claim("done" if state == _DONE else "busy")

    async def _claim(self, name: str, token: str, lease: float) -> str:
        """What the key holds now."""
        milliseconds = _milliseconds(lease)
        while not await self._redis.set(name, token, nx=True, px=milliseconds):
            held = await self._redis.get(name)
            if held is not None:  # or it ended just now
                # It is this token if the answer to SET was lost, and the client asked again.
                return held.decode() if isinstance(held, bytes) else str(held)
        return token

    async def renew(self, key: str, token: str, lease: float) -> None:
        await self._run(_RENEW, key, token, _milliseconds(lease))

    async def done(self, key: str, token: str, ttl: float) -> None:
        await self._run(_SET_DONE, key, token, _milliseconds(ttl))

    async def release(self, key: str, token: str) -> None:
        await self._run(_RELEASE, key, token)

    async def aclose(self) -> None:
        """Close the connections, if the client was made here."""
        if self._owned:
            await self._redis.aclose()

    async def _run(self, script: str, key: str, *values: str | int) -> None:
        await self._in_time(lambda: self._redis.eval(script, 1, self._name(key), *values))

    async def _in_time(self, ask: Callable[[], Awaitable[T]]) -> T:
        free = self._turns()
        async with asyncio.timeout(self._timeout):
            await free.acquire()
        try:
            async with asyncio.timeout(self._timeout):
                return await ask()
        finally:
            free.release()

    def _turns(self) -> asyncio.Semaphore:
        loop = asyncio.get_running_loop()
        if self._free is None or self._free[0] is not loop:  # tests have a loop each
            self._free = loop, asyncio.Semaphore(_AT_ONCE)
        return self._free[1]

    def _name(self, key: str) -> str:
        # Of one length, whoever made the key, and of no meaning to who reads the server's keys.
        return self._prefix + hashlib.sha256(key.encode()).hexdigest()


def _connected(url: str) -> Redis:
    try:
        return Redis.from_url(url)
    except ValueError:  # whose text may hold the password
        raise ConfigurationError("redis must be a URL as redis://host:6379/0") from None


def _milliseconds(seconds: float) -> int:
    return max(1, round(seconds * 1000))
