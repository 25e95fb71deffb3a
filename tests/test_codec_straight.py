"""Typed pages straight from their bytes: the same objects as the ordinary way, or none at all."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import attrs
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from omnichat_async.codec import decode_page, loads, read_page, straight
from omnichat_async.codec.generate import known_names
from omnichat_async.models import (
    BroadcastJob,
    BroadcastRecipient,
    Channel,
    Contact,
    Message,
    MessagesSent,
    MessageTemplate,
    Model,
    ReferralOrder,
    TaggingLog,
)
from omnichat_async.models.base import local

if TYPE_CHECKING:
    from omnichat_async.calls import Page

pytest.importorskip("msgspec", reason="pip install 'omnichat_async[speed]'")


def stripped(text: str) -> str:
    return text.strip()


@attrs.define(kw_only=True)
class Careful(Model):
    """A row that its own init makes, with defaults other than None."""

    id: str = attrs.field(converter=stripped)
    count: int = attrs.field(default=1, validator=attrs.validators.ge(0))
    size: int = 5
    names: dict[str, Any] = attrs.field(factory=dict)
    made_here: int = local(default=7)


@attrs.frozen(kw_only=True)  # pyright: ignore[reportGeneralTypeIssues] - attrs allows it
class Fixed(Model):
    """A row that cannot be changed."""

    name: str = "none"
    channel: Channel | None = None


MODELS: list[type[Model]] = [
    BroadcastJob,
    BroadcastRecipient,
    Careful,
    Contact,
    Fixed,
    Message,
    MessageTemplate,
    MessagesSent,
    ReferralOrder,
    TaggingLog,
]


@pytest.fixture(autouse=True)
def _nothing_learnt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(straight, "_readers", {})


def ordinary(model: type[Model], body: bytes) -> Page[Any]:
    """The page as it is read without msgspec."""
    return decode_page(model, loads(body))


def straight_or_not(model: type[Model], body: bytes) -> Page[Any]:
    """The page as a session reads it."""
    return read_page(model, body, lambda: loads(body))


def no_need() -> Any:
    """In place of parsing the body."""
    raise AssertionError("the page was not read straight")


def reads_into_dicts(model: type[Model], body: bytes) -> bool:
    """Whether the page is read the ordinary way; it is what it should be in any case."""
    parsed: list[Any] = []

    def parse() -> Any:
        parsed.append(loads(body))
        return parsed[-1]

    assert facts(read_page(model, body, parse)) == facts(ordinary(model, body))
    return bool(parsed)


def facts(page: Page[Any]) -> Any:
    """All of a page, with the types of what is in it, as text: NaN is not equal to itself."""
    rejected = {
        place: (error.path, error.expected, error.found, error.raw)
        for place, error in page.rejected.items()
    }
    # In whatever order unknown fields stand: they are learnt in one of their own.
    rows = [
        {name: (type(value), in_order(value)) for name, value in fields.items()}
        for fields in (attrs.asdict(row, recurse=False) for row in page.items)
    ]
    return repr((rows, page.total, rejected))


def in_order(value: Any) -> Any:
    return dict(sorted(value.items())) if isinstance(value, dict) else value


def body_of(*rows: dict[str, Any], **others: Any) -> bytes:
    return json.dumps({"content": rows, **others}).encode()


# ---- the same, whatever is sent ----------------------------------------------------------------

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(1_600_000_000_000, 1_800_000_000_000),
    st.floats(),  # NaN and the infinities too, which are no JSON
    st.text(max_size=5),
    st.sampled_from(
        ["customer", "SENT", "2024-02-03T04:05:06Z", "\ud800", 2**64, -(2**63) - 1, 10**30, 1.0]
    ),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(["key", "value", "platform", "channelId"]), inner),
    ),
    max_leaves=5,
)


def rows_of(model: type[Model]) -> st.SearchStrategy[list[Any]]:
    names = st.sampled_from([*sorted(known_names(model)), "new", "newer", "extra", '"', ""])
    row = st.dictionaries(names, VALUES, max_size=8).map(
        lambda given: {"id": "1", "name": "n", "key": "k", **given}
    )
    return st.lists(st.one_of(row, row, row, VALUES), max_size=4)


@st.composite
def pages(draw: st.DrawFn) -> tuple[type[Model], list[bytes]]:
    """A model, and pages for it."""
    model = draw(st.sampled_from(MODELS))
    totals = st.dictionaries(
        st.sampled_from(["totalElements", "totalElement", "total", "number", "content"]), VALUES
    )
    bodies = []
    for _ in range(3):
        page = {"content": draw(rows_of(model)), **draw(totals)}
        bodies.append(json.dumps(page, ensure_ascii=draw(st.booleans())))
    return model, [body.encode("utf-8", "surrogatepass") for body in bodies]


@given(pages())
@example((Message, [b'{"content":[{"id":"1","id":"2"}],"content":[{"id":"3"}]}'] * 2))
@example((Message, [b'{"content":[{"id":"1","new":1e400}]}'] * 2))
@example((Careful, [b'{"content":[{"id":" 1 ","new":1},{"id":"2","size":6}]}'] * 2))
@example((MessagesSent, [b'{"content":[{"new":1},{}]}'] * 2))
@example((Fixed, [b'{"content":[{"name":"n","new":1},{}]}'] * 2))
@example((Message, [b'{"content":[{"id":"1","time":1.0}, {"id":"2","time":-62135596800001}]}']))
@example((Message, [b'{"content":[{"id":"1","new":' + b"[" * 3000 + b"]" * 3000 + b"}]}"]))
@example((Contact, [b'{"content":[{"id":"1","extraAttributes":{"n":123456789012345678901}}]}']))
@example((Message, [b"", b"[]", b"nul", b"\xff", b'{"content":null}', b"\xef\xbb\xbf{}"]))
def test_a_page_is_what_it_is_the_ordinary_way(case: tuple[type[Model], list[bytes]]) -> None:
    model, bodies = case
    straight._readers.clear()
    for body in bodies:
        outcomes = []
        for read in (ordinary, straight_or_not):
            try:
                outcomes.append(facts(read(model, body)))
            except Exception as error:  # of whatever kind: the other way has to raise the same
                outcomes.append(f"{type(error).__name__}: {error}")
        assert outcomes[0] == outcomes[1]


# ---- straight, as long as nothing is odd -------------------------------------------------------

ROW = {"id": "a", "time": 1_735_689_599_023, "channel": {"platform": "line", "channelId": "1"}}


def test_a_page_with_nothing_odd_is_not_parsed_into_dicts() -> None:
    body = body_of(ROW, {"id": "b", "senderType": "agent", "message": None}, totalElements="7")
    assert facts(read_page(Message, body, no_need)) == facts(ordinary(Message, body))


def test_fields_nobody_has_heard_of_are_learnt() -> None:
    first = body_of(ROW, ROW | {"new": 1}, number=0)
    assert reads_into_dicts(Message, first)
    for body in (
        first,
        body_of(ROW | {"new": {"a": [2**70]}}, ROW),
        body_of(ROW | {"new": None}, number="one", totalElement=3),
    ):
        page = read_page(Message, body, no_need)
        assert facts(page) == facts(ordinary(Message, body))
    assert [row.extra for row in page.items] == [{"new": None}]


def test_what_is_learnt_is_bounded() -> None:
    for n in range(100):
        body = body_of({"id": "a", f"new{n}": n}, **{f"number{n}": n})
        page = straight_or_not(Message, body)
        assert page.items[0].extra == {f"new{n}": n}
    reader = straight._readers[Message]
    assert reader is not None
    assert len(reader._of_rows) == len(reader._of_pages) == straight._MOST_UNKNOWN
    assert read_page(Message, body_of({"id": "a", "new3": 3}, number3=3), no_need).items[0].extra


@pytest.mark.parametrize("name", ['"', "\\", "\n", "", "é\0"])
def test_a_name_that_no_mirror_can_have_is_read_the_ordinary_way(name: str) -> None:
    body = body_of({"id": "a", name: 1}, **{name: 2})
    for _ in range(2):
        assert reads_into_dicts(Message, body)


def test_without_msgspec_pages_are_read_the_ordinary_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "msgspec", None)
    for _ in range(2):
        assert reads_into_dicts(Message, body_of(ROW))
