"""How the API prints moments that are no epoch milliseconds."""

from datetime import UTC, datetime, timedelta, timezone

# The documents print some times without a zone and name none. Webhooks show +08:00, so here the
# naive time is that of Taipei; who takes it for UTC is eight hours off and notices.
_ZONE = timezone(timedelta(hours=8))


def naive_time(t_ms: int) -> str:
    """As `2023-01-03T12:32:12`, without the zone."""
    return datetime.fromtimestamp(t_ms // 1000, _ZONE).isoformat()[:19]


def zoned_time(t_ms: int) -> str:
    """As `2023-11-09T17:53:08.734+08:00`."""
    moment = datetime.fromtimestamp(t_ms // 1000, _ZONE) + timedelta(milliseconds=t_ms % 1000)
    return moment.isoformat(timespec="milliseconds")


def read_naive_time(text: str) -> int | None:
    """Epoch ms of a `2023-08-12T10:43:11`; None for any other form."""
    try:
        moment = datetime.strptime(text, "%Y-%m-%dT%H:%M:%S").replace(tzinfo=_ZONE)
    except ValueError:
        return None
    return int(moment.astimezone(UTC).timestamp()) * 1000
