"""How SQLite files are opened, seen from other connections and from other processes."""

from __future__ import annotations

import contextlib
import sqlite3
import stat
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from omnichat_async.database import APPLICATION_ID, Header, open_database, transaction
from omnichat_async.errors import ConfigurationError, InvalidRequest
from omnichat_async.jobs.fanout.database import Database
from omnichat_async.jobs.ledger import Ledger
from omnichat_async.webhooks.table import Table
from tests.support.run import run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

SCHEMA = (
    "CREATE TABLE rows (n INTEGER)",
    f"PRAGMA application_id = {APPLICATION_ID}",
    "PRAGMA user_version = 1",
)
NONE: frozenset[str] = frozenset()
OURS, THEIRS = frozenset({"rows", "more"}), frozenset({"theirs"})


def opened(
    path: Path,
    *,
    schema: tuple[str, ...] = SCHEMA,
    version: int = 1,
    check: Callable[[Header], None] = lambda _: None,
    private: bool = True,
) -> contextlib.closing[sqlite3.Connection]:
    database = open_database(
        path, schema, version=version, check=check, busy_s=10, private=private, any_thread=True
    )
    return contextlib.closing(database)


def rows_seen_elsewhere(path: Path) -> int:
    """What another process finds, which then is the last to close the file, for all it knows."""
    code = (
        "import sqlite3, sys\n"
        "database = sqlite3.connect(sys.argv[1])\n"
        "print(database.execute('SELECT count(*) FROM rows').fetchone()[0])\n"
        "database.close()"
    )
    command = [sys.executable, "-c", code, str(path)]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def modes(folder: Path) -> set[int]:
    return {stat.S_IMODE(each.stat().st_mode) for each in folder.iterdir()}


# ---- locks -------------------------------------------------------------------------------------


def test_a_file_that_is_opened_again_keeps_its_locks(tmp_path: Path) -> None:
    """Without them another process removes the log, and with it what is committed later."""
    path = tmp_path / "x.db"
    with opened(path) as first:
        first.execute("INSERT INTO rows VALUES (1)")
        with opened(path) as second:
            assert second.execute("SELECT count(*) FROM rows").fetchone() == (1,)
        assert rows_seen_elsewhere(path) == 1
        first.execute("INSERT INTO rows VALUES (2)")
        assert rows_seen_elsewhere(path) == 2


def test_a_file_is_made_by_many_at_once(tmp_path: Path) -> None:
    path, together = tmp_path / "x.db", threading.Barrier(8)

    def add(n: int) -> None:
        together.wait()
        with opened(path) as database:
            database.execute("INSERT INTO rows VALUES (?)", (n,))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(add, range(8)))
    assert rows_seen_elsewhere(path) == 8


# ---- who may read it ---------------------------------------------------------------------------


def test_a_private_file_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    with opened(tmp_path / "x.db"):
        assert len(list(tmp_path.iterdir())) == 3
        assert modes(tmp_path) == {0o600}


def test_the_mode_of_a_file_that_is_there_is_its_owners_affair(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    path.touch(0o640)
    path.chmod(0o640)
    with opened(path):
        assert modes(tmp_path) == {0o640}


def test_a_private_file_is_made_where_a_link_leads(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "there" / "x.db")
    (tmp_path / "there").mkdir()
    with opened(tmp_path / "link"):
        assert modes(tmp_path / "there") == {0o600}


def test_a_folder_that_is_missing_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        opened(tmp_path / "none" / "x.db")


# ---- what is in it -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "foreign", "behind"),
    [
        (Header(0, 0, NONE), False, True),
        (Header(0, 0, OURS), True, True),
        (Header(0, 2, NONE), True, True),
        (Header(7, 0, NONE), True, True),
        (Header(APPLICATION_ID, 0, NONE), False, True),
        (Header(APPLICATION_ID, 1, OURS), False, True),
        (Header(APPLICATION_ID, 2, OURS), False, False),
        (Header(APPLICATION_ID, 3, OURS), False, False),
        (Header(APPLICATION_ID, 2, THEIRS), True, False),  # another kind of file of ours
    ],
)
def test_a_header_says_whose_file_it_is(header: Header, foreign: bool, behind: bool) -> None:
    assert (header.is_foreign("rows"), header.is_behind(2)) == (foreign, behind)


