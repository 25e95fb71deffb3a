"""What every dedupe store keeps to, in memory and in Redis, and what a receiver makes of it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import subprocess
import sys
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest

from omnichat_async import ConfigurationError
from omnichat_async.webhooks import (
    DedupeFailed,
    MemoryDedupe,
    MemoryInbox,
    Outcome,
    SqliteInbox,
    WorkPolicy,
)
from omnichat_async.webhooks.dedupe import DedupeUnavailable
from tests.support.clock import run_virtual
from tests.support.exports import ROOT
from tests.support.redis_server import NO_CLIENT, redis_server
from tests.support.run import run
from tests.webhooks.support import Seen, make, post, signed, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

    from omnichat_async.webhooks import DedupeStore
    from tests.support.redis_server import RedisServer

OK = (200, b"ok")


class InMemory:
    """A store in memory. As it is for one process, all its connections are one."""

    def __init__(self) -> None:
        self._now = 1000.0
        self._store = MemoryDedupe(clock=lambda: self._now)

    def connect(self) -> DedupeStore:
        return self._store

    async def advance(self, seconds: float) -> None:
        self._now += seconds

    async def aclose(self) -> None:
        await self._store.aclose()


class InRedis:
    """A store in a Redis, to which each connection is of its own."""

    def __init__(self, url: str) -> None:
        from redis.asyncio import Redis

        from omnichat_async.integrations.redis import RedisDedupe

        self._make, self._url = RedisDedupe, url
        self._stores: list[DedupeStore] = []
        self._raw = Redis.from_url(url)

    def connect(self, **options: Any) -> DedupeStore:
        self._stores.append(self._make(self._url, **options))
        return self._stores[-1]

    async def advance(self, seconds: float) -> None:
        """Have time pass: every key ends so much sooner."""
        for key in await self._raw.keys():
            left = await self._raw.pttl(key) - round(1000 * seconds)
            await (self._raw.pexpire(key, left) if left > 0 else self._raw.delete(key))

    async def keys(self) -> list[str]:
        return [key.decode() for key in await self._raw.keys() if isinstance(key, bytes)]

    async def aclose(self) -> None:
        for store in self._stores:
            await store.aclose()
        await self._raw.aclose()


Place: TypeAlias = "InMemory | InRedis"
Places: TypeAlias = "Callable[[], AbstractAsyncContextManager[Any]]"


@pytest.fixture(scope="module")
def running() -> Iterator[RedisServer]:
    with redis_server() as server:
        yield server


@pytest.fixture(params=["memory", "redis"])
def place_of(request: pytest.FixtureRequest) -> Places:
    url = request.getfixturevalue("running").url if request.param == "redis" else None

    @contextlib.asynccontextmanager
    async def make_place() -> AsyncIterator[Place]:
        place: Place = InMemory() if url is None else InRedis(url)
        try:
            yield place
        finally:
            if isinstance(place, InRedis):
                await place._raw.flushall()
            await place.aclose()

    return make_place


@contextlib.asynccontextmanager
async def in_redis(server: RedisServer) -> AsyncIterator[InRedis]:
    place = InRedis(server.url)
    try:
        yield place
    finally:
        await place.aclose()


# ---- the contract ------------------------------------------------------------------------------


def test_a_key_is_claimed_once_and_is_free_again_when_it_is_released(place_of: Places) -> None:
    async def main() -> None:
        async with place_of() as place:
            one, two = place.connect(), place.connect()
            claim = await one.claim("k", 10)
            assert claim.state == "new"
            assert (await two.claim("k", 10)).state == "busy"
            for settle in (two.release("k", "another"), two.done("k", "another", 100)):
                await settle
                assert (await two.claim("k", 10)).state == "busy"
            assert (await two.claim("another key", 10)).state == "new"
            await one.release("k", claim.token)
            assert (await two.claim("k", 10)).state == "new"

    run(main())


def test_what_is_done_is_remembered_for_its_time(place_of: Places) -> None:
    async def main() -> None:
        async with place_of() as place:
            one, two = place.connect(), place.connect()
            claim = await one.claim("k", 10)
            await one.done("k", claim.token, 100)
            for _ in range(2):
                assert (await two.claim("k", 10)).state == "done"
                await two.release("k", claim.token)
                await place.advance(40)
            await place.advance(40)
            assert (await two.claim("k", 10)).state == "new"

    run(main())


def test_a_claim_ends_and_whoever_had_it_has_no_say_any_more(place_of: Places) -> None:
    async def main() -> None:
        async with place_of() as place:
            one, two = place.connect(), place.connect()
            first = await one.claim("k", 10)
            await place.advance(11)
            second = await two.claim("k", 10)
            assert second.state == "new"
            await one.renew("k", first.token, 1000)
            await one.release("k", first.token)
            await one.done("k", first.token, 1000)
            assert (await one.claim("k", 10)).state == "busy"
            await place.advance(11)
            assert (await one.claim("k", 10)).state == "new"

    run(main())


def test_a_claim_that_is_renewed_stands(place_of: Places) -> None:
    async def main() -> None:
        async with place_of() as place:
            one, two = place.connect(), place.connect()
            claim = await one.claim("k", 10)
            for _ in range(3):
                await place.advance(9)
                await one.renew("k", claim.token, 10)
                assert (await two.claim("k", 10)).state == "busy"
            await place.advance(11)
            assert (await two.claim("k", 10)).state == "new"

    run(main())


def test_what_was_handled_beyond_its_claim_is_remembered_if_nobody_else_has_it(
    place_of: Places,
) -> None:
    async def main() -> None:
        async with place_of() as place:
            store = place.connect()
            claim = await store.claim("k", 10)
            await place.advance(11)
            await store.done("k", claim.token, 100)
            assert (await store.claim("k", 10)).state == "done"

    run(main())


def test_of_twenty_claims_at_once_one_is_new(place_of: Places) -> None:
    async def main() -> None:
        async with place_of() as place:
            stores = [place.connect() for _ in range(20)]
            for key in ("k", "王" * 10_000, ""):
                claims = await asyncio.gather(*(store.claim(key, 10) for store in stores))
                assert sorted(claim.state for claim in claims) == ["busy"] * 19 + ["new"]

    run(main())


# ---- a receiver with a store -------------------------------------------------------------------


@pytest.mark.parametrize("ack", ["queued", "handled"])
def test_twenty_duplicates_at_once_on_four_hosts_are_handled_once(
    place_of: Places, ack: str
) -> None:
    async def main() -> None:
        seen, entered, gate = Seen(), asyncio.Event(), asyncio.Event()
        observed: list[Any] = []

        async def slowly(event: Any, delivery: Any) -> None:
            entered.set()
            await gate.wait()
            await seen(event, delivery)

        async with place_of() as place, contextlib.AsyncExitStack() as stack:
            receivers = [
                make(
                    ack=ack,
                    dedupe=place.connect(),
                    work=WorkPolicy(poll=0.02),
                    hooks=(observed.append,),
                )
                for _ in range(4)
            ]
            for receiver in receivers:
                receiver.on_any(slowly)
                await stack.enter_async_context(receiver)
            posting = [
                asyncio.create_task(post(receivers[n % 4], signed(event_id="same")))
                for n in range(20)
            ]
            await entered.wait()
            if ack == "queued":  # the others have found that one of them has it
                await until(lambda: _states(observed).count("later") >= 3)
            gate.set()
            assert await asyncio.gather(*posting) == [OK] * 20
            if ack == "queued":
                await until(lambda: _states(observed).count("done") == 4)
            for receiver in receivers:
                assert await post(receiver, signed(event_id="same")) == OK
        assert len(seen.events) == 1
        assert [delivery.attempt for delivery in seen.deliveries] == [1]

    run(main())


def _states(observed: list[Any]) -> list[str]:
    return [each.state for each in observed if isinstance(each, Outcome)]


def test_a_failure_lets_another_host_handle_it(place_of: Places) -> None:
    async def main() -> None:
        broken, whole = Seen(failures=1000), Seen()
        async with (
            place_of() as place,
            make(broken, dedupe=place.connect()) as one,
            make(whole, dedupe=place.connect()) as two,
        ):
            assert await post(one, signed(event_id="same")) == OK
            await until(lambda: broken.deliveries)
            assert await post(two, signed(event_id="same")) == OK
            await until(lambda: whole.events)

    run(main())


def test_what_is_replayed_is_handled_again_although_the_store_knows_it(place_of: Places) -> None:
    async def main() -> None:
        seen = Seen()
        inbox = MemoryInbox()
        async with place_of() as place, make(seen, inbox=inbox, dedupe=place.connect()) as one:
            assert await post(one, signed(event_id="same")) == OK
            await one.idle()
            for times in (2, 3):
                assert await inbox.replay("done") == 1
                await one.idle()
                assert len(seen.events) == times
                assert (await inbox.counts())["done"] == 1
            async with make(seen, dedupe=place.connect()) as two:  # it is still done for others
                assert await post(two, signed(event_id="same")) == OK
                await two.idle()
            assert len(seen.events) == 3

    run(main())


def test_a_dead_event_that_is_replayed_is_not_handled_if_another_host_did_it(
    place_of: Places,
) -> None:
    async def main() -> None:
        inbox, broken, whole = MemoryInbox(), Seen(failures=1), Seen()
        async with place_of() as place:
            work = WorkPolicy(max_tries=1)
            store = place.connect()
            async with make(broken, inbox=inbox, dedupe=store, work=work) as one:
                assert await post(one, signed(event_id="same")) == OK
                await one.idle()
                assert (await inbox.counts())["dead"] == 1
                async with make(whole, dedupe=place.connect()) as two:
                    assert await post(two, signed(event_id="same")) == OK
                    await two.idle()
                assert await inbox.replay("dead") == 1
                await one.idle()
                assert (await inbox.counts())["done"] == 1
            assert (len(broken.events), len(whole.events)) == (0, 1)

    run(main())


def test_a_claim_is_kept_as_long_as_its_handlers_take() -> None:
    async def main() -> None:
        store, seen = MemoryDedupe(), Seen()

        async def slow(event: Any, delivery: Any) -> None:
            await seen(event, delivery)
            await asyncio.sleep(500)

        async with make(dedupe=store) as one, make(dedupe=store) as two:
            for receiver in (one, two):
                receiver.on_any(slow)
                assert await post(receiver, signed(event_id="same")) == OK
                await asyncio.sleep(1)
            await asyncio.sleep(600)
        assert len(seen.deliveries) == 1

    run_virtual(main())


# ---- Redis -------------------------------------------------------------------------------------


def test_keys_are_hashes_of_one_length(running: RedisServer) -> None:
    async def main() -> None:
        async with in_redis(running) as place:
            store = place.connect(prefix="p:")
            for key in ("85290000001", "x" * 1_000_000, "a\nb"):
                await store.claim(key, 10)
            keys = await place.keys()
            assert sorted(map(len, keys)) == [66] * 3
            assert all(set(key[2:]) <= set("0123456789abcdef") for key in keys)
            await place._raw.flushall()

    run(main())


@pytest.mark.parametrize("text", [False, True])
def test_a_client_of_yours_stays_yours(running: RedisServer, text: bool) -> None:
    from redis.asyncio import Redis

    from omnichat_async.integrations.redis import RedisDedupe

    async def main() -> None:
        async with Redis.from_url(running.url, decode_responses=text) as client:
            connected = (await client.client_info())["id"]
            store = RedisDedupe(client)
            claim = await store.claim("k", 10)
            assert (await store.claim("k", 10)).state == "busy"
            await store.done("k", claim.token, 10)
            assert (await store.claim("k", 10)).state == "done"
            await store.aclose()
            assert (await client.client_info())["id"] == connected
            await client.flushall()

    run(main())


def test_more_claims_at_once_than_a_client_has_connections(running: RedisServer) -> None:
    """redis-py refuses one too many as if the server were down, and claims nothing then."""
    from redis.asyncio import Redis

    from omnichat_async.integrations.redis import RedisDedupe

    async def main() -> None:
        async with Redis.from_url(running.url, max_connections=32) as client:
            store = RedisDedupe(client, timeout=60)
            claims = await asyncio.gather(*(store.claim(str(n), 60) for n in range(400)))
            assert [claim.state for claim in claims] == ["new"] * 400
            await client.flushall()

    for _ in range(2):  # each in a loop of its own
        run(main())


def test_a_url_that_is_none_is_refused_without_its_password() -> None:
    pytest.importorskip("redis", reason=NO_CLIENT)
    from omnichat_async.integrations.redis import RedisDedupe

    with pytest.raises(ConfigurationError, match="redis://") as caught:
        RedisDedupe("http://:password@localhost")
    assert "password" not in str(caught.value)


def test_a_claim_whose_answer_was_lost_is_still_ones_own(
    running: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client repeats a command whose answer did not come, and finds what it set itself."""
    from redis.asyncio import Redis

    lost: list[str] = []
    real = Redis.set

    async def twice(self: Any, name: str, *given: Any, **options: Any) -> Any:
        lost.append(name)
        await real(self, name, *given, **options)
        return await real(self, name, *given, **options)

    async def main() -> None:
        async with in_redis(running) as place:
            monkeypatch.setattr(Redis, "set", twice)
            claim = await place.connect().claim("k", 10)
            monkeypatch.undo()
            assert (claim.state, len(lost)) == ("new", 1)
            await place._raw.flushall()

    run(main())


