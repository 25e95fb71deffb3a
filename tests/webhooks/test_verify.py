"""Signatures: of the raw bytes, under any of several secrets, and never an exception."""

from __future__ import annotations

import hashlib
import hmac
import json
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnichat_async import ConfigurationError
from omnichat_async.webhooks import Secret, WebhookRefused, parse_event, sign, verify_signature
from omnichat_async.webhooks.body import MAX_DEPTH, load_object

BODY = '{"name":"王小明"}'.encode()
SECRET = "s3cret-of-a-subscription"


def test_a_signature_is_hex_hmac_sha256_of_the_raw_body() -> None:
    expected = hmac.new(SECRET.encode(), BODY, hashlib.sha256).hexdigest()
    assert sign(BODY, SECRET) == expected
    assert verify_signature(BODY, expected, SECRET)
    assert verify_signature(BODY, expected.encode(), [SECRET.encode()])
    assert verify_signature(b"", sign(b"", SECRET), Secret(SECRET))


def test_a_body_written_again_no_longer_fits() -> None:
    again = json.dumps(json.loads(BODY)).encode()
    assert not verify_signature(again, sign(BODY, SECRET), SECRET)


def test_any_of_several_secrets_fits() -> None:
    for secret in ("old", "new"):
        assert verify_signature(BODY, sign(BODY, secret), ["old", "new"])
    assert not verify_signature(BODY, sign(BODY, "third"), ["old", "new"])


@pytest.mark.parametrize("none", [[], "", b"", [""], ["good", ""]])
def test_no_secret_is_refused(none: object) -> None:
    with pytest.raises(ConfigurationError, match="secret"):
        verify_signature(BODY, sign(BODY, "x"), none)  # type: ignore[arg-type]


def test_a_secret_with_blanks_around_it_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="blanks"):
        sign(BODY, f"{SECRET}\n")


def test_a_secret_is_silent() -> None:
    secret = Secret(SECRET)
    assert SECRET not in repr(secret) + str(secret) + f"{[secret]}"
    again = pickle.loads(pickle.dumps(secret))
    assert (again, hash(again), again.reveal()) == (secret, hash(secret), SECRET.encode())
    assert secret != Secret("another")


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"[]", b"3", b"null", b'"x"', b"{", b'{"a":1}x', b"{'a':1}", b'{"a":1,}'),
        *(b'{"a":NaN}', b'{"a":Infinity}', b'{"a":1e999}', b'{"a":' + b"9" * 5000 + b"}"),
        *(b'{"a":1,"a":2}', b'{"a":{"b":1,"b":1}}', b'{"a":"\xff"}', b'\xef\xbb\xbf{"a":1}'),
        *('{"a":1}'.encode("utf-16"), b'{"a":"\\ud800"}', b'{"\\uDC00":1}'),
        *(b'{"a":' * 100_000, b"[" * 100_000, b'{"a":' + b"[" * 64 + b"]" * 64 + b"}"),
        *(b'"' + b'\\"' * 500_000, b'{"a":"' + b"[" * 50 + b"\\"),
    ],
    ids=range(25),
)
def test_what_is_not_a_strict_object_is_refused(body: bytes) -> None:
    with pytest.raises(WebhookRefused) as caught:
        load_object(body)
    assert caught.value.status == 400
    with pytest.raises(WebhookRefused):
        parse_event(body, {})


def depth_of(value: Any) -> int:
    if not isinstance(value, list | dict):
        return 0
    inside = value.values() if isinstance(value, dict) else value
    return 1 + max(map(depth_of, inside), default=0)


@given(
    value=st.recursive(
        st.text(alphabet='[]{}"\\a,:é'),
        lambda inside: (
            st.lists(inside, max_size=3)
            | st.dictionaries(st.text(alphabet='[]{}"\\a'), inside, max_size=3)
        ),
        max_leaves=20,
    ),
    more=st.integers(0, 6),
    escaped=st.booleans(),
)
def test_depth_is_measured_whatever_stands_in_strings(value: Any, more: int, escaped: bool) -> None:
    for n in range(MAX_DEPTH - 4 + more - 2):
        value = {"a[": value, "b": ["}"]} if n % 2 else [value, "\\"]
    body = json.dumps({"root": value}, ensure_ascii=escaped).encode()
    if depth_of({"root": value}) <= MAX_DEPTH:
        assert load_object(body) == {"root": value}
    else:
        with pytest.raises(WebhookRefused, match="deeper"):
            load_object(body)


@pytest.mark.parametrize("tail", [b"", b"]" * 1000, b'"', b"\\", b'\\"', b"}" * 1000])
def test_what_comes_after_an_error_hides_no_depth(tail: bytes) -> None:
    for head in (b"[", b'{"a":', b'["\\"",', b'[{"\\\\":'):
        with pytest.raises(WebhookRefused, match="deeper"):
            load_object(head * 1000 + tail)


def test_a_body_that_was_cut_off_is_not_called_too_deep() -> None:
    body = json.dumps({"a": [{"b": [n]} for n in range(1000)]}).encode()
    with pytest.raises(WebhookRefused, match="strict UTF-8 JSON"):
        load_object(body[:-100])


def test_brackets_in_strings_and_pairs_of_surrogates_are_fine() -> None:
    text = "[{" * 100 + '\\"' + "\U0001f600"
    assert load_object(json.dumps({"a": text}).encode()) == {"a": text}
    deep = b'{"a":' * (MAX_DEPTH - 1) + b"{}" + b"}" * (MAX_DEPTH - 1)
    assert "a" in load_object(deep)
