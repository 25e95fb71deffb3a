"""Times as people type them on a command line."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from omnichat_async.errors import InvalidRequest
from omnichat_async.windows import EPOCH, MILLISECOND, to_ms

__all__ = ["is_absolute", "parse_time"]

_AGO = re.compile(r"(\d{1,6})([mhdw])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_FORMS = (
    "a date (2026-11-01), a time (2026-11-01T08:00+08:00), epoch ms, 'now', or 30d/12h/45m/2w ago"
)


def is_absolute(text: str) -> bool:
    """Whether a time means the same tomorrow."""
    return text != "now" and not _AGO.fullmatch(text)


def parse_time(field: str, text: str, now: datetime) -> datetime:
    """The moment `text` means. Dates and times without a zone are UTC. Raises InvalidRequest for
    what is no time, and for epoch seconds."""
    if text == "now":
        return now
    try:
        if match := _AGO.fullmatch(text):
            return now - timedelta(**{_UNITS[match[2]]: int(match[1])})
        if text.isascii() and text.isdigit() and len(text) > len("20261101"):
            return EPOCH + to_ms(field, int(text)) * MILLISECOND
        moment = datetime.fromisoformat(text)
    except InvalidRequest:
        raise
    except (ValueError, OverflowError):
        raise InvalidRequest(field, f"must be {_FORMS}", repr(text)) from None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
