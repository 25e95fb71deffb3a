"""Calls as values: what goes over the wire, and what may be shown."""

from __future__ import annotations

import enum
import pickle
from typing import Any
from urllib.parse import parse_qsl, unquote

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnichat_async.calls import (
    NOTHING,
    RAW,
    Answer,
    Call,
    Page,
    Safety,
    encode_segment,
    one,
    page_of,
)
from omnichat_async.errors import DecodeError, InvalidRequest
from omnichat_async.models import Contact, Message
from tests.support.builders import SECRETS, make_call, secret_call

text = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)


def wire(call: Call[Any]) -> str:
    """The path and the query as one text."""
    path, query = call.target()
    return f"{path}?{query}" if query else path


def target_of(value: str) -> str:
    return wire(make_call(path="/messages/{id}/x", path_params={"id": value}))


@pytest.mark.parametrize(
    ("value", "segment"),
    [
        ("plain-1_2.3~", "plain-1_2.3~"),
        ("wamid.HBgL/+A==", "wamid.HBgL%2F%2BA%3D%3D"),
        ("a:b?c#d%e&f;g,h@i", "a%3Ab%3Fc%23d%25e%26f%3Bg%2Ch%40i"),
        ("two words", "two%20words"),
        ("a%2Fb", "a%252Fb"),
        ("back\\slash", "back%5Cslash"),
        ("..", "%2E%2E"),
        (".", "%2E"),
        ("...", "..."),
        ("../etc", "..%2Fetc"),
        ("a..b", "a..b"),
        ("王", "%E7%8E%8B"),
        ("😀", "%F0%9F%98%80"),
        ("line\r\nbreak\x00", "line%0D%0Abreak%00"),
        ("{id}", "%7Bid%7D"),
    ],
)
def test_an_id_is_one_segment_whatever_it_holds(value: str, segment: str) -> None:
    assert target_of(value) == f"/messages/{segment}/x"


@given(text)
def test_any_id_comes_back_from_the_path(value: str) -> None:
    target = target_of(value)
    _, messages, segment, x = target.split("/")
    assert (messages, x, unquote(segment, errors="strict")) == ("messages", "x", value)
    assert segment not in {".", ".."}
    assert target.isascii()


def test_an_id_that_names_another_parameter_is_left_alone() -> None:
    params = {"first": "{second}", "second": "{first}"}
    call = make_call(path="/a/{first}/b/{second}", path_params=params)
    assert wire(call) == "/a/%7Bsecond%7D/b/%7Bfirst%7D"


@pytest.mark.parametrize(
    ("value", "limit", "given"),
    [
        ("", "must be a non-empty string", "an empty one"),
        ("\ud800", "must be text that fits UTF-8", "a lone surrogate"),
    ],
)
def test_an_id_that_cannot_be_sent_is_refused_by_name(value: str, limit: str, given: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        encode_segment("message_id", value)
    error = caught.value
    assert (error.field, error.limit, error.given) == ("message_id", limit, given)


def test_a_parameter_that_cannot_be_sent_is_refused_by_name() -> None:
    with pytest.raises(InvalidRequest) as caught:
        wire(make_call(params={"userId": "a\udcff"}))
    assert (caught.value.field, caught.value.given) == ("userId", "a lone surrogate")
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    ("params", "query"),
    [
        ({}, ""),
        ({"a": None}, ""),
        ({"a": None, "page": 1, "b": None}, "?page=1"),
        ({"zero": 0, "empty": ""}, "?zero=0&empty="),
        ({"b": "x", "a": "y"}, "?b=x&a=y"),
        ({"q": "a b+c&d=e/f:王#"}, "?q=a%20b%2Bc%26d%3De%2Ff%3A%E7%8E%8B%23"),
        ({"odd key&": "1"}, "?odd%20key%26=1"),
    ],
)
def test_parameters_become_the_query(params: dict[str, Any], query: str) -> None:
    assert wire(make_call(params=params)) == f"/messages{query}"


def test_members_of_mixed_enums_are_their_values() -> None:
    class Word(str, enum.Enum):  # noqa: UP042 - whose str() is its name
        LINE = "line"

    class Number(int, enum.Enum):
        ONE = 1

    call = make_call(
        path="/{word}", path_params={"word": Word.LINE}, params={"w": Word.LINE, "n": Number.ONE}
    )
    assert wire(call) == "/line?w=line&n=1"


