"""The inboxes there are: in memory, and in a SQLite file."""

from __future__ import annotations

import asyncio
import json
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypeVar

from omnichat_async.errors import ConfigurationError
from omnichat_async.webhooks.inbox import Job, Record, State, Stored
from omnichat_async.webhooks.table import Table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

__all__ = ["Ended", "MemoryInbox", "SqliteInbox", "TableInbox"]

T = TypeVar("T")

Ended: TypeAlias = Literal["done", "dead"]

_DAY_S = 86_400.0
_MIB = 1024 * 1024


class TableInbox:
    """What both have in common. `retention` is in seconds, `clock` gives epoch seconds."""

    def __init__(
        self, *, max_open: int, keep: int, retention: float, clock: Callable[[], float]
    ) -> None:
        self._max_open, self._keep, self._retention = max_open, keep, retention
        self._clock = clock
        self._table: Table | None = None

    async def _run(self, work: Callable[[Table], T]) -> T:
        raise NotImplementedError

    def _seal(self, body: bytes) -> bytes:
        return body

    def _unseal(self, body: bytes) -> bytes:
        return body

    # ---- what a receiver needs: see Inbox ------------------------------------------------------

    async def put(self, records: Sequence[Record], *, dead: str | None = None) -> int:
        rows = [
            (
                each.key,
                each.lane,
                each.name,
                json.dumps(each.headers),
                self._seal(each.body),
                each.received,
                each.scope,
            )
            for each in records
        ]
        state: State = "open" if dead is None else "dead"
        return await self._run(lambda table: table.put(rows, state, dead, self._max_open))

    async def lease(self, limit: int, seconds: float, scope: str = "") -> list[Job]:
        rows = await self._run(lambda table: table.lease(limit, seconds, scope))
        return [self._job(token, row) for token, row in rows]

    def _job(self, token: str, row: tuple[Any, ...]) -> Job:
        record, problem = self._record(row)
        return Job(
            id=row[0],
            token=token,
            attempt=row[8] + 1,
            record=record,
            problem=problem,
            replays=row[9],
        )

    def _record(self, row: tuple[Any, ...]) -> tuple[Record, str | None]:
        """The record, and what kept it from being read: one must not stop all the others."""
        _, key, lane, name, headers, body, received, scope = row[:8]
        problem, read = None, {}
        try:
            read, body = json.loads(headers), self._unseal(body)
        except Exception as error:  # noqa: BLE001 - whatever `decrypt` raises, for another key say
            problem = type(error).__name__
        record = Record(
            key=key,
            lane=lane,
            name=name,
            headers=read,
            body=body,
            received=received,
            scope=scope,
        )
        return record, problem

    async def renew(self, jobs: Iterable[Job], seconds: float) -> None:
        ids = [(job.id, job.token) for job in jobs]
        await self._run(lambda table: table.renew(ids, self._clock() + seconds))

    async def done(self, job: Job) -> None:
        await self._run(lambda table: table.end((job.id, job.token), "done", None))

    async def fail(self, job: Job, error: str, retry_in: float | None) -> None:
        mine = (job.id, job.token)
        if retry_in is None:
            await self._run(lambda table: table.end(mine, "dead", error))
        else:
            due = self._clock() + retry_in
            await self._run(lambda table: table.give_back(mine, due, error, counts=True))

    async def release(self, job: Job, retry_in: float = 0.0) -> None:
        mine, due = (job.id, job.token), self._clock() + retry_in
        await self._run(lambda table: table.give_back(mine, due, None, counts=False))

    async def next_due(self, scope: str = "") -> float | None:
        return await self._run(lambda table: table.next_due(scope))

    async def prune(self) -> int:
        return await self._run(lambda table: table.prune(self._retention, self._keep))

    # ---- what a person needs -------------------------------------------------------------------

    async def replay(self, state: Ended = "dead", *, keys: Sequence[str] | None = None) -> int:
        """Put events of this state back in line, all or those with these keys; how many.

        They are handled after what of their sender is being handled, and before what waits.
        Raises ValueError for another state.
        """
        if state not in {"done", "dead"}:
            raise ValueError(f'state must be "done" or "dead"; given: {state}')
        chosen = None if keys is None else list(keys)
        return await self._run(lambda table: table.replay(state, chosen))

    async def stored(self, state: State = "dead", *, limit: int = 1000) -> list[Stored]:
        """The oldest events of a state. A body that `decrypt` refuses is given as it is kept."""
        rows = await self._run(lambda table: table.rows(state, limit))
        return [
            Stored(record=self._record(row)[0], state=state, attempts=row[8], error=row[9])
            for row in rows
        ]

    async def counts(self) -> dict[str, int]:
        """How many events there are in each state."""
        return await self._run(lambda table: table.counts())

    async def aclose(self) -> None:
        """Close it."""
        raise NotImplementedError

    def _close(self) -> None:
        table, self._table = self._table, None
        if table is not None:
            table.close()


