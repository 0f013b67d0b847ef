"""Interactive transactions of one database: what clients see, and what is committed."""

from __future__ import annotations

import pytest

from lambda_handlers.wire import Request, SldbError
from tests.fakes.databases.interactive import Interactive
from tests.fakes.databases.service import run


@pytest.fixture
def accounts(service):
    run(service, "CREATE TABLE account (id INTEGER PRIMARY KEY, balance INTEGER NOT NULL CHECK (balance >= 0))")
    run(service, "INSERT INTO account VALUES (1, 100), (2, 100), (3, 100)")
    return service


def balances(service):
    return dict(run(service, "SELECT id, balance FROM account").rows)


def test_its_writes_are_seen_inside_and_nowhere_else_before_commit(accounts):
    client = Interactive(accounts)
    client.run("UPDATE account SET balance = balance - 30 WHERE id = 1")
    assert client.rows("SELECT balance FROM account WHERE id = 1") == [(70,)]
    assert balances(accounts) == {1: 100, 2: 100, 3: 100}
    client.run("UPDATE account SET balance = balance + 30 WHERE id = 2")
    reply = client.commit()
    assert reply.transaction == {"ended": "commit"}
    assert reply.txid == 3
    assert balances(accounts) == {1: 70, 2: 130, 3: 100}


def test_a_rollback_applies_nothing(accounts):
    client = Interactive(accounts)
    client.run("DELETE FROM account")
    assert client.rollback().transaction == {"ended": "rollback"}
    assert balances(accounts) == {1: 100, 2: 100, 3: 100}


def test_commits_of_others_are_not_seen_before_the_end(accounts, container, store):
    client = Interactive(accounts)
    assert client.rows("SELECT balance FROM account WHERE id = 1") == [(100,)]
    run(container(store), "UPDATE account SET balance = 5 WHERE id = 1")
    run(accounts, "SELECT 1")  # its copy moves on
    assert client.rows("SELECT balance FROM account WHERE id = 1") == [(100,)]
    assert client.commit().transaction == {"ended": "commit"}  # it has only read: a state of the log


def test_unrelated_commits_are_no_conflict(accounts, container, store):
    client = Interactive(accounts)
    client.run("UPDATE account SET balance = balance + 1 WHERE id = 1")
    run(container(store), "UPDATE account SET balance = 7 WHERE id = 2")
    client.commit()
    assert balances(accounts) == {1: 101, 2: 7, 3: 100}


def test_a_result_that_has_changed_is_a_conflict_with_its_statement(accounts, container, store):
    client = Interactive(accounts)
    client.rows("SELECT count(*) FROM account")
    client.rows("SELECT balance FROM account WHERE id = 1")
    client.run("UPDATE account SET balance = 101 WHERE id = 1")
    run(container(store), "UPDATE account SET balance = 50 WHERE id = 1")
    with pytest.raises(SldbError) as caught:
        client.commit()
    assert (caught.value.code, caught.value.details["statement"]) == ("conflict", 1)
    assert caught.value.details["applied"] == "no"
    assert "SELECT balance" in caught.value.details["changed"]["query"]
    assert balances(accounts)[1] == 50


def test_a_blind_update_of_the_same_row_shows_the_same_and_commits(accounts, container, store):
    client = Interactive(accounts)
    client.run("UPDATE account SET balance = balance + 1 WHERE id = 1")
    run(container(store), "UPDATE account SET balance = 50 WHERE id = 1")
    client.commit()
    assert balances(accounts)[1] == 51


def test_an_error_is_a_result_and_the_transaction_goes_on_after_it(accounts):
    client = Interactive(accounts)
    client.run("UPDATE account SET balance = 90 WHERE id = 1")
    with pytest.raises(SldbError) as caught:
        client.run("INSERT INTO account VALUES (1, 5)")
    assert caught.value.code == "constraint"
    assert client.rows("SELECT balance FROM account WHERE id = 1") == [(90,)]
    client.commit()
    assert balances(accounts)[1] == 90


def test_an_error_that_was_seen_and_would_not_come_now_is_a_conflict(accounts, container, store):
    client = Interactive(accounts)
    with pytest.raises(SldbError):
        client.run("INSERT INTO account VALUES (1, 5)")
    client.run("INSERT INTO account VALUES (9, 5)")
    run(container(store), "DELETE FROM account WHERE id = 1")
    with pytest.raises(SldbError) as caught:
        client.commit()
    assert (caught.value.code, caught.value.details["statement"]) == ("conflict", 0)
    assert balances(accounts) == {2: 100, 3: 100}


