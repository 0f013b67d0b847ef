"""The command `sldb insights`: the slowest and most expensive statements, and indexes for them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from sldb.cli import messages, moment_options, progress
from sldb.cli.command import command
from sldb.cli.run import Run

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from typing import Any

    from lambda_handlers.wire import Value
    from sldb.ops.insights import Insight
    from sldb.ops.logs import LogEvent
    from sldb.shell.index_advice import Schema

NAMES = (
    *("database", "calls", "failed", "total_ms", "p50_ms", "p95_ms", "max_ms", "rows", "rows_scanned"),
    *("store_requests", "dollars", "statement", "indexes"),
)
_FOR_PEOPLE = ("database", "calls", "total ms", "p50", "p95", "max", "scanned", "requests", "$/million", "statement")

HELP = """Show the slowest and most expensive statements, without their literals, and indexes for them.

The stack keeps them in the functions' log once `sldb deploy --insights` has asked for it; with --local, sldb keeps
them in the directory if SLDB_INSIGHTS=true is in its environment. Indexes are those that SQLite itself would use, tried
on an empty copy of the schema.

\b
  sldb insights
  sldb insights --since 1d --by cost --top 5
  sldb insights --no-advice --format json
"""


@command("insights", help=HELP, short_help="Show the slowest and most expensive statements.")
@moment_options.since_option("1h")
@click.option("--top", type=click.IntRange(1, 10_000), default=20, show_default=True, metavar="N", help="Show so many.")
@click.option(
    "--by",
    "order",
    type=click.Choice(["time", "cost", "calls"]),
    default="time",
    show_default=True,
    help="Order them by their time in SQLite, dollars, or number of calls.",
)
@click.option("--advice/--no-advice", default=True, help="Look for indexes, which reads the schemas of the databases.")
def insights(run: Run, since: str, top: int, order: str, advice: bool) -> None:
    from sldb.ops import insights as source
    from sldb.render import FOR_PEOPLE, check_format

    check_format(run.format)
    start_ms = moment_options.resolve_since_ms(run, since, time.time())
    found = source.top(_local(run, start_ms) if run.destination.is_local else _stack(run, start_ms), order, top)
    indexes = _Advice(run).of(found) if advice else [""] * len(found)
    if run.format not in FOR_PEOPLE:
        messages.show_rows(run.format, NAMES, [_row(*pair) for pair in zip(found, indexes, strict=True)])
        return
    if found:
        messages.show_rows(run.format, _FOR_PEOPLE, [_row_for_people(one) for one in found])
    for number, text in enumerate(indexes, 1):
        if text:
            messages.say(f"row {number} reads whole tables; an index would let SQLite search instead:")
            messages.say(f"  {text}")


def _stack(run: Run, start_ms: int) -> list[Insight]:
    """Return the insights of the stack's functions. Raises SldbError."""
    from sldb.ops import insights as source
    from sldb.ops.status import serving
    from sldb.stack import names
    from sldb.stack.account import connect

    account = connect(run.aws)
    state = serving(account, run.stack)
    if state.parameters.get("Insights") != "true":
        messages.say(f"the stack {run.stack} keeps no insights: sldb deploy --insights")
    elif state.parameters.get("LogLevel") in ("warning", "error"):
        messages.say(f"the stack {run.stack} has the log level {state.parameters['LogLevel']}: requests have no lines")
    queries = [state.function, names.read_function(state.function)]
    groups = [names.log_group(name) for name in queries if name in state.functions]
    machine = {
        "memory_mb": int(state.parameters.get("MemorySize") or 1024),
        "architecture": "x86_64" if state.parameters.get("Architecture") == "x86_64" else "aarch64",
    }
    return source.summed(source.lines_of(_events(account.logs, groups, start_ms)), machine)


def _events(client: Any, groups: Sequence[str], start_ms: int) -> Iterator[LogEvent]:
    from sldb.ops import logs
    from sldb.ops.insights import MAX_LINES, PATTERN

    with progress.show("reading the log") as shown:
        shown.begin("reading the log", lines=None)
        count = 0
        for group in groups:
            for event in logs.stream(client, group, start_ms, PATTERN):
                if count == MAX_LINES:
                    messages.say(f"the log has more: these are its first {MAX_LINES:,} lines (a later --since?)")
                    return
                count += 1
                shown.advance(lines=1)
                yield event


def _local(run: Run, start_ms: int) -> list[Insight]:
    from pathlib import Path

    from sldb import moments
    from sldb.ops import insights as source

    directory = Path(str(run.destination.directory)).expanduser()
    lines = source.kept_lines(directory)
    if not lines:
        messages.say(f"{directory} keeps no insights: they need SLDB_INSIGHTS=true in the environment of sldb")
    return source.summed((line for line in lines if moments.of_wire(str(line["time"])) >= start_ms), {})


class _Advice:
    """The indexes for insights, by the schemas of their databases."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._schemas: dict[str, Schema | None] = {}

    def of(self, insights: Sequence[Insight]) -> list[str]:
        """Return for each insight the statements that make its indexes."""
        from sldb.ops.insights import advice

        with progress.show("looking for indexes"):
            return [" ".join(self._for(one, advice)) if one.reads_all else "" for one in insights]

    def _for(self, insight: Insight, advice: Any) -> Iterable[str]:
        name = insight.database
        if name not in self._schemas:
            self._schemas[name] = self._read(name)
        schema = self._schemas[name]
        found: Iterable[str] = advice(insight.shape, schema) if schema else ()
        return found

    def _read(self, database: str) -> Schema | None:
        """Return the schema of a database; None if it cannot be read, which is said."""
        from contextlib import closing

        from lambda_handlers.wire import SldbError
        from sldb.ops.insights import schema_of
        from sldb.shell import catalog

        try:
            with closing(self._run.client(database)) as client:
                (objects,) = client.execute(catalog.statements()).results
                has_statistics = any(row[0] == "sqlite_stat1" for row in objects.rows)
                statistics = client.execute(catalog.statistics()).rows if has_statistics else []
        except SldbError as error:
            messages.say(f"no advice for {database}: {error.message}")
            return None
        return schema_of(objects.rows, statistics)


def _row(insight: Insight, indexes: str) -> tuple[Value, ...]:
    values: Mapping[str, Value] = {
        **{name: getattr(insight, name) for name in NAMES[:-2]},
        "statement": insight.shape,
        "indexes": indexes or None,
    }
    return tuple(values[name] for name in NAMES)


def _row_for_people(insight: Insight) -> tuple[Value, ...]:
    times = (insight.total_ms, insight.p50_ms, insight.p95_ms, insight.max_ms)
    return (
        insight.database,
        insight.calls,
        *(f"{ms:,.1f}" for ms in times),
        insight.rows_scanned,
        insight.store_requests,
        f"{insight.dollars / max(1, insight.calls) * 1_000_000:,.2f}",
        insight.shape,
    )
