"""Disposable local pages and their use by SQLite: invariant 7, and 2 as far as it depends on SQLite; copied databases:
invariant 10; and the turns of writers without a lock."""

from __future__ import annotations

from tests.mutants.mutant import SERVER, STORAGE, Mutant

HANDLERS = "lambda_handlers/"
LOG = "lambda_handlers/storage/"

LOCAL = (
    Mutant(
        "the cache stays after a failure",
        "7",
        LOG + "local_pages.py",
        "        except BaseException:\n            self.forget()\n            raise\n\n    def _set_page_size",
        "        except BaseException:\n            raise\n\n    def _set_page_size",
        (STORAGE + "test_log_follower.py::test_a_damaged_object_is_named_and_nothing_of_it_is_served",),
    ),
    Mutant(
        "the cache stays when the disk is full",
        "7",
        LOG + "local_pages.py",
        "        except OSError as error:\n            self.forget()\n            raise self._does_not_fit(error) from error\n"
        "        except BaseException:",
        "        except OSError as error:\n            raise self._does_not_fit(error) from error\n"
        "        except BaseException:",
        (STORAGE + "test_local_pages.py::test_half_of_a_transaction_is_not_served_to_who_accepts_an_old_state",),
    ),
    Mutant(
        "a cache that a commit filled in part is kept",
        "7",
        LOG + "local_pages.py",
        "        except (OSError, MemoryError):\n            self.forget()\n            return False",
        "        except (OSError, MemoryError):\n            return False",
        (STORAGE + "test_local_pages.py::test_what_cannot_be_kept_after_a_commit_is_forgotten",),
    ),
    Mutant(
        "old pages stay under new files",
        "7",
        LOG + "local_pages.py",
        "                    self._cache.drop(pgno)",
        "                    pass",
        (STORAGE + "test_local_pages.py::test_what_a_large_transaction_changed_is_not_read_from_the_cache",),
    ),
    Mutant(
        "pages that were cut off come back",
        "7",
        LOG + "local_pages.py",
        "        self._cache.truncate(found.commit)\n",
        "",
        (STORAGE + "test_log_follower.py::test_pages_that_were_cut_off_do_not_come_back", STORAGE + "test_vfs.py"),
    ),
    Mutant(
        "a draft outlives a lost race",
        "7",
        HANDLERS + "database/request_runner.py",
        "        request = run.request\n        copy.draft.clear()",
        "        request = run.request\n        pass",
        (SERVER + "database/test_database.py",),
    ),
    Mutant(
        "a rollback commits",
        "7",
        LOG + "commit_permit.py",
        "        if self.is_granted and draft.has_counted_change:",
        "        if draft.has_counted_change:",
        (STORAGE + "test_commit_permit.py",),
    ),
    Mutant(
        "what SQLite rolls back in its COMMIT is committed",
        "7",
        LOG + "commit_permit.py",
        "        if self.is_granted and draft.has_counted_change:",
        "        if self.is_granted:",
        (STORAGE + "test_commit_permit.py::test_a_commit_that_sqlite_rolls_back_itself_is_none",),
    ),
    Mutant(
        "what is attached can be written",
        "7",
        LOG + "vfs.py",
        "        flags[1] = flags[0] & ~(apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE) | apsw.SQLITE_OPEN_READONLY",
        "        flags[1] = flags[0]",
        (STORAGE + "test_vfs.py::test_what_is_attached_is_read_only_to_sqlite_itself",),
    ),
    Mutant(
        "new pages that SQLite did not write are left out",
        "2",
        LOG + "draft.py",
        "        for number in range(new_from, page_count + 1):",
        "        for number in (n for n in range(new_from, page_count + 1) if n in set(self._dirty.pages())):",
        (STORAGE + "test_draft.py::test_pages_between_the_old_end_and_the_new_are_zeros_and_committed",),
    ),
    Mutant(
        "pages change their size",
        "2",
        LOG + "draft.py",
        "        if size != self.page_size:",
        "        if False:",
        (STORAGE + "test_commit_permit.py::test_a_vacuum_to_another_page_size_fails_and_commits_nothing",),
    ),
)

COPYING = "lambda_handlers/actions/clone.py"
VERIFIED = "lambda_handlers/storage/verification.py"

