"""Dot commands of sqlite3 and psql that sldb does not have, and what does the same here."""

from __future__ import annotations

_ENGINE = "the engine sets it; sldb query --stats and .explain show what a statement does"
_FILES = "sldb doctor checks a database; sldb pull FILE writes it as a file for the tools of SQLite"

HERE = {
    "archive": "sldb pull FILE and sldb export write files",
    "ar": "sldb pull FILE and sldb export write files",
    "auth": _ENGINE,
    "binary": "blobs print as hexadecimal digits; sldb export writes them exactly",
    "clone": ".branch NAME copies the database to another one here, .backup FILE to a SQLite file",
    "connection": ".database NAME goes to another database, and .open to another target",
    "copy": ".import FILE reads rows; .once FILE and a SELECT write them",
    "dbconfig": _ENGINE,
    "dbinfo": ".databases has the size and the newest transaction of each",
    "excel": ".once FILE.csv writes the next result for a spreadsheet",
    "expert": ".explain proposes indexes that are missing",
    "filectrl": _ENGINE,
    "fullschema": ".schema prints the CREATE statements",
    "integrity_check": "PRAGMA integrity_check checks the database",
    "limit": _ENGINE,
    "lint": ".explain shows where an index is missing",
    "load": "extensions cannot be loaded; .help lists what is here",
    "log": "sldb logs prints the log of the function",
    "progress": "Ctrl-C stops a statement",
    "prompt": "the prompt shows target and database",
    "recover": _FILES,
    "restore": "sldb push FILE brings a SQLite file here; .undo takes back the last write, .at looks at the past",
    "separator": ".mode csv and .mode tsv have theirs; sldb import --delimiter reads others",
    "session": ".history and sldb diff show what has changed",
    "sha3sum": _FILES,
    "stats": ".timing on prints time and requests; sldb query --stats prints more",
    "trace": _ENGINE,
    "vacuum": "VACUUM is a statement: VACUUM;",
    "vfsinfo": _ENGINE,
    "vfslist": _ENGINE,
    "www": ".once FILE.md writes the next result as Markdown",
}
