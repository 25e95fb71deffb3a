"""The commands that look something up."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest

from omnichat_async import OmnichatClient
from omnichat_async.cli import show
from tests.support.exports import AFTER, BEFORE, in_process, served
from tests.support.run import run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from omnichat_async.models import Contact, MessageTemplate, NamedChannel
    from omnichat_async.sandbox import Sandbox

Capture = pytest.CaptureFixture[str]
Call: TypeAlias = "Callable[..., tuple[int, str, str]]"
PHONE = "85290000001"


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with served() as running:
        yield running


@pytest.fixture(autouse=True)
def _wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")


@pytest.fixture
def call(sandbox: Sandbox, capsys: Capture) -> Callable[..., tuple[int, str, str]]:
    """Runs a command line against the sandbox: exit code, stdout, stderr."""
    return partial(in_process, capsys, "--base-url", sandbox.url, "--token", sandbox.token)


def parsed(out: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.splitlines()]


def api_channels(sandbox: Sandbox) -> list[NamedChannel]:
    async def main() -> list[NamedChannel]:
        async with OmnichatClient(sandbox.token, base_url=sandbox.url) as client:
            return await client.channels.list()

    return run(main())


def api_templates(sandbox: Sandbox) -> list[MessageTemplate]:
    async def main() -> list[MessageTemplate]:
        async with OmnichatClient(sandbox.token, base_url=sandbox.url) as client:
            return [each async for each in client.templates.list(phone=PHONE)]

    return run(main())


def api_contact(sandbox: Sandbox) -> Contact:
    async def main() -> Contact:
        async with OmnichatClient(sandbox.token, base_url=sandbox.url) as client:
            listing = client.contacts.list(
                platform="line", updated_after=AFTER, updated_before=BEFORE
            )
            page = await listing
            return next(each for each in page.items if each.updated_at is not None)

    return run(main())


def test_channels_are_a_table(sandbox: Sandbox, call: Call) -> None:
    code, out, _ = call("channels")
    heading, *rows = out.splitlines()
    assert code == 0
    assert heading.split() == ["platform", "channel_id", "channel_name"]
    for row, channel in zip(rows, api_channels(sandbox), strict=True):
        assert row.rstrip().split(maxsplit=2)[1:] == [channel.channel_id, channel.channel_name]


def test_channels_are_lines_of_json(sandbox: Sandbox, call: Call) -> None:
    code, out, _ = call("channels", "--json")
    given = [(row["channel_id"], row["channel_name"]) for row in parsed(out)]
    assert code == 0
    assert given == [(each.channel_id, each.channel_name) for each in api_channels(sandbox)]


def test_all_templates_of_a_number(sandbox: Sandbox, call: Call) -> None:
    code, out, _ = call("templates", "--phone", PHONE, "--json")
    given = [(row["id"], row["status"]) for row in parsed(out)]
    assert code == 0
    assert given == [(each.id, each.status) for each in api_templates(sandbox)]
    assert len(given) > 1


def test_a_number_that_is_not_ours_is_a_failure_that_says_so(call: Call) -> None:
    code, _, err = call("templates", "--phone", "85211111111")
    assert code == 1
    assert "the API says:" in err


def test_a_contact_is_found_by_its_id(sandbox: Sandbox, call: Call) -> None:
    contact = api_contact(sandbox)
    assert contact.channel is not None
    assert contact.updated_at is not None
    channel = ("--platform", "line", "--channel-id", str(contact.channel.channel_id))
    words = ("contacts", "find", *channel, "--user-id", contact.id)
    code, out, _ = call(*words, "--json")
    (row,) = parsed(out)
    assert code == 0
    assert (row["id"], row["name"]) == (contact.id, contact.name)
    assert row["updated_at"] == contact.updated_at.isoformat()
    code, out, _ = call(*words)
    assert code == 0
    assert ["id", contact.id] in [line.split() for line in out.splitlines()]


def test_nobody_is_a_failure(call: Call) -> None:
    words = ("contacts", "find", "--platform", "line", "--channel-id", "1650000000")
    code, out, err = call(*words, "--user-id", "nobody")
    assert (code, out) == (1, "")
    assert "no such contact" in err


def test_two_ids_are_refused_before_anything_is_sent(sandbox: Sandbox, call: Call) -> None:
    words = ("contacts", "find", "--platform", "whatsapp", "--phone", "852", "--email", "a@b.c")
    code, _, err = call(*words)
    assert code == 2
    assert "exactly one is needed" in err
    assert sandbox.stats().requests == 0


def test_a_name_is_shown_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    show._print(["name"], [["Shop :smile: [bold]"]])
    assert "Shop :smile: [bold]" in capsys.readouterr().out