CLAIMER = """
import asyncio, sys
from tests.webhooks.support import make, signed
from omnichat_async.integrations.redis import RedisDedupe

async def main():
    receiver = make(ack="handled", dedupe=RedisDedupe(sys.argv[1]))

    @receiver.on_any
    async def forever(event, delivery):
        print("begun", flush=True)
        await asyncio.sleep(1000)

    async with receiver:
        await receiver.handle(signed(event_id="same"))

asyncio.run(main())
"""


def test_an_event_whose_claimer_was_killed_is_handled_by_another(running: RedisServer) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", CLAIMER, running.url], cwd=ROOT, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"begun\n"
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()

    async def main() -> None:
        seen, observed = Seen(), list[Any]()
        async with in_redis(running) as place:
            options = {"dedupe": place.connect(), "work": WorkPolicy(poll=0.02)}
            async with make(seen, hooks=(observed.append,), **options) as receiver:
                assert await post(receiver, signed(event_id="same")) == OK
                await until(lambda: _states(observed).count("later") >= 20)
                assert seen.deliveries == []
                await place.advance(61)
                await until(lambda: seen.events)
            await place._raw.flushall()
        assert [delivery.attempt for delivery in seen.deliveries] == [1]

    run(main())


def test_redis_killed_meanwhile_costs_no_event(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)

    async def main() -> None:
        with redis_server() as server:
            seen, observed = Seen(), list[Any]()
            began, gate = asyncio.Event(), asyncio.Event()

            async def slow(event: Any, delivery: Any) -> None:
                began.set()
                await gate.wait()
                await seen(event, delivery)

            async with in_redis(server) as place:
                receiver = make(dedupe=place.connect(), hooks=(observed.append,))
                receiver.on_any(slow)
                async with receiver:
                    assert await post(receiver, signed(event_id="one")) == OK
                    await began.wait()
                    server.kill()
                    gate.set()
                    assert await post(receiver, signed(event_id="two")) == OK
                    await until(lambda: _states(observed) == ["done"] * 2)
                    server.start()
                    assert await post(receiver, signed(event_id="three")) == OK
                    await until(lambda: _states(observed) == ["done"] * 3)
                    assert len(await place.keys()) == 1
            assert len(seen.events) == 3
            failed = [each.operation for each in observed if isinstance(each, DedupeFailed)]
            assert sorted(failed) == ["claim", "done", "done"]

    run(main())
    lines = [each.getMessage() for each in caplog.records if "dedupe" in each.getMessage()]
    assert len(lines) == 2
    assert "may be handled twice" in lines[0]
    assert "answers again" in lines[1]


