"""Rows as text: the same with msgspec and without."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from omnichat_async.jobs import columns
from omnichat_async.jobs.columns import compact, texts

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


def slowly(value: Any) -> str:
    """What the standard library writes."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "backslashreplace").decode()


@given(JSON)
@example({"a": float("inf"), "b": 1e22, "c": 1e-7})
@example({"a": [{"b": 1.0}]})
@example({"\ud800": ""})
@example({"0xcb": "\u02c0", "length": "x" * 0xCB, "time": 0xCB, "floats": []})
@example({str(place): place for place in range(0xCB)})
@example([0.5] * 0xCB)
def test_msgspec_changes_no_text(value: Any) -> None:
    assert compact(value) == slowly(value)
    assert [text.decode() for text in texts([value, 1, value])] == [
        slowly(value),
        "1",
        slowly(value),
    ]


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
    columns._fast.cache_clear()
    try:
        assert columns._fast() is None
        assert compact({"a": ["王", 1]}) == '{"a":["王",1]}'
    finally:
        columns._fast.cache_clear()