def test_an_error_is_not_the_same_as_a_statement_that_changes_nothing(accounts, container, store):
    client = Interactive(accounts)
    with pytest.raises(SldbError, match="CHECK"):
        client.run("UPDATE account SET balance = balance - 150 WHERE id = 1")
    client.run("UPDATE account SET balance = 0 WHERE id = 2")
    run(container(store), "DELETE FROM account WHERE id = 1")
    with pytest.raises(SldbError) as caught:
        client.commit()
    assert (caught.value.code, caught.value.details["changed"]["rowcount"]) == ("conflict", 0)


def test_the_old_token_goes_on_as_if_the_failed_request_had_never_been(accounts):
    client = Interactive(accounts)
    before = client.token
    with pytest.raises(SldbError):
        client.run("UPDATE account SET balance = 1; INSERT INTO account VALUES (1, 5)")
    assert client.rows("SELECT balance FROM account WHERE id = 2") == [(1,)]  # as SQLite: the first one stays
    client.tokens.append(before)
    assert client.rows("SELECT balance FROM account WHERE id = 2") == [(100,)]


def test_a_statement_that_ends_the_transaction_says_so(accounts):
    client = Interactive(accounts)
    client.run("UPDATE account SET balance = 1 WHERE id = 2")
    with pytest.raises(SldbError) as caught:
        client.run("INSERT OR ROLLBACK INTO account VALUES (1, 5)")
    assert caught.value.code == "constraint"
    assert caught.value.transaction == {"ended": "rollback"}
    assert balances(accounts)[2] == 100


def test_a_statement_of_the_commit_itself_may_end_the_transaction(accounts):
    client = Interactive(accounts)
    client.run("UPDATE account SET balance = 1 WHERE id = 2")
    with pytest.raises(SldbError) as caught:
        client.commit(query="INSERT OR ROLLBACK INTO account VALUES (1, 5)")
    assert caught.value.code == "constraint"
    assert caught.value.transaction == {"ended": "rollback"}
    assert balances(accounts)[2] == 100


@pytest.mark.parametrize("end", ["COMMIT", "END TRANSACTION", "ROLLBACK"])
def test_the_end_may_be_a_statement(accounts, end):
    client = Interactive(accounts)
    client.run("UPDATE account SET balance = 1 WHERE id = 2")
    reply = client.run(f"SELECT 7; {end}")
    assert reply.transaction == {"ended": "rollback" if end == "ROLLBACK" else "commit"}
    assert reply.results[0].rows == [(7,)]
    assert balances(accounts)[2] == (100 if end == "ROLLBACK" else 1)


def test_begin_and_commit_take_statements_with_them(accounts):
    client = Interactive(accounts, query="UPDATE account SET balance = 5 WHERE id = 1")
    reply = client.commit(query="UPDATE account SET balance = balance + 1 WHERE id = 1 RETURNING balance")
    assert reply.rows == [(6,)]
    assert balances(accounts)[1] == 6


def test_one_request_may_begin_and_commit(accounts):
    event = {"transaction": {"begin": True, "end": "commit"}, "query": "UPDATE account SET balance = 5 WHERE id = 1"}
    assert accounts.reply(Request.decode(event)).transaction == {"ended": "commit"}
    assert balances(accounts)[1] == 5


def test_a_commit_that_fails_leaves_the_transaction_open(service):
    run(
        service,
        "CREATE TABLE p (id INTEGER PRIMARY KEY); CREATE TABLE c (p REFERENCES p DEFERRABLE INITIALLY DEFERRED)",
    )
    client = Interactive(service)
    client.run("INSERT INTO c VALUES (1)")
    with pytest.raises(SldbError) as caught:
        client.commit()
    assert caught.value.code == "constraint"
    client.run("INSERT INTO p VALUES (1)")
    client.commit()
    assert run(service, "SELECT * FROM c").rows == [(1,)]


def test_a_commit_twice_applies_once_and_gets_the_first_reply(accounts, container, store):
    client = Interactive(accounts)
    begun = client.token
    client.run("UPDATE account SET balance = balance + 1 WHERE id = 1")
    first = client.commit(query="SELECT 7")
    again = client.commit(service=container(store), query="SELECT 7")
    assert (again.txid, again.rows) == (first.txid, first.rows)
    ancestor = client.commit(token=begun)  # has written nothing
    assert ancestor.transaction == {"ended": "commit"}
    assert balances(accounts)[1] == 101


