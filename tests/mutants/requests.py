"""Requests: applied once, and ended in time."""

from __future__ import annotations

from tests.mutants.mutant import ACTIONS, SERVER, Mutant

HANDLERS = "lambda_handlers/"
TARGET = "tests/sldb/targets/test_aws_lambda.py::"
DATABASE = SERVER + "database/test_database.py::"

ONCE = (
    Mutant(
        "the record is a transaction of its own",
        "once",
        HANDLERS + "database/request_runner.py",
        "            self._applied.record(session, copy, run.request_id(session.may_write), reply, run.delivery.queued)\n"
        "            session.commit()",
        "            session.commit()\n            reply = replace(reply, txid=copy.replica.txid)\n            self._applied.record(session, copy, run.request_id(session.may_write), reply)\n"
        "            session.commit()",
        (
            "tests/lambda_handlers/database/test_applied_requests.py::test_another_container_knows_the_request",
            SERVER + "database/test_database.py",
        ),
    ),
    Mutant(
        "the shell sends a commit in doubt as another request",
        "once",
        "sldb/shell/transaction.py",
        "        if self.sent is not None:\n            return self.sent\n",
        "",
        ("tests/sldb/shell/test_transaction.py::test_a_commit_of_unknown_outcome_is_sent_again_as_it_was",),
    ),
    Mutant(
        "nobody looks whether it was applied",
        "once",
        HANDLERS + "database/applied_requests.py",
        "        return Applied(found.at, reply)",
        "        return None",
        (
            "tests/lambda_handlers/database/test_applied_requests.py::test_a_request_id_applies_once_and_gives_the_first_result",
        ),
    ),
    Mutant(
        "it is not recorded",
        "once",
        HANDLERS + "database/applied_requests.py",
        "        if request_id is not None:\n            session.trusted(lambda connection: request_log.record",
        "        if False:\n            session.trusted(lambda connection: request_log.record",
        (
            "tests/lambda_handlers/database/test_applied_requests.py::test_a_request_id_applies_once_and_gives_the_first_result",
        ),
    ),
    Mutant(
        "a reply that is kept elsewhere and damaged is none",
        "once",
        HANDLERS + "sql/own/request_log.py",
        "            return reply\n    raise SldbError(",
        "            return reply\n    return None\n    raise SldbError(",
        (
            SERVER
            + "database/test_replies.py::test_a_kept_reply_that_is_damaged_is_no_reason_to_apply_the_request_again",
        ),
    ),
    Mutant(
        "it is forgotten at once",
        "once",
        HANDLERS + "sql/own/request_log.py",
        "        return min(self.clock, self.log) - MEMORY_SECONDS",
        "        return min(self.clock, self.log) + MEMORY_SECONDS",
        (SERVER + "database/test_database.py", SERVER + "test_service.py"),
    ),
    Mutant(
        "it is forgotten by the clock of one machine",
        "once",
        HANDLERS + "sql/own/request_log.py",
        "        return min(self.clock, self.log) - MEMORY_SECONDS",
        "        return self.clock - MEMORY_SECONDS",
        (
            "tests/lambda_handlers/database/test_applied_requests.py::test_a_clock_that_is_wrong_for_one_write_makes_nothing_run_twice",
        ),
    ),
    Mutant(
        "it is forgotten by the log's time alone",
        "once",
        HANDLERS + "sql/own/request_log.py",
        "        return min(self.clock, self.log) - MEMORY_SECONDS",
        "        return self.log - MEMORY_SECONDS",
        (
            "tests/lambda_handlers/database/test_applied_requests.py::test_a_clock_that_is_wrong_for_one_write_makes_nothing_run_twice",
        ),
    ),
    Mutant(
        "it is recorded with the time of a clock that is behind",
        "once",
        HANDLERS + "sql/own/request_log.py",
        "        return min(made, self.clock + MAX_BEHIND_SECONDS)",
        "        return self.clock",
        (
            "tests/lambda_handlers/database/test_applied_requests.py::test_a_clock_that_is_wrong_for_one_write_makes_nothing_run_twice",
        ),
    ),
    Mutant(
        "it is remembered for as long as a clock was ahead",
        "once",
        HANDLERS + "sql/own/request_log.py",
        "        return min(made, self.clock + MAX_BEHIND_SECONDS)",
        "        return made",
        (
            "tests/lambda_handlers/database/test_applied_requests.py::test_after_a_clock_that_was_far_ahead_the_log_of_requests_does_not_grow_for_ever",
        ),
    ),
    Mutant(
        "if_txid is decided before the lock",
        "once",
        HANDLERS + "database/request_runner.py",
        "            self._newest.check_txid(request.if_txid)\n",
        "            pass\n",
        (
            "tests/lambda_handlers/database/test_conditions.py::test_if_txid",
            "tests/lambda_handlers/database/test_write_access.py::test_a_lost_race_with_if_txid_is_a_conflict",
        ),
    ),
    Mutant(
        "if_txid is decided before the log of requests is looked at",
        "once",
        HANDLERS + "database/request_runner.py",
        "        request, request_id = run.request, run.request_id(session.may_write)\n",
        "        request, request_id = run.request, run.request_id(session.may_write)\n"
        "        if session.may_write:\n            self._newest.check_txid(request.if_txid)\n",
        (
            "tests/lambda_handlers/database/test_write_access.py::test_a_request_that_another_delivery_applied_meanwhile_is_no_conflict",
        ),
    ),
    Mutant(
        "a stale copy is written on without a look",
        "once",
        HANDLERS + "database/newest_requests.py",
        "        if run.request.max_staleness and not self._newest.replica.is_trusted:",
        "        if False:",
        (
            "tests/lambda_handlers/database/test_conditions.py::test_if_txid_is_decided_on_the_newest_transaction_even_from_a_stale_copy",
        ),
    ),
    Mutant(
        "a lost race is not run again",
        "once",
        HANDLERS + "database/write_access.py",
        "            replica.refresh(deadline=deadline.at, has_news=True)",
        "            break",
        (
            "tests/lambda_handlers/database/test_write_access.py::test_writers_without_a_lock_lose_nothing",
            SERVER + "database/test_database.py",
        ),
    ),
    Mutant(
        "a commit that SQLite fails after is a failure",
        "once",
        HANDLERS + "sql/session.py",
        "            if self._vfs.permit.txid is None:\n                self._fail(error)",
        "            self._fail(error)",
        (SERVER + "sql/test_session.py::test_what_fails_after_the_commit_undoes_nothing",),
    ),
    Mutant(
        "a request is sent without an id",
        "once",
        "sldb/targets/protocol.py",
        "    return replace(request, request_id=request_id, attempt=request.attempt or os.urandom(8).hex())",
        "    return request",
        (TARGET + "test_every_request_has_an_id",),
    ),
    Mutant(
        "a target sends what has no id",
        "once",
        "sldb/targets/remote.py",
        "        request = with_id(request)\n",
        "",
        (TARGET + "test_what_may_pass_is_sent_again_with_the_same_id",),
    ),
    Mutant(
        "a later try speaks for an earlier one",
        "once",
        "sldb/targets/aws_lambda.py",
        "        if refusal is not None and may_have_run:",
        "        if False:",
        (TARGET + "test_who_is_refused_when_sending_again_does_not_speak_for_the_first_try",),
    ),
    Mutant(
        "what had no answer was not applied",
        "once",
        "sldb/targets/remote.py",
        "        if reply is None:\n            raise doubt.not_applied(again) from doubt\n        return reply",
        "        raise doubt.not_applied(again) from doubt",
        (TARGET + "test_what_was_applied_without_an_answer_is_found_out",),
    ),
    Mutant(
        "a function that was stopped has left nothing on the way",
        "once",
        "sldb/targets/aws_lambda.py",
        "        return InDoubt(error)\n",
        "        return InDoubt(error, may_come_yet=False)\n",
        (TARGET + "test_what_was_not_applied_is_told",),
    ),
)

