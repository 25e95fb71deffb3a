"""The client: what may be configured, how long it lives, what its views share."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import http.server
import logging
import math
import threading
import warnings
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from omnichat_async import (
    APIError,
    ConfigurationError,
    InvalidRequest,
    OmnichatClient,
    OutcomeUnknown,
    RateLimiter,
    RetryPolicy,
    __version__,
)
from omnichat_async.client import (
    DEFAULT_BASE_URL,
    DEFAULT_TIMEOUT_S,
    checked_base_url,
    checked_timeout,
    checked_token,
)
from tests.support.calls import ONCE, READ, TOKEN, execute, failure_of, quick_client, served
from tests.support.run import run
from tests.support.wire import Exchange, HostileServer, Reply, Request, drop, reply, silent

if TYPE_CHECKING:
    from collections.abc import Iterator

    from omnichat_async.limits import Lane
    from omnichat_async.transport import Attempt

OK = reply(body={"ok": True})


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMNICHAT_API_TOKEN", raising=False)
    monkeypatch.delenv("OMNICHAT_BASE_URL", raising=False)


# ---- configuration -----------------------------------------------------------------------------


@pytest.mark.parametrize("given", ["abc", " abc\n", "Bearer abc", "bearer  abc ", "BEARER\tabc"])
def test_a_token_is_taken_as_people_paste_it(given: str) -> None:
    assert checked_token(given) == "abc"


@pytest.mark.parametrize("token", ["bearerabc", "a.b-c_d/e+f==", "!~"])
def test_a_token_may_hold_any_visible_ascii(token: str) -> None:
    assert checked_token(token) == token


@pytest.mark.parametrize(
    ("token", "why"),
    [
        ("", "is empty"),
        ("  \n", "is empty"),
        ("Bearer", "is empty"),
        ("Bearer ", "is empty"),
        ("sec ret", "white space"),
        ("secbearer ret", "white space"),
        ("Bearer Bearer secret", "white space"),
        ("sec\r\nX-Evil: 1", "white space"),
        ("sec\x00ret", "control"),
        ("sec\x7fret", "control"),
        ("sécret", "non-ASCII"),
        ("“secret”", "non-ASCII"),
    ],
)
def test_a_token_that_cannot_be_one(token: str, why: str) -> None:
    with pytest.raises(ConfigurationError, match=why) as caught:
        OmnichatClient(token)
    assert "ret" not in str(caught.value)


def test_no_token_at_all() -> None:
    with pytest.raises(ConfigurationError, match=r"token= \(--token\) or set \$OMNICHAT_API_TOKEN"):
        OmnichatClient()


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with HostileServer([OK]) as server:
            monkeypatch.setenv("OMNICHAT_API_TOKEN", "Bearer from-env")
            monkeypatch.setenv("OMNICHAT_BASE_URL", f"{server.url}/")
            async with OmnichatClient() as client:
                await client.request("GET", "/x")
            async with OmnichatClient("given") as client:
                await client.request("GET", "/x")
            async with OmnichatClient(base_url=f"{server.url}/other") as client:
                await client.request("GET", "/x")
        sent = [(each.target, each.headers["authorization"]) for each in server.requests]
        assert sent == [
            ("/v1/x", "Bearer from-env"),
            ("/v1/x", "Bearer given"),
            ("/v1/other/x", "Bearer from-env"),
        ]

    run(main())


def test_what_is_given_empty_is_not_looked_up_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a missing setting of one account would send in the name of another."""
    monkeypatch.setenv("OMNICHAT_API_TOKEN", "from-env")
    monkeypatch.setenv("OMNICHAT_BASE_URL", "https://env.example/v1")
    with pytest.raises(ConfigurationError, match="is empty"):
        OmnichatClient("")
    with pytest.raises(ConfigurationError, match="base_url must start with https"):
        OmnichatClient(base_url="")


