"""The streams that can be exported: what each one asks, and its columns in a flat file."""

from __future__ import annotations

import json
import types
import typing
from typing import TYPE_CHECKING, Any, TypeAlias, get_args, get_origin

import attrs

from omnichat_async.errors import InvalidRequest
from omnichat_async.models import Contact, Message, MessagesSent, Model, ReferralOrder, TaggingLog
from omnichat_async.models.base import wire_name

if TYPE_CHECKING:
    from collections.abc import Callable

    from omnichat_async.client import OmnichatClient
    from omnichat_async.paging import Listing, WalkOptions
    from omnichat_async.windows import Window

__all__ = ["STREAMS", "Stream", "flat_columns", "flatten", "with_window"]

Row: TypeAlias = dict[str, Any]

EXTRA = "extra"
"""The last column of a flat file: fields that have no column of their own, as JSON."""


@attrs.frozen(kw_only=True)
class Stream:
    """One exportable stream: its name on the command line, the model of its rows, and how to
    list it. `by_platform` says whether it takes a platform and a channel; `per_window` that a
    row counts only together with its window, which is then written with it."""

    name: str
    model: type[Model]
    open: Callable[..., Listing[Row]]
    by_platform: bool = False
    per_window: bool = False

    def listing(
        self,
        client: OmnichatClient,
        window: Window,
        platform: str | None,
        channel_id: str | None,
        options: WalkOptions,
    ) -> Listing[Row]:
        """The listing of this stream over `window`."""
        if not self.by_platform:
            for field, value in (("platform", platform), ("channel_id", channel_id)):
                if value is not None:
                    raise InvalidRequest(field, f"is not a filter of {self.name}", "a value")
            return self.open(client, window, **options)
        if not platform:
            raise InvalidRequest("platform", f"is needed for {self.name}", "none")
        return self.open(client, window, platform=platform, channel_id=channel_id, **options)


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
        Stream(name="messages", model=Message, open=_messages, by_platform=True),
        Stream(name="contacts", model=Contact, open=_contacts, by_platform=True),
        Stream(name="tagging-logs", model=TaggingLog, open=_tagging_logs),
        Stream(name="report-messages", model=MessagesSent, open=_report_messages, per_window=True),
        Stream(name="report-orders", model=ReferralOrder, open=_report_orders),
    )
}


# ---- flat rows ---------------------------------------------------------------------------------


def flat_columns(stream: Stream) -> list[str]:
    """The columns of a flat file: every documented field, nested ones as ``channel.platform``."""
    columns = list(_columns(stream.model, ""))
    if stream.per_window:
        columns += ["window.after", "window.before"]
    return [*columns, EXTRA]


def _columns(model: type[Model], prefix: str) -> typing.Iterator[str]:
    hints = typing.get_type_hints(model)
    for field in attrs.fields(model):
        if field.name == "extra" or field.metadata.get("local"):
            continue
        name = prefix + wire_name(field)
        inner = _nested_model(hints[field.name])
        if inner is None:
            yield name
        else:
            yield from _columns(inner, f"{name}.")


def _nested_model(tp: Any) -> type[Model] | None:
    members = get_args(tp) if get_origin(tp) in {types.UnionType, typing.Union} else (tp,)
    return next((m for m in members if isinstance(m, type) and issubclass(m, Model)), None)


def flatten(row: Any, columns: list[str]) -> list[Any]:
    """The cells of a row. Lists and objects become JSON, null an empty cell; what has no column
    goes to the last one, so nothing the server sent is lost."""
    if not isinstance(row, dict):
        return [None] * (len(columns) - 1) + [_cell(row)]
    cells: Row = {}
    rest: Row = {}
    names = set(columns)
    parents = {column.split(".")[0] for column in columns if "." in column}
    for key, value in row.items():
        if key in parents and isinstance(value, dict):
            inside = {name: part for name, part in value.items() if f"{key}.{name}" not in names}
            cells |= {f"{key}.{name}": part for name, part in value.items()}
            rest |= {key: inside} if inside else {}
        elif key in names and key != EXTRA and "." not in key:
            cells[key] = value
        elif key not in parents or value is not None:
            rest[key] = value
    if rest:
        cells[EXTRA] = rest
    return [_cell(cells.get(column)) for column in columns]


def _cell(value: Any) -> Any:
    if isinstance(value, dict | list | bool):
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return value


def with_window(row: Any, window: Window | None) -> Any:
    """A row of a report together with the window it counts."""
    if window is None or not isinstance(row, dict):
        return row
    return {**row, "window": {"after": window.after, "before": window.before}}