ATOMIC = "tests/sldb/test_atomic_file.py::"
ATTACKS = SERVER + "test_attacks.py::"
SESSION = SERVER + "sql/test_session.py::"

LOG = SERVER + "sql/own/test_request_log.py::"

COPIES = (
    Mutant(
        "a branch knows the requests of what it was made of",
        "once",
        HANDLERS + "database/applied_requests.py",
        "        if reply.database != self._database and not",
        "        if False and not",
        (LOG + "test_a_branch_does_not_know_the_requests_of_what_it_was_made_of",),
    ),
    Mutant(
        "a rename notes nothing",
        "once",
        HANDLERS + "actions/rename_database.py",
        "            database.note_rename(self.target, context.deadline)",
        "            pass",
        (LOG + "test_after_a_rename_the_id_of_a_write_made_under_the_old_name_still_answers",),
    ),
    Mutant(
        "a rename that is refused leaves a note",
        "once",
        HANDLERS + "actions/rename_database.py",
        "        if not _has_content(context, there):  # else",
        "        if True:  # else",
        (LOG + "test_a_rename_that_is_refused_leaves_no_note",),
    ),
    Mutant(
        "a rename that goes on notes again",
        "once",
        HANDLERS + "sql/own/request_log.py",
        "    if newest is None or (noted_at is not None and noted_at >= newest):",
        "    if newest is None:",
        (LOG + "test_wherever_a_rename_is_stopped_no_id_is_lost",),
    ),
    Mutant(
        "a note is about what came after it",
        "once",
        HANDLERS + "sql/own/request_log.py",
        '            if had_at.get(old, float("inf")) <= noted_at < had_at.get(new, float("inf")):',
        '            if old in had_at and noted_at < had_at.get(new, float("inf")):',
        (LOG + "test_the_names_that_a_database_had",),
    ),
)

