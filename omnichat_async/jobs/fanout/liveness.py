"""Whether another worker still lives: each holds a lock on a file of its own while it does.

The system drops the lock of a process that ends, however it ends, so nobody has to trust a clock
or a process number.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
from pathlib import Path

__all__ = ["Lifeline", "is_alive"]


class Lifeline:
    """The lock of one worker, held from here to ``release``."""

    def __init__(self, journal: Path) -> None:
        self.path = journal.with_name(f"{journal.name}.worker-{secrets.token_hex(4)}")
        self._descriptor = os.open(self.path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)

    def release(self) -> None:
        """Let go, and leave no file."""
        with contextlib.suppress(FileNotFoundError):
            self.path.unlink()
        os.close(self._descriptor)


def is_alive(lock: str) -> bool:
    """Whether somebody holds the lock on this file; if not, the file is removed."""
    try:
        descriptor = os.open(lock, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    else:
        Path(lock).unlink(missing_ok=True)
        return False
    finally:
        os.close(descriptor)
