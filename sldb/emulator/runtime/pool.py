"""The containers of all functions: warm ones are used again, busy ones call for another, outdated ones retire.

A container belongs to one configuration of its function; after a change of it, idle containers of the
old one end at once and busy ones after their invocation. At most `max_idle` warm containers of a function are kept.

A container whose extensions work on after its answer stays busy for that long, as in Lambda. There the next request of
the same client takes some time to arrive, and a runtime without work asks for it before: here it waits for that time,
and for the load of this machine, before another container is started.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sldb.emulator.calls.errors import AwsError
from sldb.emulator.calls.function_config import FunctionConfig
from sldb.emulator.runtime.containers import Container

THROTTLED = "TooManyRequestsException"  # the code of the error at the limit
DISTANCE_SECONDS = 0.2  # from an answer to the arrival of the client's next request


@dataclass(frozen=True, slots=True)
class ContainerInfo:
    function: str
    pid: int | None  # None: no process now; the next invocation starts one
    busy: bool
    tmp_dir: Path
    log_path: Path
    has_answered: bool  # and is busy for its extensions' sake alone


@dataclass(slots=True, eq=False)
class _Entry:
    config: FunctionConfig
    container: Container
    busy: bool = True
    settling: bool = False  # it has answered, and its extensions work on


class Pool:
    def __init__(
        self,
        make: Callable[[FunctionConfig], Container],
        *,
        max_idle: int,
        max_concurrency: int,
        settled: Callable[[FunctionConfig, Container], object] = lambda _config, _container: None,
    ) -> None:
        """`settled` is called once the extensions of a container have finished their work after an answer."""
        self._make = make
        self._settled = settled
        self._max_idle = max_idle
        self._max_concurrency = max_concurrency
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._entries: list[_Entry] = []
        self._closed = False

    @contextmanager
    def container(self, config: FunctionConfig) -> Iterator[Container]:
        """Return a container for one invocation. Raises AwsError TooManyRequestsException at the limit."""
        entry = self._take(config)
        try:
            yield entry.container
        finally:
            if entry.container.is_settling:
                entry.settling = True
                threading.Thread(target=self._settle, args=(entry,), daemon=True).start()
            else:
                self._give_back(entry)

    def list(self, function: str | None = None) -> tuple[ContainerInfo, ...]:
        with self._lock:
            return tuple(
                ContainerInfo(
                    entry.config.name,
                    entry.container.pid,
                    entry.busy,
                    entry.container.tmp_dir,
                    entry.container.log_path,
                    entry.settling,
                )
                for entry in self._entries
                if function in (None, entry.config.name)
            )

    def kill(self, pid: int) -> None:
        """Kill (-9) the container process with this id. Raises LookupError if there is none."""
        with self._lock:
            container = next((entry.container for entry in self._entries if entry.container.pid == pid), None)
        if container is None:
            raise LookupError(f"no container has process {pid}")
        container.kill()

    def close(self) -> None:
        """End every container, and wait for their invocations."""
        with self._changed:
            self._closed = True
            for entry in self._entries:
                entry.container.end()
            self._changed.wait_for(lambda: not any(entry.busy for entry in self._entries))
            entries, self._entries = self._entries, []
        for entry in entries:
            entry.container.close()

    def _settle(self, entry: _Entry) -> None:
        try:
            entry.container.settle()
            self._settled(entry.config, entry.container)
        finally:
            self._give_back(entry)

    def _take(self, config: FunctionConfig) -> _Entry:
        with self._changed:
            self._changed.wait_for(lambda: not self._may_settle(config), DISTANCE_SECONDS)
            if self._closed:
                raise AwsError("ServiceException", "the emulator is stopping", 500)
            mine = [entry for entry in self._entries if entry.config.arn == config.arn]
            outdated = [entry for entry in mine if not entry.busy and entry.config != config]
            self._entries = [entry for entry in self._entries if entry not in outdated]
            warm = [entry for entry in mine if not entry.busy and entry.config == config]
            entry = warm[-1] if warm else self._new_entry(config)
            entry.busy = True
        for old in outdated:
            old.container.close()
        return entry

    def _may_settle(self, config: FunctionConfig) -> bool:
        """Return True if no container of the function is idle, and one is about to be."""
        mine = [entry for entry in self._entries if entry.config == config]
        return all(entry.busy for entry in mine) and any(entry.settling for entry in mine)

    def _new_entry(self, config: FunctionConfig) -> _Entry:
        busy = [entry for entry in self._entries if entry.busy]
        of_function = sum(entry.config.name == config.name for entry in busy)
        limit = sys.maxsize if config.reserved_concurrency is None else config.reserved_concurrency
        if of_function >= limit or len(busy) >= self._max_concurrency:
            raise AwsError(THROTTLED, "Rate Exceeded.", 429)
        entry = _Entry(config, self._make(config))
        self._entries.append(entry)
        return entry

    def _give_back(self, entry: _Entry) -> None:
        retired = []
        with self._lock:
            entry.busy = entry.settling = False
            self._changed.notify_all()
            idle = [other for other in self._entries if other.config.arn == entry.config.arn and not other.busy]
            retired = idle[: -self._max_idle] if self._max_idle else idle
            self._entries = [other for other in self._entries if other not in retired]
        for old in retired:
            old.container.close()
