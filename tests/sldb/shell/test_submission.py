"""Submissions: what a person sees of transactions and scripts, compared with sqlite3 itself."""

from __future__ import annotations

import io
import itertools
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_handlers.wire import Reply, Request, SldbError, Statement
from sldb.cancelling import TooLate
from sldb.client import Client
from sldb.shell import transaction
from sldb.shell.commands.registry import obey
from sldb.shell.output import Output
from sldb.shell.script import run_script
from sldb.shell.session import Session
from sldb.shell.submission import submit
from sldb.targets.local import LocalTarget
from tests.fakes.targets.counting_target import CountingTarget
from tests.fakes.targets.losing_target import LosingTarget


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalTarget]:
    target = LocalTarget(tmp_path_factory.mktemp("databases"))
    yield target
    target.close()


NAMES = (f"d{number}" for number in itertools.count())


@pytest.fixture
def session(target: LocalTarget) -> Session:
    """On a new database with a table."""
    session = new_session(target, next(NAMES))
    submit(session, "create table t(a integer primary key, b unique);")
    return session


def new_session(target: LocalTarget, database: str) -> Session:
    return Session(Client(target, database), Output(io.StringIO(), io.StringIO(), format="jsonl", timing=False))


def other(session: Session) -> Session:
    """Return another session with the same database."""
    return Session(session.client, Output(io.StringIO(), io.StringIO(), format="jsonl", timing=False))


def run(session: Session, *submissions: str) -> list[dict[str, object]]:
    """The rows that were printed."""
    out = session.output.out = io.StringIO()
    for submission in submissions:
        submit(session, submission)
    return [json.loads(line) for line in out.getvalue().splitlines()]


def refused(session: Session, sql: str) -> SldbError:
    with pytest.raises(SldbError) as caught:
        submit(session, sql)
    return caught.value


def said(session: Session) -> str:
    assert isinstance(session.output.err, io.StringIO)
    return session.output.err.getvalue()


def test_nothing_is_applied_before_commit(session: Session) -> None:
    run(session, "begin;", "insert into t values (1, 'x');")
    assert run(session, "select b from t;") == [{"b": "x"}]
    assert run(other(session), "select b from t;") == []
    run(session, "commit;")
    assert run(other(session), "select b from t;") == [{"b": "x"}]
    assert session.transaction is None
    assert "committed 2 statements · " in said(session)


def test_rollback_and_leaving_apply_nothing(session: Session) -> None:
    run(session, "begin;", "insert into t values (1, 'x');", "rollback;")
    assert run(session, "select b from t;") == []
    left = other(session)
    run(left, "begin;", "insert into t values (1, 'x'); insert into t values (2, 'y');")
    left.client = session.client
    txid = session.client.execute(Request((Statement("select 1"),))).txid
    left.transaction, dropped = None, left.transaction
    assert dropped is not None
    assert txid == dropped.txid


def test_others_commits_are_not_seen_and_do_not_matter_where_nothing_of_them_was(session: Session) -> None:
    run(session, "insert into t values (1, 'first');", "begin;", "update t set b = 'mine' where a = 1;")
    run(other(session), "insert into t values (7, 'theirs');")
    assert run(session, "select b from t where a = 1;") == [{"b": "mine"}]
    run(session, "commit;")
    assert run(session, "select b from t order by a;") == [{"b": "mine"}, {"b": "theirs"}]


def test_a_commit_that_changed_what_was_seen_is_shown(session: Session) -> None:
    run(session, "begin;", "insert into t values (1, 'mine');", "select b from t;")
    run(other(session), "insert into t values (7, 'theirs');")
    assert run(session, "select b from t;") == [{"b": "mine"}]
    error = refused(session, "commit;")
    assert (error.code, error.details["statement"], error.details["applied"]) == ("conflict", 1, "no")
    assert "COMMIT RETRY" in error.hint
    assert "  select b from t;\n  then: no such row\n  now:  theirs\n" in said(session)
    assert run(session, "select b from t;") == [{"b": "mine"}]  # still open
    run(session, "commit retry;")
    assert run(session, "select b from t order by a;") == [{"b": "mine"}, {"b": "theirs"}]


