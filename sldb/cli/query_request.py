"""One request of `sldb query`: what it is made of, sending it, and telling what it did."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

from lambda_handlers.wire import Params, Reply, Request, Result, SldbError, Statement
from sldb import report
from sldb.cli import moment_options, streams
from sldb.cli.sql_sources import Source
from sldb.params import parse_params
from sldb.write_outcome import NOT_CHANGED

if TYPE_CHECKING:
    from sldb.cli.confirm import Asking
    from sldb.cli.global_options import Globals
    from sldb.cli.printing import Printing
    from sldb.client import Client
    from sldb.param_rows import ParamRow
    from sldb.render import Screen


@dataclass(frozen=True, slots=True)
class Work:
    """What is to be run: each text once, or the one text once for each row."""

    texts: Sequence[Source]
    params: Sequence[str]  # as --param has them
    params_from: Path | None = None
    rows: Sequence[ParamRow] | None = None  # of params_from

    @classmethod
    def read(cls, texts: Sequence[Source], params: Sequence[str], params_from: Path | None) -> Work:
        """Raises SldbError for a file of parameters that makes no sense."""
        if params_from is None:
            return cls(texts, params)
        if len(texts) > 1:
            raise click.UsageError("--params-from runs one -c, -f or argument for each row: give one of them")
        from sldb import param_rows

        return cls(texts, params, params_from, param_rows.read(params_from))

    def request(self, database: str, options: dict[str, Any]) -> Request:
        """`options`: fields of the request; None for those that were not given."""
        constants = parse_params(self.params)
        if self.rows is None:
            statements = tuple(Statement(source.text, constants) for source in self.texts)
        else:
            statements = tuple(Statement(self.texts[0].text, _merged(row.params, constants)) for row in self.rows)
        fields = {name: value for name, value in options.items() if value is not None}
        if "at" in fields:
            fields["at"] = moment_options.moment(fields["at"])
            # Now is what is newest, and is looked at as any other moment is: nothing can be written to it.
            fields["read_only"] = fields["read_only"] or (fields["at"] is None and not fields["dry_run"])
        request = Request(statements, database, **fields)
        Request.decode(request.encode())  # a field that makes no sense costs no round trip
        return request

    def results(self, results: tuple[Result, ...]) -> tuple[Result, ...]:
        """One for each statement, with the rows of all its executions."""
        return results if self.rows is None else tuple(_joined(results, len(self.rows)))

    def locate(self, error: SldbError) -> None:
        """Name the file, or the row of parameters, that the error is about."""
        part = error.details.get("part", 0)
        if self.rows is None:
            if self.texts[part].file is not None:
                error.details["file"] = self.texts[part].file
            return
        if "statement" in error.details:
            error.details["file"], error.details["row_line"] = str(self.params_from), self.rows[part].line
        if self.params_from is not None and error.code == "too_large":
            from sldb.param_rows import too_large

            error.hint = too_large(self.params_from).hint


def _merged(row: Params, constants: Params) -> Params:
    if constants is None:
        return row
    if isinstance(constants, dict) and isinstance(row, dict):
        return {**constants, **row}
    raise click.UsageError("-p beside --params-from needs names on both sides")


def _joined(results: Sequence[Result], executions: int) -> list[Result]:
    joined = []
    for position in range(len(results) // executions):
        same = results[position :: len(results) // executions]
        rows = [row for result in same for row in result.rows]
        joined.append(Result(same[0].columns, rows, sum(result.rowcount for result in same), same[-1].lastrowid))
    return joined


@dataclass(frozen=True, slots=True)
class Sending:
    run_globals: Globals
    client: Client
    work: Work
    printing: Printing
    asks: bool  # before something is destroyed
    tells_stats: bool
    at: str | None = None  # the moment, as it was given

    def run(self, request: Request, out: TextIO, screen: Screen | None) -> None:
        """Raises SldbError, which says where it is about; Exit where the user does not go on."""
        asking = self._asking() if self.asks else None
        started = time.monotonic()
        try:
            reply = self._execute(request, asking)
        except SldbError as error:
            self.work.locate(error)
            raise
        if reply is None:
            click.echo(NOT_CHANGED, err=True)
            raise click.exceptions.Exit(1)
        elapsed_ms = (time.monotonic() - started - (asking.seconds if asking else 0.0)) * 1000
        reply = replace(reply, results=self.work.results(reply.results))
        self._print(reply, out, screen)
        moment_options.tell(self.client, self.at, reply.txid, reply.time)
        self._tell(reply, elapsed_ms, screen, dry_run=request.dry_run)
        if asking and asking.was_agreed:
            click.echo(f"to undo this: {self.run_globals.command_line('undo')}", err=True)

    def _asking(self) -> Asking:
        from sldb.cli.confirm import Asking

        return Asking(self.client.where, self.run_globals.command_line("undo"))

    def _execute(self, request: Request, asking: Asking | None) -> Reply | None:
        from sldb.targets.protocol import with_id

        request = with_id(request)
        try:
            if asking is None:
                return self.client.execute(request)
            from sldb.operations import confirmation

            return confirmation.execute(self.client, request, asking.agree)
        except KeyboardInterrupt:
            if not request.read_only:
                click.echo(
                    "stopped waiting; if this writes, it may still be applied. To find out, run the same command "
                    f"with --request-id {request.request_id}",
                    err=True,
                )
            raise

    def _print(self, reply: Reply, out: TextIO, screen: Screen | None) -> None:
        from sldb import render

        render.write(reply.results, self.printing.format, out, screen, self.printing.layout)
        out.flush()
        if note := render.unseen(reply.results, self.printing.format, screen):
            click.echo(note, err=True)

    def _tell(self, reply: Reply, elapsed_ms: float, screen: Screen | None, *, dry_run: bool) -> None:
        if self.tells_stats:
            click.echo(report.details(reply, elapsed_ms), err=True)
        elif screen is not None and sys.stderr.isatty():
            click.echo(streams.styled(report.summary(reply, elapsed_ms), dim=True), err=True)
        elif not reply.columns:
            click.echo(f"{report.outcomes(reply)} · txid {reply.txid}", err=True)
        if dry_run:
            _tell_dry_run(reply)


def _tell_dry_run(reply: Reply) -> None:
    from sldb.render.text import escape

    click.echo("dry run: all of it was rolled back", err=True)
    for line in report.changed(reply.changes or {}):
        click.echo(f"  {escape(line)}", err=True)
    for destroyed in reply.destroys or []:
        if destroyed["does"].startswith("drop"):
            click.echo(f"  {escape(destroyed['message'])}", err=True)


def somebody_to_ask(yes: bool) -> bool:
    return not yes and streams.somebody_is_there()