def test_an_empty_environment_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMNICHAT_BASE_URL", "")
    assert repr(OmnichatClient("t")) == f"OmnichatClient(base_url={DEFAULT_BASE_URL!r})"
    monkeypatch.setenv("OMNICHAT_API_TOKEN", "")
    with pytest.raises(ConfigurationError, match="is empty"):
        OmnichatClient()


@pytest.mark.parametrize(
    ("url", "used"),
    [
        ("https://open-api.omnichat.ai/v1/", "https://open-api.omnichat.ai/v1"),
        ("HTTPS://Example.COM:8443", "HTTPS://Example.COM:8443"),
        ("https://xn--r8jz45g.jp/v1", "https://xn--r8jz45g.jp/v1"),
        ("https://[2001:db8::1]/v1", "https://[2001:db8::1]/v1"),
        ("https://10.0.0.1/v1", "https://10.0.0.1/v1"),
        ("http://127.0.0.1:8080/v1", "http://127.0.0.1:8080/v1"),
        ("http://127.9.9.9/v1", "http://127.9.9.9/v1"),
        ("http://[::1]:8080/v1", "http://[::1]:8080/v1"),
        ("http://LOCALHOST:8080/v1//", "http://LOCALHOST:8080/v1"),
    ],
)
def test_base_urls(url: str, used: str) -> None:
    assert checked_base_url(url) == used


@pytest.mark.parametrize(
    "url",
    [
        "http://open-api.omnichat.ai/v1",
        "http://10.0.0.1/v1",
        "http://0.0.0.0/v1",
        "http://127.0.0.1.evil.example/v1",
        "http://localhost.evil.example/v1",
        "http://evil.localhost/v1",  # looked up in the DNS like any other name
        "http://[2001:db8::1]/v1",
        "http://[::ffff:10.0.0.1]/v1",
    ],
)
def test_a_token_is_not_sent_in_the_clear(url: str) -> None:
    with pytest.raises(ConfigurationError, match="unencrypted"):
        OmnichatClient("t", base_url=url)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("https://user:pass-word@h/v1", "no user"),
        ("https://user@h/v1", "no user"),
        ("https://@h/v1", "no user"),
        ("http://127.0.0.1@evil.example/v1", "no user"),
        ("https://h/v1?key=pass-word", "query"),
        ("https://h/v1?", "query"),
        ("https://h/v1#part", "fragment"),
        ("https://h/v1#", "fragment"),
        ("open-api.omnichat.ai/v1", "must start with https"),
        ("ftp://h/v1", "must start with https"),
        ("file:///etc/passwd", "must start with https"),
        ("https://", "must start with https"),
        ("https:///v1", "must start with https"),
        ("https://h:port/v1", "not a URL"),
        ("https://h:99999/v1", "not a URL"),
        ("https://[::1/v1", "not a URL"),
        (" https://h/v1", "white space"),
        ("https://h/v1\n", "white space"),
        ("https://h/v\t1", "white space"),
        ("https://h/v1\x00", "control"),
        ("https://例え.jp/v1", "ASCII"),
        ("https://h/v1/é", "ASCII"),
        ("http://127.0.0.1\\.evil.example/v1", "cannot exist"),
        ("https://h%00/v1", "cannot exist"),
        ("https://a..b/v1", "cannot exist"),
        ("https://./v1", "cannot exist"),
        (f"https://{'a' * 64}.example/v1", "cannot exist"),
    ],
)
def test_a_base_url_that_cannot_work(url: str, why: str) -> None:
    with pytest.raises(ConfigurationError, match=why) as caught:
        OmnichatClient("t", base_url=url)
    assert "pass-word" not in str(caught.value)


@pytest.mark.parametrize("timeout", [0, -1, math.nan, -math.inf, True, False, "5", b"", 0.0])
def test_a_timeout_that_makes_no_sense(timeout: Any) -> None:
    with pytest.raises(ConfigurationError, match="timeout must be above 0 seconds"):
        OmnichatClient("t", timeout=timeout)
    with pytest.raises(ConfigurationError, match="timeout must be above 0 seconds"):
        OmnichatClient("t").with_options(timeout=timeout)


