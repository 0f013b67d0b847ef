"""The dot commands, each also in psql's spelling: the list of them, `.help`, and obeying one.

What they do is in looking, printing, running, dumping, explaining and past. They print through the session's output, so
that `sldb query .tables --format json` is data like any other.
"""

from __future__ import annotations

from lambda_handlers.wire import SldbError
from sldb.shell.commands import dump, explain, history, import_, output, run, schema
from sldb.shell.commands.command import Command, argument
from sldb.shell.reader import DotCommand
from sldb.shell.session import Session

TRANSACTIONS = """\
BEGIN opens a transaction on what is newest now: its statements see that state
and their own changes, whatever others commit meanwhile, and lock nobody out.
COMMIT applies them all at once if nobody else has committed since; else it
says so, and COMMIT RETRY runs them on what is newest by then. ROLLBACK drops
them, and so does leaving. SAVEPOINT, RELEASE and ROLLBACK TO work inside. An
error drops its statement; the transaction stays open.

The function keeps nothing between statements: each one that you add runs after
all earlier ones of the transaction have run again, and COMMIT runs them once
more. So random() and the time (datetime('now'), CURRENT_TIMESTAMP) may be
stored with other values than were shown, and so may what was read from a
database that is attached."""


def obey(command: DotCommand, session: Session) -> bool:
    """Do what the command says; False if it is the one that ends the session.

    Raises SldbError, `bad_request` for a command that there is not.
    """
    found = find(command.name)
    if found is None:
        raise SldbError("bad_request", f"no such command: .{command.name}", ".help lists the commands")
    found.do(session, command)
    return found is not _QUIT


def find(name: str) -> Command | None:
    return _BY_NAME.get(name)


def _help(session: Session, command: DotCommand) -> None:
    name = argument(command)
    if name is None:
        _list_all(session)
    elif name.lower() in ("begin", "commit", "rollback", "transactions"):
        session.output.write_lines(TRANSACTIONS.splitlines())
    else:
        found = find(name.lstrip(".\\"))
        if found is None:
            raise SldbError("bad_request", f"no such command: {name}", ".help lists the commands")
        _tell(session, found)


def _list_all(session: Session) -> None:
    listed = [f"  {command.usage:<24}{command.other:<17}{command.meaning}" for command in COMMANDS]
    after = (
        "SQL runs when it ends with ; and what runs at once is one transaction.",
        ".help NAME tells more of a command, .help BEGIN of transactions.",
    )
    session.output.write_lines([*listed, *after])


def _tell(session: Session, command: Command) -> None:
    others = [command.other] if command.other else []
    others += [f".{name}" for name in command.also]
    first = f"{command.usage}: {command.meaning}" + (f" (also {', '.join(others)})" if others else "")
    session.output.write_lines([first, *command.more.splitlines()])


def _quit(_session: Session, command: DotCommand) -> None:
    argument(command)


def _read(session: Session, command: DotCommand) -> None:
    run.read(session, command, obey)


_QUIT = Command(".quit", r"\q", "leave; so does Ctrl-D", _quit, also=("exit",), more="An open transaction is dropped.")

COMMANDS = (
    Command(".tables [LIKE]", r"\dt [LIKE]", "tables and views", schema.tables, "table"),
    Command(".views [LIKE]", r"\dv [LIKE]", "views", schema.views, "table"),
    Command(".indexes [TABLE]", r"\di [TABLE]", "indexes", schema.indexes, "table", also=("indices",)),
    Command(".describe [NAME]", r"\d [NAME]", "its columns and indexes", schema.describe, "table"),
    Command(".schema [NAME]", r"\d+ [NAME]", "the CREATE statements", schema.schema, "table"),
    Command(".databases", r"\l", "the databases there are", schema.databases),
    Command(".database NAME", r"\c NAME", "go to another database", schema.database, "database", also=("use",)),
    Command(
        *(".explain [SQL]", "", "the plan, and an index it lacks", explain.explain, "sql"),
        also=("eqp",),
        more="Without SQL: of what ran last. An index is proposed where SQLite would search\n"
        "with it instead of reading a whole table; it says so itself, of an empty copy\n"
        "of the schema, with the statistics of ANALYZE.",
    ),
    Command(*(".mode [FORMAT]", "", "how results print: table, json, csv", output.mode, "format"), also=("format",)),
    Command(
        *(".vertical [auto|on|off]", r"\x [auto|on|off]", "a line for each cell", output.vertical, "vertical"),
        more="Alone it turns. auto, as it is at first, prints vertically what does not fit;\noff never does.",
    ),
    Command(".max_rows N", "", "rows shown of a table; 0 for all", output.max_rows, also=("maxrows",)),
    Command(
        *(".pager [on|off]", "", "page what does not fit", output.pager, "switch"),
        more="It is what PAGER says, else less -SRXF.",
    ),
    Command(".timing [on|off]", r"\timing", "the line below each result", output.timing, "switch", also=("timer",)),
    Command(".output [FILE]", r"\o [FILE]", "results to a file, or back here", output.output, "file"),
    Command(".once FILE", "", "the next result to a file", output.once, "file"),
    Command(
        *(".read FILE", r"\i FILE", "run a file", _read, "file"),
        more="One statement after the other; the first error ends it. BEGIN and COMMIT in it work.",
    ),
    Command(
        *(".import FILE [TABLE]", "", "rows of a file into a table", import_.import_, "file"),
        more="All or nothing, in any format of sldb import; the table is made where it is not there.",
    ),
    Command(
        *(".dump [FILE]", "", "all of it as SQL text", dump.dump, "file"),
        more="As of where the session stands: see .at. A FILE appears whole or not at all, compressed\n"
        "where its name ends in .gz or .zst.",
    ),
    Command(
        *(".edit", r"\e", "edit what ran last", run.edit),
        more="In your editor: what VISUAL or EDITOR says. Ctrl-X Ctrl-E (in vi mode v) edits\nwhat is being typed.",
    ),
    Command(
        *(".watch [SECONDS [TIMES]]", r"\watch", "run it again and again", run.watch),
        more="What ran last, if it only reads: every 2 s, or so many; until Ctrl-C, or so\nmany times.",
    ),
    Command(".named [NAME [VALUE…]]", r"\n", "list named queries, or run one", run.named, "named"),
    Command(
        *(".save NAME [SQL]", r"\ns NAME [SQL]", "keep SQL under a name", run.save, "named"),
        more="$1, $2, … in it are bound to the values of \\n NAME VALUE VALUE. Without SQL: what\nran last.",
    ),
    Command(".forget NAME", r"\nd NAME", "drop a named query", run.forget, "named"),
    Command(
        *(".at [TXID|TIME|now]", "", "look at the past, read-only", history.at),
        more="A txid of .history, or a time: 2026-11-26 20:04 (of this machine's clock), 10m,\n"
        "2h ago, yesterday, 2026-11-26T20:04:12Z.",
    ),
    Command(".history [N]", "", "the newest transactions", history.history),
    Command(".undo", "", "take back the last write", history.undo, more="It asks first. .undo once more has it again."),
    Command(".branch NAME [AT]", "", "copy the database, as it was", history.branch),
    Command(".help [NAME]", r"\? [NAME]", "this list, or more of one", _help, "command", also=("h",)),
    _QUIT,
)
_BY_NAME = {name: command for command in COMMANDS for name in command.names}