OWN = (
    Mutant(
        "statements of ours fire triggers and cascades",
        "once",
        HANDLERS + "sql/own/own_tables.py",
        "            connection.config(reaction, 0)",
        "            pass",
        (SESSION + "test_statements_of_ours_set_off_nothing",),
    ),
    Mutant(
        "statements of ours switch off the reactions of the user's",
        "once",
        HANDLERS + "sql/own/own_tables.py",
        "            connection.config(reaction, was_on)",
        "            pass",
        (SESSION + "test_statements_of_ours_set_off_nothing",),
    ),
    Mutant(
        "a trigger is trusted that a statement of ours fires",
        "once",
        HANDLERS + "sql/authorizer.py",
        "    return trigger is None and is_known",
        "    return True",
        (SESSION + "test_statements_of_ours_write_nothing_but_ours_by_themselves",),
    ),
    Mutant(
        "a table of ours becomes a parent behind a temporary table",
        "once",
        HANDLERS + "sql/own/own_tables.py",
        'f"PRAGMA {schema}.foreign_key_list({quoted})"',
        'f"PRAGMA foreign_key_list({quoted})"',
        ("tests/lambda_handlers/attacks/test_own_tables.py::test_have_a_table_of_sldb_as_the_parent_of_a_foreign_key",),
    ),
    Mutant(
        "a table of ours becomes a parent",
        "once",
        HANDLERS + "sql/own/own_tables.py",
        "        reached.update(_parents(connection, schema))",
        "        pass",
        ("tests/lambda_handlers/attacks/test_own_tables.py::test_have_a_table_of_sldb_as_the_parent_of_a_foreign_key",),
    ),
    Mutant(
        "whoever has such a table can change no schema any more",
        "once",
        HANDLERS + "sql/session.py",
        "        if reached := self.trusted(own_tables.reach) - before:",
        "        if reached := self.trusted(own_tables.reach):",
        ("tests/lambda_handlers/attacks/test_own_tables.py::test_such_a_table_can_still_be_changed_and_dropped",),
    ),
    Mutant(
        "the schema of our table is compared in one case only",
        "once",
        HANDLERS + "sql/own/own_tables.py",
        "(name = ?1 COLLATE NOCASE OR tbl_name = ?1 COLLATE NOCASE)",
        "?1 IN (name, tbl_name) COLLATE NOCASE",
        (SERVER + "sql/own/test_own_tables.py",),
    ),
    Mutant(
        "a push brings a log of requests along",
        "once",
        "sldb/push_pull/source.py",
        "        if found := source.own_names():",
        "        if found := []:",
        ("tests/lambda_handlers/attacks/test_pushed_files.py::test_push_a_file_with_a_log_of_its_own",),
    ),
    Mutant(
        "whoever commits a pushed file does not look at its names",
        "once",
        "lambda_handlers/actions/transfer/push.py",
        "    _check_schema(context, prepared, first_page)\n",
        "",
        ("tests/lambda_handlers/attacks/test_pushed_files.py::test_push_such_a_file_with_another_client",),
    ),
    Mutant(
        "the pages of a pushed file's map are those of the file",
        "once",
        HANDLERS + "storage/prepared_file.py",
        "            if not is_first and carried.get(frame.pgno, frame.page) != frame.page:",
        "            if False:",
        ("tests/lambda_handlers/attacks/test_pushed_files.py::test_push_a_file_whose_page_map_shows_another_schema",),
    ),
    Mutant(
        "a reply is read from whatever key an entry names",
        "once",
        HANDLERS + "sql/own/request_log.py",
        "    if not is_reply_key(key):",
        "    if False:",
        ("tests/lambda_handlers/attacks/test_request_log.py::test_have_the_log_of_requests_name_another_object",),
    ),
    Mutant(
        "an entry's rows may lie anywhere",
        "once",
        HANDLERS + "sql/own/request_log.py",
        "all(isinstance(key, str) and is_rows_key(key) for key in stored)",
        "all(isinstance(key, str) for key in stored)",
        ("tests/lambda_handlers/attacks/test_request_log.py::test_have_the_log_of_requests_name_another_object",),
    ),
    Mutant(
        "rows are signed wherever they lie",
        "once",
        HANDLERS + "database/replies.py",
        "        if not is_rows_key(key):\n",
        "        if False:\n",
        (SERVER + "database/test_replies.py::test_no_other_object_is_signed",),
    ),
    Mutant(
        "an entry of the future is believed",
        "once",
        HANDLERS + "sql/own/request_log.py",
        "        return max(self.clock, self.log) + SKEW_SECONDS",
        '        return float("inf")',
        ("tests/lambda_handlers/attacks/test_own_tables.py::test_an_entry_of_the_future_proves_nothing",),
    ),
)

