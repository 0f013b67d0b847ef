"""Callers: what each may read and write, whose requests are whose, and what one knows of another's writes."""

from __future__ import annotations

from tests.mutants.mutant import SERVER, Mutant

HANDLERS = "lambda_handlers/"
ATTACKS = SERVER + "attacks/test_callers.py::"
INDEPENDENCE = SERVER + "attacks/test_independence.py"
CALLER = SERVER + "test_caller.py::"
RUNNER = HANDLERS + "database/transaction/runner.py"

DATABASES = (
    Mutant(
        "SQL reaches every database",
        "callers",
        HANDLERS + "caller.py",
        "        self.require(request.database, writes=False)\n",
        "",
        (ATTACKS + "test_use_another_database", INDEPENDENCE),
    ),
    Mutant(
        "ATTACH reaches every database",
        "callers",
        HANDLERS + "database/attached_databases.py",
        "        self._caller.require(wanted.database, writes=False)\n",
        "",
        (ATTACKS + "test_use_another_database", INDEPENDENCE),
    ),
    Mutant(
        "an attached database is opened before the right to it is asked for",
        "callers",
        HANDLERS + "database/attached_databases.py",
        "        self._caller.require(wanted.database, writes=False)\n",
        "        self._find(wanted.database)\n        self._caller.require(wanted.database, writes=False)\n",
        (ATTACKS + "test_open_another_database",),
    ),
    Mutant(
        "a token keeps the rights that its caller had",
        "callers",
        RUNNER,
        '        caller.require(name.partition("@")[0], writes=False)\n',
        "        pass\n",
        (ATTACKS + "test_read_what_went_out_of_scope_since_begin",),
    ),
    Mutant(
        "an action reaches every database",
        "callers",
        HANDLERS + "actions/rights.py",
        "        caller.require(action.database, writes=needs.writes)\n",
        "        pass\n",
        (ATTACKS + "test_use_another_database", INDEPENDENCE),
    ),
    Mutant(
        "an action writes to every database that an argument names",
        "callers",
        HANDLERS + "actions/rights.py",
        "        caller.require(target, writes=True)\n",
        "        pass\n",
        (ATTACKS + "test_use_another_database", INDEPENDENCE),
    ),
    Mutant(
        "an action without an entry is for all callers",
        "callers",
        HANDLERS + "actions/rights.py",
        '        caller.require_operator(f"the action {action.name}")\n',
        "",
        (ATTACKS + "test_send_an_action_that_has_no_entry",),
    ),
    Mutant(
        "a request is cancelled before the right to it is asked for",
        "callers",
        HANDLERS + "service.py",
        "        registry.check_rights(caller, action, self._settings)\n        registry.run_at_once(self._resources, action, caller)\n",
        "        registry.run_at_once(self._resources, action, caller)\n        registry.check_rights(caller, action, self._settings)\n",
        (ATTACKS + "test_leave_a_mark_for_a_request_of_another_database",),
    ),
    Mutant(
        "the list of databases is for all",
        "callers",
        HANDLERS + "actions/databases.py",
        " if context.caller.may_read(name)",
        "",
        (ATTACKS + "test_find_other_databases_in_the_list", INDEPENDENCE),
    ),
)

WRITES = (
    Mutant(
        "a reader writes",
        "callers",
        HANDLERS + "database/newest_requests.py",
        "        run.caller.require(self._newest.database, writes=True)\n",
        "",
        (ATTACKS + "test_have_a_lock_taken_with_the_right_to_read",),
    ),
    Mutant(
        "a reader has a dry run in the past",
        "callers",
        HANDLERS + "database/request_runner.py",
        "        run.caller.require(self._database, writes=may_write)\n",
        "",
        (ATTACKS + "test_write_with_the_right_to_read",),
    ),
    Mutant(
        "a reader writes in a transaction",
        "callers",
        HANDLERS + "database/run.py",
        "not self.request.read_only and self.caller.may_write",
        "not self.request.read_only",
        (ATTACKS + "test_write_with_the_right_to_read",),
    ),
    Mutant(
        "a token keeps the right to write",
        "callers",
        RUNNER,
        "    caller.require(transaction.database, writes=transaction.writes)\n",
        "",
        (ATTACKS + "test_write_with_a_right_that_was_taken_since_begin",),
    ),
)

IDS = (
    Mutant(
        "request ids are those of all callers",
        "callers",
        HANDLERS + "database/run.py",
        "self.caller.own_id(request_id)",
        "request_id",
        (ATTACKS + "test_have_the_reply_of_another_caller", ATTACKS + "test_take_the_id_of_a_request_that_has_none"),
    ),
    Mutant(
        "a name and an id run into each other",
        "callers",
        HANDLERS + "caller.py",
        '        return f"{self.name}{_END_OF_NAME}{request_id}" if self.name else request_id',
        '        return f"{self.name}{request_id}" if self.name else request_id',
        (CALLER + "test_two_callers_have_no_id_in_common",),
    ),
    Mutant(
        "everybody has the result of everybody",
        "callers",
        HANDLERS + "actions/arguments.py",
        '    caller.require_operator("a request of another caller")\n',
        "",
        (ATTACKS + "test_have_the_reply_of_another_caller", ATTACKS + "test_cancel_the_request_of_another_caller"),
    ),
    Mutant(
        "the marks of all callers share their room",
        "callers",
        HANDLERS + "actions/cancel.py",
        "cancel_marks.key_of(action.database, sender.own_id(request_id))",
        "cancel_marks.key_of(action.database, request_id)",
        (ATTACKS + "test_cancel_the_request_of_another_caller",),
    ),
    Mutant(
        "a request looks for the marks of an operator's",
        "callers",
        HANDLERS + "resources.py",
        "own_id, began = caller.own_id(request_id), clock",
        "own_id, began = request_id, clock",
        (ATTACKS + "test_stop_the_request_of_another_caller",),
    ),
    Mutant(
        "everybody chooses chance and time",
        "callers",
        HANDLERS + "caller.py",
        "                self.require_operator(name)\n",
        "                pass\n",
        (ATTACKS + "test_choose_chance_and_time_without_being_an_operator",),
    ),
    Mutant(
        "the history does not say who it was",
        "callers",
        HANDLERS + "database/applied_requests.py",
        "run.caller.name or None), copy",
        "None), copy",
        (ATTACKS + "test_sign_the_history_with_another_name",),
    ),
)

MIN_TXID = SERVER + "database/test_min_txid.py::"

KNOWN = (
    Mutant(
        "accepted staleness outweighs min_txid",
        "known",
        HANDLERS + "database/newest_state.py",
        "        if self.replica.txid < min_txid and max_staleness:\n            self.replica.refresh(0.0, deadline.at)\n",
        "",
        (MIN_TXID + "test_it_outweighs_the_staleness", MIN_TXID + "test_no_answer_is_older"),
    ),
    Mutant(
        "a transaction that no log has counts as seen",
        "known",
        HANDLERS + "database/newest_state.py",
        "            raise not_there_yet(self.database, self.replica.txid, min_txid)\n",
        "            pass\n",
        (MIN_TXID + "test_one_that_no_log_has_is_an_error_at_once",),
    ),
    Mutant(
        "a transaction begins from an older state than min_txid",
        "known",
        RUNNER,
        "run.request.max_staleness, run.request.min_txid)",
        "run.request.max_staleness)",
        (MIN_TXID + "test_a_transaction_begins_from_it", MIN_TXID + "test_no_answer_is_older"),
    ),
)

MUTANTS = (*DATABASES, *WRITES, *IDS, *KNOWN)
