"""The lock that is taken while the statements of its request run."""

from __future__ import annotations

from tests.mutants.mutant import Mutant

DATABASE = "lambda_handlers/database/"
TESTS = "tests/lambda_handlers/database/test_lock_taking.py::"

MUTANTS = (
    Mutant(
        "a commit does not wait for its lock",
        "lock",
        DATABASE + "request_runner.py",
        "            run.hold_lock()\n",
        "",
        (TESTS + "test_a_commit_has_the_lock",),
    ),
    Mutant(
        "VACUUM does not wait for its lock",
        "lock",
        DATABASE + "newest_requests.py",
        "            run.hold_lock()  # it commits by itself",
        "            pass  # it commits by itself",
        (TESTS + "test_vacuum_has_the_lock_before_it_commits_by_itself",),
    ),
    Mutant(
        "a lock stays when its request is over",
        "lock",
        DATABASE + "newest_requests.py",
        "                    self._writes.release_later(holder.lock_id)\n",
        "                    pass\n",
        (TESTS + "test_an_error_of_a_request_gives_it_back",),
    ),
    Mutant(
        "a bug of a lock that nobody waits for leaves no trace",
        "lock",
        DATABASE + "lock_taking.py",
        "            self._report(error)\n",
        "",
        (TESTS + "test_a_bug_of_a_lock_that_nobody_waits_for_goes_to_the_log",),
    ),
    Mutant(
        "a request that is over goes on waiting for its lock",
        "lock",
        DATABASE + "lock_taking.py",
        "        if self._is_over:\n",
        "        if False:\n",
        (TESTS + "test_an_error_of_a_request_ends_the_wait_for_the_lock",),
    ),
    Mutant(
        "who waited for the lock runs on what was there before",
        "2",
        DATABASE + "lock_taking.py",
        "        if self._has_waited:\n",
        "        if False:\n",
        ("tests/lambda_handlers/database/test_trusted_copies.py::test_who_waited_for_the_lock_asks_before_it_runs",),
    ),
    Mutant(
        "a wait for the lock counts as a lost race",
        "turns",
        DATABASE + "lock_taking.py",
        "    is_lost_race = False",
        "    is_lost_race = True",
        (TESTS + "test_who_waited_for_the_lock_runs_again_on_what_the_holder_left",),
    ),
)
