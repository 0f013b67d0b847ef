"""Tables and plots from the raw results, and their place in docs/performance.md.

Generated text stands between two comments of the page, and is replaced as a whole. A cell has the milliseconds and the
requests of one execution; where there is none, a number that refers to the reason below the table.
"""

from __future__ import annotations

import os
import platform
import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.peers.operations import OPERATIONS, READS
from benchmarks.peers.peers import PEERS
from benchmarks.peers.prices import rows_of_prices
from benchmarks.peers.runs import Part, Result
from benchmarks.svg import Panel, plot

PLOTTED = ("cold point read", "warm point read", "warm write of a row")
Cell = Callable[[Result], tuple[float, Part] | None]


class Results:
    """Results by peer, operation and size."""

    def __init__(self, results: Sequence[Result]) -> None:
        self._results = {(one.peer, one.operation, one.megabytes): one for one in results}
        self.sizes = sorted({one.megabytes for one in results})

    def get(self, peer: str, operation: str, megabytes: int) -> Result:
        """Return a result, if need be one that says that it was not measured."""
        missing = Result(peer, operation, megabytes, [], "not measured in this run")
        return self._results.get((peer, operation, megabytes), missing)


def cold(result: Result) -> tuple[float, Part] | None:
    """Return the milliseconds of initialization and first execution, with the latter."""
    first, init = result.part("cold"), result.part("init")
    return (init.ms + first.ms, first) if first and init else None


def warm(result: Result) -> tuple[float, Part] | None:
    found = result.part("warm")
    return (found.ms, found) if found else None


def disagreements(results: Results) -> list[str]:
    """Return the reads whose rows differ between peers."""
    return [
        f"{megabytes} MB, {operation}"
        for megabytes in results.sizes
        for operation in READS
        if len({rows for peer in PEERS if (rows := results.get(peer.name, operation, megabytes).rows)}) > 1
    ]


def tables(results: Results) -> str:
    parts = []
    for megabytes in results.sizes:
        parts.append(f"### {megabytes:,} MB\n")
        parts.append(_table("Cold, with initialization", results, megabytes, cold))
        parts.append(_table("Warm", results, megabytes, warm))
    return "\n".join(parts)


def _table(title: str, results: Results, megabytes: int, cell: Cell) -> str:
    reasons: list[str] = []
    names = [peer.name for peer in PEERS]
    rows = [f"| {title}: ms · requests | {' | '.join(names)} |", "|---|" + "---|" * len(names)]
    for operation in OPERATIONS:
        cells = [_cell(results.get(name, operation, megabytes), cell, reasons) for name in names]
        rows.append(f"| {operation} | {' | '.join(cells)} |")
    notes = " ".join(f"({number}) {reason}." for number, reason in enumerate(reasons, 1))
    return "\n".join([*rows, "", *([notes, ""] if notes else [])])


def _cell(result: Result, cell: Cell, reasons: list[str]) -> str:
    found = cell(result)
    if found is not None:
        return f"{found[0]:,.0f} · {found[1].requests:,}"
    reason = _short(result.problem)
    if reason not in reasons:
        reasons.append(reason)
    return f"({reasons.index(reason) + 1})"


def _short(problem: str) -> str:
    """Return a problem without paths of this machine and without numbers of one run."""
    problem = re.sub(r"\S*/\S+: | \(required by .*\)|: stopped after .*", "", problem)
    return re.sub(r"^(?:[\w.]*Error: )+", "", problem).strip() or "no result"


def bars(results: Results) -> str:
    """Return the table of sldb's times as shares of the original's."""
    rows = ["| | " + " | ".join(f"{size:,} MB" for size in results.sizes) + " |", "|---|" + "---|" * len(results.sizes)]
    for peer in (peer for peer in PEERS if peer.is_own):
        for name, cell in (("cold", cold), ("warm", warm)):
            for operation in ("point read", "write of a row"):
                shares = [_share(results, peer.name, operation, size, cell) for size in results.sizes]
                rows.append(f"| {name} {operation}, {peer.name} | {' | '.join(shares)} |")
    return "\n".join(rows) + "\n"


def _share(results: Results, name: str, operation: str, megabytes: int, cell: Cell) -> str:
    ours, theirs = (cell(results.get(each, operation, megabytes)) for each in (name, "original"))
    return f"{ours[0] / theirs[0]:.2f}" if ours and theirs else ""


def plots(results: Results) -> str:
    """Return an SVG of the times against the size of the database."""
    panels = []
    for title in PLOTTED:
        cell, operation = (cold if title.startswith("cold") else warm), title.partition(" ")[2]
        series = {
            peer.name: [
                (float(size), max(found[0], 1.0))
                for size in results.sizes
                if (found := cell(results.get(peer.name, operation, size)))
            ]
            for peer in PEERS
        }
        shown = {name: points for name, points in series.items() if points}
        panels.append(Panel(title, "MB", "ms", shown))
    return plot(panels)


def machine() -> str:
    """Return the class of this machine, how busy it was, and the day."""
    cores, load = os.cpu_count() or 1, os.getloadavg()[2]
    place = f"{cores} cores ({os.uname().machine}), Python {platform.python_version()}, {time.strftime('%Y-%m-%d')}"
    busy = f"; other work kept the machine busy (load {load:.0f}): counts are exact, and times too long"
    return place + busy * (load > 2 * cores)


def write(results: Results, page: Path, picture: Path) -> None:
    """Put the tables into the page, and the plot beside it."""
    if wrong := disagreements(results):
        raise AssertionError(f"the peers disagree about the rows of: {'; '.join(wrong)}")
    picture.write_text(plots(results), "utf-8")
    made = f"Run on {machine()}.\n"
    sections = {
        "peers": f"{made}\n{tables(results)}",
        "peers-ratios": bars(results),
        "peers-prices": "\n".join(rows_of_prices(results.get, results.sizes)) + "\n",
    }
    text = page.read_text("utf-8")
    for name, content in sections.items():
        text = replaced(text, name, content)
    page.write_text(text, "utf-8")


def replaced(text: str, name: str, content: str) -> str:
    """Return a page with other content between the two comments of a name."""
    begin, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
    before, _, rest = text.partition(begin)
    _, found, after = rest.partition(end)
    assert found, f"the page has no place for {name}"
    return f"{before}{begin}\n{content}\n{end}{after}"
