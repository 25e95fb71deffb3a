"""Nothing leaks: secrets and personal data stay out of logs, texts and tracebacks."""

from __future__ import annotations

import asyncio
import logging
import traceback
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from omnichat_async import OmnichatClient, OmnichatError, RateLimiter, RetryPolicy, transport
from omnichat_async.calls import RAW, Answer, Call, Safety, one, page_of
from omnichat_async.models.messages import Message
from tests.support.builders import SECRETS
from tests.support.calls import QUICK, execute, quick_client, served
from tests.support.run import run
from tests.support.wire import (
    HostileServer,
    Reply,
    drop,
    garbage,
    refused_url,
    reply,
    silent,
    truncated,
    unresolvable_url,
)

if TYPE_CHECKING:
    from omnichat_async.events import Event

PHONE, EMAIL, NAME, TEXT = (SECRETS[key] for key in ("phone", "email", "name", "text"))
TOKEN = SECRETS["token"]
USER_ID = "Uc0ffee0123456789"
HIDDEN = (*SECRETS.values(), USER_ID, "ada.wong%40example.com", "王小明", "Ada%20Wong")

BODY = {"phone": PHONE, "email": EMAIL, "name": NAME, "message": {"text": TEXT}, "id": USER_ID}
CALLS: list[Call[Any]] = [
    Call(
        method=method,
        path="/contacts/{user_id}/{email}",
        safety=safety,
        answer=answer,
        path_params={"user_id": USER_ID, "email": EMAIL},
        params={"phone": PHONE, "name": NAME, "text": TEXT},
        json=json,
    )
    for method, safety, answer, json in (
        ("GET", Safety.READ, RAW, None),
        ("GET", Safety.READ, page_of(Message), None),
        ("PUT", Safety.REPEATABLE, one(Message), BODY),
        ("POST", Safety.ONCE, RAW, BODY),
    )
]
PROSE = f"{NAME} <{EMAIL}> +{PHONE} ({USER_ID}): {TEXT}; {TOKEN}"
ELSEWHERE = {"Location": f"https://evil.example/?t={TOKEN}&p={PHONE}"}
ANSWERS = [
    reply(400, {"errorCode": "INVALID_REQUEST_BODY", "message": PROSE}),
    reply(400, {"message": f"OCE::BAD_REQUEST::{PROSE} not found"}),
    reply(401, {"message": PROSE}),
    reply(404, PROSE.encode()),
    reply(500, f"<html>{PROSE}</html>".encode()),
    reply(500, {"content": {"code": "CONTACT_UNSUBSCRIBED", "message": PROSE}}),
    reply(502, {"error": {"message": PROSE, "code": 131047}}),
    reply(503, b"", {"Retry-After": PROSE.encode("ascii", "ignore").decode()}),
    reply(302, b"", ELSEWHERE),
    reply(429, {"message": PROSE}, {"Retry-After": "1000"}),
    reply(200, PROSE.encode()),
    reply(200, {"content": PROSE}),
    reply(200, {"content": [{"id": None, "time": PROSE, PROSE: PROSE}]}),
    reply(200, [PROSE]),
    reply(200, b"x" * 5000),
    reply(200, PROSE.encode(), {"Content-Encoding": "gzip"}),
    truncated(200, {"message": PROSE}),
    garbage(PROSE.encode()),
    garbage(f"HTTP/1.1 200 OK\r\n{PROSE}\r\n\r\n".encode()),
    garbage(f"HTTP/1.1 200 OK\r\nContent-Length: {PHONE}x\r\n\r\n".encode()),
    drop(),
    drop(reset=False),
    silent(),
]


def leaks(text: str) -> list[str]:
    return [secret for secret in HIDDEN if secret.lower() in text.lower()]


def assert_silent_about_people(error: BaseException) -> None:
    """Neither the error nor what a crash report prints of it names anybody."""
    printed = "".join(traceback.format_exception(error))
    for text in (str(error), repr(error), printed):
        assert leaks(text) == []


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """Every record of every logger at INFO or above."""
    caplog.set_level(logging.INFO)
    return caplog


def assert_silent_log(log: pytest.LogCaptureFixture) -> None:
    formatter = logging.Formatter("%(name)s %(message)s")
    for record in log.records:
        assert leaks(formatter.format(record)) == []
        assert leaks(repr(record.args)) == []


