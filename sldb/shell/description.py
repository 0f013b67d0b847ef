"""The description of tables and views for `.describe`: one request, and its reply as columns and sections.

Nothing here reads the rows of a table: their number is an estimate, of ANALYZE or by the largest rowid.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from lambda_handlers.wire import Reply, Request, Result, Row, Statement, Value
from sldb.render import result_of, text
from sldb.report import count
from sldb.shell import ddl

# A name, in any case of letters; or a pattern of names: * and ? as in file names.
_IS_MEANT = r"""(lower({name}) = lower(:name) OR (:is_pattern AND lower({name}) GLOB lower(:name)
AND {name} NOT LIKE 'sqlite\_%' ESCAPE '\' AND {name} NOT LIKE '\_sldb\_%' ESCAPE '\'))"""
_OBJECTS = f"""SELECT t.name, t.type, t.wr, t.strict, s.sql FROM pragma_table_list AS t
LEFT JOIN sqlite_schema AS s ON s.name = t.name AND s.type IN ('table', 'view')
WHERE t.schema = 'main' AND {_IS_MEANT.format(name="t.name")} ORDER BY t.name"""
_COLUMNS = f"""SELECT t.name, c.name, c.type, c."notnull", c.dflt_value, c.pk, c.hidden
FROM pragma_table_list AS t, pragma_table_xinfo(t.name) AS c
WHERE t.schema = 'main' AND c.hidden <> 1 AND {_IS_MEANT.format(name="t.name")} ORDER BY t.name, c.cid"""
_INDEXES = f"""SELECT t.name, i.name, i."unique", i.origin, s.sql,
(SELECT group_concat(name, ', ') FROM pragma_index_info(i.name))
FROM sqlite_schema AS t, pragma_index_list(t.name) AS i LEFT JOIN sqlite_schema AS s ON s.name = i.name
WHERE t.type = 'table' AND {_IS_MEANT.format(name="t.name")}
ORDER BY t.name, i.origin <> 'pk', i.origin <> 'u', i.name"""
_KEYS = f"""SELECT t.name, k.id, k."table", k."from",
coalesce(k."to", (SELECT c.name FROM pragma_table_xinfo(k."table") AS c WHERE c.pk = k.seq + 1)),
k.on_update, k.on_delete FROM sqlite_schema AS t, pragma_foreign_key_list(t.name) AS k
WHERE t.type = 'table' AND t.sql NOT LIKE 'CREATE VIRTUAL%'
AND ({_IS_MEANT.format(name="t.name")} OR {_IS_MEANT.format(name='k."table"')}) ORDER BY t.name, k.id DESC, k.seq"""
_TRIGGERS = f"""SELECT tbl_name, name, sql FROM sqlite_schema
WHERE type = 'trigger' AND {_IS_MEANT.format(name="tbl_name")} ORDER BY name"""
_STATISTICS = f"SELECT tbl, stat FROM sqlite_stat1 WHERE {_IS_MEANT.format(name='tbl')}"
# Of a view, a virtual table or a column named rowid the largest would be a scan: those have no row here.
_LARGEST_ROWID = """SELECT (SELECT max(rowid) FROM {table})
WHERE EXISTS (SELECT 1 FROM pragma_table_list WHERE schema = 'main' AND lower(name) = lower(:name) AND type = 'table')
AND NOT EXISTS (SELECT 1 FROM pragma_table_xinfo(:name) WHERE lower(name) = 'rowid')"""
_WILDCARDS = "*?["
_HEADER = ("column", "type", "null", "default", "primary key", "generated")


@dataclass(frozen=True, slots=True)
class Section:
    """A list of things that a table has besides its columns."""

    title: str  # "Indexes"
    rows: Result


@dataclass(frozen=True, slots=True)
class Description:
    """A table or view."""

    name: str
    kind: str  # "table", "view", "virtual table", and the words after its CREATE: "table, STRICT"
    estimate: str  # "about 1,200 rows (ANALYZE)"; empty: there is none
    columns: Result
    sections: tuple[Section, ...]
    problem: str = ""  # why its columns are not known

    @property
    def title(self) -> str:
        """The first line: "users: table, STRICT; about 1,200 rows (ANALYZE)"."""
        return f"{self.name}: {self.kind}" + (f"; {self.estimate}" if self.estimate else "")


def is_pattern(name: str) -> bool:
    """Return True if the name may stand for several."""
    return any(character in name for character in _WILDCARDS)


def request(name: str) -> Request:
    """Request the description of all that the name or pattern means."""
    several = is_pattern(name)
    params: dict[str, Value] = {"name": name, "is_pattern": several}
    queries = (_OBJECTS, _COLUMNS, _INDEXES, _KEYS, _TRIGGERS, _STATISTICS)
    statements = [Statement(query, params) for query in queries]
    if not several:
        quoted = name.replace('"', '""')
        statements.append(Statement(_LARGEST_ROWID.format(table=f'"{quoted}"'), {"name": name}))
    # A view of a table that is gone has no columns, and a table without rowids no largest one.
    return Request(tuple(statements), read_only=True, on_error="continue")


def descriptions(reply: Reply) -> list[Description]:
    """Return what the reply to `request` describes; nothing if the name is unknown."""
    objects, *rest = reply.results
    return [_description(row, rest) for row in objects.rows]


def for_programs(described: Sequence[Description]) -> Result:
    """Return the columns of all; of several tables with a first column `table`."""
    if len(described) == 1:
        return described[0].columns
    rows = [(one.name, *row) for one in described for row in one.columns.rows]
    return result_of(("table", *_HEADER), rows)


def for_people(one: Description) -> Result:
    """Return the columns; the expressions of generated ones, which may be long, are a section."""
    return result_of(_HEADER[:-1], [row[:-1] for row in one.columns.rows])


def lines(one: Description) -> Iterator[str]:
    """Yield the sections as text below the columns."""
    for section in one.sections:
        yield f"{section.title}:"
        if len(section.rows.columns) == 1:
            yield from ("  " + line for row in section.rows.rows for line in str(row[0]).splitlines())
            continue
        rows = [[text.escape(str(cell)) for cell in row] for row in section.rows.rows]
        widths = [text.widest(column) for column in zip(*rows, strict=True)]
        for row in rows:
            cells = [text.pad(cell, width) for cell, width in zip(row, widths, strict=True) if width]
            yield ("  " + "  ".join(cells)).rstrip()


def _description(found: Sequence[Value], rest: Sequence[Result]) -> Description:
    name, kind, without_rowid, strict, sql = str(found[0]), str(found[1]), found[2], found[3], str(found[4] or "")
    columns, indexes, keys, triggers, *estimates = rest
    definitions = ddl.definitions(sql)
    generated = {each.column.lower(): each.generated for each in definitions if each.column is not None}
    own, others = _keys(name, keys)
    rows = [_column(row, generated) for row in _of(name, columns)]
    sections = (
        Section("Generated", result_of(("generated", "expression"), [(row[0], row[-1]) for row in rows if row[-1]])),
        Section("Indexes", result_of(("index", "unique", "columns"), [_index(row) for row in _of(name, indexes)])),
        Section("Checks", result_of(("check",), [(check,) for each in definitions for check in each.checks])),
        Section("Foreign keys", result_of(("foreign key", "refers to", "rules"), own)),
        Section("Referred to by", result_of(("referred to by", "column", "rules"), others)),
        Section("Triggers", result_of(("trigger", "event"), [_trigger(row) for row in _of(name, triggers)])),
        Section("Definition", result_of(("definition",), [(sql,)] if kind in ("view", "virtual") else [])),
    )
    words = (_KINDS.get(kind, kind), "STRICT" if strict else "", "WITHOUT ROWID" if without_rowid else "")
    return Description(
        name,
        ", ".join(filter(None, words)),
        _estimate(name, estimates),
        result_of(_HEADER, rows),
        tuple(section for section in sections if section.rows.rows),
        columns.error.message if columns.error is not None else "",
    )


_KINDS = {"virtual": "virtual table", "shadow": "table of a virtual table"}
_HIDDEN = {2: "virtual", 3: "stored"}


def _of(name: str, result: Result) -> list[Row]:
    """Return the rows of a table, which is in the first column."""
    return [row for row in result.rows if str(row[0]).lower() == name.lower()]


def _column(row: Row, generated: Mapping[str, str]) -> Row:
    _, name, declared, not_null, default, key, hidden = row
    kind = _HIDDEN.get(int(str(hidden)))
    expression = f"{generated.get(str(name).lower(), '')} ({kind})".strip() if kind else ""
    return (name, declared, "not null" if not_null else "", "" if default is None else default, key or "", expression)


def _index(row: Row) -> Row:
    _, name, is_unique, origin, sql, columns = row
    kind = "primary key" if origin == "pk" else "unique" if is_unique else ""
    return (name, kind, ddl.indexed(str(sql)) if sql else f"({columns!s})")


def _trigger(row: Row) -> Row:
    return (row[1], ddl.event(str(row[2])))


def _keys(name: str, found: Result) -> tuple[list[Row], list[Row]]:
    """Return the foreign keys of a table, and those that refer to it."""
    own: list[Row] = []
    others: list[Row] = []
    for (child, _), group in groupby(found.rows, key=lambda row: (str(row[0]), row[1])):
        rows = list(group)
        parent, on_update, on_delete = str(rows[0][2]), str(rows[0][5]), str(rows[0][6])
        rules = ("on delete", on_delete), ("on update", on_update)
        shown = " ".join(f"{when} {what.lower()}" for when, what in rules if what != "NO ACTION")
        columns = ", ".join(str(row[3]) for row in rows)
        to = ", ".join(str(row[4]) for row in rows)
        if child.lower() == name.lower():
            own.append((f"({columns})", f"→ {parent} ({to})", shown))
        if parent.lower() == name.lower():
            others.append((f"{child} ({columns})", f"→ ({to})", shown))
    return own, others


def _estimate(name: str, found: Sequence[Result]) -> str:
    """Return the number of rows by the statistics of ANALYZE, else by the largest rowid."""
    statistics, *largest = found
    counted = [str(stat).split()[0] for _, stat in _of(name, statistics)]
    if counted and counted[0].isdecimal():
        return f"about {count(int(counted[0]), 'row')} (ANALYZE)"
    if not largest or not largest[0].rows:
        return ""
    rowid = largest[0].rows[0][0]
    if rowid is None:
        return "no rows"
    return f"at most {count(rowid, 'row')} (largest rowid)" if isinstance(rowid, int) and rowid > 0 else ""