def test_timeouts() -> None:
    assert checked_timeout(5) == 5.0
    assert checked_timeout(math.inf) is None
    assert OmnichatClient("t")._options.timeout == DEFAULT_TIMEOUT_S
    assert OmnichatClient("t", timeout=math.inf)._options.timeout is None


@pytest.mark.parametrize("agent", ["", "a\r\nX-Evil: 1", "a\tb", "é", "a\x00"])
def test_a_user_agent_that_cannot_be_one(agent: str) -> None:
    with pytest.raises(ConfigurationError, match="user_agent"):
        OmnichatClient("t", user_agent=agent)


def test_user_agents() -> None:
    async def main() -> None:
        async with HostileServer([OK]) as server:
            for client in (quick_client(server.url), quick_client(server.url, user_agent="My/1.0")):
                async with client:
                    await execute(client, READ)
        agents = [request.headers["user-agent"] for request in server.requests]
        assert agents == [f"omnichat_async/{__version__}", "My/1.0"]

    run(main())


def test_other_settings_that_cannot_work() -> None:
    with pytest.raises(ConfigurationError, match="max_in_flight"):
        OmnichatClient("t", max_in_flight=0)
    with pytest.raises(ConfigurationError, match="headless_auth"):
        OmnichatClient("t", headless_auth="Digest")
    with pytest.raises(ConfigurationError, match="lane"):
        OmnichatClient("t").with_options(lane="express")  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [5, 2.5, True, b"http://127.0.0.1", [], {}, object()])