@pytest.mark.parametrize("answer", ANSWERS, ids=lambda answer: answer.name)
def test_a_failing_call_names_nobody(
    answer: Reply, log: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "LARGEST_BODY", 4000)
    monkeypatch.setattr(transport, "READ_S", 0.05)
    events: list[Event] = []

    async def main() -> int:
        raised = 0
        async with HostileServer([answer]) as server:
            for call in CALLS:
                client = OmnichatClient(
                    TOKEN,
                    base_url=server.url,
                    limiter=RateLimiter(None),
                    retry=attrs.evolve(QUICK, max_attempts=2),
                    hooks=[events.append],
                )
                async with client:
                    try:
                        await execute(client, call)
                    except OmnichatError as error:
                        raised += 1
                        assert_silent_about_people(error)
        return raised

    assert run(main()) >= 1
    assert_silent_log(log)
    assert leaks(repr(events)) == []
    assert events


@pytest.mark.parametrize("url", [refused_url, unresolvable_url], ids=["refused", "unresolvable"])
def test_a_call_that_is_not_sent_names_nobody(url: Any, log: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with quick_client(url()) as client:
            for call in CALLS:
                with pytest.raises(OmnichatError) as caught:
                    await execute(client, call)
                assert_silent_about_people(caught.value)

    run(main())
    assert_silent_log(log)
    assert any(record.name == "omnichat_async" for record in log.records)


def test_the_escape_hatch_names_nobody(log: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        path = f"/contacts/line/{USER_ID}/+{PHONE}"
        async with served([reply(503, PROSE.encode())]) as (_, client):
            for method in ("GET", "POST"):
                with pytest.raises(OmnichatError) as caught:
                    await client.request(method, path, params={"q": EMAIL}, json=BODY)
                assert_silent_about_people(caught.value)
            for bad in (f"{path}?email={EMAIL}", f"/{NAME}", path[1:]):
                with pytest.raises(OmnichatError) as caught:
                    await client.request("GET", bad)
                assert_silent_about_people(caught.value)

    run(main())
    assert_silent_log(log)


def test_deadlines_queues_and_closing_name_nobody(log: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with HostileServer([silent()]) as server:
            client = quick_client(server.url, limiter=RateLimiter(1), timeout=0.2)
            errors = await asyncio.gather(
                *(execute(client, call) for call in CALLS), return_exceptions=True
            )
            tasks = [
                asyncio.create_task(execute(client.with_options(timeout=60.0), call))
                for call in CALLS[:2]
            ]
            await server.wait_for_requests(2)
            await client.aclose()
            errors += await asyncio.gather(*tasks, return_exceptions=True)
        assert len(errors) == 6
        for error in errors:
            assert isinstance(error, OmnichatError)
            assert_silent_about_people(error)

    run(main())
    assert_silent_log(log)


def test_a_hook_that_raises_names_nobody(log: pytest.LogCaptureFixture) -> None:
    def broken(event: Event) -> None:
        raise ValueError(repr(event))

    async def main() -> None:
        async with served([reply(503), reply(404)], hooks=[broken]) as (_, client):
            for call in CALLS:
                with pytest.raises(OmnichatError):
                    await execute(client, call)

    run(main())
    assert [record for record in log.records if record.exc_info]
    assert_silent_log(log)


def test_no_repr_shows_the_token() -> None:
    client = OmnichatClient(f"Bearer {TOKEN}", retry=RetryPolicy())
    parts = (client, client.with_options(lane="bulk"), client.limiter, client._options)
    inner = (client._session, client._transport, client.messages)
    for each in (*parts, *inner):
        assert leaks(f"{each!r} {each}") == []


@pytest.mark.parametrize("call", CALLS, ids=lambda call: f"{call.label} {call.answer.kind}")
def test_the_repr_of_a_call_shows_what_it_is_and_not_whom_it_is_about(call: Call[Any]) -> None:
    assert isinstance(call.answer, Answer)
    assert leaks(repr(call)) == []


@pytest.mark.parametrize(
    "token", [f"{TOKEN} {PHONE}", f"{TOKEN}é", f"{TOKEN}\n{PHONE}", f"Bearer Bearer {TOKEN}"]
)
def test_a_wrong_token_is_not_shown(token: str) -> None:
    with pytest.raises(OmnichatError) as caught:
        OmnichatClient(token)
    assert_silent_about_people(caught.value)


@pytest.mark.parametrize(
    "url", ["https://u:{}@h/v1", "https://h/v1?key={}", "https://h/#{}", "https://h:{}", "x{}"]
)
def test_a_wrong_base_url_is_not_shown(url: str) -> None:
    with pytest.raises(OmnichatError) as caught:
        OmnichatClient("t", base_url=url.format(TOKEN))
    assert_silent_about_people(caught.value)
