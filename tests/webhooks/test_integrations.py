"""One suite, run against every way in: the plain function, aiohttp, FastAPI."""

from __future__ import annotations

import asyncio
import contextlib
import io
import re
import socket
import subprocess
import sys
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import urlsplit

import aiohttp
import attrs
import pytest
from aiohttp import web

from omnichat_async import ConfigurationError, OmnichatClient
from omnichat_async.integrations import aiohttp as on_aiohttp
from omnichat_async.testing import (
    agent_body,
    agent_event,
    event_data,
    handshake_request,
    whatsapp_body,
    whatsapp_message,
)
from omnichat_async.webhooks import (
    AllowNetworks,
    Limits,
    Receiver,
    SecretPath,
    WebhookRequest,
    all_of,
)
from tests.support.run import run
from tests.webhooks.support import TOKEN, Seen, make, post, signed, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

PATH = "/webhooks/of-the-example-shop"
NO_FASTAPI = "needs FastAPI and uvicorn: pip install 'omnichat_async[fastapi]' uvicorn"


@attrs.frozen
class Answer:
    status: int
    body: bytes
    headers: dict[str, str]


Ask: TypeAlias = "Callable[[WebhookRequest], Any]"
Door: TypeAlias = "Callable[[Receiver], AbstractAsyncContextManager[Ask]]"


@contextlib.asynccontextmanager
async def plain(receiver: Receiver) -> AsyncIterator[Ask]:
    async def ask(request: WebhookRequest) -> Answer:
        path = request.path.replace("/webhooks", PATH)
        answer = await receiver.handle(attrs.evolve(request, path=path, peer="127.0.0.1"))
        headers = {name.lower(): value for name, value in answer.headers.items()}
        return Answer(answer.status, answer.body, headers)

    async with receiver:
        yield ask


