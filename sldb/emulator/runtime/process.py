"""A process of a container, from its start to its end, with its Runtime API."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sldb.emulator.runtime.bundles import Runtime
from sldb.emulator.runtime.runtime_api import RuntimeApi

_BOOTSTRAP = Path(__file__).with_name("bootstrap.py")


@dataclass(frozen=True, slots=True)
class Program:
    """The program of a container's processes."""

    function_arn: str
    handler: str
    task_dir: Path
    runtime: Runtime
    environment: Mapping[str, str]


class Process:
    def __init__(self, program: Program, environment: Mapping[str, str], log_path: Path) -> None:
        self.api = RuntimeApi()
        self._peak_memory_bytes = 0
        self._killing = threading.Lock()
        self._killed = False  # once: another process may get the same id
        with log_path.open("ab") as log:
            self._popen = subprocess.Popen(
                # Isolated and without the site packages of this environment; see bootstrap.py.
                [
                    *(sys.executable, "-I", "-S", "-B", str(_BOOTSTRAP)),
                    *(str(program.task_dir), str(program.runtime.directory), program.runtime.module, program.handler),
                ],
                cwd=program.task_dir,
                env={**environment, "AWS_LAMBDA_RUNTIME_API": self.api.address},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # a Ctrl-C on the terminal must not reach it
            )
        self._watch = threading.Thread(target=self._report_exit, daemon=True)
        self._watch.start()

    @property
    def pid(self) -> int:
        return self._popen.pid

    @property
    def alive(self) -> bool:
        return self._popen.poll() is None

    def kill_if_above(self, memory_mb: int) -> None:
        """Kill the process if it uses more memory, as Lambda does. Without measurements there is no limit."""
        if self.measure_memory() > memory_mb << 20:
            self._popen.kill()

    def measure_memory(self) -> int:
        """Return the greatest measured use of memory, in bytes."""
        self._peak_memory_bytes = max(self._peak_memory_bytes, _resident_bytes(self.pid))
        return self._peak_memory_bytes

    def kill(self) -> None:
        """Kill the process and its children, and wait for its end."""
        with self._killing:
            if not self._killed:
                self._killed = True
                self._kill()

    def _kill(self) -> None:
        if hasattr(os, "killpg"):
            # Its group outlives it if it has started other processes; otherwise the group is empty.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)
        else:
            self._popen.kill()
        self._watch.join()
        self.api.close()

    def _report_exit(self) -> None:
        self.api.report_exit(self._popen.wait())


def _resident_bytes(pid: int) -> int:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    except (OSError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")
