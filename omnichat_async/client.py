"""The client: configuration, and one attribute per API area."""

from __future__ import annotations

import copy
import importlib
import ipaddress
import os
import re
import sys
from typing import TYPE_CHECKING, Any, NoReturn, Self
from urllib.parse import urlsplit

from omnichat_async import checks
from omnichat_async._version import __version__
from omnichat_async.calls import RAW, Call, Safety
from omnichat_async.errors import ConfigurationError, InvalidRequest
from omnichat_async.limits import RateLimiter
from omnichat_async.retries import RetryPolicy
from omnichat_async.session import Options, Session

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import aiohttp

    from omnichat_async.endpoints.agent_messages import AgentMessages
    from omnichat_async.endpoints.broadcasts import Broadcasts
    from omnichat_async.endpoints.channels import Channels
    from omnichat_async.endpoints.chatbots import Chatbots
    from omnichat_async.endpoints.contacts import Contacts
    from omnichat_async.endpoints.conversions import Conversions
    from omnichat_async.endpoints.customers import Customers
    from omnichat_async.endpoints.direct_messages import DirectMessages
    from omnichat_async.endpoints.headless import Headless
    from omnichat_async.endpoints.identities import Identities
    from omnichat_async.endpoints.loyalty import Loyalty
    from omnichat_async.endpoints.messages import Messages
    from omnichat_async.endpoints.notifications import Notifications
    from omnichat_async.endpoints.orders import Orders
    from omnichat_async.endpoints.referral_links import ReferralLinks
    from omnichat_async.endpoints.reports import Reports
    from omnichat_async.endpoints.rich_menus import RichMenus
    from omnichat_async.endpoints.rooms import Rooms
    from omnichat_async.endpoints.rosters import Rosters
    from omnichat_async.endpoints.system_users import SystemUsers
    from omnichat_async.endpoints.tagging_logs import TaggingLogs
    from omnichat_async.endpoints.templates import Templates
    from omnichat_async.endpoints.whatsapp_business import WhatsAppBusiness
    from omnichat_async.events import Hook
    from omnichat_async.limits import Lane
    from omnichat_async.transport import Transport

__all__ = ["DEFAULT_BASE_URL", "OmnichatClient"]

DEFAULT_BASE_URL = "https://open-api.omnichat.ai/v1"
DEFAULT_CONVERSIONS_URL = "https://api.omnichat.ai/restapi/v1"
DEFAULT_TIMEOUT_S = 60.0

_LABEL = r"[A-Za-z0-9_-]{1,63}"
_HOST = rf"{_LABEL}(\.{_LABEL})*\.?|[0-9A-Fa-f.]*:[0-9A-Fa-f:.]*"
_PATH = r"(/([A-Za-z0-9\-._~!$&'()*+,;=:@]|%[0-9A-Fa-f]{2})+)+"