def test_a_write_that_would_meet_another_state_is_shown(session: Session) -> None:
    run(session, "insert into t values (1, 'x');", "begin;", "delete from t where a > 0;")
    run(other(session), "insert into t values (2, 'y');")
    assert refused(session, "commit;").code == "conflict"
    assert "  delete from t where a > 0;\n  then: 1 row changed\n  now:  2 rows changed\n" in said(session)
    run(session, "rollback;")
    assert len(run(session, "select * from t;")) == 2


def test_the_clock_and_chance_are_committed_as_shown(session: Session) -> None:
    run(session, "create table c(a, b default current_timestamp, c default (random()));", "begin;")
    run(session, "insert into c(a) values (hex(randomblob(16)));", "insert into c(a) values (random());")
    shown = run(session, "select * from c;")
    assert shown[0]["c"] != shown[1]["c"]
    assert run(session, "select * from c;", "commit;") == shown
    assert run(session, "select * from c;") == shown


def test_an_error_drops_its_statement_and_leaves_the_rest(session: Session) -> None:
    run(session, "begin;", "insert into t values (1, 'x');")
    error = refused(
        session, "insert into t values (2, 'y'); insert into t values (1, 'z'); insert into t values (9, 9);"
    )
    assert (error.code, error.details["statement"], error.details["query"]) == (
        "constraint",
        1,
        "insert into t values (1, 'z');",
    )
    error = refused(session, "insert into t values (3, nope);")
    assert (error.details["query"], error.details["offset"]) == ("insert into t values (3, nope);", 25)
    run(session, "insert into t values (4, 'w');", "commit;")
    assert run(session, "select a from t;") == [{"a": 1}, {"a": 2}, {"a": 4}]


@pytest.mark.parametrize("submission", ["insert or rollback into t values (1, 'y');", "select 1; select nope;"])
def test_a_statement_may_end_the_transaction(session: Session, submission: str) -> None:
    run(session, "begin;", "insert into t values (1, 'x');")
    refused(session, submission)
    ends = "rollback" in submission
    assert (session.transaction is None) == ends
    assert ("the statement has ended the transaction: rolled back" in said(session)) == ends


def test_a_savepoint_begins_a_transaction_and_its_release_commits(session: Session) -> None:
    run(session, "savepoint a;", "insert into t values (1, 'x');", "savepoint a;", "insert into t values (2, 'y');")
    run(session, "release a;")
    assert run(other(session), "select a from t;") == []
    run(session, "rollback to a;", "insert into t values (3, 'z');", "release A;")
    assert session.transaction is None
    assert run(other(session), "select a from t;") == [{"a": 3}]


def test_a_read_only_transaction(session: Session) -> None:
    run(session, "begin readonly;")
    error = refused(session, "insert into t values (1, 'x');")
    assert (error.code, "without READONLY" in error.hint) == ("read_only", True)
    assert run(session, "select * from t;", "commit;") == []


def test_what_the_shell_reads_by_itself_is_not_compared(session: Session) -> None:
    """Dot commands and the names for completion: a table of another client is no reason for a conflict."""
    run(session, "begin;", "insert into t values (1, 'x');")
    obey_text(session, ".tables")
    assert session.peek(Request((Statement("select count(*) from t"),))).rows == [(1,)]
    run(other(session), "create table u(x);")
    run(session, "commit;")
    assert len(run(session, "select * from t;")) == 1


def test_savepoints(session: Session) -> None:
    run(session, "begin;", "insert into t values (1, 'x');", "savepoint s;", "insert into t values (2, 'y');")
    assert len(run(session, "select a from t;")) == 2
    assert len(run(session, "rollback to s;", "select a from t;")) == 1
    assert refused(session, "release nope;").message == "no such savepoint: nope"
    run(session, "insert into t values (3, 'z');", "release s;", "commit;")
    assert run(session, "select a from t;") == [{"a": 1}, {"a": 3}]


