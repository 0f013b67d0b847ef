"""What nobody but sldb may have in a database: names that begin with `_sldb_`, and what depends on them.

The authorizer refuses what names such a table. It is not told two things, so they are looked at once they are done and
before they can be committed: the new name that ALTER TABLE gives, and the table that REFERENCES names.
"""

from __future__ import annotations

import apsw

OUR_TABLES = "_sldb_"

_OURS = f"lower(substr(name, 1, {len(OUR_TABLES)})) = '{OUR_TABLES}'"
_NAMES = (
    f"SELECT name FROM main.sqlite_schema WHERE {_OURS} UNION ALL SELECT name FROM temp.sqlite_schema WHERE {_OURS}"
)
_REFERENCES = 'SELECT "table" FROM pragma_foreign_key_list(?)'


def is_ours(name: str | None) -> bool:
    return (name or "").lower().startswith(OUR_TABLES)


def names(connection: apsw.Connection) -> list[str]:
    """The names of ours that there are."""
    return sorted(str(name) for (name,) in connection.execute(_NAMES).fetchall())


def refers_to_ours(connection: apsw.Connection, table: str) -> str | None:
    """The table of ours that a foreign key of `table` names."""
    parents = [str(parent) for (parent,) in connection.execute(_REFERENCES, (table,)).fetchall()]
    return next(filter(is_ours, parents), None)