class OmnichatClient:
    """An asyncio client for the Omnichat Open API.

    ::

        async with OmnichatClient() as client:
            async for message in client.messages.list(platform="line", after=..., before=...):
                print(message.time, message.message)

    `token` is the API token, with or without "Bearer " (``$OMNICHAT_API_TOKEN``); `base_url` the
    API's URL with its ``/v1`` (``$OMNICHAT_BASE_URL``), https unless it is this machine.
    `session` is an aiohttp session to use, which stays yours to close; `limiter` a RateLimiter
    to share with other clients of the same account (by default 40 requests/s for this one).
    `retry` says how persistent calls are. `timeout` is the time of one call in seconds, with
    everything it waits for (60; ``math.inf`` for no bound). `max_in_flight` bounds the requests
    under way at once. `headless_auth` is the scheme of the Authorization header for the WhatsApp
    headless API, "Bearer" or "Basic". `hooks` are called with the events of
    ``omnichat_async.events``. `conversions_url` is the URL of the Conversion API with its
    ``/restapi/v1``; by default it is on the same host for a `base_url` on this machine, and
    Omnichat's for any other.

    One client serves any number of concurrent calls in one event loop. Nothing is opened before
    the first call. Raises ConfigurationError for what cannot work.
    """

    messages: Messages
    direct_messages: DirectMessages
    broadcasts: Broadcasts
    templates: Templates
    contacts: Contacts
    reports: Reports
    tagging_logs: TaggingLogs
    headless: Headless
    agent_messages: AgentMessages
    notifications: Notifications
    orders: Orders
    conversions: Conversions
    customers: Customers
    identities: Identities
    loyalty: Loyalty
    rooms: Rooms
    rosters: Rosters
    referral_links: ReferralLinks
    chatbots: Chatbots
    system_users: SystemUsers
    channels: Channels
    rich_menus: RichMenus
    whatsapp_business: WhatsAppBusiness

    def __init__(
        self,
        token: str | None = None,
        *,
        base_url: str | None = None,
        session: aiohttp.ClientSession | None = None,
        limiter: RateLimiter | None = None,
        retry: RetryPolicy | None = None,
        timeout: float | None = None,
        max_in_flight: int | None = None,
        headless_auth: str = "Bearer",
        user_agent: str | None = None,
        hooks: Iterable[Hook] = (),
        conversions_url: str | None = None,
    ) -> None:
        if base_url is None:
            base_url = os.environ.get("OMNICHAT_BASE_URL") or DEFAULT_BASE_URL
        if token is None:
            token = os.environ.get("OMNICHAT_API_TOKEN")
        if max_in_flight is not None and (type(max_in_flight) is not int or max_in_flight < 1):
            raise ConfigurationError("max_in_flight must be a whole number, 1 or more")
        check_kind("limiter", limiter, RateLimiter)
        check_kind("retry", retry, RetryPolicy)
        if checked_text("headless_auth", headless_auth) not in {"Bearer", "Basic"}:
            raise ConfigurationError('headless_auth must be "Bearer" or "Basic"')
        observers = tuple(hooks)
        if not all(callable(hook) for hook in observers):
            raise ConfigurationError("hooks must be functions that take an event")
        self._base_url = checked_base_url(base_url)
        bare = checked_token(token)
        settings: dict[str, Any] = {
            "base_url": self._base_url,
            "conversions_url": checked_conversions_url(conversions_url, base_url),
            "headers": {
                "User-Agent": checked_user_agent(user_agent),
                "Authorization": f"Bearer {bare}",
            },
            "session": session,
            "max_in_flight": max_in_flight,
        }
        self._session = Session(
            connect=lambda: connect(**settings),  # a partial would show the token when printed
            limiter=limiter or RateLimiter(),
            headless={"Authorization": f"{headless_auth} {bare}"},
            hooks=observers,
        )
        seconds = DEFAULT_TIMEOUT_S if timeout is None else timeout
        self._options = Options(
            timeout=checked_timeout(seconds), retry=retry or RetryPolicy(), lane=None
        )
        if session is not None:
            _ = self._transport  # says at once what is wrong with the given session

    @property
    def _transport(self) -> Transport:
        return self._session.transport

    @property
    def limiter(self) -> RateLimiter:
        """The rate limiter, to share with another client or to read its ``stats()``."""
        return self._session.limiter

    def with_options(
        self,
        *,
        timeout: float | None = None,
        retry: RetryPolicy | None = None,
        lane: Lane | None = None,
    ) -> OmnichatClient:
        """A view of this client with other options; it shares session and limiter.

        `timeout` in seconds (``math.inf`` for none), `retry`, and `lane`: "interactive" calls
        overtake "bulk" ones in the queue for the rate limit. None keeps what this client has.
        """
        check_kind("retry", retry, RetryPolicy)
        if lane is not None and checked_text("lane", lane) not in {"interactive", "bulk"}:
            raise ConfigurationError('lane must be "interactive" or "bulk"')
        now = self._options
        view = copy.copy(self)
        for area in type(self).__annotations__:  # those made so far have the old options
            view.__dict__.pop(area, None)
        view._options = Options(  # noqa: SLF001 - it is one of us
            timeout=now.timeout if timeout is None else checked_timeout(timeout),
            retry=retry or now.retry,
            lane=lane or now.lane,
        )
        return view

    async def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str | int | None] | None = None,
        json: Any = None,
    ) -> Any:
        """Call an endpoint this version has no method for; the answer is parsed JSON.

        `path` starts below the base URL, with what is not plain percent-encoded; None for an
        empty answer. Limit, retries and errors are the same as everywhere. Only a GET counts as
        safe to repeat.
        """
        method = checks.string("method", method).upper()
        if method not in {"GET", "POST", "PUT", "PATCH", "DELETE"}:
            raise InvalidRequest("method", "must be GET, POST, PUT, PATCH or DELETE", "another")
        segments = checks.string("path", path).split("/")
        if not re.fullmatch(_PATH, path) or "." in segments or ".." in segments:
            raise InvalidRequest(
                "path",
                "must start with / and hold only URL characters; percent-encode the rest "
                "(urllib.parse.quote(value, safe='')) and pass the query as params=",
                f"{len(path)} characters",
            )
        call = Call(
            method=method,
            path=path,
            safety=Safety.READ if method == "GET" else Safety.ONCE,
            answer=RAW,
            params=checks.mapping("params", params or {}),
            json=json,
            shown=f"/{segments[1]}" + ("/…" if len(segments) > 2 else ""),
        )
        return await self._session.execute(call, self._options)

    async def aclose(self) -> None:
        """Close the connections this client opened. A session that was given stays open."""
        await self._transport.aclose()

    async def __aenter__(self) -> Self:
        _ = self._transport  # the import belongs to the start, not to the first call
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def __enter__(self) -> NoReturn:
        raise ConfigurationError("this client is asyncio-only: use 'async with'")

    def __exit__(self, *_: object) -> None:
        """Only there so that ``with`` reaches ``__enter__`` and its advice."""

    @property
    def base_url(self) -> str:
        """The API's URL, without a slash at its end."""
        return self._base_url

    def __repr__(self) -> str:
        return f"OmnichatClient(base_url={self.base_url!r})"

    if not TYPE_CHECKING:  # it would let a type checker believe in any name

        def __getattr__(self, name: str) -> Any:
            """Import an area when it is first used: few programs use more than a few."""
            area = type(self).__annotations__.get(name)
            if area is None:
                raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
            module = importlib.import_module(f"omnichat_async.endpoints.{name}")
            made = getattr(module, area)(self._session, self._options)
            setattr(self, name, made)
            return made

        def __dir__(self) -> list[str]:
            return [*super().__dir__(), *type(self).__annotations__]


