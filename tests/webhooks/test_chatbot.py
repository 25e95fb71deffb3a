"""Dynamic responses: what a bot answers, within the limits, to callers with the token."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from omnichat_async import ConfigurationError, InvalidRequest
from omnichat_async.webhooks.chatbot import (
    Button,
    Card,
    Carousel,
    Image,
    LineImageCarousel,
    Option,
    OptionList,
    Reply,
    Text,
    check_bearer,
)

if TYPE_CHECKING:
    from collections.abc import Callable

URL = "https://example.com/a.png"


@pytest.mark.parametrize(
    ("header", "fits"),
    [
        *(("Bearer tok-2", True), ("bearer tok-1", True), ("Bearer  tok-1 ", True)),
        *(("Bearer tok-3", False), ("Basic tok-1", False), ("tok-1", False), ("Bearer", False)),
        *((None, False), ("", False), ("Bearer é\udcff", False)),
    ],
)
def test_the_bearer_token(header: str | None, fits: bool) -> None:
    assert check_bearer(header, ["tok-1", "tok-2"]) is fits


def test_no_token_is_refused() -> None:
    with pytest.raises(ConfigurationError):
        check_bearer("Bearer ", "")


def test_a_reply_has_the_names_of_the_api() -> None:
    button = Button("Go", url=URL, tags=["x"], attribute=("size", "M"), style="primary")
    reply = Reply(
        [
            Text("王"),
            Image(URL, text="caption"),
            Carousel([Card(title="t", text="x", image=URL, buttons=[Button("B", block_id="b")])]),
            OptionList("pick", "open", [Option("one", bot_id="bot", block_id="blk")]),
            LineImageCarousel([{"image": URL, "buttons": [button]}]),
        ]
    )
    sent = {"type": "url", "title": "Go", "url": URL, "style": "primary"}
    sent |= {"tags": ["x"], "attribute": {"key": "size", "value": "M"}}  # type: ignore[dict-item]
    assert json.loads(reply.to_json()) == {
        "messages": [
            {"type": "text", "text": "王"},
            {"type": "image", "image": URL, "text": "caption"},
            {
                "type": "carousel",
                "carousel": [
                    {
                        "title": "t",
                        "text": "x",
                        "image": URL,
                        "buttons": [{"type": "postback", "title": "B", "blockId": "b"}],
                    }
                ],
            },
            {
                "type": "optionList",
                "optionList": {
                    "text": "pick",
                    "buttonTitle": "open",
                    "options": [
                        {"type": "postback", "title": "one", "botId": "bot", "blockId": "blk"}
                    ],
                },
            },
            {"type": "lineImageCarousel", "lineImageCarousel": [{"image": URL, "buttons": [sent]}]},
        ]
    }
    assert "王".encode() in reply.to_json()


@pytest.mark.parametrize(
    ("make", "field"),
    [
        (lambda: Reply([]), "messages"),
        (lambda: Reply([Text("x")] * 6), "messages"),
        (lambda: Reply(["x"]), "messages"),  # type: ignore[list-item]
        (lambda: Text(""), "text"),
        (lambda: Text("x" * 4097), "text"),
        (lambda: Image("ftp://x"), "url"),
        (lambda: Button("B"), "block_id"),
        (lambda: Button("B", url=URL, message="m"), "block_id"),
        (lambda: Button("B", url=URL, tags="vip"), "tags"),
        (lambda: Button("B", url=URL, attribute=("k",)), "attribute"),  # type: ignore[arg-type]
        (lambda: Card(title="x" * 4000, text="x" * 97), "title and text"),
        (lambda: Carousel([]), "cards"),
        (lambda: Option("x" * 25, bot_id="b", block_id="k"), "title"),
        (lambda: Option("x", bot_id="b", block_id="k", description="x" * 73), "description"),
        (lambda: Option("x", bot_id="b", block_id="k", tags=[""]), "tags"),
        (lambda: OptionList("x" * 1025, "b", [Option("o", bot_id="b", block_id="k")]), "text"),
        (
            lambda: OptionList("x", "b" * 21, [Option("o", bot_id="b", block_id="k")]),
            "button_title",
        ),
        (lambda: OptionList("x", "b", []), "options"),
        (lambda: LineImageCarousel([]), "images"),
    ],
)
def test_limits_are_checked_when_a_message_is_made(make: Callable[[], Any], field: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        make()
    assert field in caught.value.field
