"""A function that only reads: what it refuses, and what keeps its hands off the store."""

from __future__ import annotations

from tests.mutants.mutant import SERVER, Mutant

HANDLERS = "lambda_handlers/"
READING = SERVER + "test_reading_function.py::"
REFUSED = READING + "test_what_writes_is_refused_and_not_attempted"
NOTHING = READING + "test_no_sequence_of_requests_writes"
TEMPLATE = "cloudformation/template.yaml"
TEMPLATES = "tests/cloudformation/test_template.py::"
STORE = SERVER + "store/test_reading.py::"

MUTANTS = (
    Mutant(
        "a request in a function that only reads takes the lock",
        "reader",
        HANDLERS + "database/run.py",
        "        if self.is_reader:\n            raise only_reads(doing, self.moving_to)\n",
        "",
        (REFUSED, READING + "test_a_statement_beside_a_commit_writes_nothing"),
    ),
    Mutant(
        "a transaction in a function that only reads takes statements that write",
        "reader",
        HANDLERS + "database/run.py",
        "return not self.is_reader and not self.request.read_only",
        "return not self.request.read_only",
        (REFUSED, READING + "test_a_transaction_may_begin_here_and_write_at_the_query_function"),
    ),
    Mutant(
        "no request knows that its function only reads",
        "reader",
        HANDLERS + "database/database.py",
        "invocation_id, caller, self._is_reader, self",
        "invocation_id, caller, False, self",
        (REFUSED, NOTHING),
    ),
    Mutant(
        "an action of a function that only reads is not asked whether it writes",
        "reader",
        HANDLERS + "actions/registry.py",
        "        rights.check_reads(action, settings.moving_to)\n",
        "        pass\n",
        (REFUSED, NOTHING),
    ),
    Mutant(
        "a branch counts as reading",
        "reader",
        HANDLERS + "actions/rights.py",
        "self.writes or self.writes_to is not None or self.puts_mark",
        "self.writes or self.puts_mark",
        (REFUSED, READING + "test_every_action_is_known_to_read_or_to_write"),
    ),
    Mutant(
        "a mark that cancels a request counts as nothing",
        "reader",
        HANDLERS + "actions/rights.py",
        " or self.puts_mark",
        "",
        (REFUSED, READING + "test_every_action_is_known_to_read_or_to_write"),
    ),
    Mutant(
        "a function that only reads tries to make the key of the tokens",
        "reader",
        HANDLERS + "database/transaction/key.py",
        "        if not self._may_make:\n            raise _missing()\n",
        "",
        (READING + "test_without_a_key_there_are_no_transactions_and_none_is_made",),
    ),
    Mutant(
        "a function that only reads removes old transactions from a directory",
        "reader",
        HANDLERS + "database/transaction/stored_tokens.py",
        "if self._may_remove and self._store.presign(",
        "if self._store.presign(",
        (READING + "test_in_a_directory_no_old_object_is_removed",),
    ),
    Mutant(
        "a function that only reads puts the page maps that it has made",
        "reader",
        HANDLERS + "storage/pages/opening.py",
        "found.free if self.puts_maps else None",
        "found.free",
        (READING + "test_a_page_map_that_it_has_to_make_is_for_itself",),
    ),
    Mutant(
        "the store of a function that only reads takes every new object",
        "reader",
        HANDLERS + "store/reading.py",
        "        self._check(key)\n        return self._store.create(key, body)",
        "        return self._store.create(key, body)",
        (STORE + "test_no_other_write_reaches_the_store",),
    ),
    Mutant(
        "the store of a function that only reads makes addresses for writing",
        "reader",
        HANDLERS + "store/reading.py",
        '        if method != "GET":\n            raise _refusal(keys[0] if keys else "")\n',
        "",
        (STORE + "test_no_other_write_reaches_the_store",),
    ),
    Mutant(
        "a function that only reads has a store without refusals",
        "reader",
        HANDLERS + "store/open.py",
        "    return ReadingStore(store, reader_creates_below)\n",
        "    return store\n",
        (STORE + "test_only_a_function_that_only_reads_has_it",),
    ),
    Mutant(
        "a function that only reads tests a foreign store by writing",
        "reader",
        HANDLERS + "store/open.py",
        "    tests = not settings.read_only  #",
        "    tests = True  #",
        (SERVER + "store/test_other_stores.py::test_a_function_that_only_reads_tests_nothing_by_writing",),
    ),
    Mutant(
        "a mistyped SLDB_READ_ONLY allows to write",
        "reader",
        HANDLERS + "settings.py",
        'read_only = _true_or_false(environment, "SLDB_READ_ONLY")',
        'read_only = _is_true(environment, "SLDB_READ_ONLY")',
        (READING + "test_a_mistyped_setting_is_no_permission_to_write",),
    ),
    Mutant(
        "the role of the function that only reads may create any object",
        "reader",
        TEMPLATE,
        '                    - !Sub\n                      - "arn:${AWS::Partition}:s3:::${Bucket}/databases/_replies/*"',
        '                    - !Sub\n                      - "arn:${AWS::Partition}:s3:::${Bucket}/databases/*"',
        (TEMPLATES + "test_the_function_that_only_reads_creates_replies_and_tokens_and_nothing_else",),
    ),
    Mutant(
        "the function that only reads is deployed without the setting",
        "reader",
        TEMPLATE,
        '          SLDB_READ_ONLY: "true"\n          SLDB_CACHE_BYTES: !Ref CacheBytes',
        '          SLDB_READ_ONLY: "false"\n          SLDB_CACHE_BYTES: !Ref CacheBytes',
        (TEMPLATES + "test_the_function_that_only_reads_is_the_query_function_with_another_setting",),
    ),
    Mutant(
        "the reading routes of an API go to the query function",
        "reader",
        TEMPLATE,
        """      RouteKey: POST /{database}/read
      Target: !Sub "integrations/${TokenReadIntegration}\"""",
        """      RouteKey: POST /{database}/read
      Target: !Sub "integrations/${TokenIntegration}\"""",
        ("tests/cloudformation/test_apis.py::test_routes_that_read_go_to_the_function_that_only_reads",),
    ),
)