def connect(**settings: Any) -> Transport:
    """Make the transport. It brings aiohttp, whose import takes longer than all the rest."""
    from omnichat_async.transport import Transport  # noqa: PLC0415

    return Transport(**settings)


# ---- checks ------------------------------------------------------------------------------------


def check_kind(name: str, value: object, kind: type[Any]) -> None:
    """An object of this kind, or None."""
    if value is not None and not isinstance(value, kind):
        raise ConfigurationError(f"{name} must be a {kind.__name__}, not {type(value).__name__}")


def checked_text(name: str, value: str) -> str:
    """A string."""
    if not isinstance(value, str):
        raise ConfigurationError(f"{name} must be a string, not {type(value).__name__}")
    return value


def checked_token(token: str | None) -> str:
    """The bare token; the error never shows it."""
    if token is None:
        raise ConfigurationError("no API token: pass token= (--token) or set $OMNICHAT_API_TOKEN")
    bare = checked_text("token", token).strip()
    scheme, *rest = bare.split(maxsplit=1) or [""]
    if scheme.lower() == "bearer":
        bare = "".join(rest)
    if not bare or not is_plain(bare):
        what = "is empty" if not bare else "holds white space, control or non-ASCII characters"
        raise ConfigurationError(f"the API token {what}: copy it again from the admin panel")
    return bare


def is_plain(text: str) -> bool:
    """Whether there is nothing but ASCII in it, and neither white space nor control characters."""
    return text.isascii() and text.isprintable() and " " not in text


def checked_base_url(url: str, name: str = "base_url") -> str:
    """A base URL without a trailing slash: https, or http on this machine."""
    try:
        parts = urlsplit(checked_text(name, url))
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise ConfigurationError(f"{name} is not a URL") from None
    if not is_plain(url):
        raise ConfigurationError(f"{name} must be ASCII without white space or control characters")
    if parts.scheme not in {"http", "https"} or not host:
        raise ConfigurationError(f"{name} must start with https:// and name a host")
    if "@" in parts.netloc or "?" in url or "#" in url:
        raise ConfigurationError(f"{name} must hold no user, password, query or fragment")
    if not re.fullmatch(_HOST, host):
        raise ConfigurationError(f"{name} names a host that cannot exist")
    if parts.scheme == "http" and not is_loopback(host):
        raise ConfigurationError(
            f"{name} would send the token unencrypted to {host}: use https:// "
            "(http:// is for this machine only)"
        )
    return url.rstrip("/")


def checked_conversions_url(url: str | None, base_url: str) -> str:
    """The URL below which the Conversion API's paths are; its one whole endpoint will do, too."""
    if url is None:
        parts = urlsplit(base_url)
        if not is_loopback(parts.hostname or ""):
            return DEFAULT_CONVERSIONS_URL
        url = f"{parts.scheme}://{parts.netloc}/restapi/v1"
    return checked_base_url(url, "conversions_url").removesuffix("/pixel/events")


def is_loopback(host: str) -> bool:
    """Whether a host name is this machine."""
    if host == "localhost":  # names below it are looked up in the DNS, which may say anything
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def checked_timeout(seconds: float) -> float | None:
    """Seconds above 0, or None for no bound."""
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not seconds > 0:
        raise ConfigurationError(f"timeout must be above 0 seconds; given: {seconds!r}")
    return None if seconds > sys.float_info.max else float(seconds)


def checked_user_agent(given: str | None) -> str:
    """The User-Agent header."""
    if given is None:
        return f"omnichat_async/{__version__}"
    if not checked_text("user_agent", given).isascii() or not given.isprintable() or not given:
        raise ConfigurationError("user_agent must be printable ASCII")
    return given
