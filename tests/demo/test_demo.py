"""The whole demo on a terminal: it plays to its end, leaves the user in the shell, and ends with that.

`.ci/run` plays it without one.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.fakes.terminal.command import COMMAND, environment

DEMO = [sys.executable, "-m", "demo"]


@pytest.fixture
def downloads(request: pytest.FixtureRequest) -> str:
    """Where wheels are kept from one run to the next."""
    cache = request.config.cache
    assert cache is not None
    return str(cache.mkdir("downloads"))


@pytest.mark.parametrize("endpoint", ["", "https://lambda.us-east-1.amazonaws.com", "http://127.0.0.1.example.com"])
def test_it_deploys_to_nobodys_account(endpoint: str, tmp_path: Path) -> None:
    done = subprocess.run(
        DEMO, env=environment(tmp_path, {"AWS_ENDPOINT_URL": endpoint}), capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert "sldb emulator -- python -m demo" in done.stderr


@pytest.mark.network
@pytest.mark.long
@pytest.mark.skipif(sys.platform != "linux", reason="awslambdaric, which the emulator runs, is for Linux only")
def test_on_a_terminal_it_ends_in_the_shell(tmp_path: Path, downloads: str) -> None:
    with Terminal([*COMMAND, "emulator", "--", *DEMO, "--pace", "0"], tmp_path, downloads) as terminal:
        terminal.wait_for("Your turn")
        terminal.wait_for("main>")
        terminal.type("SELECT name || '!' FROM peaks WHERE metres = 8849;\r")
        terminal.wait_for("Everest!")
        terminal.type(".quit\r")
        assert terminal.wait() == 0
    assert "\x1b[" in terminal.output


class Terminal:
    """A process on a pseudo-terminal of 80 columns."""

    def __init__(self, command: list[str], home: Path, downloads: str) -> None:
        import pty

        self.output = ""
        self._fd, theirs = pty.openpty()
        self._process = subprocess.Popen(
            command,
            env=environment(home, {"COLUMNS": "80", "LINES": "24", "TERM": "xterm", "XDG_CACHE_HOME": downloads}),
            cwd=home,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)

    def wait_for(self, text: str, seconds: float = 100.0) -> None:
        until = time.monotonic() + seconds
        while text not in self._plain():
            assert time.monotonic() < until, f"no {text!r} in:\n{self._plain()}"
            assert self._read(), f"it ended before {text!r}:\n{self._plain()}"

    def type(self, keys: str) -> None:
        os.write(self._fd, keys.encode())

    def wait(self) -> int:
        """To its end; its exit status."""
        while self._read():
            pass
        return self._process.wait()

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.terminate()  # the emulator, which takes its containers with it
        self.wait()
        os.close(self._fd)

    def _plain(self) -> str:
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", self.output)

    def _read(self) -> bool:
        """False at the end."""
        try:
            data = os.read(self._fd, 1 << 16)
        except OSError:  # how Linux tells that nobody has the other side any more
            return False
        if b"\x1b[6n" in data:  # where is the cursor?
            os.write(self._fd, b"\x1b[24;1R")
        self.output += data.decode(errors="replace")
        return bool(data)
