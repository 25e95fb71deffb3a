"""An asyncio loop whose time is a number: hours pass in milliseconds, and always the same way.

Time moves only when nothing is ready, and then to the next timer. As on a real machine a timer
never fires early nor on the dot, but at least ``TICK_S`` late: code that computes the remainder
of a wait may get 1e-12 s, and on an exact clock it would wait for such remainders for ever.
"""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias, TypeVar, TypeVarTuple

from tests.support.leftovers import assert_nothing_left, describe, run_checked

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Coroutine
    from concurrent.futures import Executor
    from contextvars import Context

__all__ = [
    "START_S",
    "TICK_S",
    "Lateness",
    "VirtualDeadlockError",
    "VirtualLoop",
    "VirtualTimeError",
    "assert_nothing_left",
    "run_virtual",
]

T = TypeVar("T")
Ts = TypeVarTuple("Ts")
Lateness: TypeAlias = Callable[[], float] | tuple[int, float]
"""How much later than ``TICK_S`` a timer wakes: a function, or ``(seed, max_s)`` for random."""

START_S = 1000.0
TICK_S = 1e-6
SPIN_LIMIT = 1_000_000


class VirtualTimeError(AssertionError):
    """The run took more virtual time, or more turns without time moving, than it may."""


class VirtualDeadlockError(AssertionError):
    """Nothing is ready and no timer is armed, so nothing can ever happen again."""


class VirtualLoop(asyncio.BaseEventLoop):
    """Virtual time, one thread, no sockets."""

    _ready: deque[asyncio.Handle]  # BaseEventLoop's own; the type stubs leave these two out
    _stopping: bool

    def __init__(self, *, limit_s: float = 3600.0, lateness: Lateness | None = None) -> None:
        """``limit_s`` is the virtual time the loop may run for."""
        super().__init__()
        self._now = START_S
        self._limit_s = limit_s
        self._deadline = START_S + limit_s
        self._lateness = _drawer(lateness)
        self._spins = 0
        self._thread = threading.get_ident()
        self._selector = self  # BaseEventLoop waits by calling select() on this
        self._clock_resolution = 0.0  # by default timers fire up to this much early

    def time(self) -> float:
        """The virtual time, in seconds."""
        return self._now

    def select(self, timeout: float | None) -> list[object]:
        """Wait for the next timer, which is to say: set the clock."""
        if self._ready or self._stopping:
            self._count_spin()
        elif timeout is None:
            raise VirtualDeadlockError(self._waiting("deadlock, nothing will ever happen again"))
        else:
            self._advance(timeout + TICK_S + self._lateness())
        return []

    def _process_events(self, event_list: list[object]) -> None:
        """There are none: select() only ever tells the time."""

    def _advance(self, seconds: float) -> None:
        self._spins = 0
        self._now += seconds
        if self._now > self._deadline:
            self._deadline = self._now + self._limit_s  # lets the clean-up after this error run
            raise VirtualTimeError(self._waiting(f"more than {self._limit_s} s of virtual time"))

    def _count_spin(self) -> None:
        self._spins += 1
        if self._spins > SPIN_LIMIT:
            self._spins = 0
            raise VirtualTimeError(self._waiting(f"{SPIN_LIMIT} turns, and time does not move"))

    def _waiting(self, problem: str) -> str:
        return f"{problem} at {self._now:.6f} s:\n{describe(asyncio.all_tasks(self))}"

    def call_soon_threadsafe(
        self, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        """Only from the loop's own thread, where garbage-collected generators need it."""
        if threading.get_ident() != self._thread:
            raise RuntimeError("a VirtualLoop does not take calls from other threads")
        return self.call_soon(callback, *args, context=context)

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[*Ts], T], *args: *Ts
    ) -> NoReturn:
        """Refused: a thread lives in real time."""
        raise RuntimeError("a VirtualLoop has no threads: no executor, to_thread or getaddrinfo")


def _drawer(lateness: Lateness | None) -> Callable[[], float]:
    if lateness is None:
        return lambda: 0.0
    if callable(lateness):
        return lateness
    seed, max_s = lateness
    draw = random.Random(seed)
    return lambda: draw.uniform(0.0, max_s)


def run_virtual(
    main: Coroutine[Any, Any, T], *, limit_s: float = 3600.0, lateness: Lateness | None = None
) -> T:
    """Run ``main`` in virtual time; fail on deadlock, a left task or an error nobody looked at."""
    return run_checked(main, lambda: VirtualLoop(limit_s=limit_s, lateness=lateness))
