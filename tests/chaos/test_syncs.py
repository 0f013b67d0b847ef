"""The system calls of a local write, from strace: nothing is acknowledged before it is on the disk.

The same order is tested without strace in tests/lambda_handlers/store/test_directory.py.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.chaos.crowd import ROOT

CALL = re.compile(r"^\d+ +(?:fsync|fdatasync|linkat|link|write)\(.*?= \d+$", re.MULTILINE)
UNFINISHED = re.compile(r"^(\d+ +)(.*) <unfinished \.\.\.>\n((?:.*\n)*?)\1<\.\.\. \w+ resumed>(.*)$", re.MULTILINE)
FILE = "0000/.0000000000000001-0000000000000001.ltx"
HEAD = "main/.head.json"


def may_trace() -> bool:
    strace = shutil.which("strace")
    if strace is None:
        return False
    return subprocess.run([strace, "-o", "/dev/null", "true"], capture_output=True, check=False).returncode == 0


def whole_calls(trace: str) -> str:
    """Return the trace with each call in one line, at its end: strace parts it where another thread has one."""
    while True:
        trace, parted = UNFINISHED.subn(r"\3\1\2\4", trace)
        if not parted:
            return trace


def test_a_call_that_strace_parted() -> None:
    parted = "1 write(3</x>, ... <unfinished ...>\n2 fsync(4</y>) = 0\n1 <... write resumed>, 5) = 5\n"
    assert CALL.findall(whole_calls(parted)) == [
        "2 fsync(4</y>) = 0",
        "1 write(3</x>, ..., 5) = 5",
    ]


@pytest.mark.skipif(not may_trace(), reason="it needs strace, and the right to use it")
def test_the_order_of_syncs(tmp_path: Path) -> None:
    trace, databases = tmp_path / "trace", tmp_path / "databases"
    traced = ["strace", "-f", "-y", "-o", str(trace), "-e", "trace=write,fsync,fdatasync,link,linkat"]
    command = ["-m", "sldb", "--local", str(databases), "query", "CREATE TABLE t (a)"]
    subprocess.run([*traced, sys.executable, *command], cwd=ROOT, check=True, capture_output=True)
    calls = CALL.findall(whole_calls(trace.read_text()))

    def at(*parts: str, end: int = len(calls)) -> int:
        """Return the index of the one call before `end` with these parts, in their order."""
        found = [number for number, call in enumerate(calls[:end]) if re.search(".*".join(map(re.escape, parts)), call)]
        assert len(found) == 1, (parts, found)
        return found[0]

    content, synced = at("write(", FILE), at("fsync(", FILE)
    named, told = at("link(", FILE), at("write(2<", "txid 1")
    head = at("write(", HEAD)  # from here on its thread syncs directories, too, and no reply waits for that
    names = [
        at("fsync(", f"<{directory}>", end=head)
        for directory in (databases / "main" / "0000", databases / "main", databases)
    ]
    above = at("fsync(", f"<{tmp_path}>", end=head)
    assert content < synced < named < min(*names, above)
    assert max(*names, above) < told
