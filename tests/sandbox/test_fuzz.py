"""Whatever comes, the sandbox answers: a reply or a refusal, never a crash."""

import json
import re
from random import Random
from typing import Any

import pytest

from omnichat_async.sandbox import Sandbox
from omnichat_async.sandbox.endpoints import ENDPOINTS, Endpoint
from omnichat_async.sandbox.wire import JSON, ApiError, Call

from .asking import NOON, noon
from .support import LINE, START_MS, WHATSAPP
from .test_refusals import READS, REQUESTS, Request

ODD: list[Any] = [
    *(None, True, False, 0, -1, 2**63, 10**400, 1.5, -0.0, "", " ", "\0", "é", "🎁" * 2000),
    *("M" + "9" * 400, "US." + "9" * 400, "4" * 400, "U" + "0" * 32, "wamid.", "li", "٣", "1e5"),
    *([], {}, [None], [[]], [{}], {"": None}, {"a": {"b": []}}, "-invalid", LINE, WHATSAPP),
]
NAMES = (
    *("platform", "channelId", "userId", "bsuid", "memberId", "omniCustomerId", "phone", "email"),
    *("page", "pageSize", "type", "status", "after", "before", "ocsaid", "updatedAfter"),
)
PATH_ARGS = (
    *("platform", "chatbot_id", "message_id", "broadcast_id", "menu_id"),
    "business_phone_number",
)


def _spoil(random: Random, value: Any) -> Any:
    """The value with something odd somewhere inside."""
    if isinstance(value, dict) and value and random.random() < 0.8:
        key = random.choice(list(value))
        return {**value, key: _spoil(random, value[key])}
    if isinstance(value, list) and value and random.random() < 0.8:
        k = random.randrange(len(value))
        return [*value[:k], _spoil(random, value[k]), *value[k + 1 :]]
    return random.choice(ODD)


def _endpoint_of(request: Request) -> tuple[Endpoint, dict[str, str]]:
    for endpoint in ENDPOINTS:
        match = re.fullmatch(re.sub(r"{(\w+)}", r"(?P<\1>[^/]+)", endpoint.path), request.path)
        if match is not None and endpoint.method == request.method:
            return endpoint, match.groupdict()
    raise AssertionError(request)


def _answered(sandbox: Sandbox, endpoint: Endpoint, call: Call) -> bool:
    """Whether the call was accepted."""
    try:
        reply = endpoint.handle(sandbox._world, call)
    except ApiError as error:
        reply = error.reply()
    assert 200 <= reply.status <= 500
    assert json.loads(reply.body or b"{}") is not None
    return reply.status < 300


@pytest.mark.parametrize("name", REQUESTS)
def test_bodies_with_something_odd(name: str) -> None:
    random = Random(name)
    sandbox = noon(rows=300)
    request = REQUESTS[name]
    endpoint, path_args = _endpoint_of(request)
    for _ in range(300):
        body = json.dumps(_spoil(random, request.make(sandbox))).encode()
        query = tuple(request.query.items())
        _answered(sandbox, endpoint, Call(query, path_args, NOON, body, JSON))


@pytest.mark.parametrize("variants", ["collection", "guide"])
def test_queries_with_something_odd(variants: Any) -> None:
    random = Random(variants)
    sandbox = noon(rows=300, variants=variants)

    def odd() -> str:
        return str(random.choice([*ODD, "line", "whatsapp", "1", START_MS]))

    outcomes = set()
    for endpoint in READS * 200:
        query = tuple((name, odd()) for name in random.sample(NAMES, random.randrange(4)))
        path_args = {name: odd() for name in PATH_ARGS}
        outcomes.add(_answered(sandbox, endpoint, Call(query, path_args, NOON)))
    assert outcomes == {True, False}
