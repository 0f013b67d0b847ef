"""The command `sldb export`: rows out of the database, into a file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sldb.cli import messages, moment_options, progress, streams
from sldb.cli.command import command
from sldb.cli.old_spellings import old_spelling
from sldb.cli.path_types import output_option
from sldb.cli.run import Run

if TYPE_CHECKING:
    from sldb.aws.options import AwsOptions
    from sldb.transfer.database.selection import Selection
    from sldb.transfer.database.snapshot import Snapshot

HELP = """Write the rows of a table, a view or a query to a file or to standard output.

\b
  sldb export users -o users.csv.gz
  sldb export --query "SELECT * FROM users WHERE age > 30" -o old.jsonl
  sldb export users --format tsv | head
  sldb export -o everything.sqlite
  sldb export events --parquet s3://bucket/events/

Formats (--format, or the name's ending): csv, tsv, json, jsonl, insert (.sql), parquet and sqlite (these two need -o).
Without a table and a query, sqlite holds the whole database.

All of it is read at one transaction, however large it is. A file appears whole or not at all; a name that ends in .gz
or .zst is compressed. A name that begins with s3:// is the address of an object; if it ends in /, the object is named
after the table.
"""


@command("export", help=HELP, short_help="Write rows to a file.")
@click.argument("table", required=False)
@click.option("-c", "--query", "sql", metavar="SQL", help="Export the rows of this query.")
@old_spelling("-q", now="-c")
@output_option("Write to FILE, or to s3://BUCKET/KEY; - is standard output.")
@click.option("--parquet", metavar="FILE", help="Short for --format parquet -o FILE.")
@moment_options.at_option("As it was then")
@click.option("--null", metavar="TEXT", help="The text for NULL in csv and tsv.")
@click.option("--no-header", is_flag=True, help="csv and tsv without the line of column names.")
def export(
    run: Run,
    table: str | None,
    sql: str | None,
    output: str | None,
    parquet: str | None,
    at: str | None,
    null: str | None,
    no_header: bool,
) -> None:
    if table is not None and sql is not None:
        raise click.UsageError("a table and --query exclude each other: give one of them")
    if parquet is not None and output is not None:
        raise click.UsageError("--parquet FILE is short for --format parquet -o FILE: give one of them")
    output = output or parquet
    format_name = "parquet" if parquet is not None else _format(run, output)
    with (
        progress.show(beside_data=output is None) as shown,
        closing(run.client()) as client,
        _destination(output, table, format_name, run.aws_options) as path,
    ):
        from sldb.render.layout import Layout
        from sldb.transfer import export as exporting
        from sldb.transfer.database.row_estimate import begin_rows
        from sldb.transfer.database.snapshot import Snapshot

        source = Snapshot(client, moment_options.parse_moment(at), shown)
        moment_options.say_moment(client, at, source.txid, source.time)
        what = _selected(source, table, sql, format_name, path)
        begin_rows(shown, f"exporting {what.name if what else source.database}", source, what)
        layout = Layout(null, header=not no_header, table=what.name if what else "")
        rows = exporting.write(source, what, format_name, path, streams.bytes_out(), layout)
    if output is not None:
        _say_result(source, table, rows, output)


def _format(run: Run, output: str | None) -> str:
    """Return the format of --format, else of the file's name, else that of the settings if it is one for files."""
    from sldb.file_formats import output_format, writable_format
    from sldb.transfer.export import FORMATS

    given = run.format if run.settings.find("format").is_option else None
    usual = run.format if run.format in FORMATS else "csv"
    if output is not None:
        return output_format(output, FORMATS, given, usual)
    return usual if given is None else writable_format(given, FORMATS)


@contextmanager
def _destination(output: str | None, table: str | None, format_name: str, aws: AwsOptions) -> Iterator[Path | None]:
    """Return the file to write."""
    if output is None or not output.startswith("s3://"):
        yield None if output is None else Path(output)
        return
    from sldb.aws.session import boto3_session
    from sldb.file_formats import usual_ending
    from sldb.transfer.files.s3_object import uploading

    if output.endswith("/"):
        output += f"{table or 'query'}{usual_ending(format_name)}"
    with uploading(output, lambda: boto3_session(aws)) as path:
        yield path


def _selected(
    source: Snapshot, table: str | None, sql: str | None, format_name: str, path: Path | None
) -> Selection | None:
    from sldb.transfer.database import selection

    if sql is not None:
        return selection.query(source, sql, path.name.partition(".")[0] if path else "query")
    return None if table is None else selection.table(source, table, is_to_insert=format_name == "insert")


def _say_result(source: Snapshot, table: str | None, rows: int | None, output: str) -> None:
    from sldb.report import count

    what = (table or source.database) if rows is None else count(rows, "row")
    messages.say(f"{what} as of transaction {source.txid} in {output}")
