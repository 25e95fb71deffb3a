"""The server's clock, as its answers tell it."""

from __future__ import annotations

import asyncio
from email.utils import formatdate

import pytest

from omnichat_async import NotFound, OmnichatClient
from omnichat_async.clock import ServerClock
from tests.support.clock import run_virtual
from tests.support.run import run
from tests.support.wire import HostileServer, reply

NOON_S = 1_700_000_000


def at(seconds: float) -> dict[str, str]:
    return {"date": formatdate(seconds, usegmt=True)}


def test_nobody_knows_before_the_first_date() -> None:
    async def main() -> None:
        clock = ServerClock()
        assert clock.now_ms() is None
        for headers in ({}, {"date": ""}, {"date": "yesterday"}):
            clock.saw(headers)
        assert clock.now_ms() is None

    run_virtual(main())


def test_it_goes_on_with_the_loop() -> None:
    async def main() -> None:
        clock = ServerClock()
        clock.saw(at(NOON_S))
        await asyncio.sleep(100)
        now = clock.now_ms()
        assert now is not None
        assert abs(now - (NOON_S + 100) * 1000) < 1

    run_virtual(main())


def test_the_slowest_of_several_servers_counts_until_it_is_long_gone() -> None:
    async def main() -> None:
        clock = ServerClock()
        for seconds in (NOON_S, NOON_S - 40, NOON_S + 90):
            clock.saw(at(seconds))
        assert clock.now_ms() == (NOON_S - 40) * 1000
        for _ in range(16):
            clock.saw(at(NOON_S))
        assert clock.now_ms() == NOON_S * 1000

    run_virtual(main())


def test_another_loop_begins_anew() -> None:
    clock = ServerClock()

    async def first() -> None:
        clock.saw(at(NOON_S))

    async def second() -> None:
        assert clock.now_ms() is None

    run_virtual(first())
    run_virtual(second())


def test_every_answer_tells_a_client_the_time_even_a_refusal() -> None:
    async def main() -> None:
        async with (
            HostileServer([reply(404, {}, at(NOON_S))]) as server,
            OmnichatClient("t", base_url=server.url) as client,
        ):
            clock = client._session.clock
            with pytest.raises(NotFound):
                await client.request("GET", "/anything")
            now = clock.now_ms()
            assert now is not None
            assert now >= NOON_S * 1000

    run(main())
