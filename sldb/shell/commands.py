"""The dot commands, each also in psql's spelling: one `match`.

They print through the session, so that `sldb query .tables --format json` is data like any other.
"""

from __future__ import annotations

from pathlib import Path

from lambda_handlers.wire import SldbError
from sldb import render
from sldb.shell import catalog
from sldb.shell.reader import DotCommand
from sldb.shell.script import run_script
from sldb.shell.session import Session

HELP = (
    (".tables [LIKE]", r"\dt", "tables and views"),
    (".schema [NAME]", r"\d+ [NAME]", "the CREATE statements"),
    (".describe NAME", r"\d NAME", "columns and indexes of a table"),
    (".indexes [TABLE]", r"\di", "indexes"),
    (".database NAME", r"\c NAME", "go to another database"),
    (".mode [FORMAT]", "", "how results print: table, json, csv, …"),
    (".vertical", r"\x", "print results vertically, or as before"),
    (".max_rows [N]", "", "rows of a table on the screen; 0 for all"),
    (".output [FILE]", r"\o [FILE]", "send results to a file, or back to the screen"),
    (".read FILE", r"\i FILE", "run the statements of a file, one after the other"),
    (".timing [on|off]", r"\timing", "the line below each result"),
    (".help", r"\?", "this list"),
    (".quit", r"\q", "leave; so does Ctrl-D"),
)


def obey(command: DotCommand, session: Session) -> bool:  # noqa: PLR0912  # a case a command, nothing else
    """Do what the command says; False if it is the one that ends the session.

    Raises SldbError, `bad_request` for a command that there is not.
    """
    first = _argument(command)
    match command.name:
        case "quit" | "exit" | "q":
            return False
        case "help" | "?" | "h":
            _help(session)
        case "tables" | "dt":
            session.show_data(session.ask(catalog.tables(first)).results)
        case "d" if first is None:
            session.show_data(session.ask(catalog.tables()).results)
        case "describe" | "d":
            _describe(session, _needed(command))
        case "schema" | "d+":
            _schema(session, first)
        case "indexes" | "indices" | "di":
            session.show_data(session.ask(catalog.indexes(first)).results)
        case "database" | "c" | "use":
            session.switch(_needed(command))
        case "mode" | "format":
            _mode(session, first)
        case "vertical" | "x":
            _turn(session)
        case "max_rows" | "maxrows":
            session.limit_rows(_whole_number(_needed(command), command))
        case "timing" | "timer":
            session.timing = not session.timing if first is None else _switch(first, command)
            session.say(f"timing is {'on' if session.timing else 'off'}")
        case "output" | "o":
            session.redirect(first)
        case "read" | "i":
            _read(session, _needed(command))
        case unknown:
            raise SldbError("bad_request", f"no such command: .{unknown}", ".help lists the commands")
    return True


def _help(session: Session) -> None:
    for spelling, other, meaning in HELP:
        session.say(f"  {spelling:<18}{other:<11}{meaning}")
    session.say("SQL runs when it ends with ; and what runs at once is one transaction.")


def _describe(session: Session, name: str) -> None:
    columns, indexes = session.ask(catalog.description(name)).results
    if not columns.rows:
        raise SldbError("not_found", f"no such table or view: {name}", ".tables lists them")
    people = session.format in ("table", "vertical", "markdown")
    session.show_data([columns, indexes] if people and indexes.rows else [columns])


def _schema(session: Session, name: str | None) -> None:
    reply = session.ask(catalog.schema(name))
    if name is not None and not reply.rows:
        raise SldbError("not_found", f"no such table, view, index or trigger: {name}", ".tables lists them")
    if session.format in ("table", "vertical"):
        session.write_lines(str(sql) + ";" for _, sql in reply.rows)
    else:
        session.show_data(reply.results)


def _turn(session: Session) -> None:
    if session.format == "vertical":
        session.format = session.turned_from
    else:
        session.turned_from, session.format = session.format, "vertical"
    session.say(f"results print as {session.format}")


def _mode(session: Session, format_name: str | None) -> None:
    if format_name is not None:
        session.format = render.check_format(format_name)
    session.say(f"results print as {session.format}; there are {', '.join(render.FORMATS)}")


def _read(session: Session, path: str) -> None:
    try:
        with Path(path).open(encoding="utf-8-sig") as lines:
            run_script(lines, session, obey)
    except (OSError, UnicodeDecodeError) as error:
        raise SldbError("bad_request", f"{path} cannot be read: {error}") from None


def _argument(command: DotCommand) -> str | None:
    if len(command.arguments) > 1:
        extra = " ".join(command.arguments[1:])
        raise SldbError("bad_request", f".{command.name}: what is {extra}?", 'a name with spaces needs quotes: "…"')
    return command.arguments[0] if command.arguments else None


def _needed(command: DotCommand) -> str:
    if not command.arguments:
        raise SldbError("bad_request", f".{command.name} needs a name", ".help lists the commands")
    return command.arguments[0]


def _whole_number(word: str, command: DotCommand) -> int:
    if not word.isdecimal():
        raise SldbError("bad_request", f".{command.name}: got {word}, want a whole number")
    return int(word)


def _switch(word: str, command: DotCommand) -> bool:
    if word.lower() not in ("on", "off"):
        raise SldbError("bad_request", f".{command.name}: got {word}, want on or off")
    return word.lower() == "on"
