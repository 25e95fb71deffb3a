"""The server's clock, as far as its answers tell it."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

from omnichat_async.classify import http_date

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["ServerClock"]

ANSWERS = 16


class ServerClock:
    """The server's time of day, never ahead of it.

    A ``Date`` header is a whole second that had begun when the answer left, so together with the
    loop's clock, which only ever goes forward, each answer gives a time that has passed. The
    earliest that the latest answers give counts, in case the servers behind a gateway disagree.
    """

    def __init__(self) -> None:
        self._ahead_s: deque[float] = deque(maxlen=ANSWERS)
        self._loop: asyncio.AbstractEventLoop | None = None

    def saw(self, headers: Mapping[str, str]) -> None:
        """Take an answer that has just come into account."""
        date = http_date(headers.get("date"))
        if date is None:
            return
        loop = asyncio.get_running_loop()
        if loop is not self._loop:  # another loop may count from another moment
            self._ahead_s.clear()
            self._loop = loop
        self._ahead_s.append(date - loop.time())

    def now_ms(self) -> float | None:
        """The server's time in epoch ms, or None as long as it has told none."""
        loop = asyncio.get_running_loop()
        if loop is not self._loop or not self._ahead_s:
            return None
        return (min(self._ahead_s) + loop.time()) * 1000
