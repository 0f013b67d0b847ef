"""Clients in processes of their own, with random SIGKILL, SIGSTOP and SIGCONT."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import TypeVar

from tests.chaos.bookkeeping import Attempt, read_journals
from tests.fakes.waiting import wait_until

T = TypeVar("T")

ROOT = Path(__file__).parents[2]


class Crowd:
    """`size` clients of one target; `keep_up` replaces the dead ones."""

    def __init__(
        self,
        target: str,
        directory: Path,
        size: int,
        timeout_seconds: float,
        chance: random.Random,
        environment: Mapping[str, str] | None = None,
        database: str = "main",
        largest_bytes: int = 20_000,  # of a write: several pages
    ) -> None:
        self._target = target
        self._directory = directory
        self._size = size
        self._timeout_seconds = timeout_seconds
        self._environment = dict(os.environ if environment is None else environment)
        self._chance = chance
        self._database = database
        self._largest_bytes = largest_bytes
        self._clients: list[subprocess.Popen[bytes]] = []
        self._frozen: set[int] = set()
        self._started = 0
        self.kills = self.freezes = 0
        directory.mkdir(exist_ok=True)

    def __enter__(self) -> Crowd:
        self.keep_up()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for client in self._clients:
            client.kill()
        for client in self._clients:
            client.wait()

    def keep_up(self) -> None:
        self._clients = [client for client in self._clients if client.poll() is None]
        while len(self._clients) < self._size:
            self._started += 1
            name = f"client-{self._started:04}"
            with (self._directory / f"{name}.err").open("wb") as errors:
                self._clients.append(
                    subprocess.Popen(
                        [
                            *(sys.executable, "-m", "tests.chaos.client", self._target, self._database),
                            *(str(self._directory / f"{name}.journal"), str(self._timeout_seconds)),
                            str(self._chance.random()),  # its seed
                            str(self._largest_bytes),
                        ],
                        cwd=ROOT,
                        env=self._environment,
                        stdin=subprocess.DEVNULL,
                        stdout=subprocess.DEVNULL,
                        stderr=errors,
                    )
                )

    def kill_one(self) -> None:
        client = self._chance.choice(self._clients)
        client.kill()
        client.wait()
        self.kills += 1

    def freeze_one(self) -> int | None:
        """Freeze a client; return its process id for `thaw`, None if all are frozen."""
        awake = [client for client in self._clients if client.pid not in self._frozen and client.poll() is None]
        if not awake:
            return None
        client = self._chance.choice(awake)
        client.send_signal(signal.SIGSTOP)
        self._frozen.add(client.pid)
        self.freezes += 1
        return client.pid

    def thaw(self, pid: int) -> None:
        self._frozen.discard(pid)
        for client in self._clients:
            if client.pid == pid and client.poll() is None:
                client.send_signal(signal.SIGCONT)

    def wait_for_work(self) -> None:
        """Wait for the first acknowledged write."""

        def has_begun() -> bool:
            assert any(client.poll() is None for client in self._clients), self.complaints()
            return self.acknowledged() > 0

        wait_until(has_begun, "the first write of a client")

    def acknowledged(self) -> int:
        """Return the number of acknowledged writes so far."""
        return sum(each.outcome == "acknowledged" and each.kind == "write" for each in self.attempts())

    def attempts(self) -> list[Attempt]:
        return read_journals(self._directory.glob("*.journal"))

    def complaints(self) -> str:
        """Return the output of the clients: tracebacks of bugs."""
        return "".join(path.read_text() for path in sorted(self._directory.glob("*.err")))


def rounds(chance: random.Random, *acts: T) -> Iterator[T]:
    """Yield all items in random order, again and again: a short run leaves none out."""
    while True:
        yield from chance.sample(acts, len(acts))


def disturb(seconds: float, act: Callable[[], object], pauses: tuple[float, float], chance: random.Random) -> None:
    """Do it again and again, at random moments, for so long."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        time.sleep(min(left, chance.uniform(*pauses)))
        act()
