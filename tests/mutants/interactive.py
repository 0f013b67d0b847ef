"""Transactions over several requests."""

from __future__ import annotations

from tests.mutants.mutant import SERVER, Mutant

CODE = "lambda_handlers/database/transaction/"
TESTS = SERVER + "database/transaction/test_transactions.py::"
WARM = SERVER + "database/transaction/test_warm_sessions.py::"

MUTANTS = (
    Mutant(
        "what a client saw is not compared",
        "seen",
        CODE + "shown_results.py",
        "        if result.digest != statements[position].digest.hex():",
        "        if False:",
        (TESTS + "test_a_result_that_has_changed_is_a_conflict_with_its_statement",),
    ),
    Mutant(
        "errors all look alike",
        "seen",
        "lambda_handlers/wire/digest.py",
        '[error.code, error.details.get("sqlite_code")]',
        "[]",
        (SERVER + "wire/test_digest.py",),
    ),
    Mutant(
        "of many rows, the one that failed is not compared",
        "seen",
        "lambda_handlers/wire/digest.py",
        '        if "row" in error.details:',
        "        if False:",
        (SERVER + "sql/test_many_runs.py::test_another_one_failing_at_commit_is_a_conflict",),
    ),
    Mutant(
        "a token with many rows looks like one of earlier versions",
        "seen",
        CODE + "token.py",
        "    return _VERSION_WITH_MANY if has_many else _VERSION",
        "    return _VERSION",
        (SERVER + "database/transaction/test_token.py::test_only_a_token_with_many_rows_is_of_the_second_version",),
    ),
    Mutant(
        "errors are no results",
        "seen",
        "lambda_handlers/sql/session.py",
        "digest = self._engine.digest.of_error(error) if self._engine.digest else None",
        "digest = self._engine.digest().end() if self._engine.digest else None",
        (TESTS + "test_an_error_is_not_the_same_as_a_statement_that_changes_nothing",),
    ),
    Mutant(
        "attached databases stay where they were when it commits",
        "seen",
        CODE + "commit.py",
        'if "@" in name}',
        "}",
        (TESTS + "test_an_attached_database_stays_as_it_was_until_commit_and_is_validated_then",),
    ),
    Mutant(
        "a rowid that nobody asked for is compared",
        "seen",
        "lambda_handlers/sql/execution.py",
        "            if self._shows_lastrowid and ",
        "            if ",
        (TESTS + "test_inserting_without_asking_for_the_rowid_is_no_conflict",),
    ),
    Mutant(
        "a transaction that has written ends as one that has read",
        "seen",
        CODE + "runner.py",
        "        if not transaction.writes:",
        "        if True:",
        (TESTS + "test_its_writes_are_seen_inside_and_nowhere_else_before_commit",),
    ),
    Mutant(
        "a transaction is committed as often as it is sent",
        "once",
        CODE + "commit.py",
        "        if before := parts.applied.find_transaction(session, copy, whole.attempt()):",
        "        if before := None:",
        (TESTS + "test_a_commit_twice_applies_once_and_gets_the_first_reply",),
    ),
    Mutant(
        "an open session follows the newest state",
        "seen",
        CODE + "warm_sessions.py",
        "if warm.is_outdated or not 0",
        "if not 0",
        (TESTS + "test_commits_of_others_are_not_seen_before_the_end", WARM[:-2]),
    ),
    Mutant(
        "a transaction is continued on the newest state",
        "seen",
        CODE + "open_sessions.py",
        "        if newest.replica.txid == txid:",
        "        if True:",
        (TESTS + "test_commits_of_others_are_not_seen_before_the_end",),
    ),
    Mutant(
        "an open session is taken for another state",
        "seen",
        CODE + "open_sessions.py",
        "self._warm.take(transaction.key)\n        run",
        "self._warm.take(next(iter(self._warm._sessions), b''))\n        run",
        (WARM + "test_a_session_with_another_base_is_never_taken",),
    ),
)
