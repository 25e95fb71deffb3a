"""One export at a time to one file: a lock that a dead process cannot keep."""

from __future__ import annotations

import contextlib
import os
import platform
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from omnichat_async.errors import InvalidRequest

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["FileLock"]


class FileLock:
    """A lock on a file of its own, which says who holds it and is gone after ``release``.

    The operating system drops the lock with the process that holds it, however it ends.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Take the lock. Raises InvalidRequest while somebody else has it, OSError where no file
        can be."""
        while self._descriptor is None:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
            try:
                _lock(descriptor)
                if self._is_there(descriptor):
                    self._descriptor = descriptor
                    break
            except BlockingIOError:
                holder = os.read(descriptor, 200).decode(errors="replace").strip()
                raise InvalidRequest(
                    "out",
                    "must not be exported to by another process (wait for it, or stop it)",
                    holder or "another process",
                ) from None
            finally:
                if self._descriptor is None:
                    os.close(descriptor)
        os.truncate(self._descriptor, 0)
        since = datetime.now(UTC).isoformat(" ", "seconds")
        text = f"process {os.getpid()} on {platform.node()}, since {since}\n"
        os.write(self._descriptor, text.encode())

    def release(self) -> None:
        """Give it back; needless calls do nothing."""
        if self._descriptor is not None:
            with contextlib.suppress(OSError):
                self._path.unlink()
            os.close(self._descriptor)
            self._descriptor = None

    def _is_there(self, descriptor: int) -> bool:
        """Whether this still is the file of that name: its last holder may just have removed it."""
        try:
            return os.path.samestat(os.fstat(descriptor), self._path.stat())
        except FileNotFoundError:
            return False


if sys.platform == "win32":  # pragma: no cover

    def _lock(descriptor: int) -> None:
        import msvcrt  # noqa: PLC0415 - only there

        os.lseek(descriptor, 1 << 20, os.SEEK_SET)  # behind what others may want to read
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            raise BlockingIOError from None
        finally:
            os.lseek(descriptor, 0, os.SEEK_SET)

else:
    import fcntl

    def _lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
