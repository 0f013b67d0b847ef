"""`sldb emulator env` finds the running emulator, and only a running one."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from lambda_handlers.wire import SldbError
from sldb.emulator import announcements
from sldb.emulator.announcements import Announcement, announced, find, running


@pytest.fixture(autouse=True)
def _state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(announcements, "directory", lambda: tmp_path / "emulators")


@pytest.fixture
def ports() -> Iterator[list[int]]:
    with ExitStack() as stack:
        servers = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(2)]
        yield [server.getsockname()[1] for server in servers]


def announcement(port: int, data: str | None = None, pid: int | None = None) -> Announcement:
    return Announcement(pid or os.getpid(), port, data, {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}"})


def test_the_one_that_runs_is_found(ports: list[int]) -> None:
    with announced(announcement(ports[0])):
        assert find(None, None) == announcement(ports[0])
        assert find(ports[0], None) == announcement(ports[0])
    with pytest.raises(SldbError, match="no emulator runs") as caught:
        find(None, None)
    assert caught.value.exit_code == 1


def test_of_several_one_is_named(ports: list[int], tmp_path: Path) -> None:
    data = str(tmp_path / "data")
    with announced(announcement(ports[0], data)), announced(announcement(ports[1])):
        with pytest.raises(SldbError, match="2 emulators run") as caught:
            find(None, None)
        assert caught.value.exit_code == 2
        assert f"--port {ports[0]} (--data {data}), --port {ports[1]}" in caught.value.message or ports[1] < ports[0]
        assert find(ports[1], None).port == ports[1]
        assert find(None, tmp_path / "data").port == ports[0]
        with pytest.raises(SldbError, match="no such emulator runs"):
            find(None, tmp_path / "other")


def test_files_that_a_killed_one_has_left_are_deleted(ports: list[int]) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    with socket.create_server(("127.0.0.1", 0)) as server:
        closed_port = server.getsockname()[1]
    with announced(announcement(ports[0], pid=ended.pid)), announced(announcement(closed_port)):
        assert running() == []
        assert list(announcements.directory().iterdir()) == []


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": 1}', '{"pid": 1, "port": 2, "data": null, "new": 1}'])
def test_a_file_that_cannot_be_read_is_none(text: str) -> None:
    announcements.directory().mkdir()
    (announcements.directory() / "1.json").write_text(text)
    assert running() == []
