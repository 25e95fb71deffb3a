"""Signatures and secrets: constant time, on bytes, and never printed."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable
from typing import TypeAlias

from omnichat_async.errors import ConfigurationError

__all__ = ["Secret", "SecretLike", "Secrets", "same", "secrets_of", "sign", "verify_signature"]

_HEX = re.compile(r"[0-9a-f]{64}")


class Secret:
    """A secret that does not print itself; ``reveal()`` gives its bytes.

    Raises ConfigurationError for an empty one, and for one with blanks around it.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str | bytes | Secret) -> None:
        plain = value.reveal() if isinstance(value, Secret) else value
        raw = plain.encode() if isinstance(plain, str) else bytes(plain)
        if not raw:
            raise ConfigurationError("a secret is empty: anybody could make its signatures")
        if raw != raw.strip():
            raise ConfigurationError("a secret has blanks around it: copy it again")
        self._value: bytes = raw

    def reveal(self) -> bytes:
        """The bytes."""
        return self._value

    def __repr__(self) -> str:
        return "Secret('***')"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and same(self._value, other.reveal())

    def __hash__(self) -> int:
        return hash(self._value)


SecretLike: TypeAlias = str | bytes | Secret
Secrets: TypeAlias = SecretLike | Iterable[SecretLike]


def secrets_of(given: Secrets) -> tuple[Secret, ...]:
    """One secret or several, as a tuple. Raises ConfigurationError for none at all."""
    each = [given] if isinstance(given, str | bytes | Secret) else list(given)
    if not each:
        raise ConfigurationError("no secret was given, so nothing could be verified")
    return tuple(Secret(one) for one in each)


def same(given: str | bytes, expected: bytes) -> bool:
    """Whether two values are equal, in a time that says nothing about the expected one."""
    raw = given.encode("utf-8", "surrogatepass") if isinstance(given, str) else given
    # Digests have one length, so the length of the expected value does not show either.
    return hmac.compare_digest(hashlib.sha256(raw).digest(), hashlib.sha256(expected).digest())


def sign(body: bytes, secret: SecretLike) -> str:
    """The signature Omnichat puts into ``X-Omnichat-Signature``: lower-case hex HMAC-SHA256.

    `body` is the raw request body, `secret` the Signature Secret of the subscription.
    """
    return hmac.digest(Secret(secret).reveal(), body, "sha256").hex()


def verify_signature(body: bytes, header: str | bytes | None, secrets: Secrets) -> bool:
    """Whether `header` is the signature of `body` under one of the `secrets`.

    `body` is the raw body as it came: parsed and written again, it no longer fits. `header` is
    the value of ``X-Omnichat-Signature`` or None. Several secrets serve a change of secrets.
    Raises ConfigurationError without a secret or with an empty one.
    """
    keys = secrets_of(secrets)
    if isinstance(header, bytes):
        header = header.decode("latin-1")
    if header is None or not _HEX.fullmatch(header):
        return False
    given = bytes.fromhex(header)
    fits = False
    for key in keys:  # no early exit: the time does not tell which one fitted
        fits |= hmac.compare_digest(hmac.digest(key.reveal(), body, "sha256"), given)
    return fits
