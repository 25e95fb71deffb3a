"""The follow-up: how what was sent has fared, for each recipient and in all."""

from __future__ import annotations

import asyncio
import contextlib
import csv
import json
from collections import Counter
from typing import TYPE_CHECKING, Any, Protocol

import attrs

from omnichat_async.errors import InvalidRequest, NotFound
from omnichat_async.jobs.fanout.records import State

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence
    from pathlib import Path
    from typing import TextIO

    from omnichat_async.client import OmnichatClient
    from omnichat_async.jobs.fanout.journal import Job, Journal
    from omnichat_async.jobs.fanout.records import Outcome, Status
    from omnichat_async.models.broadcasts import BroadcastButton, BroadcastRecipient

__all__ = ["COLUMNS", "Button", "Report", "collect"]

AT_ONCE = 8
"""Broadcasts asked about side by side."""

FATES = ("success", "read", "clicked", "responded")
COLUMNS = (
    *("address", "line", "state", "call", "ref", "reason"),
    *("phone", "success", "sent_at", "read", "read_at", "clicked", "clicked_at"),
    *("responded", "responded_at", "message_id", "error"),
)
"""The columns of a report. A row of the server that names no phone of ours stands by itself, with
its broadcast in ``ref`` and without an address: the API does not say whom it is about."""


@attrs.frozen(kw_only=True)
class Button:
    """Clicks on one button over all broadcasts of a job."""

    message_index: int
    card_index: int
    button_index: int
    clicks: int


@attrs.frozen(kw_only=True)
class Report:
    """How a job has fared. `status` counts recipients by what is known of the calls; the rest is
    what the server shows of its `broadcasts`: recipients that were asked for in them, that it
    reached (`success`), that failed, read, clicked and responded, and `buttons`. `missing`
    broadcasts the server shows no more."""

    status: Status
    broadcasts: int
    missing: int
    shown: int
    success: int
    failed: int
    read: int
    clicked: int
    responded: int
    buttons: tuple[Button, ...]

    def rate(self, field: str) -> float | None:
        """``read``, ``clicked`` or ``responded`` as a part of those reached, ``success`` and
        ``failed`` as a part of those shown; None without any."""
        whole = self.shown if field in {"success", "failed"} else self.success
        part: int = getattr(self, field)
        return part / whole if whole else None


@attrs.frozen
class _Followed:
    """What the server shows of one broadcast; None where it shows nothing."""

    rows: Sequence[BroadcastRecipient] | None
    buttons: Sequence[BroadcastButton] = ()


class _Table(Protocol):
    def write(self, row: dict[str, Any]) -> None:
        """One row."""
        ...


async def collect(client: OmnichatClient, journal: Journal, job: Job, out: Path | None) -> Report:
    """Follow every broadcast up; memory does not grow with recipients."""
    client = client.with_options(lane="bulk")
    counts: Counter[str] = Counter()
    clicks: Counter[tuple[int, int, int]] = Counter()
    counted: set[str | None] = set()
    with _table(out) as table:
        async for group in _groups(journal.outcomes()):
            refs = list(dict.fromkeys(ref for ref, _ in group if ref is not None))
            followed: dict[str, _Followed] = {}
            if job.message.kind == "broadcast":
                answers = await asyncio.gather(*(_follow(client, ref) for ref in refs))
                followed = dict(zip(refs, answers, strict=True))
            for ref, outcomes in group:
                shown = followed.get(ref or "", _Followed(()))
                # Calls may share one, if it showed when a part of it had been sent again.
                first = ref in followed and ref not in counted
                if first:
                    counted.add(ref)
                    _count(counts, clicks, shown)
                if table is not None:
                    for row in _rows(outcomes, shown.rows or (), whole=first):
                        table.write(row)
    buttons = [
        Button(message_index=m, card_index=c, button_index=b, clicks=count)
        for (m, c, b), count in sorted(clicks.items())
    ]
    return Report(
        status=await journal.status(),
        broadcasts=counts["broadcasts"],
        missing=counts["missing"],
        shown=counts["shown"],
        success=counts["success"],
        failed=counts["failed"],
        read=counts["read"],
        clicked=counts["clicked"],
        responded=counts["responded"],
        buttons=tuple(buttons),
    )