def test_the_schema_may_change_inside(session: Session) -> None:
    run(session, "begin;", "alter table t add column c default 5;", "create table u(x);", "insert into u select 9;")
    session.output.out = io.StringIO()
    obey_text(session, ".tables")
    assert isinstance(session.output.out, io.StringIO)
    assert '"u"' in session.output.out.getvalue()
    run(session, "commit;")
    assert run(session, "select x from u;") == [{"x": 9}]


def obey_text(session: Session, text: str) -> None:
    run_script([text], session, obey)


def test_only_results_of_the_last_submission_are_shown(session: Session) -> None:
    assert run(session, "begin;", "insert into t values (1, 'x') returning a;") == [{"a": 1}]
    assert run(session, "insert into t values (2, 'y') returning a;") == [{"a": 2}]


def test_all_in_one_submission(session: Session) -> None:
    run(session, "insert into t values (1, 'x'); begin; insert into t values (2, 'y'); rollback; select 1;")
    assert run(session, "select a from t;") == [{"a": 1}]
    run(session, "begin; insert into t values (3, 'z'); end;")
    assert len(run(session, "select a from t;")) == 2


@pytest.mark.parametrize(
    ("before", "sql", "message"),
    [
        ("begin;", "begin;", "cannot start a transaction within a transaction"),
        ("select 1;", "commit;", "cannot commit - no transaction is active"),
        ("select 1;", "rollback;", "cannot rollback - no transaction is active"),
    ],
)
def test_they_are_refused_as_sqlite_refuses_them(session: Session, before: str, sql: str, message: str) -> None:
    run(session, before)
    assert refused(session, sql).message == message
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.execute(before)
    with pytest.raises(sqlite3.OperationalError) as caught:
        connection.execute(sql)
    connection.close()
    assert str(caught.value) == message


@pytest.mark.parametrize("command", [".database other", ".at 1", ".undo"])
def test_an_open_transaction_is_not_left_behind(session: Session, command: str) -> None:
    run(session, "begin;")
    with pytest.raises(SldbError, match="a transaction is open"):
        obey_text(session, command)


def test_a_view_of_the_past_begins_none(session: Session) -> None:
    run(session, "insert into t values (1, 'x');")
    obey_text(session, ".at 1")
    assert run(session, "select * from t;") == []
    assert refused(session, "begin;").code == refused(session, "delete from t;").code == "read_only"
    obey_text(session, ".at now")
    assert run(session, "select a from t;") == [{"a": 1}]


def test_the_first_transaction_of_a_database(target: LocalTarget) -> None:
    session = new_session(target, next(NAMES))
    run(session, "begin;", "create table t(a);", "insert into t values (1);")
    assert run(session, "select a from t;") == [{"a": 1}]
    with pytest.raises(SldbError):
        run(other(session), "select 1;")
    run(session, "commit;")
    assert run(other(session), "select a from t;") == [{"a": 1}]


def test_one_without_writes_commits_nothing_and_conflicts_with_none(session: Session) -> None:
    run(session, "begin;", "select * from t;")
    run(other(session), "insert into t values (1, 'x');")
    txid = session.client.execute(Request((Statement("select 1"),))).txid
    run(session, "commit;")
    assert session.client.execute(Request((Statement("select 1"),))).txid == txid
    assert "nothing to commit" in said(session)


def test_a_deferred_constraint_fails_the_commit_and_can_be_mended(session: Session) -> None:
    run(session, "create table c(a references t deferrable initially deferred);")
    run(session, "begin;", "pragma foreign_keys = on;", "insert into c values (1);")
    assert refused(session, "commit;").code == "constraint"
    run(session, "insert into t values (1, 'x');", "commit;")
    assert run(session, "select a from c;") == [{"a": 1}]


# The commit's outcome


