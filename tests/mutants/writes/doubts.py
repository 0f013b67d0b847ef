"""The names of the databases by LIST: doubts come before what they are about, and go when their database is there."""

from __future__ import annotations

from tests.mutants.mutant import ACTIONS, STORAGE, Mutant

LOG = "lambda_handlers/storage/"
BY_LIST = ACTIONS + "test_databases_by_list.py::"
KEEPING = STORAGE + "upkeep/test_doubt_keeping.py::"

MUTANTS = (
    Mutant(
        "a drop puts no doubt",
        "names",
        LOG + "replica.py",
        "        if not ours.header.commit:",
        "        if False:",
        (BY_LIST + "test_a_doubt_comes_before_what_it_is_about",),
    ),
    Mutant(
        "a copy puts no doubt",
        "names",
        "lambda_handlers/actions/clone.py",
        "        doubts.put(self._store, self._target)",
        "        pass",
        (BY_LIST + "test_a_doubt_comes_before_what_it_is_about",),
    ),
    Mutant(
        "a push to a new name puts no doubt",
        "names",
        "lambda_handlers/actions/transfer/push.py",
        "        if not listing.newest:",
        "        if False:",
        (BY_LIST + "test_names_by_list_are_those_that_a_look_at_each_shows",),
    ),
    Mutant(
        "names count before the doubts of all databases are there",
        "names",
        LOG + "log/doubts.py",
        "    if _COMPLETE not in there:",
        "    if False:",
        (BY_LIST + "test_without_the_doubts_of_all_each_one_is_looked_at",),
    ),
    Mutant(
        "the doubt of a later transaction is removed",
        "names",
        LOG + "upkeep/doubt_keeping.py",
        "        over = [doubt_key(name, txid) for name, newest in there for txid in found[name] if txid <= newest]",
        "        over = [doubt_key(name, txid) for name, newest in there for txid in found[name] if newest >= 0]",
        (KEEPING + "test_a_doubt_is_removed_once_its_database_is_there",),
    ),
    Mutant(
        "the doubt of a dropped database is removed",
        "names",
        LOG + "upkeep/doubt_keeping.py",
        "            return listing.newest if read_header(self.store, database, newest, listing.sizes[newest]).commit else -1",
        "            return listing.newest",
        (KEEPING + "test_a_doubt_is_removed_once_its_database_is_there",),
    ),
    Mutant(
        "the progress of an earlier version counts",
        "names",
        LOG + "upkeep/sweep.py",
        "        if not progress.doubts:",
        "        if not is_there:",
        (KEEPING + "test_the_progress_of_an_earlier_version_takes_the_word_back",),
    ),
    Mutant(
        "the first sweep leaves out what is old",
        "names",
        LOG + "upkeep/doubt_keeping.py",
        "        if of_all or max(info.modified_at for info in infos) > self.host.now() - RECENT_SECONDS:",
        "        if max(info.modified_at for info in infos) > self.host.now() - RECENT_SECONDS:",
        (KEEPING + "test_the_first_sweep_puts_all_that_are_missing_and_then_says_so",),
    ),
)
