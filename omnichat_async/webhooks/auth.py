"""Ways to know who sent a request. None is a default: each receiver names its own.

Omnichat signs its topics. How it vouches for forwarded WhatsApp webhooks is not documented, so
that is for the account's owner to find out and to choose.
"""

from __future__ import annotations

import ipaddress
import warnings
from typing import TYPE_CHECKING, Protocol

from omnichat_async.errors import ConfigurationError
from omnichat_async.webhooks.verify import (
    Secret,
    SecretLike,
    Secrets,
    same,
    secrets_of,
    verify_signature,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from omnichat_async.webhooks.http import WebhookRequest

__all__ = [
    "AllowNetworks",
    "Auth",
    "MetaSignature",
    "OmnichatSignature",
    "SecretPath",
    "SharedSecretHeader",
    "Unauthenticated",
    "all_of",
]


class Auth(Protocol):
    """Decides whether a request is genuine."""

    @property
    def ready(self) -> bool:
        """False while there is nothing yet to check against."""
        ...

    def accepts(self, request: WebhookRequest, body: bytes) -> bool:
        """Whether the request with this raw body is genuine. It never raises."""
        ...


class OmnichatSignature:
    """``X-Omnichat-Signature`` under one of the Signature Secrets.

    `secrets` is one secret or several, of which any may fit while one replaces the other. None
    is pairing mode: Omnichat shows the secret only after it has checked the endpoint, so until
    then handshakes are answered and events are refused with status 503. Raises
    ConfigurationError for an empty secret.
    """

    def __init__(self, secrets: Secrets | None) -> None:
        self._secrets = None if secrets is None else secrets_of(secrets)

    @property
    def ready(self) -> bool:
        return self._secrets is not None

    def accepts(self, request: WebhookRequest, body: bytes) -> bool:
        header = request.header("X-Omnichat-Signature")
        return self._secrets is not None and verify_signature(body, header, self._secrets)


class MetaSignature:
    """``X-Hub-Signature-256: sha256=...`` under the app secret, as Meta signs.

    `app_secret` is one secret or several. Raises ConfigurationError for an empty one.
    """

    ready = True

    def __init__(self, app_secret: Secrets) -> None:
        self._secrets = secrets_of(app_secret)

    def accepts(self, request: WebhookRequest, body: bytes) -> bool:
        scheme, _, given = (request.header("X-Hub-Signature-256") or "").partition("=")
        return scheme == "sha256" and verify_signature(body, given, self._secrets)


class SharedSecretHeader:
    """A header with a fixed secret value, put there by a proxy of yours."""

    ready = True

    def __init__(self, name: str, value: SecretLike) -> None:
        self._name, self._value = name, Secret(value)

    def accepts(self, request: WebhookRequest, body: bytes) -> bool:
        del body
        given = request.header(self._name)
        return given is not None and same(given, self._value.reveal())


class SecretPath:
    """A secret as the last part of the URL's path: at least 16 characters."""

    ready = True

    def __init__(self, token: SecretLike) -> None:
        self._token = Secret(token)
        if len(self._token.reveal()) < 16:
            raise ConfigurationError("a secret path needs 16 characters or more")

    def accepts(self, request: WebhookRequest, body: bytes) -> bool:
        del body
        return same(request.path.rpartition("/")[2], self._token.reveal())


class AllowNetworks:
    """Requests from these networks, as ``["203.0.113.0/24"]``.

    `trusted_proxies` is how many proxies of yours stand in front: the address is then the one
    that the outermost of them saw, counted from the right of ``X-Forwarded-For``. With 0 that
    header, which anybody can write, is not looked at.
    """

    ready = True

    def __init__(self, networks: Iterable[str], *, trusted_proxies: int = 0) -> None:
        try:
            self._networks = [ipaddress.ip_network(each) for each in networks]
        except ValueError:
            raise ConfigurationError("networks: write each as 203.0.113.0/24") from None
        if not self._networks or trusted_proxies < 0:
            raise ConfigurationError("networks: give at least one, and 0 or more proxies")
        self._proxies = trusted_proxies

    def accepts(self, request: WebhookRequest, body: bytes) -> bool:
        del body
        address = request.peer
        if self._proxies:
            hops = [hop for line in request.values("X-Forwarded-For") for hop in line.split(",")]
            address = hops[-self._proxies] if len(hops) >= self._proxies else None
        try:
            caller = ipaddress.ip_address((address or "").strip())
        except ValueError:
            return False
        # A server that listens on IPv6 sees a caller of IPv4 as ::ffff:203.0.113.7.
        caller = getattr(caller, "ipv4_mapped", None) or caller
        return any(caller in network for network in self._networks)


class Unauthenticated:
    """Anybody at all. `reason` says why that is right here; it is warned of at the start."""

    ready = True

    def __init__(self, *, reason: str) -> None:
        if not reason.strip():
            raise ConfigurationError("Unauthenticated needs a reason")
        warnings.warn(f"webhooks are taken from anybody: {reason}", RuntimeWarning, stacklevel=2)

    def accepts(self, request: WebhookRequest, body: bytes) -> bool:
        del request, body
        return True


class _AllOf:
    def __init__(self, schemes: tuple[Auth, ...]) -> None:
        self._schemes = schemes

    @property
    def ready(self) -> bool:
        return all(scheme.ready for scheme in self._schemes)

    def accepts(self, request: WebhookRequest, body: bytes) -> bool:
        return all(scheme.accepts(request, body) for scheme in self._schemes)


def all_of(*schemes: Auth) -> Auth:
    """What all of these accept. Raises ConfigurationError for none."""
    if not schemes:
        raise ConfigurationError("all_of() needs at least one way to know the sender")
    return _AllOf(schemes)
