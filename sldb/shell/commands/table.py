"""The table of the dot commands, by subject: all but those that run or describe other commands.

Those, and running a command, are in `sldb.shell.commands.registry`.
"""

from __future__ import annotations

from sldb.shell.commands import (
    dump,
    explain,
    history,
    import_,
    output,
    param,
    run,
    schema,
    settings,
    system,
)
from sldb.shell.commands.command import Command

SCHEMA = (
    Command(".tables [LIKE]", r"\dt [LIKE]", "tables and views", schema.tables, "table"),
    Command(".views [LIKE]", r"\dv [LIKE]", "views", schema.views, "table"),
    Command(".indexes [TABLE]", r"\di [TABLE]", "indexes", schema.indexes, "table", also=("indices",)),
    Command(
        ".describe [NAME]",
        r"\d [NAME]",
        "a table with keys, checks, triggers",
        schema.describe,
        "table",
        more="Columns, indexes, checks, foreign keys of both directions, triggers, the definition of a view. The\n"
        "number of rows is an estimate: of ANALYZE, or by the largest rowid. NAME may be a pattern: us*.\n"
        "The formats for programs have the columns alone.",
        also=("d",),
    ),
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
)

OUTPUT = (
    Command(
        ".mode [FORMAT [TABLE]]",
        "",
        "how results print: table, json, csv",
        output.mode,
        "format",
        also=("format",),
        more="sqlite3's names mean the format that is most like theirs: box and column table, line\n"
        "vertical, list and tabs tsv. .mode insert users names the table of the INSERTs.",
    ),
    Command(".headers [on|off]", "", "the names of columns", settings.headers, "switch", also=("header",)),
    Command(
        ".nullvalue TEXT",
        "",
        "what NULL prints as",
        settings.null_value,
        more="json, jsonl, insert and parquet have a word for NULL of their own.",
    ),
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
        ".width [N]",
        "",
        "as .max_width; alone or 0: auto",
        settings.width,
        more="Columns are as wide as their content, up to that: they have no width each.",
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
    Command(".print [TEXT…]", "", "print the text where results go", settings.print_),
    Command(
        ".theme [NAME]",
        "",
        "the colours",
        settings.set_theme,
        "theme",
        more="default, dark and light are sldb's own, none is without colours; a style of pygments colours SQL.\n"
        "The setting theme (sldb config set theme NAME, or SLDB_THEME) is the one at the start.",
    ),
    Command(".echo [on|off]", "", "print the statements of a script", settings.echo, "switch"),
    Command(".changes [on|off]", "", "say where changed rows are counted", settings.changes, "switch"),
    Command(".bail on", "", "end a script at its first error", settings.bail, "switch"),
    Command(".show", "", "the settings", settings.show),
)

FILES = (
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
)

STATEMENTS = (
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
)

PAST = (
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
    Command(
        ".message [TEXT]",
        "",
        "the message of the next writes",
        history.message,
        more="Until the shell ends, or .message alone.",
    ),
    Command(".branch NAME [AT]", "", "copy the database, as it was", history.branch),
)

PLACE = (
    Command(
        ".open TARGET",
        "",
        "go to a target, directory, database",
        system.open_,
        "database",
        more="lambda, lambda:FUNCTION, local:DIR or a path of a directory of databases; any other word is\n"
        "the name of a database, as for .database. A SQLite file is brought in by sldb push.",
    ),
    Command(
        ".shell COMMAND",
        r"\!",
        "run a command of the system",
        system.shell,
        also=("system",),
        more="As it stands, by the system's shell. A status other than 0 is an error.",
    ),
    Command(".cd DIRECTORY", r"\cd", "change the directory for files", system.change_directory, "file"),
)
