"""The running emulators of this user: each writes a file with its address while it serves, for `sldb emulator env`.

A file outlives an emulator that is killed; it counts only while its process lives and its port accepts connections.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from lambda_handlers.wire import SldbError
from sldb import atomic_file

CONNECT_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Announcement:
    pid: int
    port: int
    data: str | None  # the directory of its state, absolute
    environment: Mapping[str, str]  # for programs that use it

    @property
    def shown(self) -> str:
        return f"--port {self.port}" + (f" (--data {self.data})" if self.data else "")


def directory() -> Path:
    import platformdirs

    return Path(platformdirs.user_state_dir("sldb", appauthor=False)) / "emulators"


@contextmanager
def announced(announcement: Announcement) -> Iterator[None]:
    """Announce an emulator inside the block. Raises `bad_request` if the file cannot be written."""
    path = directory() / f"{announcement.port}.json"
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        atomic_file.replace_with(path, json.dumps(asdict(announcement)).encode(), new_mode=0o600)
    except OSError as error:
        raise SldbError("bad_request", f"{path} cannot be written: {error.strerror}") from error
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def running() -> list[Announcement]:
    """Return the emulators that run, and delete the files of those that do not."""
    found = []
    for path in sorted(directory().glob("*.json")):
        announcement = _read(path)
        if announcement is not None and _runs(announcement):
            found.append(announcement)
        else:
            path.unlink(missing_ok=True)
    return found


def find(port: int | None, data: Path | None) -> Announcement:
    """Return the one running emulator, with this port and directory if they are given. Raises SldbError."""
    wanted = None if data is None else str(data.expanduser().absolute())
    running_now = running()
    found = [each for each in running_now if port in (None, each.port) and wanted in (None, each.data)]
    if len(found) == 1:
        return found[0]
    if found:
        several = ", ".join(each.shown for each in found)
        raise SldbError(
            "bad_request", f"{len(found)} emulators run: {several}", "name one of them, by --port or --data"
        )
    others = ", ".join(each.shown for each in running_now)
    raise SldbError(
        "not_found",
        "no such emulator runs" if others else "no emulator runs",
        f"there is: {others}" if others else "sldb emulator starts one, in another terminal",
    )


def _read(path: Path) -> Announcement | None:
    try:
        return Announcement(**json.loads(path.read_text("utf-8")))
    except (OSError, ValueError, TypeError):  # gone meanwhile, or of another version
        return None


def _runs(announcement: Announcement) -> bool:
    if os.name != "nt":  # where 0 is no signal, but ends the process
        try:
            os.kill(announcement.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:  # a process of another user has the number now
            return False
    try:
        socket.create_connection(("127.0.0.1", announcement.port), CONNECT_SECONDS).close()
    except OSError:
        return False
    return True
