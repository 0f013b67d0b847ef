from __future__ import annotations

import io

import pytest

from lambda_handlers.wire import Reply
from sldb.client import Client
from sldb.render import text
from sldb.shell.output import Output
from sldb.shell.session import Session
from sldb.shell.terminal.toolbar import line, prompt
from sldb.shell.transaction import Transaction
from tests.fakes.targets.sqlite_target import SqliteTarget

STATS = {"ms": 12.0, "memory_mb": 1024, "architecture": "aarch64", "store_requests": 1, "store_writes": 0}


@pytest.fixture
def session() -> Session:
    session = Session(Client(SqliteTarget("lambda:test-db-function")), Output(io.StringIO(), io.StringIO()))
    session.last, session.last_ms, session.txid = Reply((), 41, "main", STATS), 12.34, 41
    return session


def test_all_of_it(session: Session) -> None:
    assert line(session, 200) == (
        " lambda:test-db-function · main · txid 41 · no transaction · 12 ms · $0.76 per million · .help"
    )
    session.transaction = Transaction("t", 40)
    assert " · txid 40 · OPEN: 0 statements · " in line(session, 200)
    session.transaction, session.at = None, 40
    assert " · main@40 · " in line(session, 200)


def test_the_cost_of_a_statement_is_gone_once_a_command_has_written(session: Session) -> None:
    session.txid = 42
    assert line(session, 200) == " lambda:test-db-function · main · txid 42 · no transaction · .help"


@pytest.mark.parametrize("columns", range(1, 100))
def test_it_fits(session: Session, columns: int) -> None:
    session.client = Client(SqliteTarget("local:/a/way/山/メモ帳"), "main")
    shown = line(session, columns)
    assert text.width(shown) <= columns
    assert columns < 47 or "no transaction" in shown


def test_the_prompt(session: Session) -> None:
    session.client = Client(SqliteTarget("local:/a/long/way/to/notes"), "main")
    assert prompt(session) == "local:notes/main> "
    session.transaction = Transaction("t", 1)
    assert prompt(session) == "local:notes/main*> "
    session.transaction, session.at = None, 41
    assert prompt(session) == "local:notes/main@41> "
