"""How the content of a virtual table is written down, so that it can be made again.

ROWS      make it anew, and insert its rows: FTS5 with its own content, R-tree. Works in every SQLite.
REBUILD   make it anew, and have it read its content table again: FTS5 over another table or view
SHADOWS   what the module keeps in ordinary tables, as it is, and the table itself as a row of sqlite_schema: all others
          (FTS3 and FTS4, contentless FTS5, geopoly), as the `sqlite3` shell dumps every virtual table
"""

from __future__ import annotations

import re
from collections.abc import Container
from enum import Enum

_NAME = r"""(?:"(?:[^"]|"")*"|'(?:[^']|'')*'|`(?:[^`]|``)*`|\[[^\]]*\]|[^\W\d][\w$]*)"""
_DEFINITION = re.compile(
    rf"CREATE\s+VIRTUAL\s+TABLE\s+{_NAME}\s+USING\s+(?P<module>{_NAME})\s*(?:\((?P<arguments>.*)\))?\s*",
    re.IGNORECASE | re.DOTALL,
)
_OPTION = re.compile(rf"(?:^|,)\s*(?P<key>\w+)\s*=\s*(?P<value>{_NAME}|[^,\s]*)", re.DOTALL)


class Way(Enum):
    ROWS = "rows"
    REBUILD = "rebuild"
    SHADOWS = "shadows"


def way(sql: str, names: Container[str]) -> Way:
    """`sql`: of CREATE VIRTUAL TABLE as sqlite_schema has it. `names`: of tables and views there are, in lower case."""
    module, options = _parse(sql)
    if module in ("rtree", "rtree_i32"):
        return Way.ROWS
    if module != "fts5" or {"locale", "contentless_delete", "contentless_unindexed"} & options.keys():
        return Way.SHADOWS
    if "content" not in options:
        return Way.ROWS
    return Way.REBUILD if options["content"].lower() in names else Way.SHADOWS


def is_fts5(sql: str) -> bool:
    return _parse(sql)[0] == "fts5"


def _parse(sql: str) -> tuple[str, dict[str, str]]:
    """Module and options (key → value out of its quotes); the key in lower case."""
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
