"""Mutations of queues: batches, group commits, and the log of queued requests."""

from __future__ import annotations

from tests.mutants.mutant import SERVER, Mutant

QUEUE = "lambda_handlers/queue/"
BATCH = SERVER + "queue/test_batch.py::"
ORDER = SERVER + "queue/test_order.py::"
LOG = SERVER + "sql/own/test_queue_log.py::"

MUTANTS = (
    Mutant(
        "a message of a queue that failed is dropped",
        "queue",
        QUEUE + "batch.py",
        "for one in self._ids if one not in self._done]",
        "for one in self._ids if one is None]",
        (SERVER + "test_service.py::test_no_message_is_lost_that_was_not_applied",),
    ),
    Mutant(
        "a message of a queue has no id",
        "queue",
        QUEUE + "message.py",
        '        event["request_id"] = record["messageId"]',
        "        pass",
        (SERVER + "test_service.py::test_a_batch_of_a_queue_that_is_delivered_twice_applies_once",),
    ),
    Mutant(
        "a FIFO group goes on behind a failure",
        "queue",
        QUEUE + "order.py",
        "        if message.group is not None and not message.is_last_try:\n            self._groups.add(message.group)",
        "        pass",
        (SERVER + "test_service.py::test_a_group_of_a_fifo_queue_stops_at_its_first_failure",),
    ),
    Mutant(
        "a message goes to the dead letters with those behind it",
        "queue",
        QUEUE + "order.py",
        "message.group is not None and not message.is_last_try",
        "message.group is not None",
        (BATCH + "test_on_its_last_try_it_goes_to_the_dead_letters_by_itself",),
    ),
    Mutant(
        "a fair queue counts as one with an order",
        "queue",
        QUEUE + "message.py",
        '.endswith(".fifo")',
        ".endswith(tuple('.ef'))",
        (SERVER + "queue/test_message.py::test_only_a_fifo_queue_has_an_order",),
    ),
    Mutant(
        "a group of several databases runs out of order",
        "queue",
        QUEUE + "order.py",
        "if position < earliest or position < 0:",
        "if position < 0:",
        (ORDER + "test_each_message_is_in_one_segment_behind_those_that_precede_it",),
    ),
    Mutant(
        "a queued id is not recorded for long",
        "queue",
        "lambda_handlers/database/applied_requests.py",
        "            session.trusted(lambda connection: queue_log.record(connection, key, times.now, reply.txid, since))",
        "            pass",
        (BATCH + "test_an_id_is_remembered_for_as_long_as_the_queue_keeps_messages",),
    ),
    Mutant(
        "a message that runs alone is not remembered for long",
        "queue",
        "lambda_handlers/database/request_runner.py",
        "reply, run.delivery.queued)",
        "reply)",
        (BATCH + "test_a_message_that_runs_alone_is_remembered_as_long",),
    ),
    Mutant(
        "a message of a group is not looked up",
        "queue",
        QUEUE + "group.py",
        "            return before.reply.txid",
        "            pass",
        (BATCH + "test_the_same_id_twice_runs_once",),
    ),
    Mutant(
        "a message that failed stays in the draft",
        "queue",
        QUEUE + "group.py",
        "return not is_contained or self._copy.draft.has_inner_commits",
        "return not is_contained",
        (BATCH + "test_what_ends_a_transaction_of_sqlite_undoes_its_own_message_alone",),
    ),
    Mutant(
        "a draft is trusted after any error",
        "queue",
        QUEUE + "group.py",
        "            if self._is_distrusted(error):",
        "            if False:",
        (BATCH + "test_what_ends_a_transaction_of_sqlite_undoes_its_own_message_alone",),
    ),
    Mutant(
        "a read behind a write of its group counts as one",
        "queue",
        QUEUE + "group.py",
        "        copy.draft.mark()\n",
        "",
        (BATCH + "test_the_note_of_a_group_has_those_of_its_messages",),
    ),
    Mutant(
        "a group is committed in part when it runs again",
        "queue",
        QUEUE + "group.py",
        "        draft.clear()\n",
        "",
        (
            SERVER + "queue/test_group.py",
            BATCH + "test_after_an_error_that_leaves_no_trust_in_the_draft_the_others_run_again",
        ),
    ),
    Mutant(
        "a group takes messages until its time is up",
        "queue",
        QUEUE + "group.py",
        "self._deadline.now() >= late_at or",
        "False or",
        (BATCH + "test_what_would_come_too_late_goes_back_untried",),
    ),
    Mutant(
        "VACUUM runs among others",
        "queue",
        QUEUE + "alone.py",
        '_WORDS = ("VACUUM", "ATTACH")',
        '_WORDS = ("ATTACH",)',
        (BATCH + "test_a_vacuum_is_a_transaction_of_its_own",),
    ),
    Mutant(
        "a queue takes actions",
        "queue",
        QUEUE + "message.py",
        "    if is_action(event):",
        "    if False:",
        (SERVER + "queue/test_message.py::test_an_action_is_refused_by_its_name",),
    ),
    Mutant(
        "a branch remembers the messages of its source",
        "queue",
        "lambda_handlers/sql/own/queue_log.py",
        "key=database.encode()",
        'key=b""',
        (LOG + "test_what_is_not_the_same_is_not_found",),
    ),
    Mutant(
        "expired ids of queues stay",
        "queue",
        "lambda_handlers/sql/own/queue_log.py",
        'f"DELETE FROM main.{TABLE} WHERE recorded_at <= ? AND id IN "',
        'f"DELETE FROM main.{TABLE} WHERE recorded_at <= ? AND id NOT NULL AND 0 AND id IN "',
        (LOG + "test_it_stays_small",),
    ),
)
