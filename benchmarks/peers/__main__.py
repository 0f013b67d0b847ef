"""The command line of the package.

python -m benchmarks.peers [--fresh | --again=PART OF A PEER'S NAME] [--docs] [MEGABYTES …]

With `--fresh` nothing that an earlier run has kept is used, with `--again=sldb` nothing of those peers; with `--docs`
the results go to docs/performance.md.
"""

from __future__ import annotations

import shutil
import sys

from benchmarks.peers.databases import make
from benchmarks.peers.operations import OPERATIONS
from benchmarks.peers.peers import PEERS, Peer
from benchmarks.peers.report import Results, tables, write
from benchmarks.peers.runs import TOO_LONG, Result, name_of, result_of
from benchmarks.peers.simulator.client import ROOT, Simulator
from benchmarks.peers.simulator.latency import Latency

BUILD = ROOT / "build/peers"
SIZES = (1, 100, 1000)  # MB


def main(arguments: list[str]) -> None:
    for argument in arguments:
        if argument == "--fresh":
            shutil.rmtree(BUILD / "results", ignore_errors=True)
        elif argument.startswith("--again="):
            forget(argument.partition("=")[2])
    sizes = [int(each) for each in arguments if each.isdigit()] or list(SIZES)
    with Simulator(Latency()) as simulator:
        found: list[Result] = []
        for megabytes in sorted(sizes):
            found += measure(simulator, megabytes, found)
    results = Results(found)
    print(tables(results))
    if "--docs" in arguments:
        write(results, ROOT / "docs/performance.md", ROOT / "docs/pictures/peers.svg")


def forget(part: str) -> None:
    """Remove the kept results of the peers with this part in their name."""
    for peer in PEERS:
        if part in peer.name:
            for file in (BUILD / "results").glob(name_of("*", peer.name, "*")):
                file.unlink()


def measure(simulator: Simulator, megabytes: int, before: list[Result]) -> list[Result]:
    """Return the results at a size. `before`: those at smaller sizes."""
    made = make(megabytes, BUILD / "data")
    found: list[Result] = []
    for peer in PEERS:
        for operation in OPERATIONS:
            if operation in peer.cannot or not (reason := hopeless([*before, *found], peer, operation, megabytes)):
                found.append(result_of(simulator, peer, operation, megabytes, made, BUILD / "results"))
            else:
                found.append(Result(peer.name, operation, megabytes, [], reason))
            _show(found[-1])
    return found


def hopeless(known: list[Result], peer: Peer, operation: str, megabytes: int) -> str:
    """Return the reason not to try: a point read failed at this size, or the operation took too long at a smaller
    one."""
    for result in known:
        if result.peer == peer.name and result.part("cold") is None:
            if result.operation == "point read" and result.megabytes == megabytes:
                return result.problem
            if result.operation == operation and result.problem.startswith(TOO_LONG):
                return result.problem
    return ""


def _show(result: Result) -> None:
    times = "".join(f" {part.name} {part.ms:,.0f} ms ({part.requests})" for part in result.parts)
    print(f"{result.megabytes} MB, {result.peer}, {result.operation}:{times} {result.problem}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