async def _groups(
    outcomes: AsyncIterator[Outcome],
) -> AsyncIterator[list[tuple[str | None, list[Outcome]]]]:
    """Outcomes call by call, the calls of some broadcasts at a time."""
    group: list[tuple[str | None, list[Outcome]]] = []
    call: int | None = -1
    async for each in outcomes:
        if each.call is None or each.call != call:
            if len(group) >= AT_ONCE:
                yield group
                group = []
            group.append((each.ref if each.state is State.SENT else None, []))
            call = each.call
        group[-1][1].append(each)
    if group:
        yield group


async def _follow(client: OmnichatClient, broadcast_id: str) -> _Followed:
    try:
        rows = [row async for row in client.broadcasts.recipients(broadcast_id)]
        return _Followed(rows, await client.broadcasts.buttons(broadcast_id))
    except NotFound:
        return _Followed(None)


def _count(counts: Counter[str], clicks: Counter[tuple[int, int, int]], shown: _Followed) -> None:
    counts["broadcasts"] += 1
    if shown.rows is None:
        counts["missing"] += 1
        return
    counts["shown"] += len(shown.rows)
    for row in shown.rows:
        counts.update(fate for fate in FATES if getattr(row, fate))
        counts["failed"] += bool(row.error)
    for button in shown.buttons:
        place = (button.message_index or 0, button.card_index or 0, button.button_index or 0)
        clicks[place] += button.clicked_count or 0


def _rows(
    outcomes: Sequence[Outcome], shown: Sequence[BroadcastRecipient], *, whole: bool
) -> Iterator[dict[str, Any]]:
    """A row for each recipient, with what the server shows of its phone; then, if the `whole` is
    wanted, what is left."""
    by_phone = {row.phone: row for row in shown if row.phone}
    taken: set[str] = set()
    for each in outcomes:
        row: dict[str, Any] = {
            "address": each.address,
            "line": each.line,
            "state": each.state.value,
            "call": each.call,
            "ref": each.ref,
            "reason": each.reason,
        }
        if (fared := by_phone.get(each.address)) is not None:
            taken.add(each.address)
            row |= _fared(fared)
        yield row
    for left in shown if whole else ():
        if left.phone not in taken:
            yield {"state": "shown", "ref": outcomes[0].ref, **_fared(left)}


def _fared(row: BroadcastRecipient) -> dict[str, Any]:
    names = COLUMNS[COLUMNS.index("phone") :]
    values = {name: getattr(row, name) for name in names}
    return {
        name: value.isoformat() if hasattr(value, "isoformat") else value
        for name, value in values.items()
    }


# ---- files -------------------------------------------------------------------------------------


@contextlib.contextmanager
def _table(out: Path | None) -> Iterator[_Table | None]:
    """A table that takes the place of `out` when it is whole."""
    if out is None:
        yield None
        return
    kinds: dict[str, type[_Csv | _Json]] = {".csv": _Csv, ".json": _Json}
    kind = kinds.get(out.suffix.lower())
    if kind is None:
        raise InvalidRequest("out", "must end in .csv or .json", repr(out.suffix))
    part = out.with_name(out.name + ".part")
    try:
        with part.open("w", encoding="utf-8", newline="") as file:
            table = kind(file)
            yield table
            table.finish()
        part.replace(out)
    finally:
        part.unlink(missing_ok=True)


class _Csv:
    def __init__(self, file: TextIO) -> None:
        self._rows = csv.DictWriter(file, COLUMNS)
        self._rows.writeheader()

    def write(self, row: dict[str, Any]) -> None:
        self._rows.writerow(row)

    def finish(self) -> None:
        """Nothing follows the last row."""


class _Json:
    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._before = "[\n"

    def write(self, row: dict[str, Any]) -> None:
        text = json.dumps({name: row.get(name) for name in COLUMNS}, ensure_ascii=False)
        self._file.write(self._before + text)
        self._before = ",\n"

    def finish(self) -> None:
        self._file.write("\n]\n" if self._before != "[\n" else "[]\n")
