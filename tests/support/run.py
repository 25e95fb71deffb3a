"""Run a test's coroutine on a real event loop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from tests.support.leftovers import run_checked

if TYPE_CHECKING:
    from collections.abc import Coroutine

__all__ = ["run"]

T = TypeVar("T")


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run ``main`` as ``asyncio.run`` does, but fail if it leaves anything behind.

    A left task or an error nobody looked at raises here. A left socket or transport warns while
    this collects garbage, which the pytest settings turn into a failure of the same test.
    """
    return run_checked(main)
