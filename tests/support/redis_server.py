"""A real redis-server of a test's own."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["RedisServer", "redis_server"]

MISSING = "redis-server missing: apt-get install redis-server"
NO_CLIENT = "needs the extra redis: pip install 'omnichat_async[redis]'"


class RedisServer:
    """A server on a socket in `directory`, which can be killed, stopped and started again."""

    def __init__(self, program: str, directory: Path) -> None:
        self._program, self._socket = program, directory / "redis.sock"
        self.url = f"unix://{self._socket}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it with nothing in it, and return when it answers."""
        options = ["--port", "0", "--unixsocket", str(self._socket), "--save", "", "--dir"]
        self._process = subprocess.Popen(
            [self._program, *options, str(self._socket.parent)], stdout=subprocess.DEVNULL
        )
        deadline = time.monotonic() + 30
        while not self._answers():
            assert self._process.poll() is None, "redis-server ended"
            assert time.monotonic() < deadline, "redis-server does not answer"
            time.sleep(0.01)

    def _answers(self) -> bool:
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(self._socket))
            connection.sendall(b"PING\r\n")
            return connection.recv(5) == b"+PONG"
        return False

    def kill(self) -> None:
        """SIGKILL: what it held is gone."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._process = None

    @contextlib.contextmanager
    def hanging(self) -> Iterator[None]:
        """It takes connections and answers nothing."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self._process.pid, signal.SIGCONT)


@contextlib.contextmanager
def redis_server() -> Iterator[RedisServer]:
    """One that is started, or the reason why the test is skipped."""
    pytest.importorskip("redis", reason=NO_CLIENT)
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip(MISSING)
    # Not pytest's folder: the name of a socket has at most 107 characters.
    with tempfile.TemporaryDirectory(prefix="redis-") as directory:
        server = RedisServer(program, Path(directory))
        try:
            server.start()
            yield server
        finally:
            server.kill()
