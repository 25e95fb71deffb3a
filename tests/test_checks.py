"""The API's limits: what passes, what does not, and that no error shows what was given."""

from __future__ import annotations

import base64
import enum
import re
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnichat_async import checks
from omnichat_async.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Callable

# Made for these tests by openssl; their private halves were thrown away.
RSA_SPKI = """\
-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAtb1wcnrGVFSNBbzMl0+C
cgmlU4N7GU/HaumQ47ZOaUgDbfC7kGrkQrVIuJyeXdClwHySPlcvSQ0DcTecEdo1
m70haXfIcCPc0AoCtN+bGdCcpOWd6am7F/jI/nOgoqebj2Pp/dUXKImMY7SySHmS
2ZhLg6pHuOZGj0JrVwemeWzdN7HiHK5IT4M6jk8/LKqpFkhdK2+vfY6gmeymUZWl
rUR80LBJv2Wkkvvxy72XyKx68NYVvtDb0C4gWA+8j2oOmEMneHHy7zF1y5uL05eg
sMgLZHFTmSwihBqd3m94Lv1FTeT9YeAaeVtyyG/5HogFrZE6Ky1SClGChzZ3YvBV
GQIDAQAB
-----END PUBLIC KEY-----
"""
RSA_PKCS1 = """\
-----BEGIN RSA PUBLIC KEY-----
MIIBCgKCAQEAtb1wcnrGVFSNBbzMl0+CcgmlU4N7GU/HaumQ47ZOaUgDbfC7kGrk
QrVIuJyeXdClwHySPlcvSQ0DcTecEdo1m70haXfIcCPc0AoCtN+bGdCcpOWd6am7
F/jI/nOgoqebj2Pp/dUXKImMY7SySHmS2ZhLg6pHuOZGj0JrVwemeWzdN7HiHK5I
T4M6jk8/LKqpFkhdK2+vfY6gmeymUZWlrUR80LBJv2Wkkvvxy72XyKx68NYVvtDb
0C4gWA+8j2oOmEMneHHy7zF1y5uL05egsMgLZHFTmSwihBqd3m94Lv1FTeT9YeAa
eVtyyG/5HogFrZE6Ky1SClGChzZ3YvBVGQIDAQAB
-----END RSA PUBLIC KEY-----
"""
RSA_512 = """\
-----BEGIN PUBLIC KEY-----
MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBAMnvAFlGZnz6zApg4s/P4hcih2EWJigO
7IzLdcfSUXuz8APOfcYfVvQk6hJ6wpP/Dc1iBaUCc6eYleKK8OcPdpkCAwEAAQ==
-----END PUBLIC KEY-----
"""
EC = """\
-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAExESy/g73kBWJ6BvN8hYw5TGQUYIT
w3HOD1xf7VeImi3UaOlZpJhhMONSXvh58+/+pu3YlZGGJgdxa4S/fVFFeA==
-----END PUBLIC KEY-----
"""
ED25519 = """\
-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAmTHhewtGhtaloJXYHsjvlJaLqa7KiIYIAwyPqb2d8Rw=
-----END PUBLIC KEY-----
"""


def refused(check: Callable[..., Any], *arguments: Any, field: str | None = "f") -> tuple[str, str]:
    """Limit and description of the error that these arguments lead to."""
    with pytest.raises(InvalidRequest) as caught:
        check(*arguments)
    error = caught.value
    assert field is None or error.field == field
    assert str(error) == f"{error.field}: {error.limit}; given: {error.given}"
    return error.limit, error.given


# ---- texts -------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", ["a", " ", "王", "x" * 100])
def test_text_that_passes(value: str) -> None:
    assert checks.text("f", value) is value
    assert checks.text("f", value, 100) is value
    assert checks.string("f", value) is value


@pytest.mark.parametrize(
    ("value", "given"),
    [("", "an empty string"), (None, "NoneType"), (5, "int"), (b"a", "bytes"), (["a"], "list")],
)
def test_text_that_does_not(value: Any, given: str) -> None:
    assert refused(checks.text, "f", value) == ("must be a non-empty string", given)


