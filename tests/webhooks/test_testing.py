"""The testing kit: the plugin as users get it, and a sender that switches itself off."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from omnichat_async.integrations import aiohttp as on_aiohttp
from omnichat_async.testing import (
    OMIT,
    FakeOmnichat,
    SubscriptionDisabled,
    builders,
    event_data,
    whatsapp_body,
    whatsapp_message,
)
from tests.support.run import run
from tests.webhooks.support import SECRET, TOKEN, Seen, make, until

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

USER_TEST = """
import asyncio
from omnichat_async import OmnichatClient

def test_the_client_is_bound_to_the_sandbox(omnichat_sandbox, omnichat_client):
    async def main():
        async with omnichat_client as client:
            return await client.channels.list()
    assert asyncio.run(main())
    assert omnichat_sandbox.stats().requests == 1

def test_each_test_has_its_own(omnichat_sandbox):
    assert omnichat_sandbox.stats().requests == 0
"""


def test_the_fixtures_are_there_for_users(tmp_path: Path) -> None:
    (tmp_path / "test_user.py").write_text(USER_TEST)
    command = [sys.executable, "-W", "error", "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*command, str(tmp_path)], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert "2 passed" in done.stdout, done.stdout + done.stderr


async def serve(handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> Any:
    app = web.Application()
    app.router.add_route("*", "/webhooks", handler)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    return runner, f"http://127.0.0.1:{runner.addresses[0][1]}/webhooks"


def test_the_fake_sender_and_the_receiver_agree() -> None:
    async def main() -> None:
        seen = Seen()
        async with make(seen) as receiver:
            runner, url = await serve(on_aiohttp.handler(receiver))
            async with FakeOmnichat(url, secret=SECRET, verify_token=TOKEN) as omnichat:
                await omnichat.handshake()
                for topic in builders.TOPICS:
                    assert await omnichat.post(event_data(topic), topic=topic) == 200
                assert await omnichat.post(whatsapp_body(whatsapp_message())) == 200
                await until(lambda: len(seen.events) == 14)
            async with FakeOmnichat(url, secret=SECRET, verify_token="wrong") as stranger:
                with pytest.raises(AssertionError, match="403"):
                    await stranger.handshake()
            await runner.cleanup()

    run(main())


@pytest.mark.parametrize("status", [201, 202, 204, 500, 302])
def test_more_than_twenty_failures_in_a_row_switch_it_off(status: int) -> None:
    async def main() -> None:
        async def answer(_: web.Request) -> web.Response:
            return web.Response(status=status)

        runner, url = await serve(answer)
        async with FakeOmnichat(url, secret=SECRET, of_at_least=1000) as omnichat:
            for _ in range(21):
                assert not omnichat.disabled
                assert await omnichat.post({}) == status
            assert omnichat.disabled
            with pytest.raises(SubscriptionDisabled, match="21"):
                await omnichat.post({})
        await runner.cleanup()

    run(main())


@pytest.mark.parametrize(("every", "disabled"), [(9, True), (10, False)])
def test_more_than_a_tenth_of_an_hour_switches_it_off(every: int, disabled: bool) -> None:
    async def main() -> None:
        count = 0

        async def answer(_: web.Request) -> web.Response:
            nonlocal count
            count += 1
            return web.Response(status=500 if count % every == 0 else 200)

        runner, url = await serve(answer)
        async with FakeOmnichat(url, secret=SECRET) as omnichat:
            for _ in range(30):
                if not omnichat.disabled:
                    await omnichat.post({})
            assert omnichat.disabled is disabled
            if disabled:
                with pytest.raises(SubscriptionDisabled, match="10 % of an hour"):
                    await omnichat.post({})
        await runner.cleanup()

    run(main())


def test_no_answer_is_a_failure() -> None:
    async def main() -> None:
        async with FakeOmnichat("http://127.0.0.1:1/", secret=SECRET) as omnichat:
            assert await omnichat.post({}) is None
            assert omnichat.failures_in_a_row == 1

    run(main())


def test_builders_take_overrides_and_give_copies() -> None:
    ticket = event_data("ticket/update", status="Closed", subject=OMIT)
    assert ticket["status"] == "Closed"
    assert "subject" not in ticket
    ticket["agentLogs"].clear()
    assert event_data("ticket/update")["agentLogs"]
    with pytest.raises(KeyError):
        event_data("no/topic")