def test_a_store_that_fails_closed_has_events_wait(tmp_path: Path) -> None:
    async def main() -> None:
        with redis_server() as server:
            seen, observed = Seen(), list[Any]()
            async with in_redis(server) as place:
                store = place.connect(fail_closed=True)
                inbox, policy = SqliteInbox(tmp_path / "inbox.db"), WorkPolicy(poll=0.02)
                options = {"inbox": inbox, "work": policy, "hooks": (observed.append,)}
                async with make(seen, dedupe=store, **options) as receiver:
                    server.kill()
                    with pytest.raises(DedupeUnavailable):
                        await store.claim("k", 10)
                    assert await post(receiver, signed()) == OK
                    await until(lambda: _states(observed).count("later") >= 20)
                    assert seen.deliveries == []
                    server.start()
                    await until(lambda: seen.events)
                assert [delivery.attempt for delivery in seen.deliveries] == [1]
                store = place.connect(fail_closed=True)
                async with make(seen, ack="handled", dedupe=store) as receiver:
                    server.kill()
                    assert await post(receiver, signed()) == (503, b"")
                    assert receiver.health.failed == 1
                    server.start()
                    assert await post(receiver, signed()) == OK
            assert len(seen.events) == 2

    run(main())


def test_a_redis_that_hangs_holds_up_nothing_for_long(running: RedisServer) -> None:
    async def main() -> None:
        seen, observed = Seen(), list[Any]()
        async with in_redis(running) as place:
            store = place.connect(timeout=0.05)
            async with make(
                seen, ack="handled", dedupe=store, hooks=(observed.append,)
            ) as receiver:
                with running.hanging():
                    assert await post(receiver, signed()) == OK
                assert len(seen.events) == 1
            errors = [each.error for each in observed if isinstance(each, DedupeFailed)]
            assert errors == ["TimeoutError", "TimeoutError"]
            await place._raw.flushall()

    run(main())
