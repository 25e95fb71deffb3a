"""Every answer of the collection is decoded by the method it answers, and nothing of it is lost."""

from __future__ import annotations

from typing import Any

import pytest

from omnichat_async.calls import Page
from omnichat_async.errors import MarketingMessagesLiteNotEnabled
from tests.contract.drives import Ids, drives
from tests.contract.support import (
    ANSWERS,
    BY_NUMBER,
    COLLECTION,
    OPERATIONS,
    walk_models,
)
from tests.contract.test_requests import MAKE
from tests.support.calls import served
from tests.support.leaves import json_leaves, object_leaves
from tests.support.run import run
from tests.support.wire import reply

RESPONSES = [
    (entry["number"], index) for entry in COLLECTION for index in range(len(entry["responses"]))
]
TOTALS = {"totalElements", "totalElement"}


def answer_of(make: Any, status: int, body: Any) -> Any:
    """What a call gives for an answer."""

    async def main() -> Any:
        async with served([reply(status, b"" if body is None else body)]) as (_, client):
            return await make(client)

    return run(main())


def content_of(body: Any) -> Any:
    """What is in the envelope of an answer."""
    content = body.get("content", body) if isinstance(body, dict) else body
    if isinstance(content, dict) and set(content) == {"invalidRecords"}:
        content = content["invalidRecords"]
    return content


def expected(path: str, value: Any) -> Any:
    """A leaf as the objects have it: what differs from the wire on purpose."""
    if path.endswith(".source"):
        return value.lower()  # "Bot" in the sample, "bot" in the table
    if path.endswith("At") and value == "":
        return None  # no time
    if path.endswith(".wa_id"):
        return value.strip()  # a blank at the end
    return value


def compare(body: Any, result: Any) -> int:
    """Look up every leaf of an answer on the objects; how many there were."""
    rows = result
    if isinstance(result, Page):
        assert not result.rejected
        totals = {body[key] for key in TOTALS & set(body)}
        assert {result.total} == totals or (not totals and result.total is None)
        rows = result.items
    content = content_of(body)
    if isinstance(rows, list) and isinstance(content, dict):
        content = [content]  # one answer for all notifications of a call
    if isinstance(content, list):
        assert len(rows) == len(content)
    sent, found = dict(json_leaves(content)), dict(object_leaves(rows))
    for path, value in sent.items():
        wanted = expected(path, value)
        if wanted is None:
            assert found.get(path) is None, path
        else:
            assert path in found, path
            assert found[path] == wanted, path
            assert isinstance(found[path], bool) == isinstance(wanted, bool), path
    return len(sent)


def extras_of(result: Any) -> list[dict[str, Any]]:
    """The unknown fields of every model in a result."""
    found: list[dict[str, Any]] = []
    walk_models(
        result.items if isinstance(result, Page) else result, lambda m: found.append(m.extra)
    )
    return found


def check(make: Any, answer: dict[str, Any]) -> None:
    body = answer["json"]
    result = answer_of(make, answer["status"] or 200, body)
    if body is None:
        assert result is None
        return
    leaves = compare(body, result)
    assert leaves or content_of(body) == []
    extras = extras_of(result)
    assert extras or content_of(body) == []
    assert all(extra == {} for extra in extras)


@pytest.mark.parametrize(("number", "index"), RESPONSES)
def test_an_answer_of_the_collection_is_read_whole(number: int, index: int) -> None:
    answer = BY_NUMBER[number]["responses"][index]
    makes = MAKE[number]
    make = makes.get(answer["name"], makes["request"])
    if (answer["status"] or 200) >= 400:
        with pytest.raises(MarketingMessagesLiteNotEnabled) as caught:
            answer_of(make, answer["status"], answer["json"])
        error, content = caught.value, answer["json"]["content"]
        assert (error.code, error.message, error.status) == (
            content["code"],
            content["message"],
            content["status"],
        )
        return
    check(make, answer)


def test_all_answers_are_there() -> None:
    assert len(RESPONSES) == 58
    silent = {each["number"] for each in COLLECTION if not each["responses"]}
    assert silent == {8, 9, 17, 18, 19, 25, 26, 27, 65}  # they answer with nothing


@pytest.mark.parametrize("status", [200, 204])
@pytest.mark.parametrize("number", [8, 9, 10, 16, 17, 18, 19, 25, 26, 27, 65])
def test_calls_that_are_answered_with_nothing(number: int, status: int) -> None:
    assert answer_of(MAKE[number]["request"], status, None) is None


@pytest.mark.parametrize("key", [key for key in ANSWERS if OPERATIONS[key]["source"] == "guide"])
def test_an_answer_of_the_guide_is_read_whole(key: str) -> None:
    check(drives(Ids())[key][0], {"status": 200, "json": ANSWERS[key]})
