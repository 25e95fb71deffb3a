"""What is told of a receiver's work: to hooks, and how near it is to being switched off."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, TypeAlias

import attrs

from omnichat_async.webhooks.claims import DedupeFailed
from omnichat_async.webhooks.health import ANSWER_WITHIN_S, Health, HealthMeter
from omnichat_async.webhooks.worker import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["Answered", "Observed", "Watch"]

_log = logging.getLogger("omnichat_async.webhooks")


@attrs.frozen(kw_only=True)
class Answered:
    """A request was answered: with `status`, after `seconds`; of its `events`, `new` were new.
    `reason` says why it was refused."""

    status: int
    seconds: float
    events: int = 0
    new: int = 0
    reason: str | None = None


Observed: TypeAlias = Answered | Outcome | DedupeFailed
"""What a hook gets: each request, each attempt at an event, each failure of the dedupe store."""


class Watch:
    """Counts deliveries as Omnichat does, and tells hooks of everything."""

    def __init__(self, hooks: Iterable[Callable[[Observed], None]]) -> None:
        self._hooks = tuple(hooks)
        self._meter = HealthMeter()

    @property
    def health(self) -> Health:
        """The figures of now."""
        return self._meter.read(time.monotonic())

    def answered(self, answered: Answered, *, genuine: bool) -> None:
        """A request was answered. Whoever sent one that is not `genuine`, it is no delivery that
        Omnichat counts."""
        if genuine:
            self._count(ok=answered.status == 200 and answered.seconds < ANSWER_WITHIN_S)
        self.tell(answered)

    def _count(self, *, ok: bool) -> None:
        before = self.health.in_danger
        self._meter.count(time.monotonic(), ok=ok)
        health = self.health
        if health.in_danger and not before:
            _log.error(
                "deliveries fail: %d in a row, %.0f %% of the last hour; Omnichat switches the"
                " subscription off at more than 20, or 10 %%",
                health.failures_in_a_row,
                100 * health.failure_rate,
            )

    def tell(self, observed: Observed) -> None:
        """Call the hooks."""
        for hook in self._hooks:
            try:
                hook(observed)
            except Exception as error:  # noqa: BLE001 - figures must not cost an event
                _log.error("a hook failed: %s", type(error).__name__)
