"""The SQL and the parameters of one `sldb query`, as a request; and its results and errors by source and row."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from lambda_handlers.wire import Params, Request, Result, SldbError, Statement
from sldb.cli import moment_options
from sldb.cli.query.sources import Source
from sldb.params.arguments import parse_params

if TYPE_CHECKING:
    from sldb.transfer.param_rows import ParamRow


@dataclass(frozen=True, slots=True)
class Work:
    """Texts of SQL for one run each, or one text for a run with each row of parameters."""

    texts: Sequence[Source]
    params: Sequence[str]  # as --param has them
    params_from: str | None = None
    rows: Sequence[ParamRow] | None = None  # of params_from

    @classmethod
    def read(cls, texts: Sequence[Source], params: Sequence[str], params_from: str | None, encoding: str) -> Work:
        """Return the work, with the rows of the file. Raises SldbError for an invalid file of parameters."""
        if params_from is None:
            return cls(texts, params)
        if len(texts) > 1:
            raise click.UsageError("--params-from runs one -c, -f or argument for each row: give one of them")
        from sldb.transfer import param_rows

        return cls(texts, params, params_from, param_rows.read(params_from, sys.stdin.buffer, encoding))

    def request(self, database: str, options: dict[str, Any]) -> Request:
        """Return the request; `options`: its other fields, with None for absent ones."""
        constants = parse_params(self.params)
        if isinstance(constants, dict):
            from sldb.sql_parameters import refuse_unused  # its patterns take longer than a request

            refuse_unused([source.text for source in self.texts], constants)
        if self.rows is None:
            statements = tuple(Statement(source.text, constants) for source in self.texts)
        else:
            statements = tuple(Statement(self.texts[0].text, _merged(row.params, constants)) for row in self.rows)
        fields = {name: value for name, value in options.items() if value is not None}
        if "at" in fields:
            fields["at"] = moment_options.parse_moment(fields["at"])
            # --at now is a view like any other moment, although of the newest state: nothing can be written to it.
            fields["read_only"] = fields["read_only"] or (fields["at"] is None and not fields["dry_run"])
        request = Request(statements, database, **fields)
        Request.decode(request.encode())  # an invalid field costs no round trip
        return request

    def results(self, results: tuple[Result, ...]) -> tuple[Result, ...]:
        """Return one result for each statement, with the rows of all its executions."""
        return results if self.rows is None else tuple(_joined(results, len(self.rows)))

    def locate(self, error: SldbError) -> None:
        """Add the file, or the row of parameters, to the details of an error; and the options for what is missing."""
        part = error.details.get("part", 0)
        if self.rows is None:
            from sldb.params.missing import query_hint

            error.hint = query_hint(error) or error.hint
            if self.texts[part].file is not None:
                error.details["file"] = self.texts[part].file
            return
        if "statement" in error.details:
            error.details["file"], error.details["row_line"] = self.params_from, self.rows[part].line
        if self.params_from is not None and error.code == "too_large":
            from sldb.transfer.param_rows import too_large

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