DATABASES = (
    Mutant(
        "what is copied is not decoded",
        "10",
        VERIFIED,
        "    for frame in decoder.frames():\n        if builder is not None:\n            builder.add(frame)\n",
        "    decoder._source.rest()\n",
        ("tests/lambda_handlers/actions/test_clone.py::test_a_source_that_is_damaged_where_it_lies_is_refused",),
    ),
    Mutant(
        "the length that a LIST tells is not compared",
        "10",
        VERIFIED,
        "    if size is not None and decoder.length != size:",
        "    if False:",
        ("tests/lambda_handlers/storage/test_verification.py::test_another_length_or_another_name_is_seen",),
    ),
    Mutant(
        "the name of what is copied is not compared",
        "10",
        VERIFIED,
        "    check_name(decoder.header, name, key)",
        "    pass",
        ("tests/lambda_handlers/storage/test_verification.py::test_another_length_or_another_name_is_seen",),
    ),
    Mutant(
        "any tag proves a copy",
        "10",
        COPYING,
        "        if not wanted.has_tag(tag):",
        "        if not tag:",
        ("tests/lambda_handlers/actions/test_clone.py::test_a_copy_that_comes_out_damaged_is_seen",),
    ),
    Mutant(
        "a copy that is there is believed",
        "10",
        COPYING,
        "            tag = self._there.etags[name]\n",
        "            return\n",
        ("tests/lambda_handlers/actions/test_clone.py::test_a_repeated_call_compares_what_is_there",),
    ),
    Mutant(
        "a copy whose answer got lost is believed",
        "10",
        COPYING,
        "                self._compare(name, wanted, doubt)\n                return",
        "                return",
        ("tests/lambda_handlers/actions/test_clone.py::test_a_copy_whose_answer_got_lost_is_read_back",),
    ),
    Mutant(
        "a file that was read before is sent as it comes the second time",
        "10",
        "lambda_handlers/actions/verified_files.py",
        "        if not file.is_same((body,)) and not file.is_same((body := store.get(key),)):",
        "        if not body:",
        ("tests/lambda_handlers/actions/test_clone.py::test_what_does_not_stay_in_memory_is_compared_again",),
    ),
    Mutant(
        "a rename drops what it has not seen to open under the new name",
        "10",
        HANDLERS + "actions/rename_database.py",
        "        _check_copy(context, made, current)\n",
        "",
        ("tests/lambda_handlers/actions/test_clone.py::test_a_copy_that_does_not_open_is_no_reason_to_drop",),
    ),
    Mutant(
        "one damaged answer about the mark is believed",
        "10",
        "lambda_handlers/actions/clone_mark.py",
        "    decoder = Decoder((body,), key)\n    for _ in decoder.frames():\n        pass\n",
        "    decoder = Decoder((body,), key)\n",
        ("tests/lambda_handlers/actions/test_clone.py::test_a_damaged_mark_is_no_reason_to_take_another_moment",),
    ),
)

PUSHING = "lambda_handlers/actions/transfer/push.py"
PUSHED = "tests/lambda_handlers/actions/transfer/test_push.py::test_a_part_that_was_damaged_on_its_way_is_named"

PARTS = (
    Mutant(
        "parts are assembled as they came",
        "10",
        PUSHING,
        "        _check_parts(context, names[1:-1], there)",
        "        pass",
        (PUSHED,),
    ),
    Mutant(
        "any part has the hash of its name",
        "10",
        PUSHING,
        "    return _hash_in(name) in (md5.hexdigest(), sha256.hexdigest()[:32])",
        "    return True",
        (PUSHED,),
    ),
)

UNFINISHED = "lambda_handlers/actions/unfinished_copy.py"
DROPPED = ("tests/lambda_handlers/actions/test_unfinished_copy.py",)

DROPPING = (
    Mutant(
        "a copy that was stopped is dropped at a txid that it may still reach",
        "6",
        UNFINISHED,
        "    txid, timestamp_ms = mark.max_txid + 1, ",
        "    txid, timestamp_ms = mark.max_txid, ",
        DROPPED,
    ),
    Mutant(
        "a copy that was stopped is dropped, and its chain begins nowhere",
        "6",
        UNFINISHED,
        "    if header is not None:\n        _put_base(context, listing.database, header)\n    return header",
        "    return header",
        DROPPED,
    ),
    Mutant(
        "a drop that was stopped is not completed by a branch",
        "6",
        HANDLERS + "actions/branch.py",
        "unfinished_copy.complete_drop(context, list_files(context.store, target))",
        "list_files(context.store, target)",
        DROPPED,
    ),
    Mutant(
        "a copy that was completed meanwhile is dropped as if it had not been",
        "6",
        UNFINISHED,
        "        return _tombstone(context, list_files(context.store, listing.database))\n    return header",
        "        return header\n    return header",
        DROPPED,
    ),
    Mutant(
        "the mark of a copy begins a chain",
        "6",
        "lambda_handlers/storage/listing.py",
        "if not (name == transaction(1) and self.has_mark))",
        "if name)",
        DROPPED,
    ),
    Mutant(
        "maintenance reads what a stopped copy has left",
        "9",
        "lambda_handlers/storage/upkeep/maintenance.py",
        "        if _is_unfinished(listing):",
        "        if False:",
        (
            "tests/lambda_handlers/actions/test_unfinished_copy.py::test_maintenance_says_it_once_and_lets_the_leftovers_go",
        ),
    ),
)