@pytest.mark.parametrize("applies", [True, False])
@pytest.mark.parametrize("failure", [KeyboardInterrupt(), SldbError("store_error", "no answer", applied="unknown")])
def test_a_commit_whose_answer_was_lost_is_asked_again(
    session: Session, target: LocalTarget, failure: BaseException, applies: bool
) -> None:
    doubtful = other(session)
    doubtful.client = Client(LosingTarget(target, failure, applies=applies), session.client.database)  # type: ignore[arg-type]
    run(doubtful, "begin;", "insert into t(b) values ('x');")
    with pytest.raises(type(failure)):
        submit(doubtful, "commit;")
    assert refused(doubtful, "insert into t(b) values ('y');").code == "conflict"  # it might not be part of it
    with pytest.raises(SldbError, match="unknown"):
        submit(doubtful, "insert into t(b) values ('y');", line=1)  # of a script, where it would wait
    run(doubtful, "commit;")
    assert run(session, "select b from t;") == [{"b": "x"}]
    assert doubtful.transaction is None


def test_a_commit_that_was_over_before_it_could_be_cancelled_ends_the_transaction(
    session: Session, target: LocalTarget
) -> None:
    late = other(session)
    failure = TooLate(Reply((), 1, "main"))
    late.client = Client(LosingTarget(target, failure, applies=True), session.client.database)  # type: ignore[arg-type]
    run(late, "begin;", "insert into t(b) values ('x');")
    with pytest.raises(TooLate):
        submit(late, "commit;")
    assert late.transaction is None
    assert run(session, "select b from t;") == [{"b": "x"}]


def test_a_commit_that_certainly_failed_may_grow(session: Session, target: LocalTarget) -> None:
    failing = other(session)
    failure = SldbError("lock_timeout", "somebody has it")
    failing.client = Client(LosingTarget(target, failure, applies=False), session.client.database)  # type: ignore[arg-type]
    run(failing, "begin;", "insert into t(b) values ('x');")
    assert refused(failing, "commit;").code == "lock_timeout"
    run(failing, "insert into t(b) values ('y');", "commit;")
    assert len(run(session, "select b from t;")) == 2


class LateTarget(CountingTarget):
    """Ctrl-C comes when a request of the transaction is over."""

    def send(self, request: Request) -> Reply:
        reply = super().send(request)
        if request.transaction is not None and request.transaction.token:
            raise TooLate(reply)
        return reply


def test_a_request_that_was_over_before_it_was_cancelled_counts(session: Session, target: LocalTarget) -> None:
    late = other(session)
    late.client = Client(LateTarget(target), session.client.database)  # type: ignore[arg-type]
    run(late, "begin;")
    for sql in ("insert into t values (1, 'x');", "insert into t values (2, 'y');"):
        with pytest.raises(TooLate):
            submit(late, sql)
    assert late.transaction is not None
    assert len(late.transaction.succeeded) == 2
    with pytest.raises(TooLate):
        submit(late, "commit;")
    assert late.transaction is None
    assert len(run(session, "select * from t;")) == 2


# Scripts


def test_a_thousand_statements_of_a_script_are_one_request(session: Session, target: LocalTarget) -> None:
    counting = CountingTarget(target)
    scripted = other(session)
    scripted.client = Client(counting, session.client.database)  # type: ignore[arg-type]
    lines = ["begin;\n", *(f"insert into t values ({n}, 'x{n}');\n" for n in range(1000)), "commit;\n"]
    assert run_script(lines, scripted, obey)
    assert [len(request.statements) for request in counting.requests] == [0, 1000]
    assert run(session, "select count(*) as n from t;") == [{"n": 1000}]


@pytest.mark.parametrize("asks", ["select count(*) from t;\n", ".tables\n", "commit;\n", ""])
def test_an_error_that_comes_late_names_its_line(session: Session, asks: str) -> None:
    scripted = other(session)
    lines = ["begin;\n", "insert into t values (1, 'x');\n", "\n", "insert into\n", "t values (1, 'y');\n", asks]
    with pytest.raises(SldbError) as caught:
        run_script(lines, scripted, obey)
    assert (caught.value.code, caught.value.details["line"]) == ("constraint", 4)
    assert caught.value.details["query"] == "insert into\nt values (1, 'y');"
    assert scripted.transaction is not None
    assert len(scripted.transaction.succeeded) == 1
    assert run(session, "select * from t;") == []


