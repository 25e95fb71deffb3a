"""Where events are safe until they are handled: one table, in a file or in memory.

An event is `open` until a handler is through (`done`) or all tries are used up (`dead`). A
worker takes one for a time (a lease); if the process dies, the lease ends and another worker
takes it. Of the events of one lane only the oldest open one is ever given out.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import attrs

from omnichat_async.webhooks.table import InboxFull, State, Table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

__all__ = ["Inbox", "InboxFull", "Job", "MemoryInbox", "Record", "SqliteInbox", "State", "Stored"]

T = TypeVar("T")

_DAY_S = 86_400.0


@attrs.frozen(kw_only=True, repr=False)
class Record:
    """An event as it is kept: `key` makes it unique, `lane` puts it in order; both are hashes.

    `headers` and `body` are those of a request with this event alone. `received` is the time
    in epoch seconds.
    """

    key: str
    lane: str
    name: str
    headers: dict[str, str]
    body: bytes
    received: float


@attrs.frozen(kw_only=True, repr=False)
class Job:
    """An event on lease. `attempt` counts from 1."""

    id: int
    token: str
    attempt: int
    record: Record


@attrs.frozen(kw_only=True, repr=False)
class Stored:
    """An event as the inbox has it. `error` is the class of its last failure."""

    record: Record
    state: State
    attempts: int
    error: str | None


class Inbox(Protocol):
    """What a receiver needs of an inbox. What is put is safe when ``put`` returns."""

    async def put(self, records: Sequence[Record], *, dead: str | None = None) -> int:
        """Keep all of the records or none, and say how many are new; `dead` names the failure
        of some that are not to be handled. Raises InboxFull."""
        ...

    async def lease(self, limit: int, seconds: float) -> list[Job]:
        """Take up to `limit` events that are due, for this long."""
        ...

    async def renew(self, jobs: Iterable[Job], seconds: float) -> None:
        """Keep these for this long from now."""
        ...

    async def done(self, job: Job) -> None:
        """It is handled, for good."""
        ...

    async def fail(self, job: Job, error: str, retry_in: float | None) -> None:
        """It failed: try again in so many seconds, or with None never."""
        ...

    async def release(self, job: Job) -> None:
        """It was not handled after all; the attempt does not count."""
        ...

    async def next_due(self) -> float | None:
        """The seconds until an open event may be due; None if there is none."""
        ...

    async def prune(self) -> int:
        """Forget what is older than the retention; how many there were."""
        ...

    async def aclose(self) -> None:
        """Close it; what is open stays in it."""
        ...


class MemoryInbox:
    """An inbox that is lost with its process.

    `max_open` bounds the events that wait, `keep` the handled ones that are remembered so that
    they are not handled again; `retention` is how long, in seconds. `clock` gives epoch seconds.
    """

    def __init__(
        self,
        *,
        max_open: int = 10_000,
        keep: int = 50_000,
        retention: float = _DAY_S,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._max_open, self._keep, self._retention = max_open, keep, retention
        self._clock = clock
        self._table: Table | None = None

    async def _run(self, work: Callable[[Table], T]) -> T:
        return work(self._open())

    def _open(self) -> Table:
        if self._table is None:
            self._table = Table(":memory:", self._clock)
        return self._table

    def _seal(self, body: bytes) -> bytes:
        return body

    def _unseal(self, body: bytes) -> bytes:
        return body

    async def put(self, records: Sequence[Record], *, dead: str | None = None) -> int:
        rows = [
            (
                each.key,
                each.lane,
                each.name,
                json.dumps(each.headers),
                self._seal(each.body),
                each.received,
            )
            for each in records
        ]
        state: State = "open" if dead is None else "dead"
        return await self._run(lambda table: table.put(rows, state, dead, self._max_open))

    async def lease(self, limit: int, seconds: float) -> list[Job]:
        rows = await self._run(lambda table: table.lease(limit, seconds))
        return [
            Job(id=row[0], token=token, attempt=row[7] + 1, record=self._record(row))
            for token, row in rows
        ]

    def _record(self, row: tuple[Any, ...]) -> Record:
        _, key, lane, name, headers, body, received = row[:7]
        return Record(
            key=key,
            lane=lane,
            name=name,
            headers=json.loads(headers),
            body=self._unseal(body),
            received=received,
        )

    async def _change(self, jobs: Iterable[Job], setting: str, *values: Any) -> None:
        ids = [(job.id, job.token) for job in jobs]
        await self._run(lambda table: table.change(ids, setting, *values))

    async def renew(self, jobs: Iterable[Job], seconds: float) -> None:
        await self._change(jobs, "due = ?", self._clock() + seconds)

    async def done(self, job: Job) -> None:
        await self._change([job], "state = 'done', token = NULL, error = NULL")

    async def fail(self, job: Job, error: str, retry_in: float | None) -> None:
        if retry_in is None:
            await self._change([job], "state = 'dead', token = NULL, error = ?", error)
        else:
            due = self._clock() + retry_in
            await self._change([job], "due = ?, token = NULL, error = ?", due, error)

    async def release(self, job: Job) -> None:
        setting = "due = ?, token = NULL, attempts = attempts - 1"
        await self._change([job], setting, self._clock())

    async def next_due(self) -> float | None:
        return await self._run(lambda table: table.next_due())

    async def prune(self) -> int:
        return await self._run(lambda table: table.prune(self._retention, self._keep))

    async def replay(self, state: State = "dead", *, keys: Sequence[str] | None = None) -> int:
        """Put events of this state back in line, all or those with these keys; how many."""
        chosen = None if keys is None else list(keys)
        return await self._run(lambda table: table.replay(state, chosen))

    async def stored(self, state: State = "dead", *, limit: int = 1000) -> list[Stored]:
        """The oldest events of a state."""
        rows = await self._run(lambda table: table.rows(state, 0, limit))
        return [
            Stored(record=self._record(row), state=state, attempts=row[7], error=row[8])
            for row in rows
        ]

    async def counts(self) -> dict[str, int]:
        """How many events there are in each state."""
        return await self._run(lambda table: table.counts())

    async def aclose(self) -> None:
        """Close it. What was in memory is gone."""
        table, self._table = self._table, None
        if table is not None:
            table.close()


class SqliteInbox(MemoryInbox):
    """An inbox in a SQLite file: what is put survives the process and the machine's power.

    Several processes of one machine may share a file. It holds personal data: only its owner
    may read it (mode 0600), events that are done or dead are deleted after `retention` seconds
    (14 days), and `encrypt` and `decrypt`, if given, are applied to each body. `clock` gives
    epoch seconds. Nothing is opened before the first use.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        retention: float = 14 * _DAY_S,
        max_open: int = 0,
        encrypt: Callable[[bytes], bytes] | None = None,
        decrypt: Callable[[bytes], bytes] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(max_open=max_open, keep=0, retention=retention, clock=clock)
        if (encrypt is None) is not (decrypt is None):
            raise ValueError("encrypt and decrypt go together: give both or none")
        self._path = Path(path)
        self._encrypt, self._decrypt = encrypt, decrypt
        self._thread: ThreadPoolExecutor | None = None

    def _seal(self, body: bytes) -> bytes:
        return self._encrypt(body) if self._encrypt else body

    def _unseal(self, body: bytes) -> bytes:
        return self._decrypt(body) if self._decrypt else body

    def _open(self) -> Table:
        if self._table is None:
            # SQLite gives the files beside it the same mode.
            os.close(os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600))
            self._table = Table(str(self._path), self._clock)
        return self._table

    async def _run(self, work: Callable[[Table], T]) -> T:
        # A connection belongs to its thread, and a sync to disk must not stop the loop.
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="omnichat-inbox")
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, lambda: work(self._open()))

    async def aclose(self) -> None:
        """Close the file; what is open in it is handled after the next start."""
        thread, self._thread = self._thread, None
        if thread is not None:
            loop = asyncio.get_running_loop()
            await loop.run_in_executor(thread, self._close)
            thread.shutdown()

    def _close(self) -> None:
        table, self._table = self._table, None
        if table is not None:
            table.close()
