"""What may go, who may rely on what he saw, and names: invariants 4, 5 and 6."""

from __future__ import annotations

from tests.mutants.mutant import ACTIONS, SERVER, STORAGE, Mutant

HANDLERS = "lambda_handlers/"
LOG = "lambda_handlers/storage/"
REPLICA = STORAGE + "test_replica.py::"

AGE = (
    Mutant(
        "a copy of any age is committed on",
        "5",
        LOG + "replica.py",
        "        if not 0 <= now - self._checked_at <= RETENTION_FLOOR_SECONDS / 2:",
        "        if False:",
        (
            REPLICA + "test_a_container_that_was_frozen_commits_nothing_before_it_looks",
            REPLICA + "test_a_replica_that_never_looked_commits_nothing",
        ),
    ),
    Mutant(
        "a copy of any age is probed",
        "5",
        LOG + "replica.py",
        "        if self.txid and self._is_fresh(self._known_at, now) and self._probe():",
        "        if self.txid and self._probe():",
        (REPLICA + "test_half_the_floor_after_the_last_list_it_lists_again",),
    ),
    Mutant(
        "a probe counts as a LIST",
        "5",
        LOG + "replica.py",
        "        self._checked_at = now\n\n    def open_at",
        "        self._checked_at = self._known_at = now\n\n    def open_at",
        (REPLICA + "test_half_the_floor_after_the_last_list_it_lists_again",),
    ),
    Mutant(
        "age may be negative",
        "5",
        LOG + "replica.py",
        "        return -CLOCK_SKEW_SECONDS <= now - known_at <= RETENTION_FLOOR_SECONDS / 2",
        "        return now - known_at <= RETENTION_FLOOR_SECONDS / 2",
        (REPLICA + "test_a_clock_that_jumps_makes_it_list",),
    ),
    Mutant(
        "a head of any age is followed",
        "5",
        LOG + "replica.py",
        "        if head is None or not self._is_fresh(head.checked_at, now):",
        "        if head is None:",
        (STORAGE + "test_publishing.py::test_a_head_of_long_ago_is_not_followed",),
    ),
    Mutant(
        "an absence that was learned too late is believed",
        "5",
        LOG + "replica.py",
        "        return self._is_fresh(self._known_at, self._host.now())",
        "        return True",
        (REPLICA + "test_who_stands_still_while_he_asks_does_not_believe_the_answer",),
    ),
    Mutant(
        "a create that took too long counts",
        "5",
        LOG + "replica.py",
        "        if not -CLOCK_SKEW_SECONDS <= took <= RETENTION_FLOOR_SECONDS - 2 * CLOCK_SKEW_SECONDS:",
        "        if False:",
        (REPLICA + "test_who_stands_still_while_he_commits_is_not_told_that_he_has",),
    ),
    Mutant(
        "a head makes a copy as young as the look at it",
        "5",
        LOG + "replica.py",
        "        self._known_at = head.checked_at",
        "        self._known_at = now",
        (STORAGE + "test_publishing.py::test_a_copy_that_came_by_a_head_is_as_old_as_that",),
    ),
    Mutant(
        "a head of which files are gone is believed",
        "5",
        LOG + "replica.py",
        "            except NotFound:  # removed since the head was written\n                return False",
        "            except NotFound:  # removed since the head was written\n                return True",
        (STORAGE + "test_publishing.py::test_a_head_that_names_files_which_are_not_there",),
    ),
    Mutant(
        "age counts from the answer",
        "5",
        LOG + "replica.py",
        "        self._checked_at = now\n\n    def open_at",
        "        self._checked_at = self._host.now()\n\n    def open_at",
        (REPLICA + "test_staleness_counts_from_the_question_not_from_the_answer",),
    ),
    Mutant(
        "age by a clock that stands still in a frozen container",
        "5",
        HANDLERS + "host.py",
        "    now: Callable[[], float] = time.time  #",
        "    now: Callable[[], float] = time.monotonic  #",
        (SERVER + "test_host.py",),
    ),
)