@pytest.mark.parametrize(
    ("query", "params", "whole"),
    [
        ("a=%20", {"b": " "}, "?a=%20&b=%20"),
        ("a=1", {"b": None}, "?a=1"),
        ("a=1", {}, "?a=1"),
        ("", {"b": None}, ""),
        ("", {}, ""),
    ],
)
def test_a_query_that_is_ready_goes_before_the_parameters(
    query: str, params: dict[str, Any], whole: str
) -> None:
    assert wire(make_call(query=query, params=params)) == f"/messages{whole}"


@given(st.dictionaries(text, text | st.integers(), max_size=4))
def test_any_parameters_come_back_from_the_query(params: dict[str, str | int]) -> None:
    _, _, query = wire(make_call(params=params)).partition("?")
    assert parse_qsl(query, keep_blank_values=True) == [(k, str(v)) for k, v in params.items()]


def test_a_label_and_a_repr_hold_no_ids() -> None:
    call = secret_call()
    assert call.label == "POST /people/{phone}"
    for secret in SECRETS.values():
        assert secret not in repr(call)


def test_a_label_can_stand_for_a_path_that_holds_ids() -> None:
    call = make_call(path="/people/85291234567", shown="/people/…")
    assert call.label == "GET /people/…"
    assert wire(call) == "/people/85291234567"


@pytest.mark.parametrize(
    ("safety", "repeatable"),
    [(Safety.READ, True), (Safety.REPEATABLE, True), (Safety.ONCE, False)],
)
def test_only_a_call_that_does_harm_twice_is_not_repeatable(
    safety: Safety, repeatable: bool
) -> None:
    assert make_call(safety).repeatable is repeatable


def test_a_call_is_a_value_that_pickles() -> None:
    call = secret_call()
    again = pickle.loads(pickle.dumps(call))
    assert again == call
    assert wire(again) == wire(call)


def test_answers_name_their_envelope() -> None:
    assert page_of(Message) == Answer("page", Message) != page_of(Contact)
    assert one(Message) == Answer("one", Message) != page_of(Message)
    assert len({one(Message), one(Message), page_of(Message)}) == 2
    assert (NOTHING.kind, NOTHING.model) == ("nothing", None)
    assert (RAW.kind, RAW.model) == ("raw", None)


def test_a_page_is_its_items() -> None:
    page = Page(["a", "b"], total=9)
    assert (list(page), len(page), page.total, page.number) == (["a", "b"], 2, 9, 1)
    assert (page.window, page.rejected) == (None, {})


def test_a_page_is_equal_to_itself_alone() -> None:
    page = Page(["a"])
    assert page == page
    assert page != Page(["a"])


def test_an_answer_is_what_it_says() -> None:
    assert Answer[int]("page", Message) == Answer("page", Message) != Answer("page", Contact)
    assert hash(Answer[int]("page", Message)) == hash(Answer("page", Message))
    assert repr(NOTHING) == "Answer('nothing', None, False, None)"


def test_calls_and_pages_cannot_be_changed() -> None:
    for value, field in ((Page(["a"]), "number"), (make_call(), "path")):
        with pytest.raises(attrs.exceptions.FrozenInstanceError):
            setattr(value, field, 2)


def test_a_page_does_not_share_its_rejects() -> None:
    error = DecodeError("content[0]", "an object", "null")
    first: Page[str] = Page([], rejected={0: error})
    assert Page([]).rejected is not Page([]).rejected
    assert first.rejected == {0: error}
    assert not first


@pytest.mark.parametrize(
    ("value", "text"), [(True, "true"), (False, "false"), (7, "7"), (1.5, "1.5"), ("a b", "a%20b")]
)
def test_a_parameter_goes_out_as_json_would_write_it(value: Any, text: str) -> None:
    assert wire(make_call(params={"p": value})).endswith(f"?p={text}")


def test_values_that_are_equal_go_out_as_what_they_are() -> None:
    for value, text in [(1, "1"), (True, "true"), (1.0, "1.0"), (False, "false"), (0, "0")] * 2:
        assert wire(make_call(params={"p": value})).endswith(f"?p={text}")  # type: ignore[dict-item]


def test_a_parameter_that_has_no_text_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="p: must be text, a number"):
        wire(make_call(params={"p": ["a"]}))  # type: ignore[dict-item]
