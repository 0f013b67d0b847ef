"""Clocks that step: which transaction a moment means, and what time a commit has."""

from __future__ import annotations

from tests.mutants.mutant import SERVER, STORAGE, Mutant

HISTORY = "lambda_handlers/storage/history.py"
CLOCK = "lambda_handlers/store_clock.py"
REPLICA = "lambda_handlers/storage/replica.py"
COMMITS = SERVER + "test_store_clock.py::"
TESTS = STORAGE + "test_history.py::"
DATABASE_TESTS = "tests/lambda_handlers/test_database.py::"

MUTANTS = (
    Mutant(
        "times are taken to ascend",
        "clock",
        HISTORY,
        "        if len(numbers) > MOST_EXACT:",
        "        if True:",
        (TESTS + "test_a_long_step_in_a_copy",),
    ),
    Mutant(
        "the dates of the store say nothing",
        "clock",
        HISTORY,
        "        near, far = (bisect_right(self._dates, moment + slack) for slack in (-_SLACK_SECONDS, _SLACK_SECONDS))",
        "        near, far = 0, 0",
        (TESTS + "test_writes_of_today_behind_one_that_says_2029_are_not_dropped",),
    ),
    Mutant(
        "the dates of the store say all",
        "clock",
        HISTORY,
        "        if self._newest(range(far, min(far + BLOCK, end)), late) is not None:",
        "        if False:",
        (TESTS + "test_a_copy_and_what_was_written_after_it",),
    ),
    Mutant(
        "what has an earlier time than those before it was made then",
        "clock",
        HISTORY,
        "        late = _Span(self._time_before(far), moment_ms)",
        "        late = _Span(0, moment_ms)",
        (TESTS + "test_a_step_back_takes_no_moment_before_it_along",),
    ),
    Mutant(
        "times that are all ahead of the dates are not believed",
        "clock",
        HISTORY,
        "        if found is None and near and self._are_of_other_clocks(near - 1, moment_ms):",
        "        if False:",
        (TESTS + "test_times_that_are_all_ahead_of_the_dates_are_by_another_clock_and_decide_alone",),
    ),
    Mutant(
        "times that are still to come are believed",
        "clock",
        HISTORY,
        "< self._times[each] / 1000 <= self._now + SKEW_SECONDS",
        "< self._times[each] / 1000",
        (TESTS + "test_where_all_that_is_left_says_2029_the_dates_of_the_store_decide",),
    ),
    Mutant(
        "one date that is wrong is believed",
        "clock",
        HISTORY,
        "        self._dates = _ascending([file.dated_at for file in files])",
        "        self._dates = [file.dated_at for file in files]",
        (TESTS + "test_one_date_that_is_wrong_misleads_nobody",),
    ),
    Mutant(
        "a moment that is still to come does not find the newest transaction",
        "clock",
        HISTORY,
        "        if moment >= self._now:",
        "        if False:",
        (TESTS + "test_now_is_the_newest_by_a_clock_that_is_behind_too",),
    ),
    Mutant(
        "the mark of a copy is a transaction",
        "clock",
        HISTORY,
        "        if name is None or (name == transaction(1) and info.size == MARK_BYTES):",
        "        if name is None:",
        ("tests/lambda_handlers/actions/test_branch.py::test_the_times_of_a_branch_find_its_transactions",),
    ),
    Mutant(
        "a time without a zone is one in UTC",
        "clock",
        "lambda_handlers/wire.py",
        "    if written is None or written.offset_seconds is None:",
        "    if written is None:",
        (DATABASE_TESTS + "test_a_time_on_the_wire_names_its_zone",),
    ),
    Mutant(
        "a time to the second means its beginning",
        "clock",
        "lambda_handlers/times.py",
        "        return self.start_ms + (999 if self.is_whole_second else 0)",
        "        return self.start_ms",
        (DATABASE_TESTS + "test_a_view_says_when_its_transaction_was_made_and_that_time_finds_it",),
    ),
    Mutant(
        "a moment in the future is one like any other",
        "clock",
        "lambda_handlers/database.py",
        "        if moment > (now + AHEAD_SECONDS) * 1000 and found_ms <= now * 1000:",
        "        if False:",
        (DATABASE_TESTS + "test_a_moment_in_the_future_is_no_moment",),
    ),
    Mutant(
        "a clock that is ahead of the store's stamps its time",
        "clock",
        CLOCK,
        "        if _is_believed(self._least_at, now) and self._least > SKEW_SECONDS:",
        "        if False:",
        (COMMITS + "test_with_the_s3_lock_no_commit_is_stamped_ahead",),
    ),
    Mutant(
        "what was told of the time is believed after a step",
        "clock",
        CLOCK,
        "    return abs(now - seen_at) <= _BELIEVED_SECONDS",
        "    return seen_at > float('-inf')",
        (COMMITS + "test_what_was_told_before_a_step_is_not_believed",),
    ),
    Mutant(
        "EC2's date is not heard",
        "clock",
        "lambda_handlers/ec2.py",
        "            self._clock.told(parsedate_to_datetime(date).timestamp(), asked_at)",
        "            pass",
        (SERVER + "test_ec2.py::test_its_answers_tell_the_time",),
    ),
    Mutant(
        "with the s3 lock nothing is known before the first commit",
        "clock",
        REPLICA,
        "        if self._clock.wants_list:",
        "        if False:",
        (COMMITS + "test_with_the_s3_lock_a_container_that_opened_the_database_before_is_not_ahead",),
    ),
    Mutant(
        "what comes after a clock that was ahead has its time",
        "clock",
        REPLICA,
        "        return own_ms if is_false else self.timestamp_ms",
        "        return self.timestamp_ms",
        (COMMITS + "test_the_next_write_has_its_own_time_again",),
    ),
    Mutant(
        "a clock that is behind tells what time it is",
        "clock",
        REPLICA,
        "            self._clock.shown(dated_at, now)\n",
        "",
        (COMMITS + "test_a_clock_that_is_behind_has_its_requests_remembered",),
    ),
    Mutant(
        "a time goes back without what is recorded",
        "clock",
        "lambda_handlers/sql/request_log.py",
        "    if times.now < times.log and LOG.is_there(connection):",
        "    if False:",
        (COMMITS + "test_no_request_is_applied_twice_when_the_time_goes_back",),
    ),
    Mutant(
        "what records nothing takes the log back",
        "clock",
        REPLICA,
        "        least_ms = self.timestamp_ms if least_ms is None else least_ms",
        "        least_ms = 0 if least_ms is None else least_ms",
        (COMMITS + "test_what_records_nothing_does_not_take_the_log_back",),
    ),
    Mutant(
        "a state of then is older than what is recorded in it",
        "clock",
        REPLICA,
        "max(self.next_time_ms(now), content_ms)",
        "self.next_time_ms(now)",
        (COMMITS + "test_a_state_of_then_is_not_older_than_what_is_recorded_in_it",),
    ),
)
