"""The command `sldb query`: run SQL once and print the rows."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sldb.cli import moment_options, streams
from sldb.cli.command import command
from sldb.cli.message_option import message_option
from sldb.cli.path_types import output_option
from sldb.cli.query import sources
from sldb.cli.query.sql_command import SqlCommand
from sldb.cli.questions import create_option, yes_option
from sldb.cli.run import Run

if TYPE_CHECKING:
    from lambda_handlers.wire import Request
    from sldb.cli.query.printing import Printing

HELP = """Run SQL and print the rows.

All statements together are one transaction: if one fails, nothing is applied. The SQL comes from the argument, from -c
SQL and -f FILE (any number of them, in their order; -f - is standard input), or from standard input. The output of
sqlite3's .dump runs unchanged. Dot commands of the shell work too: sldb query .tables

\b
Parameters (-p, any number of times):
  -p 5 -p Ada                  for ?, in order
  -p id=5 -p name=Ada          for :id and :name
  -p zip:text=01234            type: text int real null json blob file
  -p body=@letter.txt          the text in a file
  -p pic:blob=@a.png           the bytes in a file
  -p tags:json='["a"]'         checked, bound as text
  -p x:null
  -p "=a=b"                    a positional value with a "=" in it

A value without a type is a number if it is written as SQLite would write that number (5, -3, 2.5), else text.
--params-from FILE (csv, tsv, json, jsonl, parquet; read as sldb import reads it) runs the statements once for each row
of the file, in one transaction.

\b
Formats (--format):
  table     for people; on a terminal the first --max-rows rows, and
            cells that do not fit shortened (vertical shows them whole)
  json      one array of objects; integers exact,
            blobs {"$base64": true, "encoded": …},
            infinities {"$float": "inf"}, equal column names id, id:1, …
  jsonl     one such object a line
  csv       NULL is nothing between the commas, '' is ""
  tsv       one row a line; \\t \\n \\r \\\\ escaped, NULL is \\N
  markdown  a table for a document
  vertical  one line for each cell
  insert    INSERT statements for --table
  parquet   a file, with --output (pip install 'sldb[parquet]')

Where several statements return rows, table, markdown and vertical print all of them, the others the last. With --output
the file's name determines the format, unless --format does; .gz and .zst are compressed.

On a terminal, a statement that deletes, replaces or overwrites rows, or drops a table or column, asks for confirmation
first, however it is written (not with --yes). sldb undo reverts the last write.

A write to a missing database asks before it creates it; without a terminal it needs --create (or SLDB_CREATE=1). Only
main is created without that.

--enqueue sends the statements to the queue of the stack (sldb deploy --queue), and waits for no result; sldb result ID
tells of them once they have run.

--all-databases 'tenant-*' runs on all that match, each a transaction of its own, and merges the rows, with the name of
their database in the column _database. One that fails or is slow is reported and does not affect the others; the exit
status is then 1. Writes ask for confirmation; without a terminal they need --yes.

\b
Examples:
  sldb query "SELECT * FROM users WHERE age > :age" -p age=30
  sldb query -f schema.sql -c "SELECT count(*) FROM users"
  sldb query "INSERT INTO t VALUES (:id, :name)" --params-from rows.csv
  sldb query "DELETE FROM users WHERE seen < '2020'" --dry-run
  sldb query "SELECT count(*) FROM users" --all-databases 'tenant-*'
  sldb query "SELECT * FROM users" --at yesterday --output users.csv

Exit status: 0; 1 the statement failed, or the answer was no; 2 usage; 3 not deployed, no credentials or not
reachable; 70 a bug; 75 locked or in conflict, try again; 130 interrupted.
"""


class QueryCommand(SqlCommand):
    """The command with a record of the order of -c and -f: click gives the values of each apart."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        given = list(args)
        rest = super().parse_args(ctx, args)
        _, _, order = self.make_parser(ctx).parse_args(given)
        ctx.meta["sources"] = [param.name for param in order if param.name in ("command", "file")]
        return rest


