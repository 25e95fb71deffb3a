"""One call of the public client against a scripted server: what was asked, and what came of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from omnichat_async import InvalidRequest, OmnichatError, OutcomeUnknown
from tests.support.builders import DATA
from tests.support.calls import served
from tests.support.run import run
from tests.support.wire import drop, reply

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from omnichat_async import OmnichatClient
    from tests.support.wire import Reply, Request

__all__ = ["ask", "asked", "body_of", "failure", "refusal", "samples", "sent_once", "sent_twice"]

T = TypeVar("T")


def ask(use: Callable[[OmnichatClient], Awaitable[T]], *script: Reply) -> tuple[T, list[Request]]:
    """What the call gives, and the requests it made. Without a script every answer is a 204."""

    async def main() -> tuple[T, list[Request]]:
        async with served(list(script) or [reply(204)]) as (server, client):
            return await use(client), list(server.requests)

    return run(main())


def asked(use: Callable[[OmnichatClient], Awaitable[Any]]) -> tuple[str, Any]:
    """Method and target of the one request of a call that is answered by 204, and its body."""
    _, (request,) = ask(use)
    return f"{request.method} {request.target.removeprefix('/v1')}", body_of(request)


def body_of(request: Request) -> Any:
    """The JSON body; None without one."""
    return json.loads(request.body) if request.body else None


def failure(
    use: Callable[[OmnichatClient], Awaitable[Any]], *script: Reply
) -> tuple[OmnichatError, int]:
    """The error that the call ends with, and how many requests it made."""

    async def main() -> tuple[OmnichatError, int]:
        async with served(list(script) or [reply(204)]) as (server, client):
            with pytest.raises(OmnichatError) as caught:
                await use(client)
            return caught.value, len(server.requests)

    return run(main())


def refusal(use: Callable[[OmnichatClient], Awaitable[Any]]) -> InvalidRequest:
    """The error of a call that is refused before anything is sent."""
    error, requests = failure(use)
    assert isinstance(error, InvalidRequest)
    assert requests == 0
    return error


def sent_twice(use: Callable[[OmnichatClient], Awaitable[Any]], good: Reply) -> None:
    """Whatever becomes of the first attempt, a second one follows."""
    for lost in (drop(), reply(503), reply(429, b"", {"Retry-After": "0"})):
        _, requests = ask(use, lost, good)
        assert len(requests) == 2
        assert requests[0].body == requests[1].body
        assert requests[0].target == requests[1].target


def sent_once(use: Callable[[OmnichatClient], Awaitable[Any]], good: Reply) -> None:
    """A second attempt follows only where the server refused the first one."""
    for lost in (drop(), reply(503)):
        error, count = failure(use, lost, good)
        assert isinstance(error, OutcomeUnknown)
        assert (count, error.safe_to_repeat) == (1, False)
    _, requests = ask(use, reply(429, b"", {"Retry-After": "0"}), good)
    assert len(requests) == 2


def samples(name: str) -> list[dict[str, Any]]:
    """Requests and answers of the published collection."""
    file = DATA / f"{name}.samples.json"
    parsed: list[dict[str, Any]] = json.loads(file.read_text(encoding="utf-8"))
    return parsed
