"""A fan-out as its users see it."""

from __future__ import annotations

import asyncio
import math
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

from omnichat_async.client import is_loopback
from omnichat_async.errors import ConfigurationError, Incomplete, InvalidRequest
from omnichat_async.jobs.fanout.journal import Journal
from omnichat_async.jobs.fanout.plan import Plan, make_plan
from omnichat_async.jobs.fanout.reconcile import reconcile, take_baseline
from omnichat_async.jobs.fanout.report import collect
from omnichat_async.jobs.fanout.run import Runner, Settings

if TYPE_CHECKING:
    import os
    from collections.abc import AsyncIterator

    from omnichat_async.client import OmnichatClient
    from omnichat_async.jobs.fanout.intake import Source
    from omnichat_async.jobs.fanout.journal import Job
    from omnichat_async.jobs.fanout.message import Message
    from omnichat_async.jobs.fanout.reconcile import Reconciled
    from omnichat_async.jobs.fanout.records import Outcome, Progress, State, Status
    from omnichat_async.jobs.fanout.report import Report

__all__ = ["SETTLE_S", "FanOut", "read_status"]

SETTLE_S = 300.0
"""A broadcast may need a while to be listed; nobody says how long."""


async def read_status(journal: str | os.PathLike[str]) -> Status:
    """How the job of a journal stands, without an account. Raises OSError, InvalidRequest."""
    opened = Journal(Path(journal), create=False)
    await opened.open()
    try:
        await opened.recover()
        return await opened.status()
    finally:
        await opened.aclose()