def test_many_statements_of_a_script_are_sent_in_pieces(
    session: Session, target: LocalTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transaction, "MAX_WAITING", 10)
    counting = CountingTarget(target)
    scripted = other(session)
    scripted.client = Client(counting, session.client.database)  # type: ignore[arg-type]
    lines = ["begin;\n", *(f"insert into t values ({n}, 'x{n}');\n" for n in range(25)), "commit;\n"]
    assert run_script(lines, scripted, obey)
    assert [len(request.statements) for request in counting.requests] == [0, 10, 10, 5]
    assert run(session, "select count(*) as n from t;") == [{"n": 25}]


def test_the_end_says_what_was_dropped(tmp_path: Path) -> None:
    session = new_session(LocalTarget(tmp_path), "main")
    run_script(["create table t(a);\n", "begin;\n", "insert into t values (1);\n"], session, obey)
    session.close()
    assert "rolled back: 1 statement not applied" in said(session)


# Against SQLite itself

STATEMENTS = st.sampled_from(
    [
        "begin;",
        "begin;",
        "commit;",
        "rollback;",
        "begin immediate;",
        "savepoint s;",
        "savepoint S;",
        "savepoint r;",
        "release s;",
        "rollback to s;",
        "rollback to r;",
        "insert into t(b) values (1);",
        "insert into t(b) values (2) returning a, b;",
        "insert into t values (7, 7);",
        "insert or replace into t values (7, 8);",
        "insert or rollback into t values (7, 9);",
        "insert or fail into t values (8, 9), (7, 9), (9, 9);",
        "insert or ignore into t values (7, 9);",
        "update or fail t set b = 1;",
        "update t set b = b + 10 where a < 3;",
        "delete from t where a = 1;",
        "delete from t;",
        "create table u(x);",
        "drop table u;",
        "alter table t add column c default 3;",
        "select count(*) as n, sum(b) as s from t;",
        "insert into u select b from t;",
        "with x as (select max(a) + 1 as m from t) insert into t(b) select m from x;",
        "select nope;",
    ]
)


@given(st.lists(STATEMENTS, max_size=14))
def test_a_conversation_goes_as_with_sqlite(target: LocalTarget, submissions: list[str]) -> None:
    ours, theirs = new_session(target, next(NAMES)), sqlite3.connect(":memory:", isolation_level=None)
    for sql in ["create table t(a integer primary key, b unique);", *submissions, "select * from t;"]:
        if not theirs.in_transaction and " or fail " in sql:
            continue  # outside of a transaction SQLite would keep a part of it
        ours.output.out = io.StringIO()
        expected: object
        try:
            cursor = theirs.execute(sql)
            names = [column[0] for column in cursor.description or ()]
            expected = [dict(zip(names, row, strict=True)) for row in cursor]
        except sqlite3.Error as error:
            expected = str(error)
        found: object
        try:
            found = run(ours, sql)
        except SldbError as error:
            found = error.message
        assert found == expected, sql
        assert (ours.transaction is not None) == theirs.in_transaction
    theirs.close()


# Parameters


@pytest.mark.parametrize(
    ("sql", "message", "hint"),
    [
        ("select :a", "the statement needs :a", ".param set :a …"),
        ("select ?, :b", "the statement needs 2 parameters, and got 0", ".param set ?1 … for the first ?, up to ?2"),
    ],
)
def test_a_script_says_which_parameters_are_missing(session: Session, sql: str, message: str, hint: str) -> None:
    for script in (f"{sql};\n", f"begin;\n{sql};\ncommit;\n"):
        session.transaction = None
        with pytest.raises(SldbError) as caught:
            run_script(io.StringIO(script), session, obey)
        assert (caught.value.code, caught.value.message, caught.value.hint) == ("bad_request", message, hint)


def test_parameters_hold_in_transactions(session: Session) -> None:
    script = ".param set :a 7\nbegin;\ninsert into t values (:a, :a || 'x');\nselect b from t where a = :a;\ncommit;\n"
    out = session.output.out = io.StringIO()
    run_script(io.StringIO(script), session, obey)
    assert out.getvalue() == '{"b": "7x"}\n'
    assert run(session, "select a from t") == [{"a": 7}]