@command("query", cls=QueryCommand, help=HELP, short_help="Run SQL once.")
@click.argument("sql", required=False)
@click.option("-c", "--command", multiple=True, metavar="SQL", help="Run this SQL; may be given several times.")
@click.option(
    "-f",
    "--file",
    multiple=True,
    metavar="FILE",
    help="Run the SQL in FILE; - is standard input. May be given several times.",
)
@click.option("-p", "--param", "params", multiple=True, metavar="[NAME[:TYPE]=]VALUE", help="Bind a parameter.")
@click.option(
    "--params-from",
    type=click.Path(),
    metavar="FILE",
    help="Run once for each row of FILE, all or nothing; - is standard input.",
)
@click.option(
    "--encoding",
    default="utf-8",
    show_default=True,
    metavar="NAME",
    help="The encoding of the file of --params-from.",
)
@click.option(
    "--all-databases",
    multiple=True,
    metavar="PATTERN",
    help="Run on all databases that match (* ? [abc]), in parallel.",
)
@click.option(
    "--jobs",
    type=click.IntRange(min=1),
    default=8,
    show_default=True,
    metavar="N",
    help="How many databases at a time.",
)
@moment_options.at_option("Read the database as it was then")
@click.option("--read-only", is_flag=True, help="Refuse to write.")
@click.option("--dry-run", is_flag=True, help="Run it, show the results and the rows that change, and roll back.")
@yes_option("Do not ask before something is destroyed.")
@create_option
@message_option
@click.option("--if-txid", type=int, metavar="TXID", help="Write only if the newest transaction is this one.")
@click.option("--timeout", type=float, metavar="SECONDS", help="Give up after this time, with nothing applied.")
@click.option(
    "--max-staleness",
    type=float,
    metavar="SECONDS",
    help="Read a warm container's copy if it was checked at most this long ago.",
)
@click.option(
    "--request-id",
    metavar="ID",
    help="Repeating a request with the same id within an hour returns the first result and applies nothing twice.",
)
@click.option(
    "--max-rows",
    type=click.IntRange(min=0),
    default=streams.DEFAULT_MAX_ROWS,
    show_default=True,
    metavar="N",
    help="Rows of a table on a terminal; 0: all.",
)
@click.option(
    "--max-width",
    type=click.IntRange(min=0),
    metavar="N",
    help="Characters of a cell of a table on a terminal; 0: no limit. Default: those that fit.",
)
@click.option("--null", metavar="TEXT", help="Print TEXT for NULL.")
@click.option("--no-header", is_flag=True, help="Print no column names (table, csv, tsv, markdown).")
@click.option("--table", default="table", metavar="NAME", help="The table in the statements of --format insert.")
@output_option("Write the data to FILE, whole or not at all; - is standard output.", click.Path(path_type=Path))
@click.option("--enqueue", is_flag=True, help="Send it to the queue of the stack, and print its id.")
@click.option("--stats", is_flag=True, help="Print duration, requests and cost: one line on standard error.")
@click.pass_context
def query(
    ctx: click.Context,
    /,
    run: Run,
    sql: str | None,
    command: tuple[str, ...],
    file: tuple[str, ...],
    params: tuple[str, ...],
    params_from: str | None,
    encoding: str,
    yes: bool,
    creates: bool,
    enqueue: bool,
    stats: bool,
    max_rows: int,
    max_width: int | None,
    null: str | None,
    no_header: bool,
    table: str,
    output: Path | None,
    all_databases: tuple[str, ...],
    jobs: int,
    **fields: Any,
) -> int:
    from sldb.cli.query.printing import Printing
    from sldb.cli.query.statements import Work
    from sldb.render import Layout

    printing = Printing.choose(run, Layout(null, not no_header, table), max_rows, max_width, output)
    given = _in_order(ctx.meta["sources"], command, file)
    if params_from == "-" and sources.are_on_standard_input(sql, given):
        raise click.UsageError("--params-from - reads standard input: give the SQL as an argument, with -c or -f FILE")
    texts = sources.read(sql, given)
    if any(source.is_dot_command for source in texts):
        if len(texts) > 1 or params or params_from or null is not None or no_header:
            raise click.UsageError("a dot command is run alone, without parameters, --null and --no-header")
        if printing.format == "insert" and not run.settings.find("format").is_option:
            printing = replace(printing, format="table")  # a .sql file gets the SQL of .schema unchanged
        _run_dot_command(texts[0].text, run, printing, stats, fields["at"], creates)
        return 0
    work = Work.read(texts, params, params_from, encoding)
    if work.rows is not None and not work.rows:
        click.echo(f"{params_from} has no rows: nothing was run", err=True)
        return 0
    request = work.request(run.database, fields)
    if enqueue:
        from sldb.cli.query import enqueueing

        if all_databases or output or stats or request.read_only or request.max_staleness:
            raise click.UsageError("--enqueue sends a write, and prints no rows: leave out what is about reading")
        enqueueing.enqueue(run, request, creates=creates)
        return 0
    if all_databases:
        from sldb.cli.query.many_databases import ManyOptions, run_on_many

        _check_many(run, request, creates)
        options = ManyOptions(all_databases, jobs, yes, stats, fields["at"])
        # A database that is dropped before its turn must not be created.
        return run_on_many(run, options, work, replace(request, create=False), printing)
    from sldb.cli.query.sending import Sending

    # The output is opened first: if that fails, nothing may run.
    with printing.out() as (out, screen), closing(run.client(create=creates)) as client:
        confirms = not yes and streams.can_ask()
        Sending(run, client, work, printing, confirms, stats, fields["at"]).send(
            replace(request, last=True), out, screen
        )
    return 0


def _check_many(run: Run, request: Request, creates: bool) -> None:
    if creates:
        raise click.UsageError("--all-databases runs on existing databases: leave --create out")
    if request.if_txid is not None or run.settings.find("database").is_option:
        raise click.UsageError("--all-databases cannot be combined with --database or --if-txid")


def _in_order(kinds: Sequence[str], commands: Sequence[str], files: Sequence[str]) -> list[tuple[str, str]]:
    """Return (kind, value) of each -c and -f, in the order of the command line."""
    values = {"command": iter(commands), "file": iter(files)}
    return [(kind, next(values[kind])) for kind in kinds]


def _run_dot_command(text: str, run: Run, printing: Printing, stats: bool, at: str | None, creates: bool) -> None:
    from sldb.report import details
    from sldb.shell.commands.registry import obey
    from sldb.shell.output import Output
    from sldb.shell.reader import DotCommand, read
    from sldb.shell.session import Session

    reading = read(text)
    if not isinstance(reading, DotCommand):
        return
    with printing.out() as (out, screen):
        output = Output(out, sys.stderr, printing.format, screen, timing=False)
        with closing(Session(run.client(create=creates), output)) as session:
            if at is not None:
                session.go_to(moment_options.parse_moment(at))
                if session.last is not None:
                    moment_options.say_moment(session.client, at, session.last.txid, session.last.time)
            obey(reading, session)
            if stats and session.last is not None:
                click.echo(details(session.last, session.last_ms), err=True)