REMOVAL = (
    Mutant(
        "no floor for what goes",
        "4",
        LOG + "retention.py",
        "    settled = [name for name, moment in written_at.items() if moment <= now - FLOOR_SECONDS]",
        "    settled = list(written_at)",
        (STORAGE + "test_retention.py::test_nothing_young_goes",),
    ),
    Mutant(
        "no floor for what makes it needless",
        "4",
        LOG + "retention.py",
        "    return sorted({*_below(base, settled), *_covered(settled)} - {base})",
        "    return sorted({*_below(base, settled), *(n for n in settled if n in set(_covered(written_at)))} - {base})",
        (STORAGE + "test_retention.py::test_a_merge_stays_as_long_as_what_covers_it_is_young",),
    ),
    Mutant(
        "the base goes when another file covers it",
        "4",
        LOG + "retention.py",
        "    return sorted({*_below(base, settled), *_covered(settled)} - {base})",
        "    return sorted({*_below(base, settled), *_covered(settled)})",
        (STORAGE + "test_retention.py::test_a_fold_that_is_the_base_stays_although_another_covers_it",),
    ),
    Mutant(
        "what nothing covers goes",
        "4",
        LOG + "retention.py",
        "        if any(_covers(other, name) for other in compacted):",
        "        if True:",
        (STORAGE + "test_retention.py",),
    ),
    Mutant(
        "a base of any age lets go of what is below it",
        "4",
        LOG + "retention.py",
        "    bases = [name for name, moment in written_at.items() if name.min_txid == 1 and moment <= period_began]",
        "    bases = [name for name, moment in written_at.items() if name.min_txid == 1]",
        (STORAGE + "test_retention.py::test_what_is_promised_stays_readable",),
    ),
    Mutant(
        "ages by the function's own clock",
        "4",
        HANDLERS + "maintenance.py",
        "retention.removable(listing.written_at, listing.store_time, retained)",
        "retention.removable(listing.written_at, self.host.now(), retained)",
        (SERVER + "test_maintenance.py::test_a_clock_that_is_ahead_removes_nothing_early",),
    ),
    Mutant(
        "files go before their page maps",
        "4",
        HANDLERS + "maintenance.py",
        "        for keys in (maps, [name.key(database) for name in names], stale[:MOST_DELETES]):",
        "        for keys in ([name.key(database) for name in names], maps, stale[:MOST_DELETES]):",
        (SERVER + "test_maintenance.py::test_page_maps_go_before_their_files",),
    ),
    Mutant(
        "a merge takes the first version of a page",
        "4",
        LOG + "merge.py",
        "key=lambda one: (one[0].pgno, one[1].age)):",
        "key=lambda one: (one[0].pgno, -one[1].age)):",
        (STORAGE + "test_merge.py::test_merged_in_between_leads_to_the_same",),
    ),
    Mutant(
        "a merge takes the first number of pages",
        "4",
        LOG + "merge.py",
        "        last = decoders[-1].header\n",
        "        last = replace(decoders[-1].header, commit=decoders[0].header.commit)\n",
        (STORAGE + "test_merge.py::test_merged_in_between_leads_to_the_same",),
    ),
    Mutant(
        "a merge keeps what was cut off",
        "4",
        LOG + "merge.py",
        "        end = min(end, header.commit)",
        "        end = max(end, header.commit)",
        (STORAGE + "test_merge.py",),
    ),
    Mutant(
        "a merge over a gap",
        "4",
        LOG + "compaction.py",
        "        self._check_gap(plan)\n",
        "",
        (SERVER + "test_maintenance.py::test_damage_is_told_and_nothing_is_made_of_it",),
    ),
    Mutant(
        "the chain jumps over a gap",
        "2",
        LOG + "chain.py",
        "        while seen < len(usable) and usable[seen].min_txid <= reach + 1:",
        "        while seen < len(usable) and usable[seen].min_txid <= reach + 2:",
        (STORAGE + "test_chain.py::test_a_gap_ends_the_chain_and_shows",),
    ),
    Mutant(
        "a head goes back",
        "5",
        LOG + "compaction.py",
        "        if seen is not None and seen.txid > work.txid:",
        "        if False:",
        (SERVER + "test_maintenance.py::test_a_head_that_a_writer_put_meanwhile_is_not_set_back",),
    ),
)

NAMES = (
    Mutant(
        "a dropped name begins anew at 1",
        "6",
        HANDLERS + "actions/databases.py",
        "    current.commit(current.page_size, 0, lambda _count: (), 0, Kind.DROP_DATABASE)\n    assert current.committed is not None\n    return current.committed",
        "    return Committed(current.txid, current.timestamp_ms, 0)",
        (ACTIONS + "test_databases.py::test_a_dropped_name_begins_anew_and_goes_on_counting",),
    ),
    Mutant(
        "a history that got shorter is believed",
        "6",
        LOG + "replica.py",
        "        if plan.newest < self.txid:",
        "        if False:",
        (REPLICA + "test_a_history_that_got_shorter_is_not_believed",),
    ),
    Mutant(
        "a branch without its mark",
        "6",
        HANDLERS + "actions/copying.py",
        "        if self._newest.max_txid > 1:\n            self._put_mark()",
        "        if False:\n            self._put_mark()",
        (
            ACTIONS + "test_branch.py::test_a_first_writer_and_a_branch_of_one_name",
            ACTIONS + "test_branch.py::test_stopped_at_any_create_nobody_sees_half_of_it",
        ),
    ),
    Mutant(
        "the base of a branch first",
        "6",
        HANDLERS + "actions/copying.py",
        "        for _ in files.side_by_side(self._context.host, self._copy_with_map, self._above):",
        "        self._copy(self._base)\n        for _ in files.side_by_side(self._context.host, self._copy_with_map, self._above):",
        (ACTIONS + "test_branch.py::test_stopped_at_any_create_nobody_sees_half_of_it",),
    ),
    Mutant(
        "a mark is applied",
        "6",
        LOG + "opening.py",
        "    if is_mark(header, name):",
        "    if False:",
        (ACTIONS + "test_branch.py",),
    ),
    Mutant(
        "a name that is taken is copied over",
        "6",
        HANDLERS + "actions/copying.py",
        "        raise taken(self._target)\n\n    def _check_time",
        "\n    def _check_time",
        (ACTIONS + "test_branch.py",),
    ),
)


MUTANTS = (*AGE, *REMOVAL, *NAMES)