@pytest.mark.parametrize(
    "name",
    ["token", "base_url", "conversions_url", "user_agent", "headless_auth", "limiter", "retry"],
)
def test_a_setting_of_another_type_is_named(name: str, value: Any) -> None:
    with pytest.raises(ConfigurationError, match=f"^{name} "):
        OmnichatClient(**{"token": "t", name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [("max_in_flight", "5"), ("max_in_flight", True), ("max_in_flight", 1.5), ("hooks", [5])],
)
def test_numbers_and_functions_are_told_from_others(name: str, value: Any) -> None:
    with pytest.raises(ConfigurationError, match=f"^{name} "):
        OmnichatClient(**{"token": "t", name: value})


@pytest.mark.parametrize(("name", "value"), [("lane", []), ("retry", 5), ("timeout", [])])
def test_an_option_of_another_type_is_named(name: str, value: Any) -> None:
    with pytest.raises(ConfigurationError, match=f"^{name} "):
        OmnichatClient("t").with_options(**{name: value})


def test_a_token_in_the_wrong_place_is_not_shown() -> None:
    with pytest.raises(ConfigurationError) as caught:
        OmnichatClient("t", headless_auth=f"Basic {TOKEN}")
    assert TOKEN not in str(caught.value)


def test_a_timeout_beyond_all_numbers_is_none() -> None:
    assert OmnichatClient("t", timeout=10**400)._options.timeout is None


# ---- lifecycle ---------------------------------------------------------------------------------


def test_a_client_is_built_outside_a_loop_and_opens_nothing() -> None:
    client = OmnichatClient("t")
    assert client._transport._session is None
    run(client.aclose())
    run(client.aclose())


def test_a_session_we_made_is_closed() -> None:
    async def main() -> None:
        async with served([OK]) as (server, client):
            await execute(client, READ)
            session = client._transport._session
            assert session is not None
            await client.aclose()
            assert session.closed
            await asyncio.gather(*server._handlers)  # each ends when its connection does
            await client.aclose()

    run(main())


def test_a_given_session_is_not_closed() -> None:
    async def main() -> None:
        async with HostileServer([OK]) as server, aiohttp.ClientSession() as session:
            for _ in range(2):
                async with quick_client(server.url, session=session) as client:
                    await execute(client, READ)
                with pytest.raises(ConfigurationError, match="the client is closed"):
                    await execute(client, READ)
                await client.aclose()
                assert not session.closed
            assert server.connections == 1

    run(main())


def test_a_given_session_that_somebody_closed() -> None:
    async def main() -> None:
        async with HostileServer([silent()]) as server:
            session = aiohttp.ClientSession()
            limiter = RateLimiter(5)
            async with quick_client(server.url, session=session, limiter=limiter) as client:
                tasks = [asyncio.create_task(execute(client, READ)) for _ in range(2)]
                await server.wait_for_requests(1)
                await session.close()
                for task in (*tasks, asyncio.create_task(execute(client, ONCE))):
                    with pytest.raises(ConfigurationError, match="was closed elsewhere"):
                        await task
            assert len(server.requests) == 1

    run(main())


def test_use_after_close() -> None:
    async def main() -> None:
        async with served([OK]) as (server, client):
            await execute(client, READ)
            view = client.with_options(timeout=1.0)
            await client.aclose()
            for each in (client, view):
                with pytest.raises(ConfigurationError, match="the client is closed: make a new"):
                    await execute(each, READ)
            assert len(server.requests) == 1

    run(main())


def test_leaving_the_block_by_an_error_closes_too() -> None:
    async def main() -> None:
        client = OmnichatClient("t")
        with pytest.raises(LookupError):
            async with client:
                raise LookupError
        with pytest.raises(ConfigurationError, match="the client is closed"):
            await client.request("GET", "/x")

    run(main())


def test_plain_with_gets_advice() -> None:
    with pytest.raises(ConfigurationError, match="use 'async with'"), OmnichatClient("t"):
        raise AssertionError("not reached")
    OmnichatClient("t").__exit__(None, None, None)


@pytest.mark.parametrize("max_in_flight", [100, 1])
def test_closing_with_calls_in_flight(max_in_flight: int) -> None:
    """Under way, in the queue of the limiter, or waiting for a place in flight: each call ends."""

    async def main() -> None:
        async with HostileServer([silent()]) as server:
            limiter = RateLimiter(5)
            client = quick_client(server.url, limiter=limiter, max_in_flight=max_in_flight)
            calls = [ONCE, READ, ONCE, READ]
            tasks = [asyncio.create_task(execute(client, call)) for call in calls]
            await server.wait_for_requests(1)
            await client.aclose()
            first, *others = await asyncio.gather(*tasks, return_exceptions=True)
            assert isinstance(first, OutcomeUnknown)
            assert [type(each) for each in others] == [ConfigurationError] * 3
            assert len(server.requests) == 1
            # Whoever waited for a place took no permit; the others had stood in line for theirs.
            assert limiter.stats().granted == (1 if max_in_flight == 1 else 4)

    run(main())


def watched(client: OmnichatClient) -> set[Attempt]:
    """What is on its way."""
    watch = client._transport._watch
    return set() if watch is None else watch._attempts


def test_closing_while_the_body_is_read() -> None:
    async def half(exchange: Exchange) -> bool:
        await exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
        return await silent().act(exchange)

    async def main() -> None:
        async with served([Reply("half", half)]) as (server, client):
            patient = client.with_options(timeout=math.inf)
            task = asyncio.create_task(failure_of(patient, ONCE))
            while not any(each.answer for each in watched(client)):
                await asyncio.sleep(0.001)
            await client.aclose()
            error = await task
            assert isinstance(error, OutcomeUnknown)
            assert (error.status, error.body) == (200, b"half")
            assert len(server.requests) == 1

    run(main())


@contextlib.contextmanager
def threaded_server() -> Iterator[str]:
    """A server that outlives event loops, and keeps connections alive."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        server.block_on_close = False
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/v1"
        finally:
            server.shutdown()
            thread.join()


def test_one_client_in_one_loop_after_the_other(caplog: pytest.LogCaptureFixture) -> None:
    with threaded_server() as url:
        client = quick_client(url, max_in_flight=2)
        with warnings.catch_warnings():
            # Of asyncio, about the connection that the loop left open when it ended.
            warnings.filterwarnings("ignore", "unclosed transport", ResourceWarning)
            for _ in range(3):
                assert asyncio.run(client.request("GET", "/x")) == {}
                gc.collect()
            asyncio.run(client.aclose())
            gc.collect()
        with pytest.raises(ConfigurationError, match="the client is closed"):
            asyncio.run(client.request("GET", "/x"))
    assert [record.getMessage() for record in caplog.records if record.levelno > 20] == []


def test_a_client_closed_in_each_loop_leaves_no_warning() -> None:
    with threaded_server() as url:

        async def main() -> None:
            async with quick_client(url) as client:
                assert await client.request("GET", "/x") == {}

        run(main())
        run(main())


def test_two_live_loops_get_advice() -> None:
    async def main() -> None:
        async with served([OK]) as (server, client):
            await execute(client, READ)

            def elsewhere() -> None:
                with pytest.raises(ConfigurationError, match="one OmnichatClient per loop"):
                    asyncio.run(client.request("GET", "/x"))
                with pytest.raises(ConfigurationError, match="one OmnichatClient per loop"):
                    asyncio.run(client.aclose())

            await asyncio.to_thread(elsewhere)
            assert await execute(client, READ) == {"ok": True}  # unharmed
            assert len(server.requests) == 2

    run(main())


def test_a_given_session_of_another_loop_gets_advice() -> None:
    async def make() -> aiohttp.ClientSession:
        return aiohttp.ClientSession()

    with asyncio.Runner() as runner:
        session = runner.run(make())
        client = OmnichatClient("t", base_url="http://127.0.0.1:9", session=session)
        with pytest.raises(ConfigurationError, match="given aiohttp session belongs to another"):
            asyncio.run(client.request("GET", "/x"))
        runner.run(session.close())


# ---- views -------------------------------------------------------------------------------------


def test_a_view_shares_all_but_its_options() -> None:
    policy = RetryPolicy(max_attempts=2)
    client = OmnichatClient("t", limiter=RateLimiter(7))
    view = client.with_options(timeout=5, retry=policy, lane="bulk")
    assert view is not client
    assert (view._transport, view._session) == (client._transport, client._session)
    assert view.limiter is client.limiter
    assert vars(view._options) == {"timeout": 5.0, "retry": policy, "lane": "bulk"}
    assert client._options.lane is None
    for area in ("messages", "contacts", "reports", "tagging_logs"):
        assert getattr(view, area)._options is view._options
        assert getattr(client, area)._options is client._options
    again = view.with_options(timeout=math.inf)
    assert vars(again._options) == {"timeout": None, "retry": policy, "lane": "bulk"}
    assert again.with_options(lane="interactive")._options.lane == "interactive"


def test_each_client_has_a_limiter_of_its_own_unless_it_is_given_one() -> None:
    assert OmnichatClient("t").limiter is not OmnichatClient("t").limiter
    assert OmnichatClient("t").limiter.limit == 40


def test_views_use_one_connection_and_one_budget() -> None:
    async def main() -> None:
        async with served([OK]) as (server, client):
            await execute(client, READ)
            await execute(client.with_options(timeout=math.inf), READ)
            await execute(client.with_options(lane="bulk"), READ)
            assert (server.connections, client.limiter.stats().granted) == (1, 3)

    run(main())


def test_an_interactive_call_overtakes_bulk_in_the_queue() -> None:
    async def main() -> None:
        limiter = RateLimiter(20)
        async with served([OK], limiter=limiter) as (server, client):
            bulk = client.with_options(lane="bulk")
            await execute(client, READ)
            slow = [asyncio.create_task(bulk.request("GET", "/bulk")) for _ in range(12)]
            # All are in the queue, but for those that a slow machine has let through by now.
            while (seen := limiter.stats()).waiting + seen.granted < 13:
                await asyncio.sleep(0)
            await client.request("GET", "/now")
            before = [request.target for request in server.requests].index("/v1/now")
            assert before - seen.granted <= 2
            await asyncio.gather(*slow)

    run(main())


# ---- calls in flight ---------------------------------------------------------------------------


class Gate:
    """A script that holds back what begins with /held until it is opened, and counts."""

    def __init__(self) -> None:
        self.opened = asyncio.Event()
        self.now = self.most = 0

    def __call__(self, request: Request) -> Reply:
        return Reply("held", self.hold) if "/held" in request.target else OK

    async def hold(self, exchange: Exchange) -> bool:
        self.now += 1
        self.most = max(self.most, self.now)
        await self.opened.wait()
        self.now -= 1
        return await OK.act(exchange)


@pytest.mark.parametrize(
    ("most", "lane", "bound"),
    [(1, "interactive", 1), (4, "interactive", 4), (4, "bulk", 3), (1, "bulk", 1), (2, "bulk", 1)],
)
def test_in_flight_is_bounded(most: int, lane: Lane, bound: int) -> None:
    async def main() -> None:
        gate = Gate()
        async with served(gate, max_in_flight=most) as (server, client):
            view = client.with_options(lane=lane)
            tasks = [asyncio.create_task(view.request("GET", "/held")) for _ in range(9)]
            await server.wait_for_requests(bound)
            await asyncio.sleep(0.05)
            assert (len(server.requests), gate.now) == (bound, bound)
            gate.opened.set()
            await asyncio.gather(*tasks)
            assert (len(server.requests), gate.most) == (9, bound)

    run(main())


def test_bulk_does_not_block_an_interactive_call() -> None:
    async def main() -> None:
        gate = Gate()
        async with served(gate, max_in_flight=4) as (server, client):
            bulk = client.with_options(lane="bulk")
            tasks = [asyncio.create_task(bulk.request("GET", "/held")) for _ in range(9)]
            await server.wait_for_requests(3)
            for _ in range(5):
                assert await client.request("GET", "/now") == {"ok": True}
            assert gate.now == gate.most == 3
            gate.opened.set()
            await asyncio.gather(*tasks)

    run(main())


def test_without_a_bound_all_are_in_flight() -> None:
    async def main() -> None:
        gate = Gate()
        async with served(gate) as (server, client):
            tasks = [asyncio.create_task(client.request("GET", "/held")) for _ in range(150)]
            await server.wait_for_requests(150)
            gate.opened.set()
            await asyncio.gather(*tasks)

    run(main())


def test_a_failed_or_cancelled_call_gives_its_place_back() -> None:
    async def main() -> None:
        async with served([drop(), silent()], max_in_flight=1) as (server, client):
            await failure_of(client, ONCE)
            task = asyncio.create_task(execute(client, ONCE))
            await server.wait_for_requests(2)
            task.cancel()
            await asyncio.wait([task])
            server.script = [OK]
            assert await execute(client, ONCE) == {"ok": True}

    run(main())


# ---- the escape hatch --------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "post", "Put", "PATCH", "delete"])
def test_request(method: str) -> None:
    async def main() -> None:
        async with served([reply(body=[{"n": 1}])]) as (server, client):
            params: dict[str, str | int | None] = {"phone": "+852", "page": 2, "none": None}
            answer = await client.request(method, "/a/%2Fb", params=params, json={"b": 1})
            assert answer == [{"n": 1}]
            (request,) = server.requests
            assert (request.method, request.target) == (
                method.upper(),
                "/v1/a/%2Fb?phone=%2B852&page=2",
            )
            assert request.body == b'{"b": 1}'

    run(main())


def test_request_gives_none_for_nothing() -> None:
    async def main() -> None:
        async with served([reply(204)]) as (_, client):
            assert await client.request("POST", "/rooms/close", json={}) is None

    run(main())


@pytest.mark.parametrize(("method", "sent"), [("GET", 5), ("PUT", 1), ("DELETE", 1), ("POST", 1)])
def test_request_counts_only_get_as_safe_to_repeat(method: str, sent: int) -> None:
    async def main() -> None:
        async with served([drop()]) as (server, client):
            with pytest.raises(OutcomeUnknown) as caught:
                await client.request(method, "/x")
            assert caught.value.safe_to_repeat is (method == "GET")
            assert len(server.requests) == client.limiter.stats().granted == sent

    run(main())


@pytest.mark.parametrize(
    ("path", "label"),
    [
        ("/contacts", "GET /contacts"),
        ("/contacts/line/85291234567", "GET /contacts/…"),
        ("/a:b@c,d;e=f+g!$&'()*~", "GET /a:b@c,d;e=f+g!$&'()*~"),
    ],
)
def test_request_shows_no_more_than_the_first_part_of_a_path(path: str, label: str) -> None:
    async def main() -> None:
        async with served([reply(404)]) as (_, client):
            with pytest.raises(APIError) as caught:
                await client.request("GET", path)
            assert caught.value.call is not None
            assert caught.value.call.label == label
            assert str(caught.value).startswith(label)

    run(main())


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "x",
        "//evil.example/x",
        "https://evil.example/x",
        "@evil.example/x",
        ".evil.example/x",
        "/a/../b",
        "/..",
        "/a/./b",
        "/a//b",
        "/a/",
        "/a?b=1",
        "/a#b",
        "/a b",
        "/a\n",
        "/a\r\nX-Evil: 1",
        "/{id}",
        "/名",
        "/a%",
        "/a%2",
        "/a%zz",
        "/a\\b",
    ],
)
def test_a_path_that_could_lead_elsewhere_never_leaves(path: str) -> None:
    async def main() -> None:
        client = OmnichatClient("t", base_url="http://127.0.0.1:9")
        with pytest.raises(InvalidRequest, match="path: must start with /") as caught:
            await client.request("GET", path)
        assert caught.value.given == f"{len(path)} characters"
        assert client.limiter.stats().granted == 0
        assert client._transport._session is None

    run(main())


@pytest.mark.parametrize(
    ("field", "arguments"),
    [
        ("method", {"method": None}),
        ("path", {"path": None}),
        ("path", {"path": 5}),
        ("params", {"params": 5}),
        ("params", {"params": [("a", "b")]}),
        ("params key", {"params": {1: "a"}}),
        ("a", {"params": {"a": ["b"]}}),
        ("a", {"params": {"a": float("nan")}}),
        ("json", {"json": object()}),
        ("json", {"json": {"a": float("nan")}}),
    ],
)
def test_a_request_of_the_wrong_types_never_leaves(field: str, arguments: dict[str, Any]) -> None:
    async def main() -> None:
        async with served([reply(204)]) as (server, client):
            with pytest.raises(InvalidRequest) as caught:
                await client.request(**{"method": "POST", "path": "/x", **arguments})
            assert (caught.value.field, server.requests) == (field, [])

    run(main())


@pytest.mark.parametrize("method", ["", "HEAD", "OPTIONS", "CONNECT", "TRACE", "GET\r\n", "GET "])
def test_other_methods_never_leave(method: str) -> None:
    async def main() -> None:
        with pytest.raises(InvalidRequest, match="method: must be GET"):
            await OmnichatClient(TOKEN).request(method, "/x")

    run(main())


def test_the_log_of_this_package_is_quiet_when_all_is_well(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def main() -> None:
        async with served([OK]) as (_, client):
            await execute(client, READ)

    with caplog.at_level(logging.INFO):
        run(main())
    assert [record for record in caplog.records if record.name == "omnichat_async"] == []


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"limiter": 40}, "limiter must be a RateLimiter, not int"),
        ({"retry": 3}, "retry must be a RetryPolicy, not int"),
    ],
)
def test_policies_are_objects_and_not_numbers(options: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        OmnichatClient("t", **options)


def test_every_area_is_there_when_asked_for() -> None:
    client = OmnichatClient("t")
    areas = set(OmnichatClient.__annotations__)
    assert areas <= set(dir(client))
    assert {type(getattr(client, area)).__module__.rsplit(".", 1)[1] for area in areas} == areas
    with pytest.raises(AttributeError, match="nothing"):
        _ = client.nothing  # type: ignore[attr-defined]