@pytest.mark.parametrize("check", [checks.text, checks.string])
def test_text_fits_utf_8(check: Callable[..., Any]) -> None:
    limit = "must be text that fits UTF-8"
    assert refused(check, "f", "a\ud800é") == (limit, "a lone surrogate")


def test_a_member_of_an_enum_is_its_value() -> None:
    class Color(str, enum.Enum):  # noqa: UP042 - whose str() is its name
        RED = "red"

    assert f"{checks.text('f', Color.RED)} {checks.string('f', Color.RED)}" == "red red"


@pytest.mark.parametrize("value", ["http://" + "a" * 100_000 + " ", "x" * 10**6])
def test_a_huge_text_is_no_url_and_that_is_said_at_once(value: str) -> None:
    assert refused(checks.url, "f", value)[1] == "another string"


def test_a_huge_text_is_no_key_and_that_is_said_at_once() -> None:
    huge = "-----BEGIN PUBLIC KEY-----" + "\n" * 100_000
    assert refused(checks.public_key, "f", huge)[1] == "another text"


def test_flags_and_words() -> None:
    assert checks.flag("f", False) is False
    assert refused(checks.flag, "f", "yes") == ("must be True or False", "str")
    assert checks.one_of("f", "a", ("a", "b")) == "a"
    for value in ("c", None, ["a"], {"a": 1}):
        limit, given = refused(checks.one_of, "f", value, ("a", "b"))
        assert (limit, given) == ("must be one of a, b", "another value")


def test_optional_text() -> None:
    assert checks.optional_text("f", None) is None
    assert checks.optional_text("f", "a") == "a"
    assert refused(checks.optional_text, "f", "")[1] == "an empty string"


def test_an_object_of_one_kind() -> None:
    assert checks.instance("f", 1, int) == 1
    assert refused(checks.instance, "f", "x", int) == ("must be int", "str")
    assert refused(checks.instance, "f", "x", int | float) == ("must be int or float", "str")


def test_mappings() -> None:
    assert checks.mapping("f", {"a": 1}) == {"a": 1}
    assert refused(checks.mapping, "f", [1])[0] == "must map names to values"
    assert refused(checks.mapping, "f", {1: 1}, field="f key")[1] == "int"
    assert checks.json_object("f", {"a": [None, {"b": 1.5}]}) == {"a": [None, {"b": 1.5}]}
    for inner in (float("nan"), object(), {1}, b"x", "\ud800"):
        assert refused(checks.json_object, "f", {"a": inner})[0] == "must be what JSON can hold"


def test_text_has_a_longest() -> None:
    assert refused(checks.text, "f", "x" * 101, 100) == (
        "must be at most 100 characters",
        "101 characters",
    )


def test_a_string_may_be_empty() -> None:
    assert checks.string("f", "") == ""
    assert refused(checks.string, "f", None) == ("must be a string", "NoneType")


@pytest.mark.parametrize(
    "value", ["http://a", "https://example.com/a.png?x=1#y", "HTTPS://EXAMPLE.COM", "http://[::1]/"]
)
def test_urls(value: str) -> None:
    assert checks.url("f", value) is value


@pytest.mark.parametrize(
    "value", ["example.com", "ftp://a", "https://", "https:///a", "http://a b", " http://a", "//a"]
)
def test_what_is_no_url(value: str) -> None:
    limit = "must be an http:// or https:// URL"
    assert refused(checks.url, "f", value) == (limit, "another string")


def test_given_texts() -> None:
    class Holder:
        name, code, other = "a", None, ""

    checks.given_texts(Holder(), "name", "code")
    assert refused(checks.given_texts, Holder(), "name", "other", field="other")[1] == (
        "an empty string"
    )


# ---- lists -------------------------------------------------------------------------------------


@pytest.mark.parametrize("values", [[1], (1, 2), [1, 2, 3]])
def test_a_few(values: Any) -> None:
    assert checks.few("f", values, 3) is values


