"""What an exit code says to a shell."""

from __future__ import annotations

__all__ = ["DONE", "FAILED", "INTERRUPTED", "UNDECIDED", "USAGE"]

DONE = 0
FAILED = 1
USAGE = 2
UNDECIDED = 3
"""Finished, with rows or sends that need a person's decision."""
INTERRUPTED = 130
"""Stopped by a signal; the same command goes on."""
