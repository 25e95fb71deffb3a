"""Settings that all tests share."""

import gc

from hypothesis import HealthCheck, settings

from omnichat_async.codec import text

# How long an example takes says how busy the machine is, and nothing about the code.
settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("any machine")

# Answers are read as in a program that has had many, unless a test says otherwise.
text._SoFar.size = text._WORTH_AN_IMPORT


_EVERY = 50
_ran = 0


def pytest_collection_finish() -> None:
    """Most tests collect garbage to see what they left behind. What was there before them, which
    is nearly all of the memory, need not be looked through each time."""
    gc.collect()
    gc.freeze()


def pytest_runtest_logfinish() -> None:
    """Nor need the libraries that some tests were the first to import."""
    global _ran  # noqa: PLW0603 - hooks have no other place for it
    _ran += 1
    if _ran % _EVERY == 0:
        gc.collect()
        gc.freeze()