class FanOut:
    """One message to any number of recipients, none forgotten and none messaged twice.

    ::

        async with FanOut(client, journal="sale.journal") as job:
            plan = await job.plan(message, "people.csv")
            status = await job.run()

    `journal` is the path of the job's file: everything that is known of the job is in it, so after
    a crash a FanOut over the same file goes on. `timeout` bounds one call in seconds (60),
    `concurrency` the calls under way at once (by default what the rate and the answering time call
    for). `settle` is how long after a call may last have left a look at the server counts for
    `resend_unknown`, in seconds (300). A job belongs to the host it was planned for: with a client
    of another one, such as a sandbox, all that sends or looks raises InvalidRequest.

    Several processes on one machine may run one journal; each needs its share of the rate limit.
    Raises OSError where the journal cannot be opened, InvalidRequest for what does not fit.
    """

    def __init__(
        self,
        client: OmnichatClient,
        journal: str | os.PathLike[str],
        *,
        timeout: float = 60.0,
        concurrency: int | None = None,
        settle: float = SETTLE_S,
    ) -> None:
        if not (math.isfinite(timeout) and timeout > 0):
            raise InvalidRequest("timeout", "must be above 0 seconds, and finite", str(timeout))
        if concurrency is not None and concurrency < 1:
            raise InvalidRequest("concurrency", "must be 1 or more", str(concurrency))
        if not (math.isfinite(settle) and settle >= 0):
            raise InvalidRequest("settle", "must be 0 or more seconds", str(settle))
        self._client = client
        self._settings = Settings(timeout=timeout, concurrency=concurrency)
        self._settle = settle
        self._journal = Journal(Path(journal))
        self._runner: Runner | None = None
        self._ended = asyncio.Event()
        self._ended.set()
        self._paused = False
        self._progress: Progress | None = None
        self._over = False
        self._changed = asyncio.Event()

    async def __aenter__(self) -> Self:
        await self._journal.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Let the calls under way end, then close the journal."""
        self.stop()
        try:
            await self._ended.wait()
        finally:
            self._close_events()
            await self._journal.aclose()

    # ---- plan ----------------------------------------------------------------------------------

    async def plan(
        self,
        message: Message,
        recipients: Source,
        *,
        suppress: Source | None = None,
        column: str = "to",
        mark: bool = True,
    ) -> Plan:
        """Read all recipients into the journal. Nothing is sent.

        `recipients` is the path of a ``.csv``, ``.jsonl`` or ``.txt`` file, or any iterable or
        async iterable of text, mappings, rows of a database or objects, such as
        ``client.contacts.list(...)``; `column` names the column, key or attribute that is the
        recipient. Phone numbers become digits, duplicates and those on the `suppress` list (in the
        same forms) are left out, bad rows are kept with their line and the reason
        (``outcomes(State.INVALID)``). The other columns of a row fill the message's
        ``${placeholders}``.

        `mark` puts the job's mark and the call's number at the end of a broadcast's subject,
        which recipients do not see; without it unknown calls can hardly be found again.

        Raises InvalidRequest for a file, a suppression list or a `scheduled_at` that cannot be
        right, and for a journal that holds a job; OSError.
        """
        if message.is_past(datetime.now(UTC)):
            raise InvalidRequest(
                "scheduled_at", "must lie ahead", "a time that is past in every time zone"
            )
        await make_plan(
            self._journal,
            message,
            recipients,
            suppress=suppress,
            column=column,
            marked=mark,
            host=_host_of(self._client),
        )
        return await self.planned()

    async def planned(self) -> Plan:
        """The plan in the journal. Raises InvalidRequest if there is none."""
        job, status = await self._journal.job(), await self._journal.status()
        first = await self._journal.first_recipient()
        calls = math.ceil(status.recipients / job.message.per_call)
        example = None
        if first is not None:
            _, example = job.message.request([first], job.mark if job.marked else None, 1)
        return Plan(
            recipients=status.recipients,
            calls=calls,
            minutes=calls / self._client.limiter.rate / 60,
            duplicates=status.duplicates,
            excluded=status.excluded,
            invalid=status.invalid,
            example=example,
        )

    # ---- run -----------------------------------------------------------------------------------

    async def run(self, *, limit: int | None = None) -> Status:
        """Send to everybody who is pending, or to the first `limit` of them, and say how it stands.

        Calls of processes that have died become unknown first; what is unknown is never sent
        again by this. Cancelling it ends the calls under way, which are unknown then: ``stop``
        lets them end.

        Raises what stops everybody, with what was not sent untouched: Unauthorized,
        PermissionDenied, another refusal that is not about the recipient, NotSent, RateLimited or
        OutcomeUnknown that does not pass, OSError of the journal, InvalidRequest where somebody is
        left and the message was scheduled for a time that has passed.
        """
        if limit is not None and limit < 1:
            raise InvalidRequest("limit", "must be 1 or more recipients", str(limit))
        if self._runner is not None:
            raise ConfigurationError("a run is under way: await it, or stop() it first")
        runner = self._runner = Runner(
            self._client, self._journal, self._settings, limit=limit, publish=self._tell
        )
        runner.pause(self._paused)
        self._ended.clear()
        self._over = False
        try:
            job = await self._job()
            if (await self.status()).pending:
                _refuse_past(job)
            await take_baseline(self._client, self._journal, job)
            return await runner.run(job)
        finally:
            self._runner = None
            self._ended.set()
            self._close_events()

    def stop(self) -> bool:
        """Begin no more calls; ``run`` returns when those under way have ended. Whether there was
        a run to stop."""
        if self._runner is None:
            return False
        self._runner.stop()
        return True

    def pause(self) -> None:
        """Begin no more calls until ``resume``."""
        self._paused = True
        if self._runner is not None:
            self._runner.pause(True)

    def resume(self) -> None:
        """Go on after ``pause``."""
        self._paused = False
        if self._runner is not None:
            self._runner.pause(False)

    async def events(self) -> AsyncIterator[Progress]:
        """How far the run is, whenever that changes, until it ends. A slow reader misses some."""
        seen: Progress | None = None
        while True:
            changed = self._changed
            if self._progress is not None and self._progress != seen:
                seen = self._progress
                yield seen
                continue
            if self._over:
                return
            await changed.wait()

    def _tell(self, progress: Progress) -> None:
        self._progress = progress
        self._notify()

    def _close_events(self) -> None:
        self._over = True
        self._notify()

    def _notify(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    # ---- the unknown ---------------------------------------------------------------------------

    async def reconcile(self) -> Reconciled:
        """Look on the server for the calls that are unknown: found means sent.

        Wraps ``GET /broadcast`` and ``GET /broadcast/{id}/recipients``, or ``GET /messages`` for
        direct and headless messages. What is not found stays unknown: that it is not shown proves
        nothing.
        """
        return await reconcile(self._client, self._journal, await self._job())

    async def resend_unknown(self, *, dry_run: bool = False) -> int:
        """Decide that what is unknown is to be sent again by the next ``run``; how many recipients.

        It is looked for once more first. With `dry_run` nothing is decided. Raises InvalidRequest,
        and changes nothing, as long as one of the calls may still be on its way: its process lives,
        or the last look came less than `settle` seconds after the call may have left; Incomplete if
        the server's list cannot be read to its end, or shows nothing of what was sent (is it the
        same account?). A message that was scheduled for a time that has passed is not sent again.
        """
        self._not_while_running()
        _refuse_past(await self._job())
        if not (await self.reconcile()).complete:
            raise Incomplete(
                "the server does not show all that was sent, so what is not found may be there: "
                "look yourself, then drop_unknown() or send to those people in a new job"
            )
        self._not_while_running()
        return await self._journal.resend_unknown(self._settle, dry_run=dry_run)

    async def drop_unknown(self) -> int:
        """Decide that what is unknown is never sent again; how many recipients."""
        self._not_while_running()
        await self._journal.recover()
        return await self._journal.drop_unknown()

    def _not_while_running(self) -> None:
        if self._runner is not None:
            raise ConfigurationError("a run is under way: decide when it has ended")

    # ---- how it stands -------------------------------------------------------------------------

    async def status(self) -> Status:
        """How the job stands."""
        await self._journal.recover()
        return await self._journal.status()

    def outcomes(self, state: State | None = None) -> AsyncIterator[Outcome]:
        """What is known of each recipient, in the order of the input, or of those in one state."""
        return self._journal.outcomes(state)

    async def report(self, out: str | os.PathLike[str] | None = None) -> Report:
        """Collect how what was sent has fared, into a ``.csv`` or ``.json`` file if `out` is given.

        Wraps ``GET /broadcast/{id}``, ``…/recipients`` and ``…/buttons`` for each broadcast. The
        file has a row for every recipient and is replaced when it is complete.
        """
        return await collect(
            self._client,
            self._journal,
            await self._job(),
            None if out is None else Path(out),
        )

    async def _job(self) -> Job:
        """The planned job, if it belongs to this client's host."""
        job, host = await self._journal.job(), _host_of(self._client)
        if job.host != host:
            raise InvalidRequest(
                "journal",
                f"belongs to {job.host}, where its job was planned: another host knows nothing of "
                "what was sent there",
                host,
            )
        return job


def _refuse_past(job: Job) -> None:
    """Raise InvalidRequest for a message whose time has passed."""
    if job.message.is_past(datetime.now(UTC)):
        raise InvalidRequest(
            "scheduled_at",
            "must lie ahead: what is left would go out at another time (the report names those who "
            "are left, for a new job)",
            "a time that is past in every time zone",
        )


def _host_of(client: OmnichatClient) -> str:
    """Where a client sends to. Sandboxes take any port."""
    host = urlsplit(client.base_url).hostname or ""
    return "this machine" if is_loopback(host) else host
