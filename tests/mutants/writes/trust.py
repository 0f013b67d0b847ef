"""Copies that a request uses without asking for newer transactions first: invariants 2 and 5."""

from __future__ import annotations

from tests.mutants.mutant import Mutant

DATABASE = "lambda_handlers/database/"
STORAGE = "lambda_handlers/storage/"
TESTS = "tests/lambda_handlers/database/test_trusted_copies.py::"
AGAIN = TESTS + "test_what_makes_no_commit_is_confirmed_and_runs_again"

MUTANTS = (
    Mutant(
        "what a trusted copy shows is not confirmed",
        "2",
        DATABASE + "newest_state.py",
        "        if self.replica.is_trusted:\n            self.refresh(",
        "        if False:\n            self.refresh(",
        (AGAIN,),
    ),
    Mutant(
        "news after a reply are not run on",
        "2",
        DATABASE + "newest_requests.py",
        "            if not self._newest.has_news(run.deadline, max_staleness):\n                return result",
        "            self._newest.has_news(run.deadline, max_staleness)\n            return result",
        (AGAIN,),
    ),
    Mutant(
        "news after an error are not run on",
        "2",
        DATABASE + "newest_requests.py",
        "            if error.code in _OF_EVERY_STATE or not self._newest.has_news(run.deadline, max_staleness):",
        "            if True:",
        (AGAIN,),
    ),
    Mutant(
        "an error of time waits for news",
        "time",
        DATABASE + "newest_requests.py",
        "            if error.code in _OF_EVERY_STATE or not",
        "            if not",
        (TESTS + "test_an_error_of_time_is_answered_at_once",),
    ),
    Mutant(
        "every request trusts its copy",
        "2",
        DATABASE + "newest_requests.py",
        "        if begins_with_write and self._newest.trust(",
        "        if self._newest.trust(",
        (TESTS + "test_what_looks_at_the_state_first_asks_first",),
    ),
    Mutant(
        "conditions are compared with a trusted copy",
        "2",
        DATABASE + "run.py",
        "        is_conditional = request.if_txid is not None or request.expect is not None",
        "        is_conditional = False",
        (TESTS + "test_what_looks_at_the_state_first_asks_first",),
    ),
    Mutant(
        "attached databases are read beside a trusted copy",
        "2",
        DATABASE + "run.py",
        ' and not any("attach" in each.query.lower() for each in request.statements)',
        "",
        (TESTS + "test_a_request_that_attaches_a_database_asks_first",),
    ),
    Mutant(
        "a trusted copy may lack what its request has seen",
        "known",
        DATABASE + "newest_state.py",
        "        return self.replica.txid >= min_txid and self.replica.trust()",
        "        return self.replica.trust()",
        (TESTS + "test_a_request_with_a_txid_asks_only_if_the_copy_does_not_have_that",),
    ),
    Mutant(
        "a copy of any age is trusted",
        "5",
        STORAGE + "replica.py",
        "is_usable and freshness.may_commit(now) and freshness.is_known(now)",
        "is_usable",
        (TESTS + "test_a_copy_that_was_not_looked_at_for_half_the_floor_asks_first",),
    ),
    Mutant(
        "an empty copy is trusted",
        "6",
        STORAGE + "replica.py",
        "        is_usable = self.page_count > 0 and not self._pages.wants_reopening",
        "        is_usable = True",
        (TESTS + "test_a_database_that_another_container_began_is_found",),
    ),
    Mutant(
        "a create does not count as a check",
        "5",
        STORAGE + "replica.py",
        "        self._freshness.note_check(now)\n        self._clock.record_write(key, now)",
        "        self._clock.record_write(key, now)",
        (TESTS + "test_a_create_counts_as_a_look",),
    ),
    Mutant(
        "an outcome of which nothing is known is tried again",
        "3",
        STORAGE + "replica.py",
        "        self._freshness.is_trusted = False  # whatever the answer",
        "        pass  # whatever the answer",
        (TESTS + "test_a_create_whose_object_is_damaged_is_not_run_again",),
    ),
    Mutant(
        "a large transaction is sent to find out that it lost",
        "2",
        STORAGE + "replica.py",
        "        if self.is_trusted and changes.size_bytes > ASKED_BYTES:",
        "        if False:",
        (TESTS + "test_a_large_transaction_that_would_lose_is_not_sent",),
    ),
    Mutant(
        "a pause during the question before a large transaction is not noticed",
        "5",
        STORAGE + "commit_checks.py",
        "        if is_there or not self._freshness.is_known(self._host.now()):",
        "        if is_there:",
        (TESTS + "test_a_pause_during_the_question_before_a_large_transaction_makes_it_look_again",),
    ),
)