PUSH = (
    Mutant(
        "a push that was committed is committed again",
        "once",
        "lambda_handlers/actions/transfer/push.py",
        "        if done is not None:",
        "        if False:",
        ("tests/sldb/push_pull/test_push.py::test_a_commit_that_is_sent_twice_finds_what_the_first_has_done",),
    ),
    Mutant(
        "a restore that was done is done again",
        "once",
        "lambda_handlers/actions/replace_content.py",
        "    if not replacing.is_step and (is_same or _is_restored(context, current, replacing)):",
        "    if False:",
        (
            SERVER + "actions/past/test_restore.py::test_a_restore_that_changes_nothing_writes_nothing",
            SERVER + "actions/past/test_restore.py::test_an_undo_that_is_sent_twice_is_done_once",
        ),
    ),
    Mutant(
        "a restore reads what retention took as if it were there",
        "2",
        HANDLERS + "storage/replica.py",
        "        if self.txid != txid:\n",
        "        if False:\n",
        ("tests/lambda_handlers/storage/test_replica.py::test_a_moment_that_was_compacted_away_is_not_found",),
    ),
    Mutant(
        "the counters of page 1 go back",
        "7",
        "lambda_handlers/actions/replace_content.py",
        "            yield pgno, stamped(page, old_first) if pgno == 1 and old_first else page",
        "            yield pgno, page",
        (SERVER + "actions/past/test_restore.py::test_the_counters_go_on",),
    ),
)

TIME = (
    Mutant(
        "a request may take all of its function's time",
        "time",
        HANDLERS + "deadline.py",
        "        limits[-1] -= _margin(remaining_seconds)",
        "        pass",
        (SERVER + "test_service.py::test_a_request_leaves_its_function_time_to_roll_back_and_answer",),
    ),
    Mutant(
        "a request is given up when there is no time left to tell its caller",
        "time",
        HANDLERS + "deadline.py",
        "    return remaining_seconds - _margin(remaining_seconds) * 3 / 4",
        "    return remaining_seconds - 0.1",
        (SERVER + "test_service.py::test_what_does_not_end_is_given_up_while_its_caller_can_still_be_told",),
    ),
    Mutant(
        "races go on past the deadline",
        "time",
        HANDLERS + "database/write_access.py",
        "        if self._host.now() + pause >= deadline.at:",
        "        if False:",
        ("tests/lambda_handlers/database/test_write_access.py::test_races_end_with_the_time_of_the_request",),
    ),
    Mutant(
        "a statement runs past the deadline",
        "time",
        HANDLERS + "sql/session.py",
        "        self.connection.set_progress_handler(self._is_over, INSTRUCTIONS_BETWEEN_CHECKS)",
        "        pass",
        (SERVER + "sql/test_session.py::test_a_runaway_statement_is_stopped",),
    ),
    Mutant(
        "a process that cannot answer is not ended",
        "time",
        HANDLERS + "watchdog.py",
        "                finally:  # even without memory left for the answer",
        "                except OSError:",
        (SERVER + "test_watchdog.py::test_a_process_ends_even_if_it_cannot_answer",),
    ),
    Mutant(
        "a VACUUM that is committing is given up",
        "time",
        HANDLERS + "database/database.py",
        "vfs.permit.was_granted or ",
        "vfs.permit.is_granted or ",
        (SERVER + "test_watchdog.py::test_one_that_may_be_committed_is_left_alone",),
    ),
    Mutant(
        "pages are fetched past the deadline",
        "time",
        HANDLERS + "sql/session.py",
        "        if self._vfs.permit.txid is None:\n            self._deadline.check()",
        "        if False:\n            self._deadline.check()",
        (
            "tests/lambda_handlers/database/test_write_access.py::test_a_statement_that_waits_for_page_after_page_ends_with_its_time",
        ),
    ),
    Mutant(
        "the lock outlives a request that fails",
        "time",
        HANDLERS + "database/write_access.py",
        "            yield holder\n        finally:\n            self.release(holder.lock_id)",
        "            yield holder\n        finally:\n            pass\n        self.release(holder.lock_id)",
        ("tests/lambda_handlers/database/test_write_access.py::test_a_request_that_fails_leaves_no_lock",),
    ),
    Mutant(
        "a lock that cannot be released fails the write",
        "lock",
        HANDLERS + "database/write_access.py",
        '            log.warning("lock_not_released", database=self._database, lock_id=lock_id, error=error.message)\n'
        "            return",
        "            raise error",
        ("tests/lambda_handlers/database/test_write_access.py::test_a_lost_lock_does_not_make_a_committed_write_fail",),
    ),
)

