"""The command line of the package.

python -m benchmarks.peers [--fresh] [--docs] [MEGABYTES …]

With `--fresh` nothing that an earlier run has kept is used; with `--docs` the results go to docs/performance.md.
"""

from __future__ import annotations

import shutil
import sys

from benchmarks.peers.databases import make
from benchmarks.peers.operations import OPERATIONS
from benchmarks.peers.peers import PEERS
from benchmarks.peers.report import Results, tables, write
from benchmarks.peers.runs import Result, result_of
from benchmarks.peers.simulator.client import ROOT, Simulator
from benchmarks.peers.simulator.latency import Latency

BUILD = ROOT / "build/peers"
SIZES = (1, 100, 1000)  # MB


def main(arguments: list[str]) -> None:
    if "--fresh" in arguments:
        shutil.rmtree(BUILD / "results", ignore_errors=True)
    sizes = [int(each) for each in arguments if each.isdigit()] or list(SIZES)
    with Simulator(Latency()) as simulator:
        results = Results([result for megabytes in sizes for result in measure(simulator, megabytes)])
    print(tables(results))
    if "--docs" in arguments:
        write(results, ROOT / "docs/performance.md", ROOT / "docs/pictures/peers.svg")


def measure(simulator: Simulator, megabytes: int) -> list[Result]:
    made = make(megabytes, BUILD / "data")
    found = []
    for peer in PEERS:
        reason = ""  # for what a peer cannot do at this size, once a point read has shown it
        for operation in OPERATIONS:
            if reason and operation not in peer.cannot:
                result = Result(peer.name, operation, megabytes, [], reason)
            else:
                result = result_of(simulator, peer, operation, megabytes, made, BUILD / "results")
            if operation == "point read" and result.part("cold") is None:
                reason = result.problem
            found.append(result)
            _show(result)
    return found


def _show(result: Result) -> None:
    times = "".join(f" {part.name} {part.ms:,.0f} ms ({part.requests})" for part in result.parts)
    print(f"{result.megabytes} MB, {result.peer}, {result.operation}:{times} {result.problem}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
