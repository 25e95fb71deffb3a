"""The pytest plugin: fixtures for programs that use this package."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from omnichat_async import OmnichatClient
    from omnichat_async.sandbox import Sandbox

__all__ = ["omnichat_client", "omnichat_sandbox"]

# Imports are inside: pytest loads this in every run, also in those that use none of it.


@pytest.fixture
def omnichat_sandbox() -> Iterator[Sandbox]:
    """A local Omnichat API on a real socket, with ``url`` and ``token``, for one test.

    It runs in a thread of its own, so it serves tests of any kind.
    """
    from omnichat_async.sandbox import Sandbox  # noqa: PLC0415

    sandbox = Sandbox(rows=10_000)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="omnichat-sandbox", daemon=True)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(sandbox.start(), loop).result(30)
        yield sandbox
    finally:
        asyncio.run_coroutine_threadsafe(sandbox.aclose(), loop).result(30)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(30)
        loop.close()


@pytest.fixture
def omnichat_client(omnichat_sandbox: Sandbox) -> OmnichatClient:
    """A client of the sandbox: ``async with omnichat_client as client: ...``."""
    from omnichat_async import OmnichatClient  # noqa: PLC0415

    return OmnichatClient(omnichat_sandbox.token, base_url=omnichat_sandbox.url)