def test_an_ancestor_that_has_written_is_not_applied_after_its_descendant(accounts):
    client = Interactive(accounts)
    client.run("UPDATE account SET balance = balance + 1 WHERE id = 1")
    ancestor = client.token
    client.run("UPDATE account SET balance = balance + 1 WHERE id = 1")
    first = client.commit()
    assert client.commit(token=ancestor).txid == first.txid
    assert balances(accounts)[1] == 102


def test_of_two_branches_one_is_committed(accounts):
    client = Interactive(accounts)
    before = client.token
    client.run("UPDATE account SET balance = balance + 1 WHERE id = 1")
    one = client.token
    client.tokens.append(before)
    client.run("UPDATE account SET balance = balance + 1 WHERE id = 2")
    client.commit(token=one)
    with pytest.raises(SldbError) as caught:
        client.commit()
    assert (caught.value.code, caught.value.details["applied"]) == ("conflict", "no")
    assert balances(accounts) == {1: 101, 2: 100, 3: 100}


def test_what_was_shown_of_chance_and_time_is_what_is_committed(service, container, store):
    run(service, "CREATE TABLE t (a, b, c, d DEFAULT (hex(randomblob(8))))")
    client = Interactive(service)
    insert = "INSERT INTO t (a, b, c) VALUES (random(), datetime('now', 'subsec'), hex(randomblob(16))) RETURNING *"
    shown = [client.rows(insert, service=container(store) if number % 2 else service)[0] for number in range(3)]
    assert len(set(shown)) == 3
    client.commit()
    assert run(service, "SELECT * FROM t ORDER BY rowid").rows == shown


def test_explain_shows_addresses_in_memory_which_are_not_compared(service, container, store):
    client = Interactive(service, query="CREATE VIRTUAL TABLE words USING fts5 (body)")
    client.run("EXPLAIN SELECT * FROM words")
    client.run("INSERT INTO words VALUES ('one')", service=container(store))
    client.commit(service=container(store))
    assert run(service, "SELECT * FROM words").rows == [("one",)]


def test_inserting_without_asking_for_the_rowid_is_no_conflict(service, container, store):
    run(service, "CREATE TABLE t (id INTEGER PRIMARY KEY, who)")
    clients = [Interactive(container(store)) for _ in range(4)]
    for number, client in enumerate(clients):
        assert client.run(f"INSERT INTO t (who) VALUES ({number})").results[0].lastrowid is None
    for client in clients:
        client.commit()
    assert run(service, "SELECT * FROM t").rows == [(1, 0), (2, 1), (3, 2), (4, 3)]


def test_a_rowid_that_was_shown_is_taken_once(service, container, store):
    run(service, "CREATE TABLE t (id INTEGER PRIMARY KEY, who)")
    clients = [Interactive(container(store)) for _ in range(2)]
    for client in clients:
        assert client.run("INSERT INTO t (who) VALUES (0)", lastrowid=True).results[0].lastrowid == 1
    clients[0].commit()
    with pytest.raises(SldbError, match="statement 1 returns another"):
        clients[1].commit()


def test_asking_for_the_rowid_later_shows_it_as_well(service, container, store):
    run(service, "CREATE TABLE t (id INTEGER PRIMARY KEY, who)")
    clients = [Interactive(container(store)) for _ in range(2)]
    for client in clients:
        client.run("INSERT INTO t (who) VALUES (0)")
        assert client.rows("SELECT last_insert_rowid()") == [(1,)]
    clients[0].commit()
    with pytest.raises(SldbError) as caught:
        clients[1].commit()
    assert caught.value.details["statement"] == 1


@pytest.mark.parametrize("where", ["same container", "another"])
def test_an_attached_database_stays_as_it_was_until_commit_and_is_validated_then(service, container, store, where):
    run(service, "CREATE TABLE t (n); INSERT INTO t VALUES (10)", database="rates")
    run(service, "CREATE TABLE t (n); INSERT INTO t VALUES (1)")
    other = service if where == "same container" else container(store)
    client = Interactive(service)
    client.run("ATTACH 'rates' AS r")
    assert client.rows("SELECT n FROM r.t") == [(10,)]
    run(other, "UPDATE t SET n = 20", database="rates")
    assert client.rows("SELECT n FROM r.t") == [(10,)]
    client.run("UPDATE t SET n = n + (SELECT n FROM r.t)")
    with pytest.raises(SldbError) as caught:
        client.commit()
    assert (caught.value.code, caught.value.details["statement"]) == ("conflict", 1)


