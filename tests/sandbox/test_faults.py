"""Every fault, as a raw client sees it."""

import asyncio
import logging
from typing import Any

import aiohttp
import pytest

from omnichat_async.sandbox import Fault, Sandbox, parse_fault
from omnichat_async.sandbox.faults import FaultBook
from tests.support.run import run

from .bodies import direct, event
from .support import START_MS, Answer, Client, small, visit

WINDOW = {"after": START_MS, "before": START_MS + 86_400_000}


def _calls(sandbox: Sandbox, n: int, path: str = "/reports/messages") -> list[Answer | Exception]:
    """n requests one after the other: the answers and the errors."""

    async def steps(client: Client) -> list[Answer | Exception]:
        seen: list[Answer | Exception] = []
        for _ in range(n):
            try:
                seen.append(await client.get(path, **WINDOW))
            except aiohttp.ClientError as error:
                seen.append(error)
        return seen

    return visit(sandbox, steps)


def _hit(fault: Fault) -> Answer:
    sandbox = small(faults=(fault,))
    first, second = _calls(sandbox, 2)
    assert isinstance(first, Answer)
    assert isinstance(second, Answer)
    assert second.status == 200
    assert second.json["totalElements"] == 62
    assert sandbox.stats().faults == 1
    assert "X-Omnichat-Arkham-Trace-Id" in first.headers
    return first


@pytest.mark.parametrize(
    ("kind", "status", "mime"),
    [
        ("html500", 500, "text/html"),
        ("html502", 502, "text/html"),
        ("html200", 200, "text/html"),
        ("empty200", 200, "application/json"),
    ],
)
def test_pages_of_a_proxy(kind: Any, status: int, mime: str) -> None:
    answer = _hit(Fault(kind=kind, at=1))
    assert answer.status == status
    assert answer.headers["Content-Type"].startswith(mime)
    assert answer.raw.startswith(b"<!doctype html>" if mime == "text/html" else b"")
    assert (answer.raw == b"") is (kind == "empty200")


def test_json500() -> None:
    answer = _hit(parse_fault("json500:INTERNAL_SERVER_ERROR@1"))
    assert answer.status == 500
    assert answer.json["errorCode"] == "INTERNAL_SERVER_ERROR"


@pytest.mark.parametrize("value", ["1", "1.5", "", "-3", "soon", "Wed, 21 Oct 2026 07:28:00 GMT"])
@pytest.mark.parametrize("kind", ["429", "503"])
def test_retry_after_goes_out_verbatim(kind: Any, value: str) -> None:
    answer = _hit(Fault(kind=kind, at=1, retry_after=value))
    assert answer.status == int(kind)
    assert answer.headers["Retry-After"] == value


def test_503_without_retry_after() -> None:
    assert "Retry-After" not in _hit(Fault(kind="503", at=1)).headers


def test_an_injected_429_is_no_refusal_of_the_limiter() -> None:
    sandbox = small(faults=(Fault(kind="429", at=1),))
    _calls(sandbox, 1)
    assert (sandbox.stats().accepted, sandbox.stats().refused) == (1, 0)


