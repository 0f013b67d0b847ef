"""The simulator from the side of a measurement: started as a process, and asked through its control path."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from benchmarks.peers.simulator.latency import Latency
from benchmarks.simulated_s3 import Asked

ROOT = Path(__file__).resolve().parents[3]


class Simulator:
    def __init__(self, latency: Latency) -> None:
        command = [sys.executable, "-m", "benchmarks.peers.simulator", json.dumps(asdict(latency))]
        self._process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8"
        )
        assert self._process.stdout
        self.url = f"http://127.0.0.1:{int(self._process.stdout.readline())}"

    def __enter__(self) -> Simulator:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def asked(self) -> list[Asked]:
        """Return the requests since the last call."""
        return [Asked(*fields) for fields in self.call("asked")]

    def call(self, name: str, **arguments: Any) -> Any:
        with urlopen(f"{self.url}/_/{name}", json.dumps(arguments).encode(), timeout=60) as answer:
            return json.loads(answer.read())
