"""Plans: what an export would cost, asked for with one request per window at most."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from omnichat_async.jobs.planning import requests_for
from tests.support.exports import RANGE, in_process, served, truth

if TYPE_CHECKING:
    from collections.abc import Iterator

    from omnichat_async.sandbox import Sandbox

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with served() as running:
        yield running


def plan(capsys: Capture, sandbox: Sandbox, *words: str) -> tuple[int, str]:
    """Plan an export of RANGE."""
    account = ("--token", sandbox.token, "--base-url", sandbox.url)
    code, out, _ = in_process(capsys, *account, "plan", "export", *words, *RANGE)
    return code, out


def test_a_plan_asks_once_per_window(capsys: Capture, sandbox: Sandbox) -> None:
    code, out = plan(capsys, sandbox, "messages", "--json")
    rows = truth(sandbox, "messages")
    told = json.loads(out)
    assert (code, sandbox.stats().requests) == (0, 3)
    assert (told["event"], told["windows"], told["asked"]) == ("plan", 3, 3)
    assert told["rows"] == len(rows)
    size = sum(len(json.dumps(row, ensure_ascii=False).encode()) for row in rows)
    assert 0.8 < told["bytes"] / size < 1.2
    assert told["requests"] >= 1 + len(rows) // 100
    assert told["minutes"] == pytest.approx(told["requests"] / told["rate"] / 60, abs=0.01)


def test_offline_it_asks_nothing(capsys: Capture, sandbox: Sandbox) -> None:
    code, out = plan(capsys, sandbox, "tagging-logs", "--offline", "--json")
    told = json.loads(out)
    assert (code, sandbox.stats().requests) == (0, 0)
    assert (told["windows"], told["requests"], told["rows"], told["bytes"]) == (3, 3, None, None)


def test_offline_it_needs_no_account(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMNICHAT_API_TOKEN", raising=False)
    code, out, _ = in_process(capsys, "plan", "export", "contacts", "--offline", "--after", "30d")
    assert code == 0
    assert "windows   5" in out
    assert "unknown (offline)" in out


def test_a_plan_for_people(capsys: Capture, sandbox: Sandbox) -> None:
    code, out = plan(capsys, sandbox, "contacts", "--platform", "line")
    words = {line.split()[0]: line.split(maxsplit=1)[1].strip() for line in out.splitlines()}
    assert code == 0
    assert list(words) == ["stream", "range", "windows", "rows", "requests", "time", "size"]
    assert words["rows"] == f"{len(truth(sandbox, 'contacts', 'line')):,}"
    assert words["requests"].endswith(" at least")
    assert "minutes at least, at" in words["time"]


def test_the_future_is_not_asked_for(capsys: Capture, sandbox: Sandbox) -> None:
    later = str(datetime(2100, 1, 1, tzinfo=UTC).date())
    told = in_process(
        capsys, "plan", "export", "messages", "--offline", "--json", "--after", "1d", "--before",
        later,
    )[1]  # fmt: skip
    assert json.loads(told)["windows"] == 1


def test_a_wrong_token_is_one_sentence(capsys: Capture, sandbox: Sandbox) -> None:
    account = ("--token", "wrong", "--base-url", sandbox.url)
    code, out, stderr = in_process(capsys, *account, "plan", "export", "messages", *RANGE)
    assert (code, out) == (1, "")
    assert stderr.startswith("omnichat: GET /messages: HTTP 401")
    assert "--token, or $OMNICHAT_API_TOKEN" in stderr


@pytest.mark.parametrize(
    ("rows", "moves", "requests"),
    [
        *((None, False, 1), (0, False, 1), (99, False, 1), (100, False, 2), (250, False, 4)),
        *((5000, False, 51), (10_000, False, 103), (1000, True, 13), (700, True, 8)),
    ],
)
def test_the_fewest_requests_of_a_window(rows: int | None, moves: bool, requests: int) -> None:
    assert requests_for(rows, moves=moves) == requests