@pytest.mark.parametrize("kind", ["reset_before", "reset_after"])
def test_resets(kind: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    sandbox = small(faults=(Fault(kind=kind, at=1),))
    first, second = _calls(sandbox, 2)
    assert isinstance(first, aiohttp.ClientOSError | aiohttp.ServerDisconnectedError)
    assert isinstance(second, Answer)
    assert sandbox.stats().requests == 2
    assert not caplog.records


def test_a_reset_is_a_reset_on_the_wire() -> None:
    sandbox = small(faults=(Fault(kind="reset_before"),))

    async def steps(client: Client) -> None:
        host, port = sandbox.url.removeprefix("http://").removesuffix("/v1").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        head = f"GET /v1/x HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {sandbox.token}\r\n\r\n"
        writer.write(head.encode())
        with pytest.raises(ConnectionResetError):
            await reader.read()
        writer.close()

    visit(sandbox, steps)


def test_truncated(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    sandbox = small(faults=(Fault(kind="truncated", at=1),))
    first, second = _calls(sandbox, 2)
    assert isinstance(first, aiohttp.ClientPayloadError)
    assert isinstance(second, Answer)
    assert not caplog.records


@pytest.mark.parametrize("kind", ["reset_before", "reset_after", "truncated", "slow"])
def test_a_client_that_hung_up_is_counted_all_the_same(
    kind: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    sandbox = small(faults=(Fault(kind=kind),), rtt_ms=40)

    async def steps(client: Client) -> None:
        sent = asyncio.Event()
        trace = aiohttp.TraceConfig()

        async def note(*_: Any) -> None:
            sent.set()

        trace.on_request_headers_sent.append(note)
        trace.freeze()
        client.session.trace_configs.append(trace)
        call = asyncio.ensure_future(client.get("/reports/messages", **WINDOW))
        await sent.wait()
        await asyncio.sleep(0.005)  # sent, and on the way to the server for 20 ms
        call.cancel()
        while not sandbox.stats().requests:
            await asyncio.sleep(0.001)

    visit(sandbox, steps)
    assert sandbox.stats().faults == 1
    assert not caplog.records


def test_slow_answers_are_whole() -> None:
    answer = _hit(Fault(kind="slow", at=1, delay_ms=1))
    assert answer.json["totalElements"] == 62


def test_a_slow_answer_does_not_outlive_the_sandbox() -> None:
    sandbox = small(faults=(Fault(kind="slow", delay_ms=60_000),))

    async def main() -> None:
        client = aiohttp.ClientSession(headers={"Authorization": f"Bearer {sandbox.token}"})
        async with sandbox, client as session:
            call = asyncio.ensure_future(session.get(f"{sandbox.url}/reports/messages"))
            while not sandbox.stats().faults:
                await asyncio.sleep(0.001)
            call.cancel()

    run(main())  # which looks for tasks that are left


def test_faults_added_while_running_count_from_then_on() -> None:
    sandbox = small()

    async def steps(client: Client) -> list[int]:
        statuses = [(await client.get("/reports/messages", **WINDOW)).status for _ in range(3)]
        sandbox.add_fault(Fault(kind="html502", at=2))
        return statuses + [
            (await client.get("/reports/messages", **WINDOW)).status for _ in range(3)
        ]

    assert visit(sandbox, steps) == [200, 200, 200, 200, 502, 200]


def _strikes(*faults: Fault, paths: list[str]) -> list[str]:
    book = FaultBook(faults)
    return [hit.kind if (hit := book.strike(path)) else "" for path in paths]


def test_at_and_times() -> None:
    fault = Fault(kind="429", at=2, times=3)
    assert _strikes(fault, paths=["/a"] * 6) == ["", "429", "429", "429", "", ""]


def test_every_and_times() -> None:
    fault = Fault(kind="503", every=2, times=2)
    assert _strikes(fault, paths=["/a"] * 8) == ["", "503", "", "503", "", "", "", ""]


def test_only_under_a_path() -> None:
    fault = Fault(kind="503", path="/contacts", times=1)
    assert _strikes(fault, paths=["/messages", "/contacts", "/contacts"]) == ["", "503", ""]


def test_only_with_some_parameters() -> None:
    faults = (
        Fault(kind="html502", path="/messages?platform=line&page=1"),
        Fault(kind="html500", path="?channelId=", times=1),
    )
    asked: list[dict[str, Any]] = [
        {"platform": "line", "page": "11"},
        {"platform": "whatsapp", "page": "1"},
        {"page": "1", "platform": "line"},
        {"platform": "line", "channelId": ""},
        {"platform": "line", "channelId": ""},
    ]

    async def steps(client: Client) -> list[int]:
        return [(await client.get("/messages", **WINDOW, **params)).status for params in asked]

    assert visit(small(faults=faults), steps) == [200, 200, 502, 500, 200]


def test_the_first_of_two_faults_wins_and_the_other_keeps_its_count() -> None:
    faults = (Fault(kind="503", at=1), Fault(kind="429", times=1), Fault(kind="slow", at=3))
    assert _strikes(*faults, paths=["/a"] * 3) == ["503", "429", "slow"]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("html500@12", Fault(kind="html500", at=12)),
        ("reset_before%50", Fault(kind="reset_before", every=50)),
        ("slow:250%10", Fault(kind="slow", every=10, delay_ms=250)),
        ("429:2@5x10", Fault(kind="429", at=5, times=10, retry_after="2")),
        ("429:", Fault(kind="429", retry_after="")),
        ("503:1.5x3/messages", Fault(kind="503", retry_after="1.5", times=3, path="/messages")),
        ("json500:BOOM/contacts", Fault(kind="json500", code="BOOM", path="/contacts")),
        ("truncated", Fault(kind="truncated")),
        ("html500x1/messages?page=3", Fault(kind="html500", times=1, path="/messages?page=3")),
        ("html502x3", Fault(kind="html502", times=3)),
        (
            "429:Wed, 21 Oct 2026 07:28:00 GMT@1",
            Fault(kind="429", at=1, retry_after="Wed, 21 Oct 2026 07:28:00 GMT"),
        ),
    ],
)
def test_grammar(text: str, fault: Fault) -> None:
    assert parse_fault(text) == fault


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is not understood"),
        ("html500@", "is not understood"),
        ("html500@1%2", "is not understood"),
        ("teapot@1", "kind is 'teapot': give one of html500"),
        ("html500:1@1", "html500 takes no value"),
        ("slow:soon", "'soon' is no number of milliseconds"),
        ("slow:-1", "delay_ms is -1.0"),
        ("html500@0", "at is 0"),
        ("html500%0", "every is 0"),
        ("html500x0", "times is 0"),
        ("html500/messages?page", "path is '/messages.page': give parameters as"),
    ],
)
def test_grammar_errors_help(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message) as error:
        parse_fault(text)
    assert "for example html500@12" in str(error.value)


