"""The command `sldb dump`: the whole database as SQL text."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import click

from sldb.cli import messages, moment_options, progress, streams
from sldb.cli.command import command
from sldb.cli.path_types import output_option
from sldb.cli.run import Run

FORMATS = ("insert",)
HELP = """Write a database as SQL text from which any SQLite makes it again, exactly.

\b
  sldb dump > main.sql
  sldb dump -o main.sql.gz --at "2026-11-01 10:00"
  sqlite3 copy.sqlite < main.sql
  sldb import main.sql --database copy --create

All of it is read at one transaction. A file (-o) appears whole or not at all; .gz and .zst are compressed. For other
formats than SQL there is sldb export.
"""


@command("dump", help=HELP, short_help="Write the database as SQL text.")
@output_option("Write to FILE; - is standard output.", click.Path(path_type=Path))
@moment_options.at_option("The database as it was then")
def dump(run: Run, output: Path | None, at: str | None) -> None:
    from sldb.transfer.database.row_estimate import begin_rows
    from sldb.transfer.database.snapshot import Snapshot
    from sldb.transfer.files.output import open_output
    from sldb.transfer.formats import dump as dumping

    _require_sql(run, output)
    size = 0
    with progress.show(beside_data=output is None) as shown, closing(run.client()) as client:
        source = Snapshot(client, moment_options.parse_moment(at), shown)
        moment_options.say_moment(client, at, source.txid, source.time)
        with open_output(output, streams.bytes_out()) as out:
            begin_rows(shown, f"dumping {source.database}", source)
            for text in dumping.dump(source):
                written = out.write(text.encode())
                size += written
                shown.advance(bytes=written)
    if output is not None:
        messages.say(f"{source.database} as of transaction {source.txid} · {_size(size)} of SQL in {output}")


def _require_sql(run: Run, output: Path | None) -> None:
    """Raise `bad_request` if --format, or the name of the file, asks for another format."""
    from lambda_handlers.wire import SldbError
    from sldb.file_formats import output_format

    given = run.format if run.settings.find("format").is_option else None
    try:
        output_format("" if output is None else output.name, FORMATS, given, *FORMATS)
    except SldbError as error:
        error.hint = "a dump is SQL text (.sql); other formats: sldb export"
        raise


def _size(amount: int) -> str:
    from sldb.report import size

    return size(amount)
