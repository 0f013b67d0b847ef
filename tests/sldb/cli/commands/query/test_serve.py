"""The command `sldb serve` as a process."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import urllib.request
from pathlib import Path

import pytest

from tests.fakes.terminal.command import COMMAND, environment, sldb


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_until_a_signal(tmp_path: Path, number: signal.Signals) -> None:
    words = [*COMMAND, "--local", str(tmp_path / "db"), "serve", "--port", "0"]
    process = subprocess.Popen(
        words, env=environment(tmp_path), cwd=tmp_path, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stderr is not None
        first = process.stderr.readline()
        url = re.search(r"http://127\.0\.0\.1:\d+", first)
        assert url is not None, first
        body = json.dumps({"query": "SELECT 1 AS a"}).encode()
        request = urllib.request.Request(f"{url[0]}/main/query", body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=30) as response:
            assert json.load(response)["rows"] == [[1]]
        process.send_signal(number)
        out, err = process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode == 128 + number
    assert out == ""
    assert f"{url[0]}/main/ (with the slash" in err
    assert "Traceback" not in err


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
