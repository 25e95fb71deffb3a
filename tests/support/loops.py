"""How often the long tests go round."""

from __future__ import annotations

import os

__all__ = ["FULL", "rounds"]

FULL = os.environ.get("OMNICHAT_TESTS_FULL") == "1"


def rounds(few: int, full: int) -> int:
    """`few`, which every run affords, or `full` with OMNICHAT_TESTS_FULL=1."""
    return full if FULL else few
