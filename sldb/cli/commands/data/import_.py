"""The command `sldb import`: files into tables."""

from __future__ import annotations

import os
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lambda_handlers.wire import SldbError
from sldb.cli import messages, progress
from sldb.cli.command import command
from sldb.cli.message_option import message_option
from sldb.cli.run import Run

if TYPE_CHECKING:
    from sldb.client import Client
    from sldb.transfer.importing import Plan
    from sldb.transfer.outcome import Outcome

ROWS_LEFT_OUT = 4  # exit status

HELP = """Read files into tables, all or nothing.

\b
  sldb import people.csv
  sldb import events-1.jsonl.gz events-2.jsonl.gz --table events
  sldb import main.sql                what sqlite3 .dump or sldb dump wrote
  sldb import app.sqlite --table users
  sldb import prices.csv --upsert sku
  zcat huge.csv.gz | sldb import - --table huge

Formats (found from the name's ending and the content): csv, tsv, json, jsonl, parquet, sqlite, sql; each may be
compressed with gzip or zstd.

A missing table is created: its name is the file's, its columns' types are those of the values (INTEGER, REAL, TEXT; 007
and 1.10 are text). --type price=REAL gives a column another one of INTEGER, REAL, NUMERIC, TEXT and BLOB. Rows are
added to an existing table, by the names of the columns.

A row that cannot be read, or that the database refuses, stops the import, and is named; --on-error skip leaves such
rows out (exit status 4), and --rejects FILE writes them to a file that can be mended and imported.

With --enqueue the rows go to the queue of the stack, in messages that are applied one by one.

An import of any size is one transaction. If it is stopped before its end, the same command again continues.
"""


@command("import", help=HELP, short_help="Read files into tables.")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option(
    "--table", metavar="NAME", help="The table (default: the file's name); for sqlite and sql files, the one to read."
)
@click.option("--input-format", metavar="FORMAT", help="csv, tsv, json, jsonl, parquet, sqlite or sql.")
@click.option("--create", is_flag=True, help="Only if the table does not exist; also create a missing database.")
@click.option("--replace", is_flag=True, help="Delete the existing rows.")
@click.option("--upsert", metavar="KEY[,KEY]", help="Update rows with the same values in these columns.")
@click.option("--type", "types", multiple=True, metavar="NAME=TYPE", help="The type of a column of a new table.")
@click.option(
    "--on-error", type=click.Choice(["stop", "skip"]), help="Stop at a row that is refused (default), or leave it out."
)
@click.option("--rejects", metavar="FILE", help="Leave out rows that are refused, and write them to FILE for mending.")
@click.option("--batch", type=click.IntRange(min=1), metavar="N", help="Send at most N rows at a time.")
@click.option("--delimiter", metavar="TEXT", help="The separator of the cells of csv and tsv.")
@click.option("--no-header", is_flag=True, help="Read the first line of csv and tsv as a row: columns c1, c2, …")
@click.option("--encoding", default="utf-8", show_default=True, metavar="NAME", help="The encoding of text files.")
@click.option("--enqueue", is_flag=True, help="Send the rows to the queue of the stack, for a table that exists.")
@message_option
def import_(run: Run, files: tuple[str, ...], message: str | None, enqueue: bool, **options: Any) -> int:
    from sldb.transfer.outcome import sentences

    plan = _plan(files, options)
    started = time.monotonic()
    if enqueue:
        _check_enqueued(options)
        run.refuse_local("--enqueue")
    names = " ".join(Path(file).name for file in files)  # without the folders of this machine
    with closing(run.client(create=options["create"], message=message, command=f"import {names}")) as client:
        if enqueue:
            return _enqueue(run, client, plan)
        client.prepare_to_write()
        done = _run(run, client, plan)
    for sentence in sentences(done, time.monotonic() - started):
        messages.say(sentence)
    return ROWS_LEFT_OUT if done.left_out.count else 0


def _enqueue(run: Run, client: Client, plan: Plan) -> int:
    from sldb.cli.query.enqueueing import show_ids
    from sldb.queue import rows
    from sldb.queue.sending import send
    from sldb.queue.stack_queue import open_queue
    from sldb.report import count

    sent = send(open_queue(run.aws, run.stack), rows.messages(client, plan, sys.stdin.buffer))
    show_ids(run, sent)
    messages.say(
        f"sent to the queue: {count(len(sent), 'message')}; "
        + run.complete_commands("`sldb result ID` tells of each once it has run")
    )
    return 0