def test_at_and_every_exclude_each_other() -> None:
    with pytest.raises(ValueError, match="exclude each other"):
        Fault(kind="slow", at=1, every=2)


def _repeated_sends(fault: Fault) -> tuple[Sandbox, list[Answer | Exception]]:
    """A direct message and an adjustment of points under a fault, then both without."""
    sandbox = small()
    calls = (
        ("POST", "/direct-messages", direct()),
        ("PUT", "/loyalty-points/action/adjust", {"memberId": "X1", "points": 10}),
        ("DELETE", "/customers?memberId=X1", None),
    )

    async def steps(client: Client) -> list[Answer | Exception]:
        await client.send("PUT", "/customers", {}, memberId="X1")
        sandbox.add_fault(fault)
        seen: list[Answer | Exception] = []
        for method, path, body in calls:
            try:
                seen.append(await client.send(method, path, body))
            except aiohttp.ClientError as error:
                seen.append(error)
        return seen

    return sandbox, visit(sandbox, steps)


@pytest.mark.parametrize("kind", ["reset_after", "truncated", "slow"])
def test_what_was_processed_before_the_connection_broke_is_recorded(kind: Any) -> None:
    sandbox, seen = _repeated_sends(Fault(kind=kind))
    assert len(sandbox.sent) == 1
    assert sandbox.points("X1") == 10
    assert sandbox.customer(sandbox.omni_customer_id("X1")) is None
    assert all(isinstance(one, Answer) is (kind == "slow") for one in seen)
    assert sandbox.stats().faults == 3


@pytest.mark.parametrize(
    "kind", ["html500", "json500", "html502", "503", "429", "reset_before", "html200", "empty200"]
)
def test_what_was_not_processed_is_not_recorded(kind: Any) -> None:
    sandbox, seen = _repeated_sends(Fault(kind=kind))
    assert sandbox.sent == []
    assert sandbox.points("X1") == 0
    assert sandbox.customer(sandbox.omni_customer_id("X1")) is not None
    assert all(isinstance(one, Exception) is (kind == "reset_before") for one in seen)


def test_faults_of_the_conversion_api() -> None:
    fault = Fault(kind="reset_after", path="/restapi/v1/pixel", times=1)
    sandbox = small(faults=(fault,))

    async def steps(client: Client) -> None:
        url = sandbox.conversions_url + "/pixel/events"
        with pytest.raises(aiohttp.ClientError):
            await client.request("POST", url, json_body=event())
        assert (await client.request("POST", url, json_body=event())).status == 200

    visit(sandbox, steps)
    assert sandbox.conversions == [event()] * 2
    assert sandbox.stats().by_route == {"POST /pixel/events": 2}
