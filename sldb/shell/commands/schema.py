"""Dot commands that list tables, views, indexes, columns, SQL and databases."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from lambda_handlers.wire import Request, Result, SldbError
from sldb.actions.databases import problems, table
from sldb.did_you_mean import with_suggestion
from sldb.render import FOR_PEOPLE
from sldb.shell import catalog
from sldb.shell.commands.command import optional_argument, required_argument
from sldb.shell.reader import DotCommand
from sldb.shell.session import Session

if TYPE_CHECKING:
    from sldb.shell.description import Description


def tables(session: Session, command: DotCommand) -> None:
    _show(session, catalog.tables(optional_argument(command)))


def views(session: Session, command: DotCommand) -> None:
    _show(session, catalog.views(optional_argument(command)))


def indexes(session: Session, command: DotCommand) -> None:
    _show(session, catalog.indexes(optional_argument(command)))


def describe(session: Session, command: DotCommand) -> None:
    name = optional_argument(command)
    if name is None:
        tables(session, command)
        return
    from sldb.shell import description  # imports slow down the start of the shell

    found = description.descriptions(session.execute(description.request(name)))
    if not found:
        raise SldbError("not_found", f"no such table or view: {name}", _meant(session, name))
    format_name = session.output.current_format
    if format_name in FOR_PEOPLE:
        session.output.show_parts(
            part for position, one in enumerate(found) for part in _parts(one, format_name, position)
        )
    else:
        session.output.show_table(description.for_programs(found))


def _parts(one: Description, format_name: str, position: int) -> Iterator[str | Result]:
    """Yield a description: what is no column as text, or in Markdown and vertically as results."""
    from sldb.shell import description

    if position:
        yield ""
    yield one.title
    if one.problem:
        yield f"its columns are not known: {one.problem}"
    elif one.columns.rows:
        yield description.for_people(one)
    if format_name == "table":
        yield from description.lines(one)
    else:
        yield from (part for section in one.sections for part in ("", section.rows))


def _meant(session: Session, name: str) -> str:
    """Return the hint for an unknown name, with names like it: one more request."""
    known = [str(row[0]) for row in session.execute(catalog.tables()).rows]
    return with_suggestion(name, known, ".tables lists them")


def schema(session: Session, command: DotCommand) -> None:
    name = optional_argument(command)
    reply = session.execute(catalog.schema(name))
    if name is not None and not reply.rows:
        raise SldbError("not_found", f"no such table, view, index or trigger: {name}", _meant(session, name))
    if session.output.format in ("table", "vertical"):
        session.output.write_lines(str(sql) + ";" for _, sql in reply.rows)
    else:
        session.output.show_data(reply.results)


def databases(session: Session, command: DotCommand) -> None:
    optional_argument(command)
    found = session.client.list_databases()
    session.output.show_table(table(found, session.output.format))
    for sentence in problems(found):
        session.output.say(sentence)


def database(session: Session, command: DotCommand) -> None:
    session.switch_database(required_argument(command))


def _show(session: Session, request: Request) -> None:
    results: tuple[Result, ...] = session.execute(request).results
    session.output.show_data(results)
