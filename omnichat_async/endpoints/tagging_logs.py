"""The log of tags put on contacts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Unpack, overload

from omnichat_async.endpoints.base import Area
from omnichat_async.models.tagging_logs import TaggingLog
from omnichat_async.paging import ListQuery
from omnichat_async.windows import whole_range

if TYPE_CHECKING:
    from datetime import datetime

    from omnichat_async.paging import Listing, WalkOptions

__all__ = ["TaggingLogs"]


class TaggingLogs(Area):
    """Which tag was put on whom, when and by what."""

    @overload
    def list(
        self,
        *,
        tagged_after: datetime | int,
        tagged_before: datetime | int,
        raw: Literal[False] = False,
        **options: Unpack[WalkOptions],
    ) -> Listing[TaggingLog]: ...

    @overload
    def list(
        self,
        *,
        tagged_after: datetime | int,
        tagged_before: datetime | int,
        raw: Literal[True],
        **options: Unpack[WalkOptions],
    ) -> Listing[dict[str, Any]]: ...

    def list(
        self,
        *,
        tagged_after: datetime | int,
        tagged_before: datetime | int,
        raw: bool = False,
        **options: Unpack[WalkOptions],
    ) -> Listing[Any]:
        """All tags put on contacts in ``tagged_after <= time < tagged_before``.

        Times are aware datetimes or epoch ms, any span. The rows' own `time` is naive, as the
        API sends it. Two equal rows are two events. See WalkOptions for the rest.

        Wraps ``GET /tagging-logs/records``. Needs the CRM Open API module.
        """
        query: ListQuery[TaggingLog] = ListQuery(
            path="/tagging-logs/records",
            model=TaggingLog,
            window=whole_range(tagged_after, tagged_before, ("tagged_after", "tagged_before")),
            window_names=("taggedAfter", "taggedBefore"),
        )
        return self._listing(query, raw, options)
