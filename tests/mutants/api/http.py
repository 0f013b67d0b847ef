"""The HTTP interface: its routes, responses of any size, and the streams of SQL over HTTP."""

from __future__ import annotations

from tests.mutants.mutant import SERVER, Mutant

HTTP = "lambda_handlers/http/"
BODIES = SERVER + "http/test_bodies.py::"
ROUTES = SERVER + "http/routes/"
HRANA = SERVER + "http/hrana/"
STEPS = HTTP + "hrana/steps.py"

_RESPONSES = (
    Mutant(
        "a response is measured before it becomes text in JSON",
        "http",
        HTTP + "bodies.py",
        "len(json.dumps(body.decode())) <= limit_bytes",
        "len(body) <= limit_bytes",
        (BODIES + "test_no_response_is_larger_than_lambda_takes",),
    ),
    Mutant(
        "a response is in memory until it is whole",
        "http",
        HTTP + "bodies.py",
        "size > self.limit_bytes:",
        "False:",
        (BODIES + "test_memory_does_not_grow_with_the_response",),
    ),
    Mutant(
        "rows in the store count as whole, however many they are",
        "http",
        "lambda_handlers/database/replies.py",
        "        if count != stored.count:\n",
        "        if False:\n",
        (BODIES + "test_fewer_rows_than_were_stored_are_never_a_response",),
    ),
    Mutant(
        "rows that the log of requests remembers are in a spool",
        "http",
        "lambda_handlers/database/replies.py",
        "            if is_recorded:\n                return ReplyRoom()\n",
        "",
        (BODIES + "test_what_goes_into_the_log_of_requests_is_in_no_spool",),
    ),
    Mutant(
        "a write whose response cannot be stored seems to be undone",
        "http",
        HTTP + "routes/native.py",
        '            error.details["applied"] = "yes"\n',
        '            error.details["applied"] = "no"\n',
        (BODIES + "test_a_reply_that_cannot_be_stored_tells_that_the_write_is_applied",),
    ),
    Mutant(
        "every client is taken to follow a 303",
        "http",
        HTTP + "bodies.py",
        'return "authorization" not in headers or not',
        "return True or not",
        (BODIES + "test_a_client_that_would_send_its_token_to_the_store_is_told_of_limit",),
    ),
    Mutant(
        "a response is stored for as long as it takes",
        "http",
        HTTP + "bodies.py",
        "left is not None and left < MARGIN_SECONDS",
        "False",
        (BODIES + "test_a_response_that_takes_too_long_to_store",),
    ),
)

_ROUTES = (
    Mutant(
        "the reading route writes",
        "http",
        HTTP + "routes/native.py",
        "replace(request, read_only=True) if reads_only else request",
        "request",
        (ROUTES + "test_native.py::test_read_refuses_to_write_whatever_the_body_says",),
    ),
    Mutant(
        "the reading route takes every action",
        "http",
        HTTP + "routes/native.py",
        "    if reads_only and action.name not in READING_ACTIONS:\n",
        "    if False:\n",
        (ROUTES + "test_native.py::test_read_takes_no_action_that_writes",),
    ),
    Mutant(
        "a body names another database than its path",
        "http",
        HTTP + "routes/native.py",
        "    if named is not None and named != database:\n",
        "    if False:\n",
        (ROUTES + "test_front.py::test_a_body_for_another_database_than_the_paths_is_refused",),
    ),
    Mutant(
        "the root is any database of its caller",
        "http",
        HTTP + "routes/front.py",
        "    if len(caller.databases) == 1:\n",
        "    if caller.databases:\n",
        (ROUTES + "test_front.py::test_the_root_is_a_database_that_the_caller_meant",),
    ),
    Mutant(
        "all writes of an invocation have one id",
        "once",
        HTTP + "routes/answers.py",
        "invocation_id and self._replies > 1",
        "False",
        (ROUTES + "test_streams.py::test_the_writes_of_one_invocation_are_not_taken_for_one",),
    ),
    Mutant(
        "a pipeline forgets the state that its client knows",
        "known",
        HTTP + "routes/streams.py",
        "if self.min_txid is not None and reads_newest:",
        "if False:",
        (ROUTES + "test_streams.py::test_an_older_state_than_the_client_knows_is_never_read",),
    ),
)

_STREAMS = (
    Mutant(
        "a transaction that only reads writes",
        "stream",
        STEPS,
        '_ONLY_READS if what.only_reads else ""',
        '""',
        (HRANA + "test_endpoints.py::test_a_transaction_that_only_reads",),
    ),
    Mutant(
        "a batch that only reads writes",
        "stream",
        STEPS,
        "only_reads = any(step.control and step.control.only_reads for step in steps)",
        "only_reads = False",
        (HRANA + "test_endpoints.py::test_a_batch_that_only_reads",),
    ),
    Mutant(
        "a baton opens the stream of another database",
        "stream",
        HTTP + "hrana/stream.py",
        "    if stream.database != database:\n",
        "    if False:\n",
        (HRANA + "test_stream.py::test_a_baton_of_another_database_is_not_found",),
    ),
    Mutant(
        "a baton expands without a limit",
        "stream",
        HTTP + "hrana/stream.py",
        "expander.decompress(packed, _MAX_BATON_BYTES)",
        "expander.decompress(packed)",
        (HRANA + "test_stream.py::test_a_baton_that_expands_beyond_any_stream_is_refused",),
    ),
    Mutant(
        "the settings of a baton are any statements",
        "stream",
        HTTP + "hrana/stream.py",
        " or not all(map(_is_setting, stream.settings.values()))",
        "",
        (HRANA + "test_stream.py::test_a_baton_with_other_content_is_refused",),
    ),
    Mutant(
        "a pipeline sent again applies its later steps as its first one",
        "once",
        HTTP + "hrana/outcomes.py",
        "if self.prefix and position else self.prefix",
        "if False else self.prefix",
        (HRANA + "test_endpoints.py", BODIES + "test_a_repeated_pipeline_applies_nothing_twice"),
    ),
)

MUTANTS = (*_RESPONSES, *_ROUTES, *_STREAMS)