def _check_enqueued(options: dict[str, Any]) -> None:
    for name in ("create", "replace", "types", "on_error", "rejects"):
        if options[name]:
            shown = "type" if name == "types" else name.replace("_", "-")
            raise click.UsageError(f"--{shown} is for an import that waits: leave it or --enqueue out")


def _run(run: Run, client: Client, plan: Plan) -> Outcome:
    from sldb.transfer import importing
    from sldb.transfer.interruption import ImportApplied, ImportInDoubt
    from sldb.write_outcome import UNKNOWN

    with progress.show() as shown:
        try:
            return importing.run(client, plan, sys.stdin.buffer, shown)
        except SldbError as error:
            if "staging" in error.details:
                error.hint = f"{error.hint}; {_kept(run, error.details['staging'])}".removeprefix("; ")
            raise
        except ImportApplied as late:
            messages.say(str(late))
            raise
        except ImportInDoubt as stop:
            messages.say(f"stopped waiting; {UNKNOWN}: {run.command_line('result', stop.request_id)}")
            raise
        except KeyboardInterrupt:
            messages.say("stopped, with nothing applied; the same command again continues from here")
            raise


def _plan(files: tuple[str, ...], options: dict[str, Any]) -> Plan:
    from sldb.did_you_mean import with_suggestion
    from sldb.transfer.files.input import FORMATS
    from sldb.transfer.files.recoding import check_encoding
    from sldb.transfer.formats.tables import ReadOptions
    from sldb.transfer.importing import MAX_ROWS, Plan
    from sldb.transfer.loader import Mode
    from sldb.transfer.new_table import parse_type

    format_name = options["input_format"]
    if format_name is not None and format_name not in FORMATS:
        wanted = with_suggestion(format_name, FORMATS, f"one of {', '.join(FORMATS)}")
        raise click.UsageError(f"no format to import: {format_name}; {wanted}")
    if sum(map(bool, (options["create"], options["replace"], options["upsert"]))) > 1:
        raise click.UsageError("--create, --replace and --upsert exclude each other: give one of them")
    if files.count("-") > 1:
        raise click.UsageError("- is standard input, which can be read once")
    if options["table"] == "":
        raise click.UsageError("--table: the name is empty")
    check_encoding(options["encoding"])
    _check_rejects(files, options)
    upsert = tuple(key.strip() for key in (options["upsert"] or "").split(",") if key.strip())
    if options["upsert"] is not None and not upsert:
        raise click.UsageError("--upsert: got no column, want KEY[,KEY]")
    skip = options["on_error"] == "skip" or options["rejects"] is not None
    return Plan(
        files,
        ReadOptions(
            options["table"],
            format_name,
            _delimiter(options["delimiter"]),
            not options["no_header"],
            options["encoding"],
        ),
        Mode(options["create"], options["replace"], upsert, skip, tuple(map(parse_type, options["types"]))),
        options["batch"] or MAX_ROWS,
        options["rejects"],
    )


def _delimiter(given: str | None) -> str | None:
    """Return the separator of cells; `\\t` is a tab."""
    if given is None:
        return None
    if not given or set(given) & set('"\r\n'):
        raise click.UsageError(f"--delimiter: got {given!r}, want text without quotes and line ends")
    return given.replace("\\t", "\t")


def _check_rejects(files: tuple[str, ...], options: dict[str, Any]) -> None:
    name = options["rejects"]
    if name is None:
        return
    if options["on_error"] == "stop":
        raise click.UsageError("--on-error stop leaves no rows out: give it or --rejects")
    if not os.path.isdir(os.path.dirname(name) or "."):
        raise click.UsageError(f"--rejects {name}: there is no such directory")
    if name == "-":
        raise click.UsageError("--rejects -: standard output is not for rows to be mended: give the name of a file")
    if os.path.realpath(name) in map(os.path.realpath, files):
        raise click.UsageError(f"--rejects {name}: it is one of the files to read")


def _kept(run: Run, staging: str) -> str:
    drop = run.command_line("databases", "drop", staging)
    return f"the same command again continues from here (or, to abandon it: {drop})"
