"""SQL: the same effect as in SQLite, or an error."""

from __future__ import annotations

from tests.mutants.mutant import SERVER, Mutant

SQL = "lambda_handlers/sql/"
SETTING = "tests/lambda_handlers/storage/test_foreign_keys.py"
CHANGES = SERVER + "sql/test_changes.py"
SCRIPT = SERVER + "sql/test_script.py"
PRAGMAS = SERVER + "sql/test_pragmas.py"

MUTANTS = (
    Mutant(
        "a PRAGMA that comes too late is ignored without a word",
        "sql",
        SQL + "pragmas.py",
        "                raise late.error()\n\n",
        "                pass\n\n",
        (PRAGMAS,),
    ),
    Mutant(
        "foreign_keys changes only outside a transaction",
        "sql",
        SQL + "pragmas.py",
        "            self._set_foreign_keys_between(bool(wanted))",
        "            pass",
        (PRAGMAS,),
    ),
    Mutant(
        "foreign_keys changes in the middle whatever is deferred",
        "sql",
        SQL + "pragmas.py",
        "        if self._connection.status(apsw.SQLITE_DBSTATUS_DEFERRED_FKS)[0]:",
        "        if False:",
        (PRAGMAS + "::test_back_while_what_is_deferred_is_violated_is_an_error",),
    ),
    Mutant(
        "a PRAGMA that is only explained is forgotten",
        "sql",
        SQL + "authorizer.py",
        "        self.pragmas = pragmas",
        "        pass",
        (PRAGMAS,),
    ),
    Mutant(
        "the transaction begins with the first statement",
        "sql",
        SQL + "session.py",
        '        if self.may_write and (word == "SAVEPOINT" or',
        '        if self.may_write and (word != "PRAGMA" or',
        (PRAGMAS,),
    ),
    Mutant(
        "a database that begins does not enforce foreign keys",
        "sql",
        "lambda_handlers/storage/draft.py",
        "        if not self.replica.page_count:\n            return True\n",
        "        if not self.replica.page_count:\n            return False\n",
        (SETTING,),
    ),
    Mutant(
        "a transaction loses what is set for the database",
        "sql",
        "lambda_handlers/storage/draft.py",
        "            yield pgno, foreign_keys.with_enforcement(page, enforced) if pgno == 1 else page",
        "            yield pgno, page",
        (SETTING,),
    ),
    Mutant(
        "a write does not look at what is set for the database",
        "sql",
        SQL + "session.py",
        "        if self.may_write:\n            self._adopt_setting()",
        "        if False:\n            self._adopt_setting()",
        (SETTING,),
    ),
    Mutant(
        "what is set for the database is asked of SQLite alone",
        "sql",
        SQL + "session.py",
        "        if FOREIGN_KEYS in piece.sql.lower():",
        "        if False:",
        (SETTING,),
    ),
    Mutant(
        "SQLite sees what is set for the database",
        "sql",
        "lambda_handlers/storage/vfs.py",
        "            page = foreign_keys.with_enforcement(page, enforced=False)\n",
        "",
        (SETTING,),
    ),
    Mutant(
        "a pushed file says what is set for the database",
        "sql",
        "lambda_handlers/actions/push.py",
        '    first_page = foreign_keys.with_enforcement(_bytes(given, "first_page"), enforced=False)',
        '    first_page = _bytes(given, "first_page")',
        ("tests/sldb/push_pull/test_push_and_pull.py::test_a_file_that_is_pushed_is_as_sqlite_has_it",),
    ),
    Mutant(
        "only the table that a statement names counts",
        "sql",
        SQL + "changes.py",
        "            if table.lower() != but.lower() and (rows.removed or rows.updated):",
        "            if table == named and (rows.removed or rows.updated):",
        (CHANGES,),
    ),
    Mutant(
        "what triggers do to a virtual table does not count",
        "sql",
        SQL + "changes.py",
        "        self._rows.update((table, rows) for table, rows in entries.items() if rows is not None)\n",
        "",
        (CHANGES,),
    ),
    Mutant(
        "without the hook only the statement's own rows count",
        "sql",
        SQL + "changes.py",
        "        self._note_others()\n",
        "",
        (CHANGES,),
    ),
    Mutant(
        "rows that the statement itself brought are somebody's loss",
        "sql",
        SQL + "row_changes.py",
        "        is_new = rowid in self._added",
        "        is_new = False",
        (CHANGES,),
    ),
    Mutant(
        "SQLite is asked at every semicolon",
        "time",
        SQL + "script.py",
        "not tries or words.upper() == _END",
        "True",
        (SCRIPT,),
    ),
    Mutant(
        "a script is split past the deadline",
        "time",
        SQL + "script.py",
        "        if number % _TOKENS_BETWEEN_CHECKS == 0:\n            check_time()\n",
        "",
        (SCRIPT,),
    ),
    Mutant(
        "the next statement begins past the deadline",
        "time",
        SQL + "session.py",
        "                self.check()  # SQLite counts the steps of one statement\n",
        "",
        (SERVER + "sql/test_session.py::test_the_clock_is_looked_at_between_statements",),
    ),
    Mutant(
        "query_only keeps sldb from writing down what it must",
        "once",
        SQL + "session.py",
        "        is_set = self._pragmas.may_be_query_only and",
        "        is_set = False and",
        (SERVER + "sql/test_session.py::test_query_only_is_about_the_statements_of_the_request",),
    ),
    Mutant(
        "a request attaches as many as it names",
        "sql",
        "lambda_handlers/database/attached_databases.py",
        "            if len(self._views) >= MAX_VIEWS:",
        "            if False:",
        ("tests/lambda_handlers/database/test_attached_databases.py::test_what_a_request_attaches_has_an_end",),
    ),
)
