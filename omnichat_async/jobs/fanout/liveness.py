"""Whether another worker still lives: each holds a lock on a file of its own while it does.

The system drops the lock of a process that ends, however it ends, so nobody has to trust a clock
or a process number.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

from omnichat_async.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Collection

__all__ = ["Lifeline", "clear_strays", "is_alive"]

BETWEEN = ".worker-"
"""What stands between the journal's name and the worker's own in that of a lock."""


class Lifeline:
    """The lock of one worker, held from here to ``release``."""

    def __init__(self, journal: Path) -> None:
        self.path = journal.with_name(f"{journal.name}{BETWEEN}{secrets.token_hex(4)}")
        self._descriptor = os.open(self.path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        _lock(self._descriptor)

    def release(self) -> None:
        """Let go, and leave no file."""
        with contextlib.suppress(FileNotFoundError):
            self.path.unlink()
        os.close(self._descriptor)


def clear_strays(journal: Path, known: Collection[str]) -> None:
    """Remove the locks of a journal whose names nobody knows."""
    stray = re.compile(re.escape(journal.name + BETWEEN) + "[0-9a-f]{8}")
    for path in journal.parent.iterdir():
        if stray.fullmatch(path.name) and path.name not in known:
            path.unlink(missing_ok=True)


def _lock(descriptor: int) -> None:
    """Take the lock, or raise BlockingIOError where somebody else has it."""
    try:
        import fcntl  # noqa: PLC0415 - Windows has none
    except ImportError:
        raise ConfigurationError("a fan-out needs the file locks of Linux or macOS") from None
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def is_alive(lock: str) -> bool:
    """Whether somebody holds the lock on this file; if not, the file is removed."""
    try:
        descriptor = os.open(lock, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        _lock(descriptor)
    except BlockingIOError:
        return True
    else:
        Path(lock).unlink(missing_ok=True)
        return False
    finally:
        os.close(descriptor)
