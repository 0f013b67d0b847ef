"""The option `sldb query --all-databases`: the same SQL on many databases side by side, their rows as one result.

The rows come with the database's name before them, ordered by it. A database that fails, is slow, or has other
columns is reported and does not stop the others. No single command undoes a write to many databases, so a write needs
a confirmation or --yes: without --yes all databases first get the request read-only, and nothing is applied anywhere
until the answer.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace

import click

from lambda_handlers.wire import Column, Reply, Request, SldbError
from sldb import price, report, write_outcome
from sldb.actions import as_of, many_databases
from sldb.cancelling import ANSWER_SECONDS
from sldb.cli import messages, progress, streams
from sldb.cli.query.printing import Printing
from sldb.cli.query.sending import say_dry_run
from sldb.cli.query.statements import Work
from sldb.cli.run import Run
from sldb.render.merged import Merged
from sldb.write_outcome import NOT_CHANGED, UNKNOWN, may_write

GRACE_SECONDS = 10.0  # beyond the request's own time, for the round trip
NAME_COLUMN = Column("_database", "TEXT")


@dataclass(frozen=True, slots=True)
class ManyOptions:
    """The options of the command for many databases."""

    patterns: Sequence[str]
    jobs: int
    yes: bool
    shows_stats: bool
    at: str | None = None  # the moment, as it was given


def run_on_many(run: Run, options: ManyOptions, work: Work, request: Request, printing: Printing) -> int:
    """Run the request on all matching databases and return the exit status: 1 if any failed. Raises SldbError."""
    with closing(run.client()) as client:
        names = many_databases.find_matching(options.patterns, client.list_databases(details=False))
    if not names:
        raise SldbError(
            "not_found", f"no database matches {', '.join(options.patterns)}", "sldb databases lists the existing ones"
        )
    with printing.out() as (out, screen), closing(many_databases.Clients(run.client)) as clients:
        merged = Merged(printing.format, out, screen, printing.layout)

        def result_command(name: str, request_id: str) -> str:
            return run.command_line("result", request_id, database=name)

        return _ManyDatabases(options, work, merged, clients, run.destination.place, result_command).run(names, request)


@dataclass(slots=True)
class _ManyDatabases:
    options: ManyOptions
    work: Work
    merged: Merged
    clients: many_databases.Clients
    place: str  # where the databases are, for messages
    result_command: Callable[[str, str], str]  # for a database and the id of a request
    failed: list[str] = field(default_factory=list)
    changed_rows: int = 0
    changes: dict[str, Counter[str]] = field(default_factory=dict)  # of a dry run, of all databases together
    took: Counter[str] = field(default_factory=Counter)
    dollars: float = 0.0

    def run(self, names: Sequence[str], request: Request) -> int:
        started = time.monotonic()
        cannot_write = request.read_only or request.dry_run or request.at is not None
        if self.options.yes or cannot_write:
            self._run_on_each(names, request)
        else:
            writers = self._run_on_each(names, replace(request, read_only=True), finds_writers=True)
            if writers:
                self._confirm(writers, request)
                self._run_on_each(writers, request)
        if note := self.merged.end():
            messages.say(note)
        self._say_summary(len(names), (time.monotonic() - started) * 1000, dry_run=request.dry_run)
        return 1 if self.failed else 0

    def _run_on_each(self, names: Sequence[str], request: Request, *, finds_writers: bool = False) -> list[str]:
        """Add the rows of each and report failures; return the databases with refused writes, if `finds_writers`."""
        writers, running = [], self._side_by_side(request)
        answered: dict[str, Reply | SldbError] = {}
        try:
            with progress.show(beside_data=self.merged.is_streamed and self.merged.out.isatty()) as shown:
                shown.begin("running", databases=len(names))
                for name, outcome in running.outcomes(names):
                    answered[name] = outcome
                    shown.advance(databases=1)
                    if isinstance(outcome, Reply):
                        self._add(name, outcome)
                    elif finds_writers and outcome.code == "read_only":
                        writers.append(name)
                    else:
                        self._report(name, outcome)
        except KeyboardInterrupt:
            self._stop(running, names, answered, request)
            raise
        return writers

    def _stop(
        self,
        running: many_databases.SideBySide[Reply],
        names: Sequence[str],
        answered: Mapping[str, Reply | SldbError],
        request: Request,
    ) -> None:
        """Cancel the requests, and report what became of all."""
        messages.say("cancelling the requests; Ctrl-C again stops waiting")
        late = dict(running.stop(self.clients.cancel, ANSWER_SECONDS))
        if not may_write(request):
            many = report.count(len(names), "database")
            messages.say(f"stopped when {len(answered)} of {many} had answered; {NOT_CHANGED}")
            return
        for sentence in stopped_sentences(len(names), {**answered, **late}):
            messages.say(sentence)
        for name in (name for name, outcome in late.items() if outcome is None):
            messages.say(f"  {self.result_command(name, self.clients.request_id(name))}")

    def _side_by_side(self, request: Request) -> many_databases.SideBySide[Reply]:
        timeout_seconds = None if request.timeout is None else request.timeout + GRACE_SECONDS
        return many_databases.SideBySide(
            lambda name: self.clients.execute(name, request), self.options.jobs, timeout_seconds
        )

    def _add(self, name: str, reply: Reply) -> None:
        reply = replace(reply, results=self.work.results(reply.results))
        columns = (NAME_COLUMN, *reply.columns)
        self._count(reply)
        if self.options.at is not None:
            for sentence in as_of.sentences(reply.txid, reply.time):
                messages.say(f"{name}: {sentence}")
        if not reply.columns:
            return
        if self.merged.columns and _names(self.merged.columns) != _names(columns):
            here, before = (", ".join(_names(one)[1:]) for one in (columns, self.merged.columns))
            self._report(name, SldbError("sql_error", f"its columns are {here}; those before have {before}"))
            return
        self.merged.add(columns, [(name, *row) for row in reply.rows])

    def _count(self, reply: Reply) -> None:
        self.changed_rows += sum(result.rowcount for result in reply.results if not result.columns)
        for table, counts in (reply.changes or {}).items():
            self.changes.setdefault(table, Counter()).update(counts)
        self.took.update({name: value for name, value in reply.stats.items() if name in _SUMMED})
        self.dollars += price.estimate(reply.stats)

    def _report(self, name: str, error: SldbError) -> None:
        self.failed.append(name)
        messages.say(f"error: {name}: {write_outcome.message(error)} [{error.code}]")

    def _confirm(self, writers: Sequence[str], request: Request) -> None:
        """Ask whether to write; nothing is applied yet. Raises Exit after a no, SldbError without a terminal."""
        many = report.count(len(writers), "database")
        if not streams.can_ask():
            raise SldbError("bad_request", f"this writes to {many}", "add --yes to confirm", applied="no")
        inserted_updated_deleted: Counter[str] = Counter()
        destroyed = 0
        running = self._side_by_side(replace(request, dry_run=True))
        for name, outcome in running.outcomes(writers):
            if isinstance(outcome, SldbError):
                messages.say(f"{name} will fail: {write_outcome.message(outcome)} [{outcome.code}]")
                continue
            for counts in (outcome.changes or {}).values():
                inserted_updated_deleted.update(counts)
            destroyed += bool(outcome.destroys)
        named = f"database {writers[0]}" if len(writers) == 1 else f"databases {', '.join(self.options.patterns)}"
        messages.say_subject(f"{named} of {self.place}")
        messages.say(_question(many, inserted_updated_deleted, destroyed))
        if not click.confirm("Go on?", err=True, default=False):
            messages.say(write_outcome.NOT_CHANGED)
            raise click.exceptions.Exit(1)

    def _say_summary(self, databases: int, elapsed_ms: float, *, dry_run: bool) -> None:
        rows = report.count(self.merged.rows_count, "row") if self.merged.columns else ""
        changed = f"{report.count(self.changed_rows, 'row')} changed" if self.changed_rows or not rows else ""
        parts = [f"{report.count(databases, 'database')}: {' + '.join(filter(None, (rows, changed)))}"]
        if self.failed:
            parts.append(f"{len(self.failed)} failed: {_some(self.failed)}")
        if self.options.shows_stats:
            parts += _stats(self.took, self.dollars, elapsed_ms)
        if self.failed or self.options.shows_stats or not rows or (self.merged.screen and sys.stderr.isatty()):
            messages.say(" · ".join(parts))
        if dry_run:
            say_dry_run(self.changes)


_SUMMED = ("ms", "store_requests", "store_writes", "bytes_in", "bytes_out")


def _stats(took: Mapping[str, float], dollars: float, elapsed_ms: float) -> list[str]:
    requests, size = report.count(int(took["store_requests"]), "store request"), report.size
    return [
        f"round trips {report.duration(elapsed_ms)}",
        f"servers {report.duration(took['ms'])} in all",
        f"{requests} ({int(took['store_writes'])} of them writes or lists)",
        f"{size(took['bytes_in'])} read, {size(took['bytes_out'])} written",
        f"about ${dollars:.6f} in all" if dollars else "no price: it ran on this machine",
    ]


def _question(many: str, rows: Mapping[str, int], destroyed: int) -> str:
    done = report.changed({"together": rows})[0] if any(rows.values()) else "no row changes"
    loss = f" Of them, {destroyed} lose rows, a table or a column." if destroyed else ""
    return f"This writes to {many}; {done}.{loss} Each has its own sldb undo."


def stopped_sentences(databases: int, outcomes: Mapping[str, Reply | SldbError | None]) -> Iterator[str]:
    """Yield what became of writes to so many databases after Ctrl-C. `outcomes`: of those that were sent; None:
    unknown."""
    applied = [name for name, outcome in outcomes.items() if isinstance(outcome, Reply)]
    unknown = [name for name, outcome in outcomes.items() if _is_open(outcome)]
    yield f"stopped: applied in {len(applied)} of {report.count(databases, 'database')}{_named(applied)}"
    if unknown:
        yield f"{UNKNOWN} in {len(unknown)} more{_named(unknown)}"


def _is_open(outcome: Reply | SldbError | None) -> bool:
    return outcome is None or (isinstance(outcome, SldbError) and outcome.details.get("applied") == "unknown")


def _named(names: Sequence[str]) -> str:
    return f": {_some(names)}" if names else ""


def _names(columns: Sequence[Column]) -> list[str]:
    return [column.name for column in columns]


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (", …" if len(names) > 5 else "")