def test_a_file_that_is_refused_is_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE theirs (a)")
    before = path.read_bytes()

    def check(found: Header) -> None:
        assert found == Header(0, 0, THEIRS)
        raise LookupError

    with pytest.raises(LookupError):
        opened(path, check=check)
    assert [each.read_bytes() for each in tmp_path.iterdir()] == [before]


def test_a_file_that_changes_hands_meanwhile_is_refused(tmp_path: Path) -> None:
    """Between the first look at it and the transaction in which it would be made."""
    path = tmp_path / "x.db"
    looks: list[Header] = []

    def check(found: Header) -> None:
        looks.append(found)
        if found.is_foreign("rows"):
            raise LookupError
        with contextlib.closing(sqlite3.connect(path)) as other:
            other.execute("CREATE TABLE theirs (a)")

    with pytest.raises(LookupError):
        opened(path, check=check)
    assert looks == [Header(0, 0, NONE), Header(0, 0, THEIRS)]


def test_an_older_file_is_brought_up_to_date_and_a_new_one_is_not_written_to(
    tmp_path: Path,
) -> None:
    path = tmp_path / "x.db"
    with opened(path):
        pass
    newer = ("CREATE TABLE more (n INTEGER)", "PRAGMA user_version = 2")
    with opened(path, schema=newer, version=2) as database:
        assert database.execute("PRAGMA user_version").fetchone() == (2,)
        with transaction(database):  # whoever wanted to write would wait
            database.execute("INSERT INTO more VALUES (1)")
            with opened(path, schema=newer, version=2) as second:
                assert second.execute("SELECT count(*) FROM more").fetchone() == (0,)


def test_a_file_is_made_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    with pytest.raises(sqlite3.OperationalError, match="syntax"):
        opened(path, schema=(*SCHEMA, "NONSENSE"))
    with opened(path) as database:
        assert database.execute("SELECT count(*) FROM rows").fetchone() == (0,)


def test_a_transaction_that_sqlite_has_ended_itself_raises_what_ended_it(tmp_path: Path) -> None:
    def fail(database: sqlite3.Connection) -> None:
        with transaction(database):
            database.execute("ROLLBACK")
            raise LookupError

    with opened(tmp_path / "x.db") as database:
        with pytest.raises(LookupError):
            fail(database)
        assert not database.in_transaction


def test_an_inbox_is_no_ledger_and_a_ledger_no_inbox(tmp_path: Path) -> None:
    """One would have become the other, and then have been of a newer version for its owner."""
    inbox, ledger = tmp_path / "webhooks.db", tmp_path / "contacts.sqlite"
    list(an_inbox(inbox))
    list(a_ledger(ledger))
    before = [path.read_bytes() for path in (inbox, ledger)]
    with pytest.raises(InvalidRequest, match="must be one of an export; given: another database"):
        Ledger(inbox)
    with pytest.raises(ConfigurationError, match="no inbox of this package"):
        Table(str(ledger), lambda: 0.0)
    assert [path.read_bytes() for path in (inbox, ledger)] == before


# ---- everyone who uses it ----------------------------------------------------------------------


def a_ledger(path: Path) -> Iterator[sqlite3.Connection]:
    ledger = Ledger(path)
    yield ledger.database
    ledger.close()


def an_inbox(path: Path) -> Iterator[sqlite3.Connection]:
    table = Table(str(path), lambda: 0.0)
    yield table._db
    table.close()


@pytest.mark.parametrize("make", [a_ledger, an_inbox])
def test_what_is_committed_is_on_the_disk(
    tmp_path: Path, make: Callable[[Path], Iterator[sqlite3.Connection]]
) -> None:
    for database in make(tmp_path / "x.db"):
        assert settings(database) == ("wal", 2, 1)


def test_what_is_committed_to_a_journal_is_on_the_disk(tmp_path: Path) -> None:
    async def main() -> None:
        database = Database(tmp_path / "x.db")
        await database.open()
        assert await database.do(settings) == ("wal", 2, 1)
        await database.aclose()

    run(main())


def settings(database: sqlite3.Connection) -> tuple[object, ...]:
    names = ("journal_mode", "synchronous", "fullfsync")
    return tuple(database.execute(f"PRAGMA {name}").fetchone()[0] for name in names)
