"""Tables and plots of the curves, and their places in docs/performance.md."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from benchmarks.curves.figures import Row, Table
from benchmarks.peers.report import machine, replaced
from benchmarks.svg import Panel, plot

MEASURES: tuple[tuple[str, Callable[[Row], float]], ...] = (
    ("requests", lambda row: row.requests),
    ("ms", lambda row: row.ms),
    ("$ per million", lambda row: row.dollars * 1e6),
)


def lines_of(table: Table) -> list[str]:
    """Return the lines of a Markdown table."""
    extras = list(dict.fromkeys(name for row in table.rows for name in row.extra))
    head = ["operation", table.axis, "requests", "rounds", "KB down", "KB up", "ms", "$ per million", *extras]
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    for row in sorted(table.rows, key=lambda row: (_first(table, row), row.at)):
        asked = f"{row.requests:,} ({row.verbs})" if row.requests else "0"
        moved = (f"{row.down / 1000:,.1f}", f"{row.up / 1000:,.1f}")
        more = [_extra(row.extra[name]) if name in row.extra else "" for name in extras]
        dollars = f"{row.dollars * 1e6:,.2f}"
        cells = [row.operation, f"{row.at:,.0f}", asked, f"{row.rounds:,}", *moved, f"{row.ms:,.1f}", dollars, *more]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _extra(value: float) -> str:
    return f"{value:,.2f}" if value < 10 else f"{value:,.0f}"


def _first(table: Table, row: Row) -> int:
    return next(index for index, other in enumerate(table.rows) if other.operation == row.operation)


def plots(table: Table) -> str:
    """Return an SVG with a panel for each measure."""
    operations = list(dict.fromkeys(row.operation for row in table.rows))
    return plot(
        [
            Panel(
                measure,
                table.axis,
                measure,
                {
                    operation: [(row.at, max(of(row), 0.1)) for row in table.rows if row.operation == operation]
                    for operation in operations
                },
            )
            for measure, of in MEASURES
        ]
    )


def write(tables: list[Table], page: Path, pictures: Path) -> None:
    text = page.read_text("utf-8")
    for table in tables:
        (pictures / f"curve-{table.name}.svg").write_text(plots(table), "utf-8")
        content = "\n".join([f"Run on {machine()}.", "", *lines_of(table), ""])
        text = replaced(text, f"curve-{table.name}", content)
    page.write_text(text, "utf-8")
