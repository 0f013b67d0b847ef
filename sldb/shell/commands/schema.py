"""Dot commands that list tables, views, indexes, columns, SQL and databases."""

from __future__ import annotations

from lambda_handlers.wire import Request, Result, SldbError
from sldb.actions.databases import problems, table
from sldb.render import FOR_PEOPLE
from sldb.shell import catalog
from sldb.shell.commands.command import optional_argument, required_argument
from sldb.shell.reader import DotCommand
from sldb.shell.session import Session


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
    columns, indexes_of = session.execute(catalog.description(name)).results
    if not columns.rows:
        raise SldbError("not_found", f"no such table or view: {name}", ".tables lists them")
    with_indexes = session.output.format in FOR_PEOPLE and indexes_of.rows
    session.output.show_data([columns, indexes_of] if with_indexes else [columns])


def schema(session: Session, command: DotCommand) -> None:
    name = optional_argument(command)
    reply = session.execute(catalog.schema(name))
    if name is not None and not reply.rows:
        raise SldbError("not_found", f"no such table, view, index or trigger: {name}", ".tables lists them")
    if session.output.format in ("table", "vertical"):
        session.output.write_lines(str(sql) + ";" for _, sql in reply.rows)
    else:
        session.output.show_data(reply.results)


def databases(session: Session, command: DotCommand) -> None:
    optional_argument(command)
    found = session.client.act("databases")["databases"]
    session.output.show_data([table(found, session.output.format)])
    for sentence in problems(found):
        session.output.say(sentence)


def database(session: Session, command: DotCommand) -> None:
    session.switch_database(required_argument(command))


def _show(session: Session, request: Request) -> None:
    results: tuple[Result, ...] = session.execute(request).results
    session.output.show_data(results)
