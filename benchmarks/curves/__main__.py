"""The command line of the package: all curves, or those named; a curve at other sizes as `size=1,10`.

python -m benchmarks.curves [--docs] [NAME[=VALUE,…] …]
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict

from benchmarks.curves import commits, containers, databases, messages, queue, size, transactions
from benchmarks.curves.figures import Table
from benchmarks.curves.report import lines_of, write
from benchmarks.peers.simulator.client import ROOT

CURVES = {
    "size": size.table,
    "commits": commits.table,
    "databases": databases.table,
    "containers": containers.table,
    "transactions": transactions.table,
    "messages": messages.table,
    "queue-batches": queue.batches,
    "queue-messages": queue.messages,
}
BUILD = ROOT / "build/curves"


def main(arguments: list[str]) -> None:
    wanted = [each.partition("=") for each in arguments if not each.startswith("--")]
    for name, _, values in wanted or [(name, "", "") for name in CURVES]:
        began = time.monotonic()
        table = CURVES[name](*map(int, filter(None, values.split(","))))
        BUILD.mkdir(parents=True, exist_ok=True)
        (BUILD / f"{name}.json").write_text(json.dumps(asdict(table)), "utf-8")
        print("\n".join([f"\n### {name}: {time.monotonic() - began:.0f} s\n", *lines_of(table)]), flush=True)
    if "--docs" in arguments:
        kept = [json.loads((BUILD / f"{name}.json").read_text("utf-8")) for name in CURVES]
        write([Table.decode(fields) for fields in kept], ROOT / "docs/performance.md", ROOT / "docs/pictures")


if __name__ == "__main__":
    main(sys.argv[1:])
