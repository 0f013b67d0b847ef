"""Partial listings: the part of a long log that answers as all of it would."""

from __future__ import annotations

from tests.mutants.mutant import Mutant

PARTIAL = "lambda_handlers/storage/log/partial_listing.py"
REMOVAL = "lambda_handlers/storage/upkeep/removal.py"
PASS = "lambda_handlers/storage/upkeep/pass_listing.py"
LOG_TESTS = "tests/lambda_handlers/storage/log/"
UPKEEP_TESTS = "tests/lambda_handlers/storage/upkeep/"

MUTANTS = (
    Mutant(
        "the pages that a question names come after what is behind level 0",
        "few",
        PARTIAL,
        "            behind = self._host.start(self._read_behind)",
        "            behind = Done(self._read_behind())",
        ("tests/benchmarks/curves/test_past.py",),
    ),
    Mutant(
        "a pass lists the pages that it knows one after the other",
        "few",
        PASS,
        "    listing.list_pages((compacted.reach + 1, by_chance))",
        "    listing.list_chain()\n    listing.list_pages((by_chance,))",
        ("tests/benchmarks/curves/test_past.py",),
    ),
    Mutant(
        "the last transactions of a page are taken for complete",
        "listings",
        PARTIAL,
        "            self._add_run(first, cut)\n",
        "            self._add_run(first, cut + 3)\n",
        (LOG_TESTS + "test_partial_listing.py::test_what_was_looked_for_is_shown",),
    ),
    Mutant(
        "a name that a page does not show is a missing file",
        "listings",
        PARTIAL,
        "            if self.has(plan.reach + 1, plan.reach + 2):  # there is no such file\n                self.list_whole()",
        "            if self.has(plan.reach + 1, plan.reach + 2):\n                return",
        (LOG_TESTS + "test_partial_listing.py::test_a_chain_is_that_of_a_whole_listing",),
    ),
    Mutant(
        "a moment is not found if a file between two pages is missing",
        "listings",
        "lambda_handlers/storage/log/timeline.py",
        "            if files.is_whole:\n                raise",
        "            raise",
        (LOG_TESTS + "test_dated_files.py::test_a_file_that_is_not_there_makes_it_list_all",),
    ),
    Mutant(
        "the history takes a page for the whole log",
        "listings",
        "lambda_handlers/actions/past/history.py",
        "    if not listing.has_listed(",
        "    if listing.sizes is None and listing.has_listed(",
        ("tests/lambda_handlers/actions/past/test_long_logs.py",),
    ),
    Mutant(
        "a fold goes although its last transaction has no other file",
        "listings",
        REMOVAL,
        " and (why == base or self._has_last(name))",
        "",
        (UPKEEP_TESTS + "test_removal.py::test_a_fold_stays_if_its_last_transaction_has_no_file",),
    ),
    Mutant(
        "a base may be older than a transaction that was not listed",
        "listings",
        REMOVAL,
        "            dates.update((name, max(dates[name], self._last.get(name.max_txid) or 0.0)) for name in wanted)\n",
        "",
        (UPKEEP_TESTS + "test_removal.py::test_a_base_is_no_older_than_a_transaction_that_was_not_listed",),
    ),
    Mutant(
        "a pass does not list what retention may delete",
        "listings",
        PASS,
        "        listing.list_page(listing.listed[0][1])",
        "        return",
        (UPKEEP_TESTS + "test_pass_listing.py::test_what_retention_may_delete_is_listed_as_far_as_one_pass_goes",),
    ),
    Mutant(
        "a pass does not list what waits for a snapshot",
        "listings",
        PASS,
        "            _list_once(listing, base.max_txid + 1)",
        "            pass",
        (UPKEEP_TESTS + "test_pass_listing.py::test_transactions_that_wait_for_a_snapshot_are_listed",),
    ),
)
