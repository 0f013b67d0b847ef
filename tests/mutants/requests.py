"""Exactly once, locks, time, and what is on the disk, taken out one at a time."""

from __future__ import annotations

from tests.mutants.mutant import LOCKS, SERVER, Mutant

HANDLERS = "lambda_handlers/"
DATABASE = SERVER + "test_database.py::"

ONCE = (
    Mutant(
        "the record is a transaction of its own",
        "once",
        HANDLERS + "database.py",
        "                self._record_request(session, request_id, reply)\n            session.commit()",
        "                session.commit()\n                self._record_request(session, request_id, reply)\n"
        "            session.commit()",
        (DATABASE + "test_another_container_knows_the_request", SERVER + "test_database.py"),
    ),
    Mutant(
        "nobody looks whether it was applied",
        "once",
        HANDLERS + "database.py",
        "        return request_log.decode(found.reply, self._replies.kept) if found else None",
        "        return None if found else None",
        (DATABASE + "test_a_request_id_applies_once_and_gives_the_first_result",),
    ),
    Mutant(
        "it is not recorded",
        "once",
        HANDLERS + "database.py",
        "            if request_id is not None:\n                self._record_request",
        "            if False:\n                self._record_request",
        (DATABASE + "test_a_request_id_applies_once_and_gives_the_first_result",),
    ),
    Mutant(
        "it is forgotten at once",
        "once",
        HANDLERS + "sql/request_log.py",
        "(now - MEMORY_SECONDS,))",
        "(now + MEMORY_SECONDS,))",
        (SERVER + "test_database.py", SERVER + "test_service.py"),
    ),
    Mutant(
        "if_txid is decided before the lock",
        "once",
        HANDLERS + "database.py",
        "            self._check_txid(run.request.if_txid)\n            return self._attempt",
        "            return self._attempt",
        (DATABASE + "test_if_txid", DATABASE + "test_a_lost_race_with_if_txid_is_a_conflict"),
    ),
    Mutant(
        "under the lock nobody looks again",
        "once",
        HANDLERS + "database.py",
        '        if self._settings.lock != "none" or run.request.max_staleness:\n            self._newest.replica.refresh()',
        "        if False:\n            self._newest.replica.refresh()",
        (DATABASE + "test_if_txid_is_decided_on_the_newest_transaction_even_from_a_stale_copy",),
    ),
    Mutant(
        "a lost race is not run again",
        "once",
        HANDLERS + "database.py",
        "            self._back_off(number, deadline)\n            self._newest.replica.refresh()",
        "            break",
        (DATABASE + "test_writers_without_a_lock_lose_nothing", SERVER + "test_database.py"),
    ),
    Mutant(
        "a message of a queue that failed is dropped",
        "once",
        HANDLERS + "service.py",
        '                failed.append(record["messageId"])',
        "                pass",
        (SERVER + "test_service.py::test_no_message_is_lost_that_was_not_applied",),
    ),
    Mutant(
        "a message of a queue has no id",
        "once",
        HANDLERS + "events.py",
        '        request["request_id"] = record["messageId"]',
        "        pass",
        (SERVER + "test_service.py::test_a_batch_of_a_queue_that_is_delivered_twice_applies_once",),
    ),
    Mutant(
        "a FIFO group goes on behind a failure",
        "once",
        HANDLERS + "service.py",
        "                    stopped_groups.add(group)",
        "                    pass",
        (SERVER + "test_service.py::test_a_group_of_a_fifo_queue_stops_at_its_first_failure",),
    ),
    Mutant(
        "a commit that SQLite fails after is a failure",
        "once",
        HANDLERS + "sql/session.py",
        "            if self._vfs.committed is None:\n                self.explain(error)",
        "            self.explain(error)",
        (SERVER + "sql/test_session.py::test_what_fails_after_the_commit_undoes_nothing",),
    ),
)