SERVICE = SERVER + "test_service.py::"
MEANT = "test_what_is_meant_for_another_stack_is_refused_before_anything_is_opened"

STACKS = tuple(
    Mutant(
        f"{name} for another stack is taken",
        "stack",
        HANDLERS + "service.py",
        f"        self._refuse_another_stack({argument})\n{after}",
        after,
        (SERVICE + MEANT,),
    )
    for name, argument, after in (
        ("a request", "request", "        caller.check(request)\n"),
        ("an action", "action", "        run = registry.find(action.name)\n"),
    )
)

CREATE = ACTIONS + "test_create.py::"

CREATES = (
    Mutant(
        "only the state before the lock is looked at",
        "create",
        HANDLERS + "database/request_runner.py",
        "            self._newest.check_may_create(request.create)\n        with",
        "        with",
        (CREATE + "test_one_that_is_dropped_while_the_write_waits_for_its_lock",),
    ),
    Mutant(
        "the lock is taken before anybody looks",
        "create",
        HANDLERS + "database/database.py",
        "        if not may_create:\n            self._newest",
        "        if False:\n            self._newest",
        (CREATE + "test_what_is_refused_leaves_no_trace_in_a_directory",),
    ),
    Mutant(
        "a push begins what must not begin",
        "create",
        "lambda_handlers/actions/transfer/push.py",
        "        database.check_may_create(action.create)\n",
        "",
        (CREATE + "test_a_push_into_one_that_is_dropped_while_it_waits",),
    ),
)

FILES = (
    Mutant(
        "a pulled file gets its name before its content is on the disk",
        "disk",
        "sldb/push_pull/pull.py",
        "        os.fsync(file.fileno())\n",
        "        file.fileno()\n",
        ("tests/sldb/push_pull/test_pull.py::test_a_file_gets_its_name_when_its_content_is_on_the_disk",),
    ),
    Mutant(
        "a pull keeps the end of a file without its beginning",
        "disk",
        "sldb/push_pull/download.py",
        "            for chunk in chain((first,), downloaded):\n                if is_kept:\n",
        "            for chunk in chain((first,), downloaded):\n                if is_kept and chunk is not first:\n",
        ("tests/sldb/push_pull/test_pull.py::test_what_arrives_within_seconds_is_not_kept",),
    ),
    Mutant(
        "a pull forgets what the disk answered",
        "disk",
        "sldb/push_pull/pull.py",
        "            synced.result()\n",
        "            pass\n",
        ("tests/sldb/push_pull/test_pull.py::test_a_content_that_the_disk_refuses_gets_no_name",),
    ),
    Mutant(
        "a file gets its name before its content is on the disk",
        "disk",
        "sldb/atomic_file.py",
        "        os.fsync(file.fileno())\n",
        "",
        (ATOMIC + "test_content_is_synced_before_the_name_and_the_name_before_the_end",),
    ),
    Mutant(
        "the new name of a file is not brought to the disk",
        "disk",
        "sldb/atomic_file.py",
        "    made.replace(path)\n    _sync_directory(path.parent)\n",
        "    made.replace(path)\n",
        (ATOMIC + "test_content_is_synced_before_the_name_and_the_name_before_the_end",),
    ),
    Mutant(
        "a write that fails leaves a part of the file behind",
        "10",
        "sldb/atomic_file.py",
        "        unfinished.unlink(missing_ok=True)",
        "        pass",
        (ATOMIC + "test_a_failure_before_the_rename_leaves_what_was",),
    ),
)

MUTANTS = (*ONCE, *COPIES, *OWN, *PUSH, *FILES, *TIME, *STACKS, *CREATES)
