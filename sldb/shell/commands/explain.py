"""`.explain`: the plan of a statement, and missing indexes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lambda_handlers.wire import SldbError
from sldb.render import FOR_PEOPLE, result_of
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
    from sldb.shell.index_advice import plan_of

    # The plan is the same for any value.
    return plan_of(session.execute, sql, Parameters(session.params.values).bind(sql, {}, lambda _name, _: ":null"))


def _say_advice(session: Session, sql: str) -> None:
    from sldb.shell.index_advice import advise_on

    found = advise_on(session.execute, sql)
    if found:
        session.output.say("an index would let SQLite search instead of reading everything:")
    for statement in found:
        session.output.say(f"  {statement}")