TIME = (
    Mutant(
        "a request may take all of its function's time",
        "time",
        HANDLERS + "service.py",
        "        limits[-1] -= max(0.25, min(LONGEST_MARGIN_SECONDS, remaining_seconds / 10))",
        "        pass",
        (SERVER + "test_service.py::test_a_request_leaves_its_function_time_to_roll_back_and_answer",),
    ),
    Mutant(
        "races go on past the deadline",
        "time",
        HANDLERS + "database.py",
        "        if self._host.now() + pause >= deadline:",
        "        if False:",
        (DATABASE + "test_races_end_with_the_time_of_the_request",),
    ),
    Mutant(
        "a statement runs past the deadline",
        "time",
        HANDLERS + "sql/session.py",
        "        self.connection.set_progress_handler(is_over, INSTRUCTIONS_BETWEEN_CHECKS)",
        "        pass",
        (SERVER + "sql/test_session.py::test_a_runaway_statement_is_stopped",),
    ),
    Mutant(
        "the lock outlives a request that fails",
        "time",
        HANDLERS + "database.py",
        "            return self._write_locked(run)\n        finally:\n            self._release(holder.lock_id)",
        "            reply = self._write_locked(run)\n        finally:\n            pass\n"
        "        self._release(holder.lock_id)\n        return reply",
        (DATABASE + "test_a_request_that_fails_leaves_no_lock",),
    ),
    Mutant(
        "a lock that cannot be released fails the write",
        "lock",
        HANDLERS + "database.py",
        '            self._log.warning("lock_not_released", database=self.name, lock_id=lock_id, error=error.message)\n'
        "            return",
        "            raise error",
        (DATABASE + "test_a_lost_lock_does_not_make_a_committed_write_fail",),
    ),
)

