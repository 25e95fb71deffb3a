"""What all commands share: the global options, and a client made from them."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import attrs
import typer

from omnichat_async.client import OmnichatClient
from omnichat_async.errors import ConfigurationError
from omnichat_async.limits import RateLimiter
from omnichat_async.models.common import Platform, platform_name

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

__all__ = ["DEFAULT_RATE", "Settings", "hoisted", "known_platform"]

GLOBAL_VALUES = frozenset({"--token", "--base-url", "--rate"})
GLOBAL_FLAGS = frozenset({"--sandbox", "--json"})

DEFAULT_RATE = 40.0
SANDBOX_ROWS = 8_000_000
"""Rows per platform of the sandbox that --sandbox starts: about 33,000 in 30 days."""


@attrs.frozen(kw_only=True)
class Settings:
    """The global options. `rate` is the account's limit in requests per second."""

    token: str | None = None
    base_url: str | None = None
    sandbox: bool = False
    rate: float = DEFAULT_RATE
    json: bool = False

    @contextlib.asynccontextmanager
    async def client(self, *, needs_account: bool = True) -> AsyncIterator[OmnichatClient]:
        """A client as these settings say; with `sandbox`, of a sandbox in this process. One that
        will ask nothing needs no token."""
        async with contextlib.AsyncExitStack() as stack:
            token, base_url = self.token, self.base_url
            if self.sandbox:
                if token is not None or base_url is not None:
                    raise ConfigurationError("--sandbox goes without --token and --base-url")
                from omnichat_async.sandbox import Sandbox  # noqa: PLC0415 - a server, rarely used

                box = await stack.enter_async_context(Sandbox(rows=SANDBOX_ROWS))
                token, base_url = box.token, box.url
            if token is None and not needs_account:
                token = "none"  # noqa: S105 - in the place of one
            limiter = RateLimiter(self.rate)
            client = OmnichatClient(token, base_url=base_url, limiter=limiter)
            yield await stack.enter_async_context(client)


def known_platform(text: str) -> str:
    """The platform that --platform names, by any of its names."""
    if text.lower() not in Platform.known():
        raise typer.BadParameter(f"must be one of {', '.join(Platform)}")
    return platform_name(text)


def hoisted(argv: list[str]) -> list[str]:
    """`argv` with the global options in front, so that they may be typed anywhere."""
    front: list[str] = []
    rest: list[str] = []
    words = iter(argv)
    for word in words:
        name, has_value, _ = word.partition("=")
        if word == "--":
            rest += [word, *words]
        elif name in GLOBAL_FLAGS:
            front.append(word)
        elif name in GLOBAL_VALUES:
            front.append(word)
            if not has_value and (value := next(words, None)) is not None:
                front.append(value)
            elif not has_value:
                return front  # the option whose value is missing comes last, and is complained of
        else:
            rest.append(word)
    return front + rest
