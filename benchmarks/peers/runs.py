"""Runs of workers: a fresh process and a fresh bucket for each operation of each peer. Results are files of JSON, and a
run that was stopped goes on where it was.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from tempfile import TemporaryDirectory

from benchmarks.peers.databases import Made, run_pass
from benchmarks.peers.operations import READS
from benchmarks.peers.peers import Peer, load
from benchmarks.peers.simulator.client import ROOT, Simulator
from benchmarks.simulated_s3 import Asked, Figures

OTHERS_PYTHON = ROOT / ".venv/peers/bin/python"
WARM = 3  # times; the fastest counts
LIMIT_SECONDS = 45.0  # of one operation
TOO_LONG = f"more than {LIMIT_SECONDS:g} s"
ERRORS = "errors"  # a file: the standard error of a worker


@dataclass(frozen=True, slots=True)
class Part:
    """One execution: until the reply, and what was asked after it."""

    name: str  # init, cold, warm
    ms: float
    processor_ms: float
    peak_kb: int
    verbs: dict[str, int]  # requests by verb
    rounds: int
    down: int  # bytes
    up: int
    verbs_after: dict[str, int]
    ms_after: float  # from the reply to the end of the last of them

    @property
    def requests(self) -> int:
        return sum(self.verbs.values()) + sum(self.verbs_after.values())


@dataclass(frozen=True, slots=True)
class Result:
    peer: str
    operation: str
    megabytes: int
    parts: list[Part]
    problem: str = ""  # the reason for missing parts
    rows: str = ""  # of the cold execution of a read

    def part(self, name: str) -> Part | None:
        """Return the fastest execution of a kind."""
        return min((part for part in self.parts if part.name == name), key=lambda part: part.ms, default=None)

    @classmethod
    def decode(cls, text: str) -> Result:
        fields = json.loads(text)
        return cls(**{**fields, "parts": [Part(**part) for part in fields["parts"]]})


def result_of(simulator: Simulator, peer: Peer, operation: str, megabytes: int, made: Made, known: Path) -> Result:
    """Return the result of an operation: the kept one, or that of a run now."""
    file = known / name_of(str(megabytes), peer.name, operation)
    if file.exists():
        return Result.decode(file.read_text("utf-8"))
    if operation in peer.cannot:
        found = Result(peer.name, operation, megabytes, [], peer.cannot[operation])
    else:
        if peer.form == "log":
            run_pass(made.log)
        load(simulator, peer, str(made.file), str(made.log))
        found = _run(simulator, peer, operation, megabytes)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(asdict(found)), "utf-8")
    return found


def name_of(megabytes: str, peer: str, operation: str) -> str:
    """Return the name of the file that keeps a result."""
    return f"{megabytes}-{peer}-{operation}.json".replace(" ", "_")


def _run(simulator: Simulator, peer: Peer, operation: str, megabytes: int) -> Result:
    simulator.asked()
    with TemporaryDirectory() as temporary:
        process = _start(simulator, peer, operation, Path(temporary))
        fields, problem = _output(process, Path(temporary, ERRORS))
    asked = simulator.asked()
    if problem.startswith(TOO_LONG):
        problem += f": stopped after {len(asked):,} requests"
    ends = [float(each[1]) for each in fields[1:]] + [float("inf")]
    parts = [_part(each, end, asked) for each, end in zip(fields, ends, strict=True)] if fields else []
    rows = next((each[5] for each in fields if each[0] == "cold"), "") if operation in READS else ""
    return Result(peer.name, operation, megabytes, parts, problem, rows)


def _output(process: subprocess.Popen[str], errors: Path) -> tuple[list[list[str]], str]:
    """Return the fields of a worker's lines, and the problem that ended it early."""
    fields: list[list[str]] = []
    try:
        fields.extend(line.split("\t") for line in _lines(process))
        process.wait(LIMIT_SECONDS)
    except (TimeoutError, subprocess.TimeoutExpired):
        process.kill()
        process.wait()
        return fields, TOO_LONG
    if process.returncode == 0:
        return fields, ""
    last = (errors.read_text("utf-8", "replace").strip() or f"exit status {process.returncode}").splitlines()[-1]
    return fields, last


def _start(simulator: Simulator, peer: Peer, operation: str, temporary: Path) -> subprocess.Popen[str]:
    python = sys.executable if peer.is_own else str(OTHERS_PYTHON)
    arguments = (peer.adapter, operation, str(WARM), simulator.url, peer.argument)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "SLDB_"))}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # a container finds its modules compiled
    environment |= {
        "AWS_ACCESS_KEY_ID": "host",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": simulator.url,
        "TMPDIR": str(temporary),
    }
    places = {"url": simulator.url, "temporary": str(temporary)}
    environment |= {name: value.format(**places) for name, value in peer.variables.items()}
    command = [python, "-m", "benchmarks.peers.worker", *arguments]
    with (temporary / ERRORS).open("w") as errors:
        return subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=errors, encoding="utf-8"
        )


def _lines(process: subprocess.Popen[str]) -> Iterator[str]:
    """Yield what a worker reports. Raises TimeoutError if the next line is missing for too long."""
    assert process.stdout
    output, queue = process.stdout, SimpleQueue[str]()

    def read() -> None:
        for line in output:
            queue.put(line)
        output.close()
        queue.put("")

    threading.Thread(target=read, daemon=True).start()
    while True:
        try:
            line = queue.get(timeout=LIMIT_SECONDS)
        except Empty:
            raise TimeoutError from None
        if not line:
            return
        if line.startswith("part\t"):  # not a peer's own output
            yield line.rstrip("\n").partition("\t")[2]


def _part(fields: list[str], end: float, asked: list[Asked]) -> Part:
    """Return a part with the requests that began between its begin and that of the next part (`end`)."""
    name, began, ended, processor, peak = fields[0], float(fields[1]), float(fields[2]), fields[3], fields[4]
    before = Figures(0.0, tuple(one for one in asked if began <= one.began <= ended))
    after = [one for one in asked if ended < one.began < end]
    last = max((one.ended for one in (*before.asked, *after)), default=ended)
    return Part(
        name,
        (ended - began) * 1000,
        float(processor) * 1000,
        int(peak),
        dict(Counter(one.verb for one in before.asked)),
        before.rounds,
        before.down + sum(one.down for one in after),
        before.up + sum(one.up for one in after),
        dict(Counter(one.verb for one in after)),
        max(0.0, last - ended) * 1000,
    )
