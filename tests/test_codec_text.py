"""JSON text: the same values with msgspec or orjson and without."""

from __future__ import annotations

import json
import math
import sys
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from omnichat_async.codec import loads, text

if TYPE_CHECKING:
    from collections.abc import Callable

BODIES = [
    b"18446744073709551615",
    b"18446744073709551616",
    b"-9223372036854775808",
    b"-9223372036854775809",
    b'{"a": [1, -12345678901234567890, 2]}',
    b'{"a":123456789012345678901234567890}',
    b"[99999999999999999999]",
    b"9" * 400,
    b"123456789012345678901234567890.5",
    b"1e400",
    b"-0",
    b"-0.0",
    b"1E5",
    b"0.1",
    b"5e-324",
    b"2.2250738585072011e-308",
    b'"\\ud800"',
    b'{"a": "\\udfff", "n": 18446744073709551616}',
    b'{"a":1,"a":2}',
    b'"a\\/b\\u0000"',
    b" \t\r\n[ ] ",
    b"[" * 2000 + b"]" * 2000,
    b'{"id":"12345678901234567890","time":1604647464032}',
]


def with_neither(body: bytes) -> Any:
    """What the standard library alone reads."""
    return text._read(body)


def outcome(read: Callable[[bytes], Any], body: bytes) -> str:
    """The value with its types, or that there is none."""
    try:
        return repr(read(body))
    except ValueError:
        return "refused"


@pytest.fixture(autouse=True, params=["msgspec", "orjson"])
def _parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of them in its turn."""
    pytest.importorskip(request.param, reason="pip install 'omnichat_async[speed]'")
    parse = getattr(text, f"_{request.param}")()
    monkeypatch.setattr(text, "_fast", lambda: parse)


@pytest.mark.parametrize("body", BODIES, ids=lambda body: body[:30].decode())
def test_neither_changes_no_result(body: bytes) -> None:
    assert outcome(loads, body) == outcome(with_neither, body)


@given(st.binary(max_size=60))
@example(b'{"a": NaN}')
@example(b"\xef\xbb\xbf{}")
def test_neither_changes_no_result_for_any_bytes(body: bytes) -> None:
    assert outcome(loads, body) == outcome(with_neither, body)


numbers = (
    st.integers()
    | st.integers(-(10**25), 10**25)
    | st.sampled_from([2**63, 2**63 - 1, -(2**63), -(2**63) - 1, 2**64, 2**64 - 1])
)
values = st.recursive(
    st.none() | st.booleans() | numbers | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(values, st.booleans(), st.sampled_from([None, 1]))
def test_neither_changes_no_value(value: Any, ascii_only: bool, indent: int | None) -> None:
    body = json.dumps(value, ensure_ascii=ascii_only, indent=indent).encode(errors="replace")
    assert outcome(loads, body) == outcome(with_neither, body)


@given(st.integers(0, 40), st.integers(1, 30), st.sampled_from(["", "-"]))
def test_a_big_number_is_seen_wherever_it_starts(before: int, digits: int, sign: str) -> None:
    number = int(sign + "9" * digits)
    body = b'{"k":"' + b"x" * before + b'","n":%d}' % number
    too_big = not -(2**63) <= number < 2**64
    assert text.holds_big_number(body) >= too_big
    assert loads(body)["n"] == number


@pytest.mark.parametrize(
    "body",
    [
        b'{"id":"12345678901234567890"}',
        b'{"id":"1234567890123456789012345678901234567890"}',
        b'{"id":"a12345678901234567890","time":1604647464032,"n":9223372036854775807}',
        b'{"hex":"65f0a90123456789012345678901"}',
        b"0.12345678901234567890123",
        b"[]",
        b"",
    ],
)
def test_digits_in_text_are_no_number(body: bytes) -> None:
    """Or a page of long ids would be read twice."""
    assert not text.holds_big_number(body)


def test_a_body_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    reads = []

    def counted(body: bytes) -> Any:
        reads.append(body)
        return json.loads(body)

    monkeypatch.setattr(text, "_read", counted)
    assert loads(b'{"content":[{"id":"a","time":1604647464032,"x":1.5}]}')["content"][0]["x"] == 1.5
    assert reads == []


def test_the_first_answers_need_neither(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(text, "_fast", lambda: asked.append(1))
    monkeypatch.setattr(text._SoFar, "size", 0)
    body = b'["' + b"x" * (text._WORTH_AN_IMPORT // 4) + b'"]'
    for _ in range(3):
        assert loads(body) == [body[2:-2].decode()]
        assert not text.pays_off()
    assert asked == []
    assert loads(body) == [body[2:-2].decode()]
    assert text.pays_off()
    assert asked == [1]


def test_infinity_comes_from_neither() -> None:
    assert math.isinf(loads(b"1e400"))
    with pytest.raises(ValueError, match="Infinity is not JSON"):
        loads(b"Infinity")


@pytest.mark.parametrize("there", [("msgspec", "orjson"), ("msgspec",), ("orjson",), ()])
def test_any_of_them_may_be_missing(
    monkeypatch: pytest.MonkeyPatch, there: tuple[str, ...]
) -> None:
    monkeypatch.undo()
    for name in {"msgspec", "orjson"} - set(there):
        monkeypatch.setitem(sys.modules, name, None)
    text._fast.cache_clear()
    try:
        parse = text._fast()
        assert (parse is None) == (not there)
        assert loads(b'{"a": [1, 2.5, 18446744073709551616]}') == {"a": [1, 2.5, 2**64]}
        with pytest.raises(ValueError, match=r"."):
            loads(b"{")
    finally:
        text._fast.cache_clear()
