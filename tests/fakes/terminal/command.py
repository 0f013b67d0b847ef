"""The command `sldb` as a process of its own, away from the user's configuration."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.fakes.terminal import prepared

ROOT = Path(__file__).parents[3]
COMMAND = [sys.executable, "-c", "from sldb.cli.main import main; main()"]


def environment(home: Path, extra: Mapping[str, str] | None = None) -> dict[str, str]:
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AWS_", "SLDB_", "XDG_", "PYTHON")) and name not in ("NO_COLOR", "COLUMNS")
    }
    ours = {
        "HOME": str(home),
        "USERPROFILE": str(home),
        "PYTHONPATH": str(ROOT),
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    return {**kept, **ours, **(extra or {})}


def start(
    home: Path, arguments: Sequence[str], streams: Sequence[int], extra: Mapping[str, str]
) -> prepared.Copy | subprocess.Popen[bytes]:
    """Start it. `streams`: the descriptors for its standard streams, which stay open here."""
    if prepared.runs_commands(extra):
        return prepared.start(arguments, environment(home, extra), home, streams)
    given, out, err = streams
    return subprocess.Popen(
        [*COMMAND, *arguments], stdin=given, stdout=out, stderr=err, env=environment(home, extra), cwd=home
    )


@contextmanager
def running(
    home: Path, arguments: Sequence[str], streams: Sequence[int], extra: Mapping[str, str]
) -> Iterator[prepared.Copy | subprocess.Popen[bytes]]:
    """Start it as `start` does; it ends with the block, also if that fails."""
    process = start(home, arguments, streams, extra)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def sldb(
    home: Path, *arguments: str, stdin: str | bytes = b"", extra: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run it to its end; both streams are text in UTF-8 with their line ends as they are."""
    given = stdin.encode() if isinstance(stdin, str) else stdin
    pipes = [os.pipe() for _ in range(3)]
    (read_in, write_in), (read_out, write_out), (read_err, write_err) = pipes
    process = start(home, arguments, (read_in, write_out, write_err), extra or {})
    for each in (read_in, write_out, write_err):
        os.close(each)
    with ThreadPoolExecutor(2) as threads:
        written = threads.submit(_write, write_in, given)
        err = threads.submit(_read, read_err)
        out = _read(read_out)
        written.result()
    try:
        return subprocess.CompletedProcess(arguments, process.wait(60), out.decode(), err.result().decode())
    finally:
        process.kill()


def _write(descriptor: int, content: bytes) -> None:
    with suppress(BrokenPipeError), open(descriptor, "wb", buffering=0) as stream:
        stream.write(content)


def _read(descriptor: int) -> bytes:
    with open(descriptor, "rb") as stream:
        return stream.read()
