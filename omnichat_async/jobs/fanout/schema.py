"""The tables of a journal.

Recipients are numbered without gaps. A call covers a run of them and is what has a state, so one
row changes per call and not one per recipient. A recipient's state is that of the one call that
covers it and was not replaced (by the halves of a refused one, or by the call that sends it again);
those that no call covers yet are pending. A call is ``claimed`` while a worker has it and nothing
of it has left, ``sending`` from the moment before it leaves.
"""

from __future__ import annotations

__all__ = ["FORMAT", "SCHEMA"]

FORMAT = 4_107_002
"""The layout of the file. A file with another number is not touched."""

SCHEMA = (
    f"PRAGMA user_version = {FORMAT}",
    """CREATE TABLE job (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        planned INTEGER NOT NULL DEFAULT 0,
        mark TEXT NOT NULL,
        marked INTEGER NOT NULL,
        host TEXT NOT NULL,
        message TEXT NOT NULL,
        created_at REAL NOT NULL,
        recipients INTEGER NOT NULL DEFAULT 0,
        duplicates INTEGER NOT NULL DEFAULT 0,
        excluded INTEGER NOT NULL DEFAULT 0,
        invalid INTEGER NOT NULL DEFAULT 0,
        covered INTEGER NOT NULL DEFAULT 0,
        baseline_taken INTEGER NOT NULL DEFAULT 0,
        halted TEXT
    )""",
    """CREATE TABLE recipients (
        n INTEGER PRIMARY KEY,
        address TEXT NOT NULL UNIQUE,
        line INTEGER NOT NULL,
        personal TEXT
    )""",
    "CREATE TABLE suppressed (address TEXT PRIMARY KEY) WITHOUT ROWID",
    "CREATE TABLE excluded (address TEXT PRIMARY KEY, line INTEGER NOT NULL) WITHOUT ROWID",
    "CREATE TABLE invalid (line INTEGER NOT NULL, reason TEXT NOT NULL)",
    "CREATE INDEX excluded_by_line ON excluded (line)",
    "CREATE INDEX invalid_by_line ON invalid (line)",
    """CREATE TABLE calls (
        id INTEGER PRIMARY KEY,
        first INTEGER NOT NULL,
        last INTEGER NOT NULL,
        state TEXT NOT NULL,
        attempt INTEGER NOT NULL DEFAULT 0,
        worker INTEGER,
        lease_until REAL,
        intended_at REAL,
        settled_at REAL,
        looked_at REAL,
        ref TEXT,
        reason TEXT,
        parent INTEGER,
        late INTEGER NOT NULL DEFAULT 0
    )""",
    "CREATE INDEX pending_calls ON calls (id) WHERE state = 'pending'",
    "CREATE INDEX claimed_calls ON calls (id) WHERE state = 'claimed'",
    "CREATE INDEX sending_calls ON calls (id) WHERE state = 'sending'",
    "CREATE INDEX unknown_calls ON calls (first) WHERE state = 'unknown'",
    "CREATE INDEX calls_by_first ON calls (first)",
    "CREATE INDEX calls_by_parent ON calls (parent) WHERE parent IS NOT NULL",
    "CREATE INDEX late_calls ON calls (id) WHERE late = 1",
    "CREATE INDEX calls_by_ref ON calls (ref) WHERE ref IS NOT NULL",
    """CREATE TABLE counts (
        state TEXT PRIMARY KEY, calls INTEGER NOT NULL, recipients INTEGER NOT NULL
    ) WITHOUT ROWID""",
    """CREATE TRIGGER call_made AFTER INSERT ON calls BEGIN
        INSERT INTO counts VALUES (NEW.state, 1, NEW.last - NEW.first + 1)
        ON CONFLICT (state) DO UPDATE SET
            calls = calls + 1, recipients = recipients + excluded.recipients;
    END""",
    """CREATE TRIGGER call_moved AFTER UPDATE OF state ON calls WHEN OLD.state <> NEW.state BEGIN
        UPDATE counts SET calls = calls - 1, recipients = recipients - (OLD.last - OLD.first + 1)
        WHERE state = OLD.state;
        INSERT INTO counts VALUES (NEW.state, 1, NEW.last - NEW.first + 1)
        ON CONFLICT (state) DO UPDATE SET
            calls = calls + 1, recipients = recipients + excluded.recipients;
    END""",
    # A number is never given again: what a worker left behind must not look like another's.
    "CREATE TABLE workers (id INTEGER PRIMARY KEY AUTOINCREMENT, lock TEXT NOT NULL)",
    "CREATE TABLE baseline (broadcast_id TEXT PRIMARY KEY) WITHOUT ROWID",
)
