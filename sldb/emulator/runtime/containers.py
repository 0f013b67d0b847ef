"""A container: one execution environment of a Lambda function. It runs one invocation at a time.

It has a /tmp of its own (TMPDIR), which outlives the process, and at most one process with the unpacked bundle.
A process ends as in Lambda, with Lambda's words: by the time-out, the memory limit, or its own exit. The next
invocation then starts a new process in the same container: memory is lost, /tmp is not.

A process with extensions may work on after its answer (`extensions`): its caller has that already, and the container
takes no other invocation before `settle` has returned.

A container's log is one file: the emulator's START, END and REPORT lines, and the output of the process between them.
"""

from __future__ import annotations

import json
import math
import queue
import shutil
import signal
import time
import uuid
from dataclasses import dataclass
from pathlib import Path

from sldb.emulator.runtime import runtime_api
from sldb.emulator.runtime.process import Process, Program
from sldb.emulator.runtime.runtime_api import (
    Exited,
    InitFailed,
    Invocation,
    ProcessEvent,
    Raised,
    Ready,
    Responded,
    ResponseTooLarge,
)

INIT_SECONDS = 10.0  # of a first start; a start within an invocation has what the invocation has
_MEMORY_CHECK_SECONDS = 0.1
_LOG_TAIL_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Limits:
    timeout_seconds: int
    memory_mb: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of an invocation."""

    body: bytes
    failed: bool  # the body is an error: errorType, errorMessage
    log_tail: bytes = b""  # at most the last 4 KB that it wrote


class _Failure(Exception):
    """The process gave no result and cannot go on; Lambda's caller gets `body` instead."""

    def __init__(self, body: bytes, log_line: str = "") -> None:
        super().__init__(body)
        self.body = body
        self.log_line = log_line


class _DeadlineReached(Exception):
    """The deadline passed."""


@dataclass(frozen=True, slots=True)
class _Settling:
    """An invocation that was answered."""

    request_id: str
    started: float  # of time.monotonic


