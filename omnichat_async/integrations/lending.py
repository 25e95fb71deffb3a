"""The application's client for a receiver that has none of its own."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from omnichat_async.client import OmnichatClient
    from omnichat_async.webhooks import Receiver

__all__ = ["lent"]


@contextlib.contextmanager
def lent(receiver: Receiver, client: OmnichatClient | None) -> Iterator[None]:
    """Give `receiver` the client while the block runs, unless it has one.

    It is taken back: an application that is started again, as tests do, has another client.
    """
    if receiver.client is not None:
        yield
        return
    receiver.client = client
    try:
        yield
    finally:
        receiver.client = None
