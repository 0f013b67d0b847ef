"""Locks that are freed by id and age alone, and objects that are on the disk."""

from __future__ import annotations

from tests.mutants.mutant import LOCKS, SERVER, Mutant

HANDLERS = "lambda_handlers/"

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
    Mutant(
        "unlock frees whoever has it by now, S3",
        "lock",
        "sldb/locks.py",
        "                IfMatch=str(lock.etag),\n",
        "",
        ("tests/sldb/cli/test_unlock.py::test_an_object_that_was_taken_again_stays",),
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

MUTANTS = (*LOCK, *DISK)
