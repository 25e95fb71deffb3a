"""The README's applications and those in examples/, started for real and spoken to."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any

import pytest

from omnichat_async.sandbox.data.platforms import PLATFORMS
from omnichat_async.testing import FakeOmnichat, event_data, whatsapp_body, whatsapp_message
from tests.support.exports import ROOT, environment, served
from tests.support.run import run
from tests.webhooks.support import SECRET, TOKEN

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS: list[str] = re.findall(r"^```python\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)
pytestmark = pytest.mark.slow
needs_fastapi = pytest.mark.skipif(
    not all(map(importlib.util.find_spec, ("fastapi", "uvicorn"))),
    reason="needs FastAPI and uvicorn: pip install 'omnichat_async[fastapi]' uvicorn",
)


def block(first_words: str) -> str:
    """The README's block that begins with this comment."""
    (found,) = [each for each in BLOCKS if each.startswith(f"# {first_words}")]
    return found


@contextlib.contextmanager
def running(command: list[str], directory: Path, sandbox: Any) -> Iterator[tuple[str, Path]]:
    """An application in a process of its own: its URL, and the file it prints to."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    env = environment(
        OMNICHAT_API_TOKEN=sandbox.token,
        OMNICHAT_BASE_URL=sandbox.url,
        OMNICHAT_SIGNATURE_SECRET=SECRET,
        OMNICHAT_VERIFY_TOKEN=TOKEN,
        OMNICHAT_CHATBOT_TOKEN="chatbot-token",
        OMNICHAT_INBOX=str(directory / "webhooks.db"),
        PORT=str(port),
        PYTHONUNBUFFERED="1",
        PYTHONPATH=os.pathsep.join([str(directory), str(ROOT)]),
    )
    output = directory / "output.txt"
    with output.open("wb") as out:
        words = [sys.executable, *(str(port) if each == "PORT" else each for each in command)]
        process = subprocess.Popen(words, cwd=directory, env=env, stdout=out, stderr=out)
        try:
            url = f"http://127.0.0.1:{port}"
            wait_for(lambda: answers(f"{url}/channels") or process.poll() is not None)
            assert process.poll() is None, output.read_text()
            yield url, output
        finally:
            process.send_signal(signal.SIGINT)
            code = process.wait(30)
    assert code in {0, -signal.SIGINT, 130}, output.read_text()
    assert "Traceback" not in output.read_text().replace("KeyboardInterrupt", "")


def answers(url: str) -> bool:
    try:
        return bool(get(url))
    except OSError:
        return False


def get(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=10) as response:
        return bytes(response.read())


def wait_for(condition: Any) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.05)


def deliver(url: str, body: dict[str, Any], topic: str | None = None) -> None:
    """The handshake, and the same event twice."""

    async def main() -> None:
        async with FakeOmnichat(f"{url}/webhooks", secret=SECRET, verify_token=TOKEN) as omnichat:
            await omnichat.handshake()
            for _ in range(2):
                assert await omnichat.post(body, topic=topic, event_id="e1") == 200

    run(main())


@needs_fastapi
def test_the_readmes_fastapi_application(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text(block("FastAPI"), encoding="utf-8")
    command = ["-m", "uvicorn", "main:app", "--port", "PORT"]
    with served() as sandbox, running(command, tmp_path, sandbox) as (url, output):
        assert b'"1650000000"' in get(f"{url}/channels")
        deliver(url, whatsapp_body(whatsapp_message(text={"body": "hi from a user"})))
        wait_for(lambda: "85290000001 hi from a user" in output.read_text())
        assert output.read_text().count("hi from a user") == 1


def test_the_readmes_aiohttp_application(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text(block("aiohttp"), encoding="utf-8")
    with served() as sandbox, running(["main.py"], tmp_path, sandbox) as (url, output):
        assert b'"1650000000"' in get(f"{url}/channels")
        deliver(url, event_data("ticket/update", ticketId=815, status="Closed"), "ticket/update")
        wait_for(lambda: "815 Closed" in output.read_text())


@needs_fastapi
def test_the_fastapi_example_answers_a_text_once(tmp_path: Path) -> None:
    command = ["-m", "uvicorn", "examples.fastapi_app:app", "--port", "PORT"]
    with served() as sandbox, running(command, tmp_path, sandbox) as (url, output):
        phone = PLATFORMS["whatsapp"].channels[0]
        metadata = {"display_phone_number": phone, "phone_number_id": "1"}
        deliver(url, whatsapp_body(whatsapp_message(text={"body": "hi"}), metadata=metadata))
        wait_for(lambda: sandbox.sent)
        time.sleep(0.3)
        (sent,) = sandbox.sent
        assert sent.body["text"]["body"] == "You said: hi"
        assert sent.recipients == ("85290000001",)
    assert "up: Omnichat example" in output.read_text()
    assert "failures_in_a_row=0" in output.read_text()
    assert SECRET not in output.read_text()


def test_the_aiohttp_example_counts_and_answers_a_chatbot(tmp_path: Path) -> None:
    command = [str(ROOT / "examples" / "aiohttp_app.py")]
    with served() as sandbox, running(command, tmp_path, sandbox) as (url, _):
        deliver(url, event_data("ticket/update", status="Closed"), "ticket/update")
        wait_for(lambda: get(f"{url}/tickets") == b'{"Closed": 1}')
        headers = {"Authorization": "Bearer chatbot-token"}
        asked = urllib.request.Request(f"{url}/chatbot", data=b"{}", headers=headers)
        with urllib.request.urlopen(asked, timeout=10) as response:
            assert b"1 tickets were closed" in response.read()
        with pytest.raises(urllib.error.HTTPError, match="401"):
            urllib.request.urlopen(f"{url}/chatbot", data=b"{}", timeout=10)
