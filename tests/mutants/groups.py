"""Groups and errors inside a request: as in SQLite, and the request all or nothing."""

from __future__ import annotations

from tests.mutants.mutant import SERVER, STORAGE, Mutant

SQL = "lambda_handlers/sql/"
DRAFT = "lambda_handlers/storage/draft.py"
GROUPS = SERVER + "sql/test_groups.py"
ERRORS = SERVER + "sql/test_errors_as_results.py"
PERMIT = STORAGE + "test_commit_permit.py"

MUTANTS = (
    Mutant(
        "half of a request is committed when SQLite rolls back its COMMIT",
        "7",
        DRAFT,
        "        before = self._count_before if self._inner_count is None else self._inner_count",
        "        before = self._count_before",
        (PERMIT + "::test_commits_inside_the_draft_are_not_committed_by_a_commit_that_sqlite_rolls_back",),
    ),
    Mutant(
        "groups are lost if nothing follows them",
        "once",
        SQL + "session.py",
        "                self._vfs.commit_rest()\n",
        "",
        (GROUPS, ERRORS),
    ),
    Mutant(
        "a request with an open group is applied",
        "sql",
        SQL + "session.py",
        "        self.groups.check_closed(len(results))\n",
        "",
        (ERRORS, SERVER + "sql/test_session.py::test_a_request_with_an_open_group_applies_nothing"),
    ),
    Mutant(
        "an error of room is a result",
        "sql",
        SQL + "session.py",
        "            if error.code not in _RESULTS or",
        '            if error.code not in (*_RESULTS, "too_large") or',
        (ERRORS,),
    ),
    Mutant(
        "a COMMIT of a token leaves deferred foreign keys unchecked",
        "sql",
        SQL + "groups.py",
        '            self._check_foreign_keys()\n            self.ended = "commit"',
        '            self.ended = "commit"',
        (GROUPS,),
    ),
    Mutant(
        "a transaction goes on after OR ROLLBACK",
        "sql",
        SQL + "groups.py",
        '        if self._in_transaction:\n            self.ended = "rollback"',
        '        if False:\n            self.ended = "rollback"',
        (GROUPS,),
    ),
    Mutant(
        "a ROLLBACK keeps what followed the first savepoint",
        "sql",
        SQL + "groups.py",
        "        for name in reversed(self._savepoints):",
        "        for name in self._savepoints[-1:]:",
        (GROUPS,),
    ),
    Mutant(
        "the rest of an entry runs after its error",
        "sql",
        SQL + "statements.py",
        "            self._outcomes[step.part] = False",
        "            pass",
        (GROUPS,),
    ),
    Mutant(
        "a refused statement that has run stays",
        "sql",
        SQL + "own/own_tables.py",
        '            execute(f"ROLLBACK TO {_GUARD}")',
        "            pass",
        (ERRORS,),
    ),
    Mutant(
        "what a group rolled back counts",
        "sql",
        SQL + "changes.py",
        "        if rolled_back:\n",
        "        if False:\n",
        (GROUPS, ERRORS),
    ),
    Mutant(
        "what OR FAIL leaves does not count",
        "sql",
        SQL + "changes.py",
        "            self.end(statement)",
        "            pass",
        (GROUPS,),
    ),
)
