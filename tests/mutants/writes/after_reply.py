"""Work after the reply: it changes no reply, and is finished before what it is about changes."""

from __future__ import annotations

from tests.mutants.mutant import STORAGE, Mutant

HANDLERS = "lambda_handlers/"
AFTER = "tests/lambda_handlers/test_after_reply.py::"
EXTENSION = "tests/lambda_handlers/test_extension.py::"
LOCK = "tests/lambda_handlers/database/test_lock_taking.py::"
SERVICE = "tests/lambda_handlers/test_service.py::"
PUBLISHING = STORAGE + "test_publishing.py::"

MUTANTS = (
    Mutant(
        "work is never put off",
        "after",
        HANDLERS + "after_reply.py",
        "        return self._is_put_off and (self._is_last or self._has_thread)",
        "        return False",
        (SERVICE + "test_a_reply_does_not_wait_for_folds_and_the_next_one_reports_them",),
    ),
    Mutant(
        "work is put off where nothing does it",
        "after",
        HANDLERS + "after_reply.py",
        "        return self._is_put_off and (self._is_last or self._has_thread)",
        "        return True",
        (AFTER + "test_work_is_done_at_the_end_of_its_request_unless_it_is_put_off",),
    ),
    Mutant(
        "a lock is released after the reply though another request may come",
        "after",
        HANDLERS + "after_reply.py",
        "        if self._holds_nobody_up:\n            self._due.insert",
        "        if self._is_put_off:\n            self._due.insert",
        (
            AFTER + "test_nothing_is_put_off_that_would_meet_the_next_request",
            LOCK + "test_the_reply_to_a_last_request_does_not_wait_for_the_release",
        ),
    ),
    Mutant(
        "who waits for a lock waits for folds",
        "after",
        HANDLERS + "after_reply.py",
        "self._due.insert(0, release)",
        "self._due.append(release)",
        (AFTER + "test_who_waits_for_a_lock_waits_for_no_other_work",),
    ),
    Mutant(
        "the reply to a last request waits for the release",
        "after",
        HANDLERS + "service.py",
        "is_last=request.last",
        "is_last=False",
        (LOCK + "test_the_reply_to_a_last_request_does_not_wait_for_the_release",),
    ),
    Mutant(
        "the next request does not wait",
        "after",
        HANDLERS + "after_reply.py",
        "            call.result()",
        "            pass",
        (AFTER + "test_a_thread_begins_with_it_and_the_next_request_waits_for_its_end",),
    ),
    Mutant(
        "a request begins beside the work of the one before",
        "after",
        HANDLERS + "service.py",
        "        self.after_reply.finish()\n        self.after_reply.begin_request",
        "        self.after_reply.begin_request",
        (SERVICE + "test_a_reply_does_not_wait_for_folds_and_the_next_one_reports_them",),
    ),
    Mutant(
        "a service is closed over its work",
        "after",
        HANDLERS + "service.py",
        "            self.after_reply.finish()\n            for database",
        "            for database",
        (SERVICE + "test_a_service_that_is_closed_has_finished_its_work",),
    ),
    Mutant(
        "one failure ends all work",
        "after",
        HANDLERS + "after_reply.py",
        "        except Exception as error:  # noqa: BLE001 - a bug: the reply",
        "        except KeyError as error:  # noqa: BLE001 - a bug: the reply",
        (AFTER + "test_all_of_it_is_done_in_its_order_whoever_fails",),
    ),
    Mutant(
        "a bug after a commit leaves no trace",
        "after",
        HANDLERS + "database/database.py",
        '            log.error("not_published", **about, traceback=trace(error))',
        "            pass",
        (SERVICE + "test_a_bug_in_the_work_after_a_commit_goes_to_the_log",),
    ),
    Mutant(
        "an extension without an identifier works on",
        "after",
        HANDLERS + "extension.py",
        "        if not self._identifier:\n",
        "        if False:\n",
        (EXTENSION + "test_an_answer_without_an_identifier_is_a_refusal",),
    ),
    Mutant(
        "a commit on a copy whose fold is still to be made",
        "after",
        HANDLERS + "storage/replica.py",
        "        self._publisher.finish()\n        return self._checks",
        "        return self._checks",
        (PUBLISHING + "test_a_copy_changes_only_once_its_fold_is_made",),
    ),
    Mutant(
        "a refresh of a copy whose fold is still to be made",
        "after",
        HANDLERS + "storage/replica.py",
        "        self._publisher.finish()\n        try:",
        "        try:",
        (PUBLISHING + "test_a_copy_changes_only_once_its_fold_is_made",),
    ),
    Mutant(
        "the extension works while the reply is posted",
        "after",
        HANDLERS + "extension.py",
        "                ended.is_posted.wait(MAX_POSTING_SECONDS)",
        "                pass",
        (EXTENSION + "test_work_begins_once_the_runtime_has_let_go_of_the_reply",),
    ),
    Mutant(
        "the environment is given up before the work",
        "after",
        HANDLERS + "extension.py",
        "        ended, posted = _Ended(has_work=True, asked=None)",
        "        ended, posted = _Ended(has_work=True, asked=self._ask_early())",
        (EXTENSION + "test_work_begins_once_the_runtime_has_let_go_of_the_reply",),
    ),
    Mutant(
        "the extension asks twice for one event",
        "after",
        HANDLERS + "extension.py",
        "        return self._ask() if self._invoked > self._replied else None",
        "        return self._ask()",
        (EXTENSION + "test_a_handler_that_is_faster_than_the_extension_leaves_the_asking_to_it",),
    ),
    Mutant(
        "a read keeps its environment until the thread has noticed",
        "after",
        HANDLERS + "extension.py",
        "asked=self._ask_early()))",
        "asked=None))",
        (EXTENSION + "test_without_work_it_has_asked_before_the_handler_returns",),
    ),
)
