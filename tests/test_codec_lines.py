"""Rows as lines of JSON: written the same with msgspec and without, and cut out of a body to what
they are when it is parsed."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from omnichat_async.codec import compact, decode_page, lines, lines_of, loads, read_lines
from omnichat_async.paging import RowKind
from omnichat_async.walk import rules

if TYPE_CHECKING:
    from omnichat_async.calls import KnownBy, Page

pytest.importorskip("msgspec", reason="pip install 'omnichat_async[speed]'")

JSON = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.text(max_size=5),
        st.sampled_from(["\ud800", '\x00\x1f\x7f\u2028/\\"', "😀", 2**64, -(2**63) - 1]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=3), inner, max_size=4)
    ),
    max_leaves=12,
)


BEYOND = 10**400


def finite(value: Any) -> Any:
    """The same with whole numbers for the infinities, since JSON has none."""
    if isinstance(value, dict):
        return {name: finite(each) for name, each in value.items()}
    if isinstance(value, list):
        return [finite(each) for each in value]
    is_infinite = isinstance(value, float) and abs(value) == float("inf")
    return (BEYOND if value > 0 else -BEYOND) if is_infinite else value


def slowly(value: Any) -> str:
    """What the standard library writes, and a number beyond a double as one."""
    text = json.dumps(finite(value), ensure_ascii=False, separators=(",", ":"))
    return text.replace(str(BEYOND), "1e999").encode("utf-8", "backslashreplace").decode()


@given(JSON)
@example({"a": float("inf"), "b": 1e22, "c": 1e-7})
@example({"a": [{"b": 1.0}]})
@example({"\ud800": ""})
@example({"0xcb": "\u02c0", "length": "x" * 0xCB, "time": 0xCB, "floats": []})
@example({str(place): place for place in range(0xCB)})
@example([0.5] * 0xCB)
def test_msgspec_changes_no_text(value: Any) -> None:
    assert compact(value) == slowly(value)
    assert [text.decode() for text in lines_of([value, 1, value])] == [
        slowly(value),
        "1",
        slowly(value),
    ]


def test_a_number_beyond_a_double_is_written_as_one() -> None:
    value = {"a": float("inf"), "Infinity": [-float("inf"), 'Infinity"\\"', 1.5]}
    assert compact(value) == '{"a":1e999,"Infinity":[-1e999,"Infinity\\"\\\\\\"",1.5]}'
    assert loads(compact(value).encode()) == value


def test_rows_without_floats_are_not_written_by_the_standard_library(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(json, "dumps", None)
    row = {"id": "1", "time": 5, "channel": {"platform": "line"}, "tags": [{"a": None}, True]}
    assert compact(row) == (
        '{"id":"1","time":5,"channel":{"platform":"line"},"tags":[{"a":null},true]}'
    )
    with pytest.raises(TypeError):
        compact({"a": 1.5})


def test_without_msgspec_the_standard_library_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "msgspec", None)
    lines._fast.cache_clear()
    try:
        assert lines._fast() is None
        assert compact({"a": ["王", 1]}) == '{"a":["王",1]}'
    finally:
        lines._fast.cache_clear()


# ---- cut out of a body ---------------------------------------------------------------------------

KINDS: dict[str, KnownBy] = {
    "messages": (("id",), "time"),
    "contacts": (("channel.platform", "channel.channelId", "id"), "updatedAt"),
    "orders": (("orderId",), None),
    "deep": (("a.b.c", "a.b.d", "a.e"), "a.t"),
}
ROW = {"id": "1", "time": 5, "channel": {"platform": "line", "channelId": "2"}, "updatedAt": 6}


def cut(known_by: KnownBy, body: bytes) -> Page[Any]:
    """The page as a session reads it, but always with the text of rows."""
    return as_kept(read_lines(known_by, body, lambda: loads(body)), known_by)


def parsed(known_by: KnownBy, body: bytes) -> Page[Any]:
    """The page as its values say."""
    return as_kept(decode_page(None, loads(body)), known_by)


def as_kept(page: Page[Any], known_by: KnownBy) -> Page[Any]:
    key, time = known_by
    page.items[:] = rules.kept(page.items, RowKind(key=key, time=time))
    return page


def facts(page: Page[Any]) -> Any:
    """All of a page, with its rows as values."""
    assert all(b"\n" not in text and b"\r" not in text for _, _, text in page.items)
    return repr((page.total, [(key, time, loads(text)) for key, time, text in page.items]))


def outcome(read: Any, known_by: KnownBy, body: bytes) -> str:
    try:
        return str(facts(read(known_by, body)))
    except Exception as error:  # of whatever kind: the other way has to raise the same
        return f"{type(error).__name__}: {error}"


def no_need() -> Any:
    """In place of parsing the body."""
    raise AssertionError("the body was parsed whole")


NAMES = [*("id", "time", "channel", "platform", "channelId", "updatedAt", "orderId"),
         *("a", "b", "c", "d", "e", "t", "new", "")]  # fmt: skip
KNOWN = {**ROW, "orderId": "3", "a": {"b": {"c": "4", "d": "5"}, "e": "6", "t": 7}}
PLAIN = st.one_of(JSON, st.floats(), st.integers(0, 9), st.sampled_from(["", "1", 1.0, True, None]))
OBJECTS = st.dictionaries(st.sampled_from(NAMES), PLAIN, max_size=4)
ODD_ROWS = st.dictionaries(st.sampled_from(NAMES), st.one_of(PLAIN, OBJECTS)).map(
    lambda some: {**KNOWN, **some}
)
GOOD = st.one_of(st.booleans(), st.integers(-9, 9), st.text('aé王😀\n"', max_size=3))
GOOD_ROWS = st.dictionaries(st.sampled_from(["new", "newer", ""]), GOOD).map(
    lambda some: {**KNOWN, **some}
)


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    odd = draw(st.booleans())
    rows = draw(st.lists(st.one_of(GOOD_ROWS, ODD_ROWS, PLAIN) if odd else GOOD_ROWS, max_size=4))
    names = st.sampled_from(["totalElements", "totalElement", "total", "number", "content"])
    page = {"content": rows, **draw(st.dictionaries(names, PLAIN if odd else GOOD, max_size=3))}
    text = json.dumps(
        page if draw(st.booleans()) else dict(reversed(page.items())),
        ensure_ascii=draw(st.booleans()),
        indent=draw(st.sampled_from([None, None, 1] if odd else [None])),
        separators=draw(st.sampled_from([(",", ":"), (", ", ": ")])),
    )
    return text.encode("utf-8", "surrogatepass")


@pytest.mark.parametrize("name", KINDS)
@given(body=bodies())
@example(body=b'{"content":[{"id":"1","id":"2","time":1,"time":2}],"totalElements":1}')
@example(body=b'{"content":[{"id":"1","time":1}],"content":[{"id":"2","time":1}],"total":5}')
@example(body=b'{"content":[{"id":"1","time":1,"x":1e400,"y":-0.0,"z":1.10}],"totalElements":1}')
@example(body=b'{"content":[{"id":"1","time":1,"x":"\xff"}],"totalElements":1}')
@example(body=b'{"content":[{"id":"1","time":1,"x":"\xed\xa0\x80"}],"totalElements":1}')
@example(body=b'{"content":[{"id":"1","time":1,"x":"\\ud800"}],"totalElements":1}')
@example(body=b'{"content":[{"id":"1","time":1,"x":01}],"totalElements":1}')
@example(body=b'{"content":[{"id":"1","time":1,}],"totalElements":1}')
@example(body=b'{"content":[{"id":"1","time":1,"x":' + b"[" * 3000 + b"]" * 3000 + b"}]}")
@example(body=b'{"content":[{"id":"1","time":1\r}],"totalElements":"1"}')
@example(body=b'{"content":[{"id":"1",\n"time":1}],"totalElements":"1"}')
@example(body=b'{"content":[{"id":"","time":1,"orderId":""}],"totalElements":"1"}')
@example(body=b'{"content":[{"id":"1"},{"id":"2","time":null}],"totalElements":2}')
@example(body=b'[{"id":"1","time":1}]')
@example(body=b'{"content":null}')
@example(body=b'\xef\xbb\xbf{"content":[]}')
@example(body=b"")
def test_rows_are_the_same_as_when_the_body_is_parsed(name: str, body: bytes) -> None:
    assert outcome(cut, KINDS[name], body) == outcome(parsed, KINDS[name], body)


CHANNEL = b'"channel": {"channelId":"2","platform":"line"}'
TEXT = b"{" + CHANNEL + b',"id":"1","x":1.10,"time":5,"updatedAt":6}'
NO_TIME = b"{" + CHANNEL + b',"id":"1","x":1.10,"updatedAt":null}'


@pytest.mark.parametrize("end", [b"", b"\n", b" \r\n"])
@pytest.mark.parametrize("name", ["messages", "contacts"])
def test_a_page_with_nothing_odd_is_not_parsed(name: str, end: bytes) -> None:
    body = b'{"content":[' + TEXT + b", " + NO_TIME + b'],"totalElements":2}' + end
    page = read_lines(KINDS[name], body, no_need)
    assert [row[2] for row in page.items] == [TEXT, NO_TIME], "as the server wrote it"
    assert facts(page) == facts(parsed(KINDS[name], body))


def test_a_page_without_rows_is_a_page() -> None:
    page = read_lines(KINDS["messages"], b'{"content":[],"totalElements":0}', no_need)
    assert (page.items, page.total) == ([], 0)


def test_without_msgspec_bodies_are_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "msgspec", None)
    lines._cutter.cache_clear()
    try:
        page = read_lines(KINDS["messages"], b"", lambda: {"content": [ROW], "totalElement": 1})
        assert page.items == [ROW]
    finally:
        lines._cutter.cache_clear()
