"""The dot commands, each also in psql's spelling: the list of them, `.help`, and running one.

Their functions are in the other modules of this package. They print through the session's output, so the
rows of `sldb query .tables --format json` are data like any other.
"""

from __future__ import annotations

from lambda_handlers.wire import SldbError
from sldb.shell.commands import dump, explain, habits, history, import_, output, param, run, schema
from sldb.shell.commands.command import Command, optional_argument, whole_number
from sldb.shell.reader import DotCommand
from sldb.shell.session import Session

MAX_STATUS = 255  # of a process
TRANSACTIONS = """\
BEGIN opens a transaction on the newest state: its statements see that state
and their own changes, whatever other clients commit meanwhile, and block no
client. COMMIT applies them all at once, unless other clients have changed what
the transaction saw: then it is a conflict, which shows the statement with its
result then and now, and the transaction stays open. COMMIT RETRY applies its
statements to the newest state, whatever they find there. ROLLBACK drops it,
and so does leaving. SAVEPOINT, RELEASE and ROLLBACK TO work inside.

An error undoes its statement alone; the transaction stays open. What was shown
is what COMMIT stores, random() and the time included."""


def obey(command: DotCommand, session: Session) -> bool:
    """Run the command; return False if it ends the session. Raises SldbError, `bad_request` for an unknown command."""
    found = find(command.name)
    if found is None:
        if elsewhere := habits.HERE.get(command.name):
            raise SldbError("bad_request", f".{command.name} of sqlite3 is not here", elsewhere)
        raise SldbError("bad_request", f"no such command: .{command.name}", ".help lists the commands")
    found.run(session, command)
    return found is not _QUIT and session.exit_status is None


def find(name: str) -> Command | None:
    """Return the command of that name, without its dot or backslash."""
    return _BY_NAME.get(name)


def _help(session: Session, command: DotCommand) -> None:
    name = optional_argument(command)
    if name is None:
        _list_all(session)
    elif name.lower() in ("begin", "commit", "rollback", "transactions"):
        session.output.write_lines(TRANSACTIONS.splitlines())
    else:
        found = find(name.lstrip(".\\"))
        if found is None:
            raise SldbError("bad_request", f"no such command: {name}", ".help lists the commands")
        _describe(session, found)


def _list_all(session: Session) -> None:
    listed = [f"  {command.usage:<24}{command.other:<17}{command.meaning}" for command in COMMANDS]
    after = (
        "SQL runs when it ends with ; and what runs at once is one transaction.",
        ".help NAME explains a command, .help BEGIN explains transactions.",
    )
    session.output.write_lines([*listed, *after])


def _describe(session: Session, command: Command) -> None:
    others = [command.other] if command.other else []
    others += [f".{name}" for name in command.also]
    first = f"{command.usage}: {command.meaning}" + (f" (also {', '.join(others)})" if others else "")
    session.output.write_lines([first, *command.more.splitlines()])


def _quit(_session: Session, command: DotCommand) -> None:
    optional_argument(command)


def _exit(session: Session, command: DotCommand) -> None:
    word = optional_argument(command)
    status = 0 if word is None else whole_number(word, command)
    if status > MAX_STATUS:
        raise SldbError("bad_request", f".exit: got {status}, want an exit status, 0 to {MAX_STATUS}")
    session.exit_status = status


def _read(session: Session, command: DotCommand) -> None:
    run.read(session, command, obey)


_QUIT = Command(
    ".quit",
    r"\q",
    "leave; so does Ctrl-D",
    _quit,
    more="An open transaction is dropped. In a file that is read it ends that file.",
)