@contextlib.asynccontextmanager
async def through_aiohttp(receiver: Receiver) -> AsyncIterator[Ask]:
    app = web.Application()
    on_aiohttp.setup(app, receiver, PATH)
    on_aiohttp.setup(app, make(), "/other")
    # Without lingering over what is refused, which would outlive the test.
    runner = web.AppRunner(app, access_log=None, lingering_time=0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    async with asking(f"http://127.0.0.1:{runner.addresses[0][1]}") as ask:
        yield ask
    await runner.cleanup()


@contextlib.asynccontextmanager
async def through_fastapi(receiver: Receiver) -> AsyncIterator[Ask]:
    fastapi = pytest.importorskip("fastapi", reason=NO_FASTAPI)
    from omnichat_async.integrations import fastapi as on_fastapi

    app = fastapi.FastAPI()
    client = OmnichatClient("token", base_url="http://127.0.0.1:1/v1")
    on_fastapi.setup(app, receiver, PATH, client=client)
    async with serving(app) as url, asking(url) as ask:
        yield ask


@contextlib.asynccontextmanager
async def serving(app: Any) -> AsyncIterator[str]:
    """An ASGI application on a real server."""
    uvicorn = pytest.importorskip("uvicorn", reason=NO_FASTAPI)
    listening = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(app, log_level="warning", lifespan="on", ws="none")
    server = uvicorn.Server(config)
    server.capture_signals = contextlib.nullcontext
    task = asyncio.create_task(server.serve([listening]))
    try:
        await until(lambda: server.started or task.done())
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        await task
        listening.close()


@contextlib.asynccontextmanager
async def asking(url: str) -> AsyncIterator[Ask]:
    async with aiohttp.ClientSession() as session:

        async def ask(request: WebhookRequest) -> Answer:
            # aiohttp writes the length itself, and would complain of another.
            headers = [pair for pair in request.headers if pair[0] != "content-length"]
            async with session.request(
                request.method,
                url + request.path.replace("/webhooks", PATH),
                params=list(request.query),
                headers=headers,
                data=_payload(request.body),
                skip_auto_headers=["Content-Type"],
            ) as response:
                found = {name.lower(): value for name, value in response.headers.items()}
                return Answer(response.status, await response.read(), found)

        ask.url = url  # type: ignore[attr-defined]
        yield ask


def _payload(body: Any) -> Any:
    # aiohttp warns of large bytes, and sends a file only once.
    return io.BytesIO(body) if isinstance(body, bytes) and len(body) > 500_000 else body


every_door = pytest.mark.parametrize(
    "door", [plain, through_aiohttp, through_fastapi], ids=lambda door: door.__name__
)


@every_door
def test_every_way_in_gives_the_same_answers(door: Door) -> None:
    big = whatsapp_body(whatsapp_message(id="big", text={"body": "x" * 2_000_000}))
    event_data("ticket/create", customerName="王小明")
    repeated = signed()
    signature = ("x-omnichat-signature", repeated.header("x-omnichat-signature") or "")
    twice = attrs.evolve(repeated, headers=(*repeated.headers, signature))
    unknown_length = attrs.evolve(signed(event_id="chunks"), body=pieces())
    requests: list[tuple[WebhookRequest, int, bytes]] = [
        (signed(event_id="a"), 200, b"ok"),
        (signed(event_id="a"), 200, b"ok"),
        (
            signed(event_data("ticket/create", customerName="王小明"), topic="ticket/create"),
            200,
            b"ok",
        ),
        (signed(whatsapp_body(whatsapp_message())), 200, b"ok"),
        (signed(agent_body(agent_event())), 200, b"ok"),
        (signed(big), 200, b"ok"),
        (signed({}), 200, b"ok"),
        (signed(headers={"x-omnichat-signature": "0" * 64}), 401, b""),
        (signed(headers={"x-omnichat-signature": "é"}), 401, b""),
        (twice, 401, b""),
        (unknown_length, 401, b""),
        (WebhookRequest.to("/webhooks"), 401, b""),
        (signed(b"{", topic="ticket/update"), 400, b""),
        (signed(headers={"content-type": "text/plain"}), 415, b""),
        (signed(headers={"content-encoding": "gzip"}), 415, b""),
        (WebhookRequest.to("/webhooks", "PUT"), 405, b""),
        (WebhookRequest.to("/webhooks", "DELETE"), 405, b""),
        (WebhookRequest.to("/webhooks", "PATCH"), 405, b""),
        (handshake_request(TOKEN, "a+b &c%26"), 400, b""),
        (handshake_request(TOKEN, "a+b&c%26"), 200, b"a+b&c%26"),
        (handshake_request("wrong"), 403, b""),
        (WebhookRequest.to(f"/webhooks?verify_token={TOKEN}&verify_token=x", "GET"), 400, b""),
    ]

    async def main() -> None:
        seen = Seen()
        receiver = make(seen)
        async with door(receiver) as ask:
            for request, status, body in requests:
                answer = await ask(request)
                assert (answer.status, answer.body) == (status, body), request.headers
                assert answer.headers["content-type"] == "text/plain; charset=utf-8"
                assert answer.headers["x-content-type-options"] == "nosniff"
                assert re.search(r"\d", answer.headers.get("server", "")) is None  # no version
            await until(lambda: len(seen.events) == 5)
            raws = [event.raw for event in seen.events]
            assert sum(raw.get("customerName") == "王小明" for raw in raws) == 1

    run(main())


async def pieces() -> AsyncIterator[bytes]:
    for _ in range(3):
        yield b"{} "


@every_door
def test_a_body_is_taken_up_to_the_limit(door: Door) -> None:
    async def main() -> None:
        async with door(make(limits=Limits(max_body=20_000))) as ask:
            for size, status in ((20_000, 200), (20_001, 413)):
                body = b'{"":"' + b"x" * (size - 7) + b'"}'
                assert len(body) == size
                assert (await ask(signed(body))).status == status

    run(main())


@every_door
def test_path_and_peer_reach_the_receiver(door: Door) -> None:
    async def main() -> None:
        here, elsewhere = AllowNetworks(["127.0.0.0/8"]), AllowNetworks(["203.0.113.0/24"])
        path, other = SecretPath("of-the-example-shop"), SecretPath("of-another-example-shop")
        for auth, status in [
            (all_of(path, here), 200),
            (all_of(path, elsewhere), 401),
            (all_of(other, here), 401),
        ]:
            async with door(make(auth=auth)) as ask:
                assert (await ask(signed())).status == status

    run(main())


@every_door
def test_a_caller_that_leaves_costs_nothing(door: Door) -> None:
    async def main() -> None:
        async with door(make(limits=Limits(read_timeout=0.2))) as ask:
            if door is plain:
                slow = attrs.evolve(signed(), body=half())
                assert (await ask(slow)).status == 408
            else:
                slow = attrs.evolve(signed(), body=half())
                with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                    async with asyncio.timeout(0.05):
                        await ask(slow)
            assert (await ask(signed())).status == 200

    run(main())


every_server = pytest.mark.parametrize(
    "door", [through_aiohttp, through_fastapi], ids=lambda door: door.__name__
)


@contextlib.asynccontextmanager
async def chunked_post(ask: Any) -> AsyncIterator[tuple[Any, Any]]:
    """A connection on which a POST without a length has begun."""
    url = urlsplit(ask.url)
    reader, writer = await asyncio.open_connection(url.hostname, url.port)
    head = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    writer.write(head.encode())
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


@every_server
def test_a_body_without_end_is_not_read_to_its_end(door: Any) -> None:
    async def main() -> None:
        async with (
            door(make(limits=Limits(max_body=20_000))) as ask,
            chunked_post(ask) as (reader, writer),
        ):
            answer = asyncio.create_task(reader.readline())
            try:
                for _ in range(1000):  # 100 MB
                    if answer.done():
                        break
                    writer.write(b"186a0\r\n" + b"x" * 100_000 + b"\r\n")
                    await writer.drain()
                    await asyncio.sleep(0)
                else:
                    pytest.fail("it reads on and on")
                assert b" 413 " in await answer
            except ConnectionError:
                # It hung up with something of ours unread, which can overtake its answer.
                await asyncio.wait({answer})
                answer.exception()

    run(main())


@every_server
def test_a_body_that_breaks_off_is_no_error_of_the_server(door: Any) -> None:
    """Bytes that are no chunk, after the request has begun."""

    async def main() -> None:
        answered: list[Any] = []
        receiver = make(hooks=(answered.append,), limits=Limits(read_timeout=0.5))
        async with door(receiver) as ask, chunked_post(ask) as (reader, writer):
            writer.write(b"1\r\n{\r\n")
            await writer.drain()
            await asyncio.sleep(0.1)
            writer.write(b"no chunk\r\n")
            answer = await reader.readline()
            await until(lambda: answered)
        assert b" 500 " not in answer
        # Whether a server sees at once that there will be no more is its own affair.
        assert [each.status for each in answered] in ([400], [408])

    run(main())


def test_what_aiohttp_raises_for_a_broken_body_is_a_lost_connection() -> None:
    class Broken:
        async def iter_any(self) -> AsyncIterator[bytes]:
            yield b"{"
            raise web.RequestPayloadError

    class Request:
        content = Broken()

    async def main() -> None:
        answered: list[Any] = []
        async with make(hooks=(answered.append,)) as receiver:
            body = on_aiohttp._stream(Request())  # type: ignore[arg-type]
            assert await post(receiver, attrs.evolve(signed(), body=body)) == (400, b"")
        assert answered[0].reason == "the connection was lost"

    run(main())


@every_door
def test_the_name_of_a_team_may_be_in_any_script(door: Door) -> None:
    async def main() -> None:
        seen = Seen()
        async with door(make(seen)) as ask:
            for name in ("王小明", "Café"):
                answer = await ask(signed(headers={"x-omnichat-team": name}))
                assert answer.status == 200
            await until(lambda: len(seen.events) == 2)
        assert {getattr(event, "team", None) for event in seen.events} == {"王小明", "Café"}

    run(main())


async def half() -> AsyncIterator[bytes]:
    yield b"{"
    await asyncio.sleep(5)


def test_aiohttp_shares_a_client_and_hands_it_to_handlers() -> None:
    async def main() -> None:
        found: list[Any] = []
        receiver = make()

        @receiver.on("ticket/update")
        async def handler(_: Any, delivery: Any) -> None:
            found.append(delivery.client)

        app = web.Application()
        client = OmnichatClient("token", base_url="http://127.0.0.1:1/v1")
        app.cleanup_ctx.append(on_aiohttp.cleanup_ctx(client))
        on_aiohttp.setup(app, receiver, "/webhooks")
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        assert app[on_aiohttp.CLIENT] is client
        assert await post(receiver, signed()) == (200, b"ok")
        await until(lambda: found)
        await runner.cleanup()
        assert found == [client]
        with pytest.raises(ConfigurationError):
            await client.channels.list()

    run(main())


def test_fastapi_shares_a_client_and_goes_on_with_the_applications_own_lifespan() -> None:
    fastapi = pytest.importorskip("fastapi", reason=NO_FASTAPI)
    from omnichat_async.integrations import fastapi as on_fastapi

    async def main() -> None:
        order: list[str] = []

        @contextlib.asynccontextmanager
        async def own(app: Any) -> AsyncIterator[dict[str, str]]:
            assert app.state.omnichat_client is client
            order.append("up")
            yield {"mine": "state"}
            order.append("down")

        app = fastapi.FastAPI(lifespan=own)
        client = OmnichatClient("token", base_url="http://127.0.0.1:1/v1")
        receiver = make()
        on_fastapi.setup(app, receiver, client=client)

        def which(request: Any, shared: Any) -> dict[str, Any]:
            return {"same": shared is client, "mine": request.state.mine}

        # By hand, since the names are those of this function.
        which.__annotations__ = {"request": fastapi.Request, "shared": on_fastapi.Client}
        app.get("/which")(which)
        async with serving(app) as url, asking(url) as ask:
            answer = await ask(WebhookRequest.to("/which", "GET"))
            assert answer.body == b'{"same":true,"mine":"state"}'
            assert receiver.client is client
            schema = await ask(WebhookRequest.to("/openapi.json", "GET"))
            assert b"/webhooks" not in schema.body
        assert order == ["up", "down"]

    run(main())


def test_a_fastapi_application_that_only_receives_needs_no_token(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("fastapi", reason=NO_FASTAPI)
    monkeypatch.delenv("OMNICHAT_API_TOKEN", raising=False)
    page = (Path(__file__).parents[2] / "docs" / "pages" / "webhooks.md").read_text("utf-8")
    (code,) = (
        each
        for each in re.findall(r"^```python\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
        if "include_router" in each
    )

    async def main() -> None:
        seen = Seen()
        names: dict[str, Any] = {"receiver": make(seen)}
        exec(code, names)
        request = signed()
        headers = [pair for pair in request.headers if pair[0] != "content-length"]
        async with serving(names["app"]) as url, aiohttp.ClientSession() as session:
            posting = session.post(f"{url}/webhooks", data=request.body, headers=headers)
            async with posting as answer:
                assert answer.status == 200
            await until(lambda: seen.events)

    run(main())


@pytest.mark.parametrize("given", [(), (0,), (1,), (0, 1)])
def test_receivers_of_one_fastapi_application_share_one_client(
    given: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two clients would have a rate limit each."""
    fastapi = pytest.importorskip("fastapi", reason=NO_FASTAPI)
    from omnichat_async.integrations import fastapi as on_fastapi

    made: list[OmnichatClient] = []

    def make_client() -> OmnichatClient:
        made.append(OmnichatClient("token", base_url="http://127.0.0.1:1/v1"))
        return made[-1]

    monkeypatch.setattr(on_fastapi, "OmnichatClient", make_client)

    async def main() -> None:
        app, receivers = fastapi.FastAPI(), [make(), make()]
        client = make_client() if given else None
        for n, receiver in enumerate(receivers):
            one = client if n in given else None
            on_fastapi.setup(app, receiver, f"/{n}", client=one)
        async with app.router.lifespan_context(app):
            assert [each.client for each in receivers] == [app.state.omnichat_client] * 2
        assert len(made) == 1

    run(main())


def test_a_fastapi_application_that_is_started_again_has_another_client(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As tests do: a TestClient for each."""
    fastapi = pytest.importorskip("fastapi", reason=NO_FASTAPI)
    from omnichat_async.integrations import fastapi as on_fastapi

    monkeypatch.setenv("OMNICHAT_API_TOKEN", "token")

    async def main() -> None:
        found: list[Any] = []
        app, receiver = fastapi.FastAPI(), make()
        receiver.on_any(keep_client(found))
        on_fastapi.setup(app, receiver)
        for _ in range(2):
            async with app.router.lifespan_context(app):
                assert await post(receiver, signed()) == (200, b"ok")
                await receiver.idle()
                assert found[-1] is app.state.omnichat_client
        assert found[0] is not found[1]
        with pytest.raises(ConfigurationError, match="setup"):
            on_fastapi.get_client(fastapi.Request({"type": "http", "app": app}))

    run(main())


def keep_client(found: list[Any]) -> Any:
    async def handler(_: Any, delivery: Any) -> None:
        found.append(delivery.client)

    return handler


def test_a_receiver_in_a_second_aiohttp_application_has_its_client() -> None:
    """As tests do: an application for each, around the one receiver of the module."""

    async def main() -> None:
        found: list[Any] = []
        receiver = make()
        receiver.on_any(keep_client(found))
        for _ in range(2):
            app = web.Application()
            client = OmnichatClient("token", base_url="http://127.0.0.1:1/v1")
            app.cleanup_ctx.append(on_aiohttp.cleanup_ctx(client))
            on_aiohttp.setup(app, receiver)
            runner = web.AppRunner(app, access_log=None)
            await runner.setup()
            assert await post(receiver, signed()) == (200, b"ok")
            await receiver.idle()
            await runner.cleanup()
            assert found[-1] is client

    run(main())


def test_without_a_shared_client_the_dependency_says_so() -> None:
    fastapi = pytest.importorskip("fastapi", reason=NO_FASTAPI)
    from omnichat_async.integrations import fastapi as on_fastapi

    app = fastapi.FastAPI()
    request = fastapi.Request({"type": "http", "app": app})
    with pytest.raises(ConfigurationError, match="setup"):
        on_fastapi.get_client(request)


@pytest.mark.parametrize("extra", ["fastapi", "redis"])
def test_a_missing_extra_is_one_sentence(extra: str) -> None:
    code = (
        f"import sys; sys.modules['{extra}'] = None\n"
        f"try:\n    import omnichat_async.integrations.{extra}\n"
        "except ImportError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == f"this needs the extra {extra}: pip install 'omnichat_async[{extra}]'\n"