def test_an_attached_database_without_transactions_stays_so_until_commit(service, container, store):
    tables = "SELECT count(*) FROM m.sqlite_schema"
    client = Interactive(service, database="other", query="CREATE TABLE t (n)")
    client.run("ATTACH 'main' AS m")
    assert client.rows(tables) == [(0,)]
    run(container(store), "CREATE TABLE t (n)")
    assert client.rows(tables) == [(0,)]
    with pytest.raises(SldbError) as caught:
        client.commit()
    assert (caught.value.code, caught.value.details["statement"]) == ("conflict", 2)


def test_a_past_moment_that_is_attached_stays_at_commit(service):
    run(service, "CREATE TABLE t (n); INSERT INTO t VALUES (10)", database="rates")
    run(service, "CREATE TABLE t (n); INSERT INTO t VALUES (1)")
    client = Interactive(service)
    client.run("ATTACH 'rates@1' AS r; UPDATE t SET n = n + (SELECT n FROM r.t)")
    run(service, "UPDATE t SET n = 20", database="rates")
    assert client.rows("SELECT n FROM r.t") == [(10,)]
    client.commit()
    assert run(service, "SELECT n FROM t").rows == [(11,)]


def test_its_own_database_attached_loses_no_update(service, container, store):
    run(service, "CREATE TABLE t (n); INSERT INTO t VALUES (10)")
    client = Interactive(service)
    client.run("ATTACH 'main' AS m")
    assert client.rows("SELECT n FROM m.t") == [(10,)]
    client.run("UPDATE t SET n = 11")
    run(container(store), "UPDATE t SET n = 110")
    with pytest.raises(SldbError) as caught:
        client.commit()
    assert caught.value.code == "conflict"
    assert run(service, "SELECT n FROM t").rows == [(110,)]


def test_a_transaction_may_create_its_database(service, container, store):
    client = Interactive(service, database="new")
    client.run("CREATE TABLE t (a)", service=container(store))
    client.run("INSERT INTO t VALUES (1)")
    client.commit()
    assert run(service, "SELECT * FROM t", database="new").rows == [(1,)]


def test_a_transaction_that_must_not_create_its_database_is_refused_before_commit(service):
    client = Interactive(service, database="new")
    with pytest.raises(SldbError) as caught:
        client.run("CREATE TABLE t (a)", create=False)
    assert (caught.value.code, caught.value.details["creatable"]) == ("not_found", True)
    client.run("CREATE TABLE t (a)")
    client.commit(create=False)  # it was allowed
    assert run(service, "SELECT * FROM t", database="new").rows == []


def test_one_begins_no_database_that_it_must_not_create(service, store):
    """Not even the key of tokens is made: over a directory it would make that."""
    with pytest.raises(SldbError) as caught:
        Interactive(service, database="new", create=False)
    assert (caught.value.code, caught.value.details["creatable"]) == ("not_found", True)
    assert not list(store.list_objects("_keys/"))


def test_statements_of_the_commit_itself_must_not_create_the_database_either(service):
    client = Interactive(service, database="new")
    with pytest.raises(SldbError) as caught:
        client.commit(query="CREATE TABLE t (a)", create=False)
    assert (caught.value.code, caught.value.details["creatable"]) == ("not_found", True)
    client.commit(query="CREATE TABLE t (a)")
    assert run(service, "SELECT * FROM t", database="new").rows == []


def test_if_txid_holds_for_the_commit(accounts, container, store):
    client = Interactive(accounts)
    client.run("UPDATE account SET balance = 1 WHERE id = 1")
    run(container(store), "UPDATE account SET balance = 7 WHERE id = 2")
    with pytest.raises(SldbError) as caught:
        client.commit(if_txid=2)
    assert caught.value.code == "conflict"
    client.commit(if_txid=3)
    assert balances(accounts) == {1: 1, 2: 7, 3: 100}


def test_read_only_holds_for_its_request(accounts):
    client = Interactive(accounts)
    with pytest.raises(SldbError) as caught:
        client.run("UPDATE account SET balance = 1 WHERE id = 1", read_only=True)
    assert caught.value.code == "read_only"
    assert client.run("SELECT balance FROM account WHERE id = 1", read_only=True).rows == [(100,)]
    client.run("UPDATE account SET balance = 1 WHERE id = 1")
    with pytest.raises(SldbError):
        client.commit(read_only=True)
    client.commit()
    assert balances(accounts)[1] == 1


@pytest.mark.parametrize("statement", ["VACUUM", "BEGIN", "BEGIN IMMEDIATE"])
def test_what_cannot_be_in_a_transaction_is_an_error_in_sqlites_words(accounts, statement):
    client = Interactive(accounts)
    with pytest.raises(SldbError, match=r"(within|inside) a transaction"):
        client.run(statement)
    assert client.rows("SELECT count(*) FROM account") == [(3,)]