COMMANDS = (
    Command(".tables [LIKE]", r"\dt [LIKE]", "tables and views", schema.tables, "table"),
    Command(".views [LIKE]", r"\dv [LIKE]", "views", schema.views, "table"),
    Command(".indexes [TABLE]", r"\di [TABLE]", "indexes", schema.indexes, "table", also=("indices",)),
    Command(".describe [NAME]", r"\d [NAME]", "columns and indexes of a table", schema.describe, "table"),
    Command(".schema [NAME]", r"\d+ [NAME]", "the CREATE statements", schema.schema, "table"),
    Command(".databases", r"\l", "list the databases", schema.databases),
    Command(".database NAME", r"\c NAME", "go to another database", schema.database, "database", also=("use",)),
    Command(
        ".explain [SQL]",
        "",
        "the query plan, and missing indexes",
        explain.explain,
        "sql",
        also=("eqp",),
        more="Without SQL: of the last statement. An index is proposed where SQLite would search\n"
        "with it instead of reading a whole table; SQLite itself decides that, on an empty copy\n"
        "of the schema with the statistics of ANALYZE.",
    ),
    Command(".mode [FORMAT]", "", "how results print: table, json, csv", output.mode, "format", also=("format",)),
    Command(
        ".vertical [auto|on|off]",
        r"\x [auto|on|off]",
        "a line for each cell",
        output.vertical,
        "vertical",
        more="Without an argument it toggles. auto, the setting at the start, prints only rows\n"
        "vertically that do not fit; off never does.",
    ),
    Command(".max_rows N", "", "rows shown of a table; 0 for all", output.max_rows, also=("maxrows",)),
    Command(
        ".max_width N|auto",
        "",
        "width of a cell; 0: no limit",
        output.max_width,
        also=("maxwidth",),
        more="In characters, of tables on a terminal. auto, the setting at the start, shortens cells\n"
        "only where a result does not fit on the screen. \\G at the end of a statement,\n"
        ".vertical and files show them whole.",
    ),
    Command(
        ".pager [on|off]",
        "",
        "page results that do not fit",
        output.pager,
        "switch",
        more="The pager is the command in PAGER, or else less -RXF.",
    ),
    Command(".timing [on|off]", r"\timing", "the line below each result", output.timing, "switch", also=("timer",)),
    Command(
        ".output [FILE]",
        r"\o [FILE]",
        "results to a file, or back here",
        output.output,
        "file",
        more="The ending of its name chooses their format (.csv .tsv .json .jsonl .md .sql .txt, then\n"
        ".gz or .zst); a name without one leaves it to .mode.",
    ),
    Command(
        ".once FILE",
        "",
        "the next result to a file",
        output.once,
        "file",
        more="The format is that of .output FILE, also .parquet. FILE appears whole or not at all.",
    ),
    Command(
        ".read FILE",
        r"\i FILE",
        "run a file",
        _read,
        "file",
        more="One statement after the other, up to the first error. BEGIN and COMMIT in it work.",
    ),
    Command(
        ".import FILE [TABLE]",
        "",
        "rows of a file into a table",
        import_.import_,
        "file",
        more="All or nothing, in any format of sldb import; the table is created if it does not exist.",
    ),
    Command(
        ".dump [TABLE…]",
        "",
        "the database or tables as SQL text",
        dump.dump,
        "table",
        more="As of the moment that the session sees (.at). A table may be a pattern of LIKE. The text goes where\n"
        "results go: .once FILE and then .dump writes a file.",
    ),
    Command(
        ".backup FILE",
        "",
        "the database as a SQLite file",
        dump.backup,
        "file",
        more="As of the moment that the session sees (.at), as sldb pull does. FILE appears whole or not at all.",
    ),
    Command(
        ".edit",
        r"\e",
        "edit the last statement",
        run.edit,
        more="In the editor that VISUAL or EDITOR names. Ctrl-X Ctrl-E (in vi mode v) edits\n"
        "the text that is being typed.",
    ),
    Command(
        ".watch [SECONDS [TIMES]]",
        r"\watch",
        "repeat the last statement",
        run.watch,
        more="Only if it reads: every 2 s, or as often as given; until Ctrl-C, or for the given\nnumber of times.",
    ),
    Command(
        ".param [set NAME VALUE]",
        "",
        "values for :name and ?",
        param.param,
        "param",
        also=("parameter",),
        more="Alone it lists them; .param unset NAME, .param clear. A value is read as sldb query -p reads\n"
        "it: a number in SQLite's own spelling, else text. With a type: .param set :a:text 5 (text int\n"
        "real null json blob file); @FILE is the text in a file, :null is NULL. ?1 is the first parameter\n"
        "without a name. On a terminal the shell asks for values that a statement lacks.",
    ),
    Command(".named [NAME [VALUE…]]", r"\n", "list named queries, or run one", run.named, "named"),
    Command(
        ".save NAME [SQL]",
        r"\ns NAME [SQL]",
        "save SQL under a name",
        run.save,
        "named",
        more="$1, $2, … in it are bound to the values of \\n NAME VALUE VALUE. Without SQL: the\nlast statement.\n"
        "With the name of a SQLite file (.save copy.db) it is .backup, as in sqlite3.",
    ),
    Command(".forget NAME", r"\nd NAME", "drop a named query", run.forget, "named"),
    Command(
        ".at [TXID|TIME|now]",
        "",
        "look at the past, read-only",
        history.at,
        more="A txid of .history, or a time: 2026-11-26 20:04 (of this machine's clock), 10m,\n"
        "2h ago, yesterday, 2026-11-26T20:04:12Z.",
    ),
    Command(".history [N]", "", "the newest transactions", history.history),
    Command(
        ".undo [N]",
        "",
        "take back the last write, or N",
        history.undo,
        more="It asks for confirmation. Another .undo goes one more step back, .redo forward.",
    ),
    Command(
        ".redo [N]",
        "",
        "bring back what .undo took back",
        history.redo,
        more="It asks for confirmation. A write after the .undo drops the steps.",
    ),
    Command(".branch NAME [AT]", "", "copy the database, as it was", history.branch),
    Command(".help [NAME]", r"\? [NAME]", "this list, or help on a command", _help, "command", also=("h",)),
    _QUIT,
    Command(
        ".exit [STATUS]",
        "",
        "leave with an exit status",
        _exit,
        more="Without one: 0. An open transaction is dropped. In a file that is read it ends the shell, too.",
    ),
)
_BY_NAME = {name: command for command in COMMANDS for name in command.names}
