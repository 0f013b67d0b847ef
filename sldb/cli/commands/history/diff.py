"""The command `sldb diff`: the differences between two states."""

from __future__ import annotations

import json
from contextlib import closing, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from sldb.cli import messages, progress
from sldb.cli.command import command
from sldb.cli.run import Run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from lambda_handlers.wire import Reply, Request, Result, Value
    from sldb.client import Client
    from sldb.diff.comparison import Comparison, RowChange
    from sldb.diff.schema import Schema, State

HELP = """Show what differs between two states: tables, indexes, views and triggers, and how many rows.

A state is a txid, a time, a database, or a database at one of these. Without TO it is the newest state. A time is
written as for --at (10m, yesterday, …); a database of such a name is NAME@now.

\b
  sldb diff 41                       since transaction 41
  sldb diff 41 57 --rows             the rows that differ between the two
  sldb diff main staging             two databases
  sldb diff "2026-11-26 20:04"       since then
  sldb diff main@41 "staging@2h ago" --table users

Rows are the same row if they have the same rowid, or the same primary key in a table WITHOUT ROWID. Every table that
is compared is read in both states. Where one has its text in UTF-8 and the other in UTF-16, it is read into this
process, and compared here.
"""
_ROWS = ("table", "change", "key", "before", "after")


@command("diff", help=HELP, short_help="Show what differs between two states.")
@click.argument("before", metavar="FROM")
@click.argument("after", metavar="[TO]", required=False)
@click.option("--table", "tables", multiple=True, metavar="NAME", help="Only this table; may be given again.")
@click.option("--rows", is_flag=True, help="Show the rows that differ.")
@click.option(
    "--limit", type=click.IntRange(min=1), default=100, show_default=True, metavar="N", help="Rows of each table."
)
def diff(run: Run, before: str, after: str | None, tables: tuple[str, ...], rows: bool, limit: int) -> None:
    from sldb.actions import as_of
    from sldb.diff.comparison import Comparison, changes_table
    from sldb.diff.schema import State
    from sldb.render import FOR_PEOPLE, check_format

    format_name = check_format(run.format)
    here = run.database
    states = State.parse(before, here), State.parse(after or f"{here}@now", here)
    with progress.show("comparing"), closing(run.client()) as client:
        comparison = Comparison(_schema(client, states[0]), _schema(client, states[1]), tables)
        with _open_answers(client, comparison) as answer:
            changes = comparison.changes(answer(comparison.count_request()))
            names = [change.name for change in changes if change.has_rows]
            found = list(comparison.row_changes(answer(comparison.row_request(names, limit)))) if rows else []
    if rows:
        people = format_name in FOR_PEOPLE
        messages.show_rows(format_name, _ROWS, [_cells(change, people=people) for change in found])
    else:
        messages.show_results(format_name, [changes_table(changes)])
    for state, schema in zip(states, (comparison.before, comparison.after), strict=True):
        if state.at is not None:
            for sentence in as_of.sentences(schema.txid, schema.time):
                messages.say(f"{schema.database}: {sentence}")
    messages.say(f"{comparison.title}{'' if changes else ': nothing differs'}")


@contextmanager
def _open_answers(client: Client, comparison: Comparison) -> Iterator[Callable[[Request], Sequence[Result]]]:
    """Yield the function for the requests of a comparison: on the server, or if it cannot, on local copies."""
    with _errors_without_its_sql():
        if comparison.is_attachable:
            yield lambda request: _execute(client, request).results
            return
        from sldb.diff.copies import copied

        with copied(client, comparison) as copies:
            yield copies.answer


@contextmanager
def _errors_without_its_sql() -> Iterator[None]:
    """Report an error of SQLite as one of the comparison, without its statements, unknown to the user."""
    from lambda_handlers.wire import SldbError

    try:
        yield
    except SldbError as error:
        if error.code != "sql_error":
            raise
        known = {name: error.details[name] for name in ("reason", "sqlite_code") if error.details.get(name)}
        raise SldbError(
            error.code, f"the states cannot be compared: {error.message}", error.hint or _COLLATION_HINT, **known
        ) from error


_COLLATION_HINT = (
    "rows cannot be matched by a key with a collation that exists only in the program that made the database; "
    "--table NAME compares other tables"
)


def _schema(client: Client, state: State) -> Schema:
    from sldb.diff.schema import decode_schema, schema_request

    return decode_schema(_execute(client, schema_request(state)))


def _execute(client: Client, request: Request) -> Reply:
    return replace(client, database=request.database).execute(request)


def _cells(change: RowChange, *, people: bool) -> list[Value]:
    before, after = change.before, change.after
    if people and before and after:  # show only the changed columns
        changed = [name for name in before.keys() & after.keys() if not _same(before[name], after[name])]
        before, after = (
            {name: side[name] for name in side if name in changed or name not in other}
            for side, other in ((before, after), (after, before))
        )
    return [change.table, change.change, *map(_text, (change.key, before, after))]


def _same(one: Value, other: Value) -> bool:
    return type(one) is type(other) and one == other


def _text(values: Mapping[str, Value] | None) -> str | None:
    """Return JSON, with the tags of the wire for other values."""
    from lambda_handlers.wire import encode_value

    if values is None:
        return None
    return json.dumps({name: encode_value(value) for name, value in values.items()}, ensure_ascii=False)
