"""The streams that can be exported: what each one asks, and what its rows are known by."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import attrs

from omnichat_async.errors import InvalidRequest
from omnichat_async.models import Contact, Message, MessagesSent, Model, ReferralOrder, TaggingLog

if TYPE_CHECKING:
    from collections.abc import Callable

    from omnichat_async.client import OmnichatClient
    from omnichat_async.paging import Listing, WalkOptions
    from omnichat_async.windows import Window

__all__ = ["STREAMS", "Row", "Stream", "with_window"]

Row: TypeAlias = dict[str, Any]

HOUR_MS = 3_600_000
MINUTE_MS = 60_000


@attrs.frozen(kw_only=True)
class Stream:
    """One exportable stream: its name on the command line, the model of its rows, and how to
    list it.

    `by_platform` says whether it takes a platform and a channel; `per_window` that a row counts
    only together with its window, which is then written with it. `key` names the fields that a
    row is known by (none: two equal rows are two events), `version` the one that tells the newer
    of two. `moves` says that a change gives a row a new time. `lookback` is how far behind the
    watermark rows may still change, in ms. `naive` names the times that the API sends without a
    zone.
    """

    name: str
    model: type[Model]
    open: Callable[..., Listing[Row]]
    by_platform: bool = False
    per_window: bool = False
    key: tuple[str, ...] = ()
    version: str | None = None
    moves: bool = False
    lookback: int = 0
    naive: frozenset[str] = frozenset()

    def listing(
        self,
        client: OmnichatClient,
        window: Window,
        platform: str | None,
        channel_id: str | None,
        options: WalkOptions,
    ) -> Listing[Row]:
        """The listing of this stream over `window`."""
        self.check_filters(platform, channel_id)
        if not self.by_platform:
            return self.open(client, window, **options)
        return self.open(client, window, platform=platform, channel_id=channel_id, **options)

    def check_filters(self, platform: str | None, channel_id: str | None) -> None:
        """Refuse filters that this stream lacks, and a platform left out where it is needed."""
        if self.by_platform:
            if not platform:
                raise InvalidRequest("platform", f"is needed for {self.name}", "none")
            return
        for field, value in (("platform", platform), ("channel_id", channel_id)):
            if value is not None:
                raise InvalidRequest(field, f"is not a filter of {self.name}", "a value")


def _messages(client: OmnichatClient, window: Window, **kwargs: Any) -> Listing[Row]:
    return client.messages.list(after=window.after, before=window.before, raw=True, **kwargs)


def _contacts(client: OmnichatClient, window: Window, **kwargs: Any) -> Listing[Row]:
    return client.contacts.list(
        updated_after=window.after, updated_before=window.before, raw=True, **kwargs
    )


def _tagging_logs(client: OmnichatClient, window: Window, **kwargs: Any) -> Listing[Row]:
    return client.tagging_logs.list(
        tagged_after=window.after, tagged_before=window.before, raw=True, **kwargs
    )


def _report_messages(client: OmnichatClient, window: Window, **kwargs: Any) -> Listing[Row]:
    return client.reports.messages_sent(
        after=window.after, before=window.before, raw=True, **kwargs
    )


def _report_orders(client: OmnichatClient, window: Window, **kwargs: Any) -> Listing[Row]:
    return client.reports.referral_orders(
        after=window.after, before=window.before, raw=True, **kwargs
    )


STREAMS: dict[str, Stream] = {
    stream.name: stream
    for stream in (
        Stream(
            name="messages",
            model=Message,
            open=_messages,
            by_platform=True,
            key=("id",),
            lookback=72 * HOUR_MS,  # a status may change so long after the message
        ),
        Stream(
            name="contacts",
            model=Contact,
            open=_contacts,
            by_platform=True,
            key=("channel.platform", "channel.channelId", "id"),
            version="updatedAt",
            moves=True,
        ),
        Stream(
            name="tagging-logs",
            model=TaggingLog,
            open=_tagging_logs,
            lookback=10 * MINUTE_MS,
            naive=frozenset({"time"}),
        ),
        Stream(name="report-messages", model=MessagesSent, open=_report_messages, per_window=True),
        Stream(
            name="report-orders",
            model=ReferralOrder,
            open=_report_orders,
            key=("orderId",),
            lookback=48 * HOUR_MS,  # 91App's numbers come at 02:30 of the next day
        ),
    )
}


def with_window(row: Any, window: Window | None) -> Any:
    """A row of a report together with the window it counts."""
    if window is None or not isinstance(row, dict):
        return row
    return {**row, "window": {"after": window.after, "before": window.before}}