@pytest.mark.parametrize(
    ("values", "most", "least", "expected"),
    [
        ([], 3, 1, ("must hold 1 to 3 items", "0 items")),
        ([1, 2, 3, 4], 3, 1, ("must hold 1 to 3 items", "4 items")),
        ([1], 3, 2, ("must hold 2 to 3 items", "1 items")),
        ("abc", 3, 1, ("must be a list", "str")),
        (b"abc", 3, 1, ("must be a list", "bytes")),
        ({"a": 1}, 3, 1, ("must be a list", "dict")),
        ({1, 2}, 3, 1, ("must be a list", "set")),
        (None, 3, 1, ("must be a list", "NoneType")),
        (iter([1]), 3, 1, ("must be a list", "list_iterator")),
    ],
)
def test_too_few_or_too_many(values: Any, most: int, least: int, expected: tuple[str, str]) -> None:
    assert refused(checks.few, "f", values, most, least) == expected


def test_an_empty_list_may_be_fine() -> None:
    assert checks.few("f", [], 3, 0) == []


def test_objects_of_one_kind() -> None:
    assert checks.instances("f", [1, 2], int) == [1, 2]
    assert checks.instances("f", [], int, least=0) == []
    assert refused(checks.instances, "f", [1, "a"], int) == ("must hold int objects", "one of str")
    assert refused(checks.instances, "f", [], int) == ("must hold at least one item", "0 items")
    assert refused(checks.instances, "f", [1, 2], int, 1)[0] == "must hold 1 to 1 items"


def test_exactly_one() -> None:
    assert checks.exactly_one(a=None, b="x", c=None) == ("b", "x")
    assert checks.exactly_one(a="", b=None) == ("a", "")

    def none() -> None:
        checks.exactly_one(a=None, b=None)

    def both() -> None:
        checks.exactly_one(a="1", b="2")

    assert refused(none, field="a, b") == ("exactly one is needed", "0")
    assert refused(both, field="a, b") == ("exactly one is needed", "2")


# ---- numbers -----------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [0, -5, 2**63 - 1, -(2**63)])
def test_whole_numbers(value: int) -> None:
    assert checks.whole_number("f", value) is value
    assert checks.number("f", value) is value


@pytest.mark.parametrize("value", [True, 1.0, "1", None])
def test_what_is_no_whole_number(value: Any) -> None:
    limit = "must be a whole number"
    assert refused(checks.whole_number, "f", value) == (limit, type(value).__name__)


@pytest.mark.parametrize("value", [2**63, -(2**63) - 1, 2**20_000], ids=["+", "-", "huge"])
def test_whole_numbers_that_no_server_can_hold(value: int) -> None:
    for check in (checks.whole_number, checks.number):
        assert refused(check, "f", value) == ("must fit 64 bits", f"{value.bit_length()} bits")


def test_a_number_may_have_a_fraction() -> None:
    assert checks.number("f", 1.5) == 1.5


@pytest.mark.parametrize("value", [False, "1", None, float("nan"), float("inf"), -float("inf")])
def test_what_is_no_number(value: Any) -> None:
    limit = "must be a finite number"
    assert refused(checks.number, "f", value) == (limit, type(value).__name__)


# ---- phone numbers -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "digits"),
    [
        ("+852 9123-4567", "85291234567"),
        ("00852 91234567", "85291234567"),
        ("(852) 9123.4567", "85291234567"),
        ("85291234567", "85291234567"),
        ("+886\u2011987\u00a0654\u2013321", "886987654321"),
        ("1234567", "1234567"),
        ("123456789012345", "123456789012345"),
    ],
)
def test_phone_numbers_are_normalised(written: str, digits: str) -> None:
    assert checks.normalise_phone(written) == digits
    assert checks.phone("f", digits) == checks.digits("f", digits) == digits


@pytest.mark.parametrize(
    "value", ["+85291234567", "091234567", "123456", "1234567890123456", "8529123456７", "852 9123"]
)
def test_what_is_no_phone_number(value: str) -> None:
    limit, shown = refused(checks.phone, "f", value)
    assert limit.startswith("must be country code and number")
    assert shown == f"{len(value)} characters"


@pytest.mark.parametrize("value", ["", None, "call me", "0912345678", "++85291234567", "-"])
def test_what_cannot_be_normalised(value: Any) -> None:
    refused(checks.normalise_phone, value, field="phone")


