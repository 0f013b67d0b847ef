"""SQL that does what SQLite would do, or says that it does not."""

from __future__ import annotations

from tests.mutants.mutant import SERVER, Mutant

SQL = "lambda_handlers/sql/"
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
        '            if self.may_write and (word == "SAVEPOINT" or',
        '            if self.may_write and (word != "PRAGMA" or',
        (PRAGMAS,),
    ),
)
