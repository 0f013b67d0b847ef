"""`.explain`: the plan of a statement, and missing indexes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lambda_handlers.wire import Request, SldbError, Statement
from sldb.render import FOR_PEOPLE, result_of
from sldb.shell import catalog
from sldb.shell.parameters import Parameters
from sldb.shell.reader import DotCommand
from sldb.shell.session import Session
from sldb.sql_text import list_statements

if TYPE_CHECKING:
    from sldb.shell.index_advice import Step


def explain(session: Session, command: DotCommand) -> None:
    from sldb.shell.index_advice import Step, reads_all, tree  # imports apsw

    text = command.arguments[0] if command.arguments else session.last_sql
    statements = list_statements(text)
    if not statements:
        raise SldbError("bad_request", ".explain needs a statement", ".explain SELECT …, or alone after a statement")
    for sql in statements:
        plan = _plan(session, sql)
        if session.output.format in FOR_PEOPLE:
            session.output.write_lines(tree(plan) if plan else ["nothing to plan"])
        else:
            session.output.show_table(result_of(Step._fields, plan))
        if reads_all(plan):
            _say_advice(session, sql)


def _plan(session: Session, sql: str) -> list[Step]:
    from sldb.shell.index_advice import Step

    # The plan is the same for any value.
    params = Parameters(session.params.values).bind(sql, {}, lambda _name, _proposal: ":null")
    rows = session.execute(Request((Statement(f"EXPLAIN QUERY PLAN {sql}", params),), read_only=True)).rows
    return [Step(int(step or 0), int(parent or 0), str(detail)) for step, parent, _, detail in rows]


def _say_advice(session: Session, sql: str) -> None:
    from sldb.shell.index_advice import Schema, advise

    (schema,) = session.execute(catalog.statements()).results
    statistics = (
        session.execute(catalog.statistics()).rows if any(row[0] == "sqlite_stat1" for row in schema.rows) else []
    )
    made = [str(text) for _, text in schema.rows if text is not None]
    found = advise(sql, Schema(made, [(table, index, stat) for table, index, stat in statistics]))
    if found:
        session.output.say("an index would let SQLite search instead of reading everything:")
    for statement in found:
        session.output.say(f"  {statement}")