@pytest.mark.parametrize("value", ["+1", "1 2", "１", "1.5"])
def test_digits_are_digits(value: str) -> None:
    shown = f"{len(value)} characters"
    assert refused(checks.digits, "f", value) == ("must hold digits only", shown)


@given(st.text(min_size=1))
def test_a_normalised_number_is_a_phone_number_or_an_error(value: str) -> None:
    try:
        found = checks.normalise_phone(value)
    except InvalidRequest:
        return
    assert re.fullmatch(r"[1-9][0-9]{6,14}", found)


# ---- times -------------------------------------------------------------------------------------


def test_a_datetime_without_a_zone() -> None:
    naive = datetime(2026, 11, 1, 8)  # noqa: DTZ001
    assert checks.naive("f", naive) is naive
    assert refused(checks.naive, "f", datetime(2026, 11, 1, tzinfo=UTC))[1] == "an aware datetime"
    assert refused(checks.naive, "f", date(2026, 11, 1))[1] == "date"
    assert refused(checks.naive, "f", "2026-11-01T08:00:00")[1] == "str"


def test_months() -> None:
    assert checks.month("f", "2026-11") == (2026, 11)
    assert checks.month("f", "0001-01") == (1, 1)


@pytest.mark.parametrize(
    "value", ["2026-13", "2026-00", "2026-1", "26-01", "2026-01-01", "0000-01", "２０２６-01", "x"]
)
def test_what_is_no_month(value: str) -> None:
    assert refused(checks.month, "f", value) == ("must be YYYY-MM", f"{len(value)} characters")


@pytest.mark.parametrize(
    ("year", "month", "last"), [(2024, 2, 29), (2023, 2, 28), (2100, 2, 28), (2026, 4, 30)]
)
def test_days_of_a_month(year: int, month: int, last: int) -> None:
    assert checks.day_of("f", year, month, 1) == 1
    assert checks.day_of("f", year, month, last) == last
    limit = f"must be 1 to {last} in {year}-{month:02d}"
    for day in (0, -1, last + 1):
        assert refused(checks.day_of, "f", year, month, day) == (limit, str(day))
    assert refused(checks.day_of, "f", year, month, True)[0] == "must be a whole number"


@pytest.mark.parametrize("value", ["00:00", "09:30", "23:59"])
def test_clock_times(value: str) -> None:
    assert checks.clock_time("f", value) is value


@pytest.mark.parametrize("value", ["24:00", "9:30", "09:60", "09:30:00", "28:30", "０9:30", "0930"])
def test_what_is_no_clock_time(value: str) -> None:
    limit = "must be hh:mm, 00:00 to 23:59"
    assert refused(checks.clock_time, "f", value) == (limit, f"{len(value)} characters")


@pytest.mark.parametrize("value", [None, 930, ""])
def test_a_clock_time_is_text(value: Any) -> None:
    refused(checks.clock_time, "f", value)


# ---- public keys -------------------------------------------------------------------------------


def pem(der: bytes, kind: str = "PUBLIC KEY") -> str:
    return f"-----BEGIN {kind}-----\n{base64.b64encode(der).decode()}\n-----END {kind}-----\n"


def der_of(text: str) -> bytes:
    return base64.b64decode("".join(text.splitlines()[1:-1]))


def element(tag: int, content: bytes) -> bytes:
    """A DER element with the short or the two-byte form of its length."""
    size = len(content)
    length = bytes([size]) if size < 0x80 else b"\x82" + size.to_bytes(2, "big")
    return bytes([tag]) + length + content


