"""`sldb query`: run SQL once and print what it gives."""

from __future__ import annotations

import sys
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sldb.cli import streams
from sldb.cli.main import Globals, command

if TYPE_CHECKING:
    from lambda_handlers.wire import Reply, Request
    from sldb.client import Client

HELP = """Run SQL and print the rows.

All statements together are one transaction: if one fails, nothing is applied. The SQL comes from the argument, from
a file (-f FILE, or -f - for standard input), or from standard input. Dot commands of the shell work too:
sldb query .tables

\b
Parameters (-p, as often as needed):
  -p 5 -p Ada                  for ?, in order
  -p id=5 -p name=Ada          for :id and :name
  -p zip:text=01234            with a type: text int real null json blob file
  -p x:null  -p pic:blob=@a.png  -p body:file=letter.txt
  -p "=a=b"                    a positional value with a "=" in it

A value without a type is a number if it is written as SQLite would write that number (5, -3, 2.5), else text.

\b
Formats (--format):
  table     for people; on a terminal the first --max-rows rows
  json      one array of objects; integers exact,
            blobs {"$base64": true, "encoded": …},
            infinities {"$float": "inf"}, equal column names id, id:1, …
  jsonl     one such object a line
  csv       NULL is nothing between the commas, '' is ""
  tsv       one row a line; \\t \\n \\r \\\\ escaped, NULL is \\N
  markdown  a table for a document
  vertical  one line for each cell

Where several statements return rows, table, markdown and vertical print all of them, the others the last.

Exit status: 0; 1 the statement failed; 2 usage; 3 not deployed, no credentials or not reachable;
70 a bug; 75 locked or in conflict, try again; 130 interrupted.
"""


@command("query", help=HELP, short_help="Run SQL once.")
@click.argument("sql", required=False)
@click.option("-f", "--file", metavar="FILE", help="Read the SQL from FILE; - is standard input.")
@click.option("-p", "--param", "params", multiple=True, metavar="[NAME[:TYPE]=]VALUE", help="Bind a parameter.")
@click.option("--at", metavar="TXID|TIME", help="Read the database as it was then (txid or RFC 3339 time).")
@click.option("--read-only", is_flag=True, help="Refuse to write.")
@click.option("--dry-run", is_flag=True, help="Run it, show the results, and roll back.")
@click.option("--if-txid", type=int, metavar="TXID", help="Write only if the newest transaction is this one.")
@click.option("--timeout", type=float, metavar="SECONDS", help="Give up after this time, with nothing applied.")
@click.option(
    "--max-staleness", type=float, metavar="SECONDS", help="Accept a warm copy that was checked this long ago."
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
def query(
    run_globals: Globals, sql: str | None, file: str | None, params: tuple[str, ...], max_rows: int, **options: Any
) -> None:
    from sldb.render import check_format

    format_name = check_format(run_globals.format)
    text = _source(sql, file)
    if text.lstrip().startswith((".", "\\")):
        _dot_command(text, run_globals, format_name, max_rows)
        return
    request = _request(text, params, run_globals.database, options)
    started = time.monotonic()
    with closing(run_globals.client()) as client:
        reply = _execute(client, request)
    _print(reply, format_name, max_rows, (time.monotonic() - started) * 1000, dry_run=request.dry_run)


def _source(sql: str | None, file: str | None) -> str:
    if sql is not None and file is not None:
        raise click.UsageError("SQL as an argument and -f FILE exclude each other: give one of them")
    if sql not in (None, "-"):
        return sql
    if file not in (None, "-"):
        try:
            return Path(file).read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            raise click.UsageError(f"-f {file} cannot be read: {error}") from None
    if sql is None and file is None and sys.stdin.isatty():
        raise click.UsageError('nothing to run: sldb query "SELECT 1", or -f FILE, or SQL on standard input')
    try:
        return streams.read_standard_input()
    except UnicodeDecodeError as error:
        raise click.UsageError(f"standard input is not UTF-8 text: {error}") from None


def _request(text: str, params: tuple[str, ...], database: str, options: dict[str, Any]) -> Request:
    from lambda_handlers.wire import Request, Statement
    from sldb.params import parse_params

    at = options.pop("at")
    if at is not None and at.isdecimal():
        at = int(at)
    options = {name: value for name, value in options.items() if value is not None}
    request = Request((Statement(text, parse_params(params)),), database, at, **options)
    Request.decode(request.encode())  # a field that makes no sense costs no round trip
    return request


def _execute(client: Client, request: Request) -> Reply:
    from sldb.targets.protocol import with_id

    request = with_id(request)
    try:
        return client.execute(request)
    except KeyboardInterrupt:
        if not request.read_only:
            click.echo(
                "stopped waiting; if this writes, it may still be applied. To find out, run the same command "
                f"with --request-id {request.request_id}",
                err=True,
            )
        raise


def _print(reply: Reply, format_name: str, max_rows: int, elapsed_ms: float, *, dry_run: bool) -> None:
    from sldb import render
    from sldb.report import outcomes, summary

    screen, out = streams.screen(max_rows), streams.data_out()
    render.write(reply.results, format_name, out, screen)
    out.flush()
    if note := render.unseen(reply.results, format_name, screen):
        click.echo(note, err=True)
    if screen is not None and sys.stderr.isatty():
        click.secho(summary(reply, elapsed_ms), err=True, dim=True)
    elif not reply.columns:
        click.echo(f"{outcomes(reply)} · txid {reply.txid}", err=True)
    if dry_run:
        click.echo("dry run: all of it was rolled back", err=True)


def _dot_command(text: str, run_globals: Globals, format_name: str, max_rows: int) -> None:
    from sldb.shell.commands import obey
    from sldb.shell.output import Output
    from sldb.shell.reader import DotCommand, read
    from sldb.shell.session import Session

    reading = read(text)
    if not isinstance(reading, DotCommand):
        return
    output = Output(streams.data_out(), sys.stderr, format_name, streams.screen(max_rows), timing=False)
    with closing(Session(run_globals.client(), output)) as session:
        obey(reading, session)
