"""The command `sldb serve` as a process."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.fakes.aws.moto_server import free_port
from tests.fakes.terminal.command import COMMAND, environment, sldb


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_until_a_signal(tmp_path: Path, number: signal.Signals) -> None:
    words = [*COMMAND, "--local", str(tmp_path / "db"), "serve", "--port", "0"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(words, env=environment(tmp_path), cwd=tmp_path, text=True, **pipes) as process:
        try:
            assert process.stdout is not None
            assert process.stderr is not None
            first = process.stderr.readline()
            url = re.search(r"http://127\.0\.0\.1:\d+", first)
            assert url is not None, first
            body = json.dumps({"query": "SELECT 1 AS a"}).encode()
            request = urllib.request.Request(f"{url[0]}/main/query", body, {"Content-Type": "application/json"})
            with urllib.request.urlopen(request, timeout=30) as response:
                assert json.load(response)["rows"] == [[1]]
            process.send_signal(number)
            # Not communicate(): it does not see what readline has read ahead.
            said, printed = process.stderr.read(), process.stdout.read()
            assert process.wait(30) == 128 + number
        finally:
            process.kill()
    assert printed == ""
    assert f"{url[0]}/main/ (with the slash" in said
    assert "Traceback" not in said


def test_it_serves_with_all_standard_streams_closed(tmp_path: Path) -> None:
    port = free_port()
    words = [*COMMAND, "--local", str(tmp_path / "db"), "serve", "--port", str(port)]
    process = subprocess.Popen(
        ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", *words], env=environment(tmp_path), cwd=tmp_path
    )
    try:
        while not _answers(port):
            assert process.poll() is None
            time.sleep(0.05)
        process.terminate()
        assert process.wait(30) == 128 + signal.SIGTERM
    finally:
        process.kill()


def _answers(port: int) -> bool:
    try:
        urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=30).close()
    except urllib.error.URLError:
        return False
    return True


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["serve"], "serve is for a directory"),
        (["--local", "db", "serve", "--host", "0.0.0.0"], "there is no token"),
        (["--local", "db", "serve", "--token", "missing"], "--token missing"),
        (["--local", "db", "serve", "--token", "short"], "the token is not one"),
        (["--local", "db", "serve", "--host", "192.0.2.1", "--token", "good", "--port", "1"], "cannot listen"),
    ],
)
def test_what_cannot_be_served_is_a_usage_error(tmp_path: Path, words: list[str], said: str) -> None:
    (tmp_path / "short").write_text("secret")
    (tmp_path / "good").write_text("0123456789abcdef\n")
    ran = sldb(tmp_path, *words)
    assert ran.returncode == 2
    assert said in ran.stderr
    assert "secret" not in ran.stderr