class MemoryInbox(TableInbox):
    """An inbox that is lost with its process.

    `max_open` bounds the events that wait, `keep` the handled ones that are remembered so that
    they are not handled again, `max_bytes` the memory of all of them; `retention` is how long
    they are remembered, in seconds. `clock` gives epoch seconds.
    """

    def __init__(
        self,
        *,
        max_open: int = 10_000,
        keep: int = 50_000,
        max_bytes: int = 128 * _MIB,
        retention: float = _DAY_S,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(max_open=max_open, keep=keep, retention=retention, clock=clock)
        self._max_bytes = max_bytes

    async def _run(self, work: Callable[[Table], T]) -> T:
        if self._table is None:
            self._table = Table(":memory:", self._clock, self._max_bytes)
        return work(self._table)

    async def aclose(self) -> None:
        """Close it. What was in memory is gone."""
        self._close()


class SqliteInbox(TableInbox):
    """An inbox in a SQLite file: what is put survives the process and the machine's power.

    Several processes of one machine may share a file on a disk of that machine. It holds
    personal data: only its owner may read it (mode 0600), events that are done or dead are
    deleted after `retention` seconds (14 days), and `encrypt` and `decrypt`, if given, are
    applied to each body. `max_open` bounds the events that wait (0: the disk does). `clock` gives
    epoch seconds. Nothing is opened before the first use, which raises ConfigurationError for a
    file that is no inbox, or one of a newer version.
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
        if os.fspath(path) == ":memory:":  # SQLite's word for no file
            raise ConfigurationError("an inbox in memory is lost with its process: MemoryInbox()")
        self._path = Path(path)
        self._encrypt, self._decrypt = encrypt, decrypt
        self._thread: ThreadPoolExecutor | None = None

    def _seal(self, body: bytes) -> bytes:
        return self._encrypt(body) if self._encrypt else body

    def _unseal(self, body: bytes) -> bytes:
        return self._decrypt(body) if self._decrypt else body

    def _opened(self) -> Table:
        if self._table is None:
            _keep_private(self._path)
            self._table = Table(str(self._path), self._clock)
        return self._table

    async def _run(self, work: Callable[[Table], T]) -> T:
        # A connection belongs to its thread, and a sync to disk must not stop the loop.
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="omnichat-inbox")
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, lambda: work(self._opened()))

    async def aclose(self) -> None:
        """Close the file; what is open in it is handled after the next start."""
        thread, self._thread = self._thread, None
        if thread is not None:
            loop = asyncio.get_running_loop()
            await loop.run_in_executor(thread, self._close)
            thread.shutdown()


def _keep_private(path: Path) -> None:
    """Have nobody but its owner read a file that is there already."""
    try:
        if path.is_file() and path.stat().st_mode & 0o077:
            path.chmod(0o600)
    except OSError as error:
        raise ConfigurationError(f"the inbox {path} cannot be opened: {error.strerror}") from None