def integer(value: int) -> bytes:
    return element(0x02, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def pkcs1(bits: int = 1024, exponent: int = 65537, tail: bytes = b"") -> bytes:
    return element(0x30, integer((1 << bits) - 1) + integer(exponent) + tail)


RSA = bytes.fromhex("2a864886f70d010101")


def spki(bits: bytes, oid: bytes = RSA, tail: bytes = b"") -> bytes:
    algorithm = element(0x30, element(0x06, oid) + b"\x05\x00")
    return element(0x30, algorithm + element(0x03, bits) + tail)


@pytest.mark.parametrize(
    "text",
    [
        RSA_SPKI,
        RSA_PKCS1,
        RSA_SPKI.replace("\n", "\r\n"),
        RSA_SPKI.strip(),
        f"\n  {RSA_SPKI}\n\n",
        pem(der_of(RSA_SPKI)),
        pem(pkcs1(), "RSA PUBLIC KEY"),
        pem(spki(b"\x00" + pkcs1())),
    ],
)
def test_rsa_public_keys(text: str) -> None:
    assert checks.public_key("f", text) is text


BLOCK = "must be one PEM block, BEGIN PUBLIC KEY"


@pytest.mark.parametrize(
    "text",
    [
        "hello",
        RSA_SPKI + RSA_SPKI,
        RSA_SPKI + "more",
        RSA_SPKI[:200],
        RSA_SPKI.removeprefix("-----BEGIN PUBLIC KEY-----"),
        RSA_SPKI.replace("BEGIN PUBLIC", "BEGIN RSA PUBLIC"),
        RSA_SPKI.replace("END PUBLIC", "END RSA PUBLIC"),
        RSA_SPKI.replace("PUBLIC KEY", "CERTIFICATE"),
        RSA_SPKI.replace("M", "*"),
        RSA_SPKI.replace("\n", "\\n"),
        "ssh-rsa AAAAB3NzaC1yc2E ada@example.com",
    ],
)
def test_what_is_no_pem_block(text: str) -> None:
    assert refused(checks.public_key, "f", text) == (BLOCK, "another text")


@pytest.mark.parametrize("kind", ["PRIVATE KEY", "RSA PRIVATE KEY", "ENCRYPTED PRIVATE KEY"])
def test_a_private_key_is_not_even_described(kind: str) -> None:
    given = refused(checks.public_key, "f", pem(b"secret", kind))
    assert given == (BLOCK, "a private key: keep it to yourself")


@pytest.mark.parametrize("value", ["", None, RSA_SPKI.encode()])
def test_a_key_is_text(value: Any) -> None:
    assert refused(checks.public_key, "f", value)[0] == "must be a non-empty string"


GOOD = pkcs1()


@pytest.mark.parametrize(
    "text",
    [
        EC,
        ED25519,
        pem(der_of(RSA_SPKI)[:100]),
        pem(der_of(RSA_SPKI) + b"\x00"),
        pem(der_of(RSA_SPKI), "RSA PUBLIC KEY"),
        pem(der_of(RSA_PKCS1)),
        pem(der_of(RSA_PKCS1)[:-1], "RSA PUBLIC KEY"),
        pem(b"\x30", "RSA PUBLIC KEY"),
        pem(b"\x30\x80", "RSA PUBLIC KEY"),
        pem(pkcs1(exponent=4), "RSA PUBLIC KEY"),
        pem(pkcs1(tail=b"\x05\x00"), "RSA PUBLIC KEY"),
        pem(GOOD + b"\x00", "RSA PUBLIC KEY"),
        pem(spki(b"\x01" + GOOD)),
        pem(spki(b"")),
        pem(spki(b"\x00" + GOOD, oid=RSA[:-1] + b"\x0a")),
        pem(spki(b"\x00" + GOOD, tail=b"\x05\x00")),
        pem(spki(b"\x00" + GOOD) + b"\x05\x00"),
        "-----BEGIN PUBLIC KEY-----\nMIIB=\n-----END PUBLIC KEY-----",
    ],
)
def test_keys_of_another_kind(text: str) -> None:
    assert refused(checks.public_key, "f", text) == (
        "must be an RSA public key",
        "another kind of key",
    )


@pytest.mark.parametrize(
    ("text", "bits"), [(RSA_512, 512), (pem(pkcs1(1023), "RSA PUBLIC KEY"), 1023)]
)
def test_a_weak_key(text: str, bits: int) -> None:
    assert refused(checks.public_key, "f", text) == (
        "must be an RSA key of at least 1024 bits",
        f"{bits} bits",
    )


@given(st.binary(max_size=60))
def test_any_bytes_in_a_pem_block_are_refused_politely(der: bytes) -> None:
    for kind in ("PUBLIC KEY", "RSA PUBLIC KEY"):
        with pytest.raises(InvalidRequest):
            checks.public_key("f", pem(der, kind))