TURNS = HANDLERS + "database/writer_turns.py"
TAKING_TURNS = (SERVER + "database/test_writer_turns.py",)

ANNOUNCING = (
    Mutant(
        "writers that are always ahead are followed without end",
        "turns",
        "lambda_handlers/storage/log_follower.py",
        "                last = max(self._probes.limit_after(self._pages.txid), plan.newest)",
        "                last = None",
        (STORAGE + "test_log_follower.py::test_writers_that_are_always_ahead_are_not_followed_without_end",),
    ),
    Mutant(
        "transactions that a LIST shows are not followed",
        "turns",
        "lambda_handlers/storage/log_follower.py",
        "                last = max(self._probes.limit_after(self._pages.txid), plan.newest)",
        "                last = self._probes.limit_after(self._pages.txid)",
        (STORAGE + "test_log_follower.py::test_transactions_that_a_list_shows_are_followed_beyond_every_limit",),
    ),
    Mutant(
        "a reader ends at transactions that there are",
        "turns",
        "lambda_handlers/storage/probes.py",
        "        return txid + ahead - 1",
        "        return txid",
        (STORAGE + "test_log_follower.py::test_a_pause_while_it_looks_how_far_the_log_goes_makes_it_list_again",),
    ),
    Mutant(
        "nothing is announced",
        "turns",
        TURNS,
        "        for _ in range(MAX_ANNOUNCE_ATTEMPTS if self._is_on else 0):",
        "        for _ in range(0):",
        (SERVER + "database/test_writer_turns.py::test_what_takes_long_gets_through_among_steady_writers",),
    ),
    Mutant(
        "no writer gives way",
        "turns",
        TURNS,
        "            if left <= 0:",
        "            if True:",
        (SERVER + "database/test_writer_turns.py::test_a_writer_waits_for_what_was_announced",),
    ),
    Mutant(
        "a writer that died is waited for until its clock says so",
        "turns",
        TURNS,
        "min(found.ends_at, self._seen_at + found.seconds, wait_until)",
        "min(found.ends_at, wait_until)",
        TAKING_TURNS,
    ),
    Mutant(
        "a writer waits until its own time is up",
        "turns",
        TURNS,
        "max(0.0, deadline.seconds_left) / 2",
        "max(0.0, deadline.seconds_left)",
        TAKING_TURNS,
    ),
    Mutant(
        "what was merged holds no announcement",
        "turns",
        LOG + "local_pages.py",
        "        self.may_be_announced = is_idle or name.level > 0",
        "        self.may_be_announced = is_idle",
        (SERVER + "database/test_writer_turns.py::test_an_announcement_in_a_merged_file_is_one",),
    ),
    Mutant(
        "any number of seconds may be announced",
        "turns",
        "lambda_handlers/storage/announcements.py",
        "min(kinds.announced_seconds(header.node_id), MAX_SECONDS)",
        "kinds.announced_seconds(header.node_id)",
        TAKING_TURNS,
    ),
    Mutant(
        "what failed stays announced",
        "turns",
        HANDLERS + "database/write_access.py",
        "            self._turns.withdraw(self._replica)\n",
        "",
        (SERVER + "database/test_writer_turns.py::test_what_fails_after_all_is_taken_back",),
    ),
    Mutant(
        "with a lock, too, is announced",
        "turns",
        HANDLERS + "database/write_access.py",
        "is_on=not resources.has_lock",
        "is_on=True",
        TAKING_TURNS,
    ),
    Mutant(
        "an announcement counts as a change",
        "turns",
        LOG + "local_pages.py",
        "        if not is_idle:\n            self.unchanged_since",
        "        if True:\n            self.unchanged_since",
        (SERVER + "database/test_writer_turns.py::test_if_txid_holds_behind_an_announcement",),
    ),
    Mutant(
        "what has as many pages counts as unchanged",
        "2",
        LOG + "local_pages.py",
        "not found.page_count and found.commit == self.page_count",
        "found.commit == self.page_count",
        (SERVER + "database/test_database.py", SERVER + "database/test_writer_turns.py"),
    ),
    Mutant(
        "a rename among writers copies before it announces itself",
        "turns",
        HANDLERS + "actions/rename_database.py",
        "        if is_crowded:",
        "        if False:",
        (SERVER + "database/test_writer_turns.py::test_what_takes_long_gets_through_among_steady_writers",),
    ),
)

MUTANTS = (*LOCAL, *DATABASES, *PARTS, *DROPPING, *ANNOUNCING)