def test_the_result_of_a_commit_is_found_by_its_request_id(accounts):
    from tests.fakes.databases.past import act

    client = Interactive(accounts)
    client.run("UPDATE account SET balance = 1 WHERE id = 1")
    reply = client.commit(request_id="mine")
    assert act(accounts, "result", request_id="mine")["txid"] == reply.txid


def test_an_old_base_is_refused_once_it_is_gone(accounts):
    client = Interactive(accounts)
    with pytest.raises(SldbError):
        Interactive(accounts).run("SELECT * FROM nothing")
    assert client.rows("SELECT count(*) FROM account") == [(3,)]


def test_after_its_commit_a_request_runs_nothing(accounts):
    client = Interactive(accounts)
    client.run("UPDATE account SET balance = 1 WHERE id = 1")
    with pytest.raises(SldbError) as caught:
        client.run("COMMIT; SELECT 7")
    assert (caught.value.details["reason"], caught.value.transaction) == ("transaction_ended", None)
    assert balances(accounts)[1] == 100
    reply = client.run("COMMIT; SELECT 7", on_error="continue")
    assert reply.transaction == {"ended": "commit"}
    assert reply.results[1].error.details["reason"] == "transaction_ended"
    assert balances(accounts)[1] == 1


def test_conditions_and_errors_are_results_inside_it_too(accounts):
    client = Interactive(accounts)
    statements = [
        {"query": "INSERT INTO account VALUES (1, 5)"},
        {"query": "UPDATE account SET balance = 7 WHERE id = 2", "if": {"error": 0}},
        {"query": "DELETE FROM account", "if": {"ok": 0}},
        {"query": "COMMIT", "if": {"ok": 1}},
        {"query": "ROLLBACK", "if": {"not": {"ok": 3}}},
    ]
    event = {"transaction": {"token": client.token}, "statements": statements, "on_error": "continue"}
    reply = accounts.reply(Request.decode(event))
    assert [result.skipped for result in reply.results] == [False, False, True, False, True]
    assert reply.transaction == {"ended": "commit"}
    assert balances(accounts) == {1: 100, 2: 7, 3: 100}


def test_the_files_of_its_base_may_be_compacted_meanwhile(accounts, container, store):
    client = Interactive(accounts)
    client.run("UPDATE account SET balance = balance + 1 WHERE id = 1")
    writer = container(store)
    for number in range(40):  # writers fold their transactions
        run(writer, "UPDATE account SET balance = ? WHERE id = 3", [number])
    read = "SELECT balance FROM account WHERE id < 3"
    assert client.rows(read, service=container(store)) == [(101,), (100,)]
    client.commit()
    assert balances(accounts) == {1: 101, 2: 100, 3: 39}


def test_a_result_that_a_request_expects_must_hold_for_its_write(accounts):
    read = "SELECT balance FROM account WHERE id = 1"
    pin = {"seed": "00" * 16, "time": "2026-11-26T11:04:12Z"}
    digest = run(accounts, read, pin=pin).results[0].digest
    update = f"{read}; UPDATE account SET balance = balance - 1 WHERE id = 1"
    assert run(accounts, update, expect=[digest, None]).txid == 3
    with pytest.raises(SldbError) as caught:
        run(accounts, update, expect=[digest, None])
    assert (caught.value.code, caught.value.details["statement"]) == ("conflict", 0)
    with pytest.raises(SldbError):
        run(accounts, update, expect=[None, None, digest])
    assert balances(accounts)[1] == 99


@pytest.mark.parametrize(
    "field", [{"expect": ["00" * 16]}, {"pin": {"seed": "00" * 16, "time": "2026-11-26T11:04:12Z"}}]
)
def test_a_vacuum_expects_nothing(accounts, field):
    with pytest.raises(SldbError, match="VACUUM commits by itself"):
        run(accounts, "VACUUM", **field)
    assert run(accounts, "VACUUM").txid == 3


@pytest.mark.parametrize("field", [{"at": 1}, {"dry_run": True}, {"careful": True}, {"expect": []}, {"if_txid": 2}])
def test_other_fields_are_refused_beside_a_transaction(accounts, field):
    client = Interactive(accounts)
    with pytest.raises(SldbError) as caught:
        client.run("SELECT 1", **field)
    assert (caught.value.code, caught.value.details["field"]) == ("bad_request", next(iter(field)))
