"""Virtual tables: the methods to dump their content so that it can be restored.

ROWS      create it, and insert its rows: FTS5 with its own content, R-tree. Works in every SQLite.
REBUILD   create it, and have it read its content table again: FTS5 over another table or view
SHADOWS   the ordinary tables with the module's data unchanged, and the table itself as a row of sqlite_schema: all
          others (FTS3 and FTS4, contentless FTS5, geopoly), as the `sqlite3` shell dumps every virtual table
"""

from __future__ import annotations

import re
from collections.abc import Container
from enum import Enum

from sldb.render.values import folded

_NAME = r"""(?:"(?:[^"]|"")*"|'(?:[^']|'')*'|`(?:[^`]|``)*`|\[[^\]]*\]|[^\W\d][\w$]*)"""
_DEFINITION = re.compile(
    rf"CREATE\s+VIRTUAL\s+TABLE\s+{_NAME}\s+USING\s+(?P<module>{_NAME})\s*(?:\((?P<arguments>.*)\))?\s*",
    re.IGNORECASE | re.DOTALL,
)
_OPTION = re.compile(rf"(?:^|,)\s*(?P<key>\w+)\s*=\s*(?P<value>{_NAME}|[^,\s]*)", re.DOTALL)


class DumpMethod(Enum):
    ROWS = "rows"
    REBUILD = "rebuild"
    SHADOWS = "shadows"


def dump_method(sql: str, names: Container[str]) -> DumpMethod:
    """Return the method for a table. `sql`: its definition. `names`: existing tables and views, in lower case."""
    module, options = _parse(sql)
    if module in ("rtree", "rtree_i32"):
        return DumpMethod.ROWS
    if module != "fts5" or {"locale", "contentless_delete", "contentless_unindexed"} & options.keys():
        return DumpMethod.SHADOWS
    if "content" not in options:
        return DumpMethod.ROWS
    return DumpMethod.REBUILD if folded(options["content"]) in names else DumpMethod.SHADOWS


def content_of(sql: str) -> str | None:
    """Return the name of the table or view that an FTS table takes its content from, if there is one."""
    return _parse(sql)[1].get("content") or None


def keeps_data(sql: str) -> bool:
    """Return True for the modules with data of their own in the database; others show that of other tables."""
    return _parse(sql)[0] in _WITH_DATA


_WITH_DATA = ("fts3", "fts4", "fts5", "rtree", "rtree_i32", "geopoly")


def is_fts5(sql: str) -> bool:
    """Return True if the module of the table is FTS5."""
    return _parse(sql)[0] == "fts5"


def _parse(sql: str) -> tuple[str, dict[str, str]]:
    """Return module and options: lower-case key → value without quotes."""
    definition = _DEFINITION.match(sql)
    if definition is None:
        return "", {}
    options = _OPTION.finditer(definition["arguments"] or "")
    return _unquoted(definition["module"]).lower(), {
        option["key"].lower(): _unquoted(option["value"]) for option in options
    }


def _unquoted(name: str) -> str:
    if name[:1] in ('"', "'", "`"):
        return name[1:-1].replace(name[0] * 2, name[0])
    return name[1:-1] if name[:1] == "[" else name
