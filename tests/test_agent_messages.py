"""Messages of third-party AI agents: wire bodies, answers with holes, and what is refused."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from omnichat_async import OmnichatClient
from omnichat_async.codec import structure
from omnichat_async.errors import APIError, BadRequest, DecodeError, InvalidRequest, OutcomeUnknown
from omnichat_async.models import AgentMessage, AgentSent
from omnichat_async.models import agent_messages as agent
from omnichat_async.sandbox import Sandbox
from tests.support.calls import served
from tests.support.run import run
from tests.support.wire import drop, reply

if TYPE_CHECKING:
    from collections.abc import Callable

    from omnichat_async.models.agent_messages import Content

URL = "https://example.com/a"
TEXT = agent.Text("Hello")


def message(messages: Any = (TEXT,), **fields: Any) -> AgentMessage:
    """A message for a room."""
    return AgentMessage(**{"team": "team-1", "room_id": "room-1", "messages": messages} | fields)


WIRE: dict[str, tuple[Content, dict[str, Any]]] = {
    "text": (TEXT, {"type": "text", "text": "Hello"}),
    "image": (agent.Image(URL), {"type": "image", "url": URL}),
    "audio": (agent.Audio(URL), {"type": "audio", "url": URL}),
    "video": (agent.Video(URL), {"type": "video", "video": {"url": URL}}),
    "video for LINE": (
        agent.Video(URL, URL + ".png"),
        {"type": "video", "video": {"url": URL, "thumbnailUrl": URL + ".png"}},
    ),
    "quick reply": (
        agent.QuickReply("Anything else?", ["Yes", "No"]),
        {
            "type": "quick_reply",
            "quick_reply": {
                "text": "Anything else?",
                "replies": [{"text": "Yes"}, {"text": "No"}],
            },
        },
    ),
    "map": (
        agent.GoogleMap(static_url=URL, embedding_url=URL),
        {"type": "google_map", "googleMap": {"staticUrl": URL, "embeddingUrl": URL}},
    ),
    "map with app": (
        agent.GoogleMap(static_url=URL, embedding_url=URL, app_url=URL),
        {
            "type": "google_map",
            "googleMap": {"staticUrl": URL, "embeddingUrl": URL, "appUrl": URL},
        },
    ),
}


@pytest.mark.parametrize("name", WIRE)
def test_each_kind_goes_over_the_wire_as_documented(name: str) -> None:
    content, wire = WIRE[name]

    async def main() -> None:
        async with served([reply(200, {"messageIds": ["1"]})]) as (server, client):
            await client.agent_messages.send(message([content], reply_token="tok-1"))
            (request,) = server.requests
            assert (request.method, request.target) == ("POST", "/v1/agent-messages")
            assert json.loads(request.body) == {
                "team": "team-1",
                "roomId": "room-1",
                "messages": [wire],
                "replyToken": "tok-1",
            }

    run(main())


def test_no_reply_token_is_no_key() -> None:
    assert "replyToken" not in message().to_wire()


LIMITS: dict[str, tuple[str, Callable[[], object]]] = {
    "no team": ("team", lambda: message(team="")),
    "no room": ("room_id", lambda: message(room_id="")),
    "no messages": ("messages", lambda: message([])),
    "6 messages": ("messages", lambda: message([TEXT] * 6)),
    "one message instead of a list": ("messages", lambda: message(TEXT)),
    "text instead of messages": ("messages", lambda: message(["Hello"])),
    "an empty reply token": ("reply_token", lambda: message(reply_token="")),
    "an empty text": ("text", lambda: agent.Text("")),
    "no image": ("url", lambda: agent.Image("a.png")),
    "no audio": ("url", lambda: agent.Audio("")),
    "no video": ("url", lambda: agent.Video("ftp://example.com")),
    "no thumbnail": ("thumbnail_url", lambda: agent.Video(URL, "a.png")),
    "a quick reply without text": ("text", lambda: agent.QuickReply("", ["A"])),
    "no replies": ("replies", lambda: agent.QuickReply("?", [])),
    "one reply instead of a list": ("replies", lambda: agent.QuickReply("?", "Yes")),
    "an empty reply": ("replies", lambda: agent.QuickReply("?", [""])),
    "no map": ("static_url", lambda: agent.GoogleMap(static_url="", embedding_url=URL)),
    "no page": ("embedding_url", lambda: agent.GoogleMap(static_url=URL, embedding_url="x")),
    "no app": (
        "app_url",
        lambda: agent.GoogleMap(static_url=URL, embedding_url=URL, app_url="maps"),
    ),
}


@pytest.mark.parametrize("name", LIMITS)
def test_a_message_that_cannot_be_sent_cannot_be_made(name: str) -> None:
    field, make = LIMITS[name]
    with pytest.raises(InvalidRequest) as caught:
        make()
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("answer", "ids", "failed"),
    [
        ({"messageIds": ["1", "2"]}, ["1", "2"], []),
        ({"messageIds": [None, "2", None]}, [None, "2", None], [0, 2]),
        ({"content": {"messageIds": ["1", None]}}, ["1", None], [1]),
        ({"messageIds": None}, [], []),
        ({}, [], []),
    ],
)
def test_the_ids_keep_their_places(answer: Any, ids: list[str | None], failed: list[int]) -> None:
    async def main() -> AgentSent:
        async with served([reply(200, answer)]) as (_, client):
            return await client.agent_messages.send(message([TEXT] * 5))

    sent = run(main())
    assert sent.message_ids == ids
    assert sent.failed == failed


def test_an_id_of_another_kind_is_an_error_that_names_its_place() -> None:
    with pytest.raises(DecodeError) as caught:
        structure(AgentSent, {"messageIds": [None, 2]})
    assert caught.value.path == "$.messageIds[1]"


def test_it_is_sent_once_when_nobody_knows_and_again_after_429() -> None:
    async def main() -> None:
        for misdeed in (drop(), reply(503)):
            async with served([misdeed]) as (server, client):
                with pytest.raises(OutcomeUnknown):
                    await client.agent_messages.send(message())
                assert len(server.requests) == 1
        script = [reply(429, headers={"retry-after": "0"}), reply(200, {"messageIds": ["1"]})]
        async with served(script) as (server, client):
            assert (await client.agent_messages.send(message())).message_ids == ["1"]
            assert len(server.requests) == 2

    run(main())


def test_a_dead_reply_token_is_a_bad_request() -> None:
    error = {"errorCode": "LINE_API_EXCEPTION", "message": "Invalid reply token"}

    async def main() -> None:
        async with served([reply(424, error)]) as (_, client):
            with pytest.raises(BadRequest) as caught:
                await client.agent_messages.send(message(reply_token="tok-1"))
            assert (caught.value.status, caught.value.code) == (424, "LINE_API_EXCEPTION")

    run(main())


def test_the_sandbox_takes_them_and_leaves_holes() -> None:
    async def main() -> None:
        async with (
            Sandbox(rows=50, limit=None) as sandbox,
            OmnichatClient(sandbox.token, base_url=sandbox.url) as client,
        ):
            rows = sandbox.rows("contacts", 0, sandbox.config.end_ms + 1, "line")
            room = sandbox.room("line", str(next(iter(rows))["id"]))
            ours = {"team": sandbox.config.team_id, "room_id": room.id, "reply_token": "tok-1"}
            messages = [TEXT, agent.Text("x-undelivered"), agent.QuickReply("?", ["A"])]
            sent = await client.agent_messages.send(message(messages, **ours))
            assert len(sent.message_ids) == 3
            assert sent.failed == [1]
            assert sandbox.sent[-1].kind == "agent_message"
            with pytest.raises(APIError) as caught:  # the reply token is used up
                await client.agent_messages.send(message(**ours))
            assert caught.value.code == "LINE_API_EXCEPTION"

    run(main())