LOCK = (
    Mutant(
        "a lock is released whoever has it, S3",
        "lock",
        HANDLERS + "locks/s3.py",
        "                if not seen.is_held_as(lock_id):\n                    return has_asked and seen.released == lock_id",
        "                if seen.holder is None:\n                    return has_asked and seen.released == lock_id",
        (LOCKS + "test_contract.py::test_a_late_release_does_not_free_the_next_holder", LOCKS + "test_s3.py"),
    ),
    Mutant(
        "what one remembers is released, S3",
        "lock",
        HANDLERS + "locks/s3.py",
        "                if not (seen and seen.is_held_as(lock_id)):\n                    seen = self._read(database)",
        "                seen = self._read(database)\n                seen = _Seen(seen.etag, Holder(lock_id, database, lock_id, 0.0))",
        (LOCKS + "test_contract.py::test_a_late_release_does_not_free_the_next_holder", LOCKS + "test_s3.py"),
    ),
    Mutant(
        "a lock is taken without a condition, S3",
        "lock",
        HANDLERS + "locks/s3.py",
        "        return self._store.create(key, text) if etag is None else self._store.replace(key, text, etag)",
        "        return self._store.put(key, text)",
        (LOCKS + "test_contract.py::test_eight_writers_one_at_a_time", LOCKS + "test_s3.py"),
    ),
    Mutant(
        "a lock of any age is free, S3",
        "lock",
        HANDLERS + "locks/s3.py",
        "        if seen.holder and not seen.holder.is_expired(now, self._max_age_seconds):",
        "        if False:",
        (LOCKS + "test_contract.py::test_who_comes_second_waits_until_the_deadline_and_learns_who_was_first",),
    ),
    Mutant(
        "a sweep frees young locks, S3",
        "lock",
        HANDLERS + "locks/s3.py",
        "            if not holder.is_expired(self._host.now(), self._max_age_seconds):",
        "            if False:",
        (LOCKS + "test_contract.py::test_sweep_frees_the_old_and_leaves_the_young",),
    ),
    Mutant(
        "no lock ever gets too old",
        "lock",
        HANDLERS + "locks/protocol.py",
        "        return self.created_at is not None and abs(now - self.created_at) > max_age_seconds",
        "        return False",
        (LOCKS + "test_contract.py::test_a_waiter_frees_a_lock_that_is_past_its_age",),
    ),
    Mutant(
        "a lock from the future is young for ever",
        "lock",
        HANDLERS + "locks/protocol.py",
        "abs(now - self.created_at) > max_age_seconds",
        "now - self.created_at > max_age_seconds",
        (LOCKS + "test_contract.py::test_a_lock_from_the_far_future_is_past_its_age",),
    ),
    Mutant(
        "a lock without a time is old",
        "lock",
        HANDLERS + "locks/protocol.py",
        "        return self.created_at is not None and abs(now - self.created_at) > max_age_seconds",
        "        return self.created_at is None or abs(now - self.created_at) > max_age_seconds",
        (LOCKS + "test_s3.py", LOCKS + "test_security_group.py"),
    ),
    Mutant(
        "a group is deleted by its name",
        "lock",
        HANDLERS + "ec2.py",
        '[("GroupId", group_id)]',
        '[("GroupName", group_id)]',
        (SERVER + "test_ec2.py",),
    ),
    Mutant(
        "a group is ours whoever owns it",
        "lock",
        HANDLERS + "locks/security_group.py",
        "        return next((holder for holder in found if holder.owner == self.owner), None)",
        "        return next(iter(found), None)",
        (LOCKS + "test_security_group.py",),
    ),
    Mutant(
        "a group of any age is freed by who waits",
        "lock",
        HANDLERS + "locks/security_group.py",
        "            and seen.is_expired(self.host.now(), self.lock.max_age_seconds)",
        "            and True",
        (LOCKS + "test_contract.py::test_who_comes_second_waits_until_the_deadline_and_learns_who_was_first",),
    ),
    Mutant(
        "a sweep frees young groups",
        "lock",
        HANDLERS + "locks/security_group.py",
        "            if not holder.is_expired(self.host.now(), self.max_age_seconds):",
        "            if False:",
        (LOCKS + "test_contract.py::test_sweep_frees_the_old_and_leaves_the_young",),
    ),
    Mutant(
        "a name that is taken is a lock that we have",
        "lock",
        HANDLERS + "locks/security_group.py",
        "            return None if self._knows_holder() else self._look()",
        "            return self._look() or self.seen",
        (LOCKS + "test_contract.py::test_eight_writers_one_at_a_time", LOCKS + "test_security_group.py"),
    ),
    Mutant(
        "a file lock that is none",
        "lock",
        HANDLERS + "file_locks.py",
        "            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)",
        "            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)",
        (LOCKS + "test_contract.py::test_eight_writers_one_at_a_time", LOCKS + "test_file.py"),
    ),
)

DISK = (
    Mutant(
        "the file is not synced",
        "disk",
        HANDLERS + "directory_store.py",
        "            os.fsync(file.fileno())",
        "            pass",
        (SERVER + "test_directory_store.py::test_an_object_is_on_the_disk_before_it_is_acknowledged",),
    ),
    Mutant(
        "the name is not synced",
        "disk",
        HANDLERS + "directory_store.py",
        "    _sync_directory(path.parent)",
        "    pass",
        (SERVER + "test_directory_store.py::test_an_object_is_on_the_disk_before_it_is_acknowledged",),
    ),
    Mutant(
        "the directory's own name is left to who made it",
        "disk",
        HANDLERS + "directory_store.py",
        "        if directory not in self._durable:",
        "        if new:",
        (SERVER + "test_directory_store.py::test_who_comes_second_relies_on_nobodys_sync",),
    ),
    Mutant(
        "the object gets its name before its content",
        "disk",
        HANDLERS + "directory_store.py",
        '    temporary = path.parent / f".{path.name}.{uuid.uuid4().hex}"',
        '    temporary = path.parent / f"{path.name}.{uuid.uuid4().hex}"',
        (SERVER + "test_directory_store.py::test_what_a_crash_leaves_is_invisible",),
    ),
)

MUTANTS = (*ONCE, *TIME, *LOCK, *DISK)