class Container:
    def __init__(self, program: Program, limits: Limits, root: Path) -> None:
        self.program = program
        self.limits = limits
        self.name = uuid.uuid4().hex
        self.tmp_dir = root / self.name / "tmp"
        self.log_path = root / self.name / "log"
        self.log_stream = f"{time.strftime('%Y/%m/%d')}/[$LATEST]{self.name}"
        self._process: Process | None = None
        self._fresh = True  # never had a process
        self._ended = False
        self._deadline = 0.0  # of the last invocation; unix seconds
        self._settling: _Settling | None = None
        self.tmp_dir.mkdir(parents=True)
        self.log_path.touch()

    @property
    def pid(self) -> int | None:
        process = self._process
        return process.pid if process is not None and process.alive else None

    def invoke(self, event: bytes, request_id: str, client_context: str = "") -> Outcome:
        log_start = self.log_path.stat().st_size
        self._write_log(f"START RequestId: {request_id} Version: $LATEST")
        started = time.monotonic()
        try:
            body, failed = self._run(event, request_id, client_context)
        except _Failure as failure:
            body, failed = failure.body, True
            self._write_log(failure.log_line)
            self._end_process()
        self._settling = _Settling(request_id, started) if self._works_on else None
        if self._settling is None:
            self._write_report(request_id, time.monotonic() - started)
        return Outcome(body, failed, self.read_log(log_start)[-_LOG_TAIL_BYTES:])

    @property
    def is_settling(self) -> bool:
        """True if the process may still work for an invocation that has been answered."""
        return self._settling is not None

    def settle(self) -> None:
        """Wait until the runtime and its extensions have asked for the next invocation."""
        settling, process = self._settling, self._process
        if settling is None:
            return
        try:
            if process is not None:
                self._await_ready(process, self._deadline, settling.request_id)
        except _Failure as failure:
            self._write_log(failure.log_line)
            self._end_process()
        self._write_report(settling.request_id, time.monotonic() - settling.started)
        self._settling = None

    def read_log(self, start: int = 0) -> bytes:
        with self.log_path.open("rb") as file:
            file.seek(start)
            return file.read()

    def kill(self) -> None:
        """Kill the process, at any moment."""
        process = self._process
        if process is not None:
            process.kill()

    def end(self) -> None:
        """Kill the process, and prevent new ones."""
        self._ended = True
        self.kill()

    def close(self) -> None:
        """End it and remove its files; no invocation may be running in it."""
        self.end()
        shutil.rmtree(self.log_path.parent, ignore_errors=True)

    def _run(self, event: bytes, request_id: str, client_context: str) -> tuple[bytes, bool]:
        if self.pid is None:
            self._end_process()
        process = self._process
        if process is None and self._fresh:
            process = self._first_process(request_id)
        self._deadline = deadline = time.time() + self.limits.timeout_seconds
        try:
            if process is None:
                process = self._start_process(deadline, request_id)
            arn = self.program.function_arn
            return self._deliver(process, Invocation(request_id, event, deadline, arn, client_context))
        except _DeadlineReached:
            raise self._timed_out(request_id) from None

    def _timed_out(self, request_id: str) -> _Failure:
        seconds = self.limits.timeout_seconds
        return _failure(
            "Sandbox.Timedout", f"RequestId: {request_id} Error: Task timed out after {seconds:.2f} seconds"
        )

    @property
    def _works_on(self) -> bool:
        return self._process is not None and len(self._process.api.extensions) > 0

    def _await_ready(self, process: Process, deadline: float, request_id: str) -> None:
        try:
            while not isinstance(self._await(process, deadline, request_id), Ready):
                pass
        except _DeadlineReached:
            raise self._timed_out(request_id) from None

    def _first_process(self, request_id: str) -> Process | None:
        """Return a process started within Lambda's ten seconds; None: too slow for them."""
        self._fresh = False
        try:
            return self._start_process(time.time() + INIT_SECONDS, request_id)
        except _DeadlineReached:
            self._end_process()
            self._write_log(f"INIT_REPORT Init Duration: {INIT_SECONDS * 1000:.2f} ms Status: timeout")
            return None

    def _start_process(self, deadline: float, request_id: str) -> Process:
        environment = {
            **self.program.environment,
            "TMPDIR": str(self.tmp_dir),
            "TEMP": str(self.tmp_dir),
            "TMP": str(self.tmp_dir),
            "AWS_LAMBDA_LOG_STREAM_NAME": self.log_stream,
        }
        self._process = process = Process(self.program, environment, self.log_path)
        if self._ended:  # while the process was being made
            process.kill()
        event = self._await(process, deadline, request_id)
        if isinstance(event, InitFailed):
            raise _Failure(event.body)
        return process

    def _deliver(self, process: Process, invocation: Invocation) -> tuple[bytes, bool]:
        process.api.invoke(invocation)
        while True:
            event = self._await(process, invocation.deadline, invocation.request_id)
            match event:
                case Responded():
                    return event.body, False
                case Raised():
                    return event.body, True
                case ResponseTooLarge():
                    message = (
                        f"Response payload size ({event.size_bytes} bytes) exceeded maximum allowed "
                        f"payload size ({runtime_api.MAX_RESPONSE_BYTES} bytes)."
                    )
                    raise _failure("Function.ResponseSizeTooLarge", message)
                case Ready():
                    pass  # it polled again after its last answer: the invocation will follow

    def _await(self, process: Process, deadline: float, request_id: str) -> ProcessEvent:
        """Return the next event of the process. Raises _DeadlineReached, or _Failure if the process ends."""
        while True:
            remaining = deadline - time.time()
            try:
                event = process.api.events.get(timeout=max(0.001, min(_MEMORY_CHECK_SECONDS, remaining)))
            except queue.Empty:
                process.kill_if_above(self.limits.memory_mb)
                if time.time() >= deadline:
                    raise _DeadlineReached from None
                continue
            if isinstance(event, Exited):
                message = f"RequestId: {request_id} Error: Runtime exited {_how(event.status)}"
                raise _failure("Runtime.ExitError", message)
            return event

    def _end_process(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()

    def _write_log(self, line: str) -> None:
        if line:
            with self.log_path.open("ab") as file:
                file.write(line.encode() + b"\n")

    def _write_report(self, request_id: str, seconds: float) -> None:
        process = self._process
        peak_bytes = process.measure_memory() if process is not None else 0
        self._write_log(f"END RequestId: {request_id}")
        self._write_log(
            f"REPORT RequestId: {request_id}\tDuration: {seconds * 1000:.2f} ms\t"
            f"Billed Duration: {math.ceil(seconds * 1000)} ms\tMemory Size: {self.limits.memory_mb} MB\t"
            f"Max Memory Used: {peak_bytes >> 20} MB"
        )


def error_body(error_type: str, message: str) -> bytes:
    return json.dumps({"errorType": error_type, "errorMessage": message}).encode()


def _failure(error_type: str, message: str) -> _Failure:
    return _Failure(error_body(error_type, message), message)


def _how(status: int) -> str:
    if status == 0:
        return "without providing a reason"
    if status > 0:
        return f"with error: exit status {status}"
    try:
        name = {"SIGKILL": "killed", "SIGSEGV": "segmentation fault", "SIGTERM": "terminated"}.get(
            signal.Signals(-status).name, signal.Signals(-status).name
        )
    except ValueError:
        name = str(-status)
    return f"with error: signal: {name}"
