"""Tokens of transactions: believed only as the stack made them, and committed once."""

from __future__ import annotations

from tests.mutants.mutant import SERVER, Mutant

FOLDER = "lambda_handlers/database/transaction/"
TESTS = SERVER + "database/transaction/"
TOKEN, KEY, STORED = TESTS + "test_token.py::", TESTS + "test_key.py::", TESTS + "test_stored_tokens.py::"
LOG, APPLIED = SERVER + "sql/own/test_transaction_log.py::", SERVER + "database/test_applied_transactions.py::"
TEMPLATE = "tests/cloudformation/test_template.py::"

SEALS = (
    Mutant(
        "the seal of a token is not compared",
        "token",
        FOLDER + "token.py",
        "        if len(content) <= _HEAD_BYTES or not self._is_ours(content, seal):",
        "        if len(content) <= _HEAD_BYTES:",
        (TOKEN + "test_every_single_bit_counts",),
    ),
    Mutant(
        "the seal of a token is compared byte by byte until one differs",
        "token",
        FOLDER + "token.py",
        "            return hmac.compare_digest(_seal(self._key.secret(), content), seal)",
        "            return _seal(self._key.secret(), content) == seal",
        (TOKEN + "test_seals_are_compared_in_constant_time",),
    ),
    Mutant(
        "another spelling of a token is the same",
        "token",
        FOLDER + "token.py",
        '    if base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii") != text:',
        "    if False:",
        (TOKEN + "test_another_text_of_the_same_bytes_is_refused",),
    ),
    Mutant(
        "a token of another database is accepted",
        "token",
        FOLDER + "token.py",
        "        if transaction.database != database:",
        "        if False:",
        (TOKEN + "test_a_token_of_another_stack_database_or_caller_is_refused",),
    ),
    Mutant(
        "a token of another caller is accepted",
        "token",
        FOLDER + "token.py",
        "        if transaction.caller != caller:",
        "        if False:",
        (TOKEN + "test_a_token_of_another_stack_database_or_caller_is_refused",),
    ),
    Mutant(
        "a token lives for ever",
        "token",
        FOLDER + "token.py",
        "        if not -SKEW_SECONDS <= left <= LIFE_SECONDS + SKEW_SECONDS:",
        "        if not left <= LIFE_SECONDS + SKEW_SECONDS:",
        (TOKEN + "test_a_token_is_valid_for_a_day_and_a_minute_of_skew",),
    ),
    Mutant(
        "a token of a clock that was ahead lives longer",
        "token",
        FOLDER + "token.py",
        "        if not -SKEW_SECONDS <= left <= LIFE_SECONDS + SKEW_SECONDS:",
        "        if not -SKEW_SECONDS <= left:",
        (TOKEN + "test_a_token_is_valid_for_a_day_and_a_minute_of_skew",),
    ),
    Mutant(
        "a token of another engine is continued",
        "token",
        FOLDER + "token.py",
        "        if transaction.engine != self._engine:",
        "        if False:",
        (TOKEN + "test_another_engine_is_a_conflict",),
    ),
    Mutant(
        "a token expands without a limit",
        "token",
        FOLDER + "token.py",
        "        packed = expansion.decompress(body, MAX_BYTES + 1)",
        "        packed = expansion.decompress(body)",
        (TOKEN + "test_no_more_is_expanded_than_the_limit",),
    ),
    Mutant(
        "a token that ends early is read",
        "token",
        FOLDER + "token.py",
        "        if len(packed) > MAX_BYTES or not expansion.eof or expansion.unused_data:",
        "        if len(packed) > MAX_BYTES:",
        (TOKEN + "test_other_bytes_are_no_transaction",),
    ),
    Mutant(
        "a token with more behind its transaction is read",
        "token",
        FOLDER + "token.py",
        "    reader.end()\n",
        "",
        (TOKEN + "test_other_bytes_are_no_transaction",),
    ),
    Mutant(
        "a token is made that nothing can read",
        "token",
        FOLDER + "token.py",
        "    if len(packed) > MAX_BYTES:\n        raise SldbError(",
        "    if False:\n        raise SldbError(",
        (TOKEN + "test_what_is_larger_than_the_limit_is_refused_when_the_token_is_made",),
    ),
    Mutant(
        "the parameters of a statement do not count in a token's prefixes",
        "token",
        FOLDER + "token.py",
        "            packer.params(kept.params)\n            packer.number(kept.shows_lastrowid)\n",
        "            packer.number(kept.shows_lastrowid)\n",
        (TOKEN + "test_what_is_in_the_hash",),
    ),
    Mutant(
        "a token's prefix does not depend on what came before",
        "token",
        FOLDER + "token.py",
        "            packer.add(latest)\n",
        "",
        (TOKEN + "test_what_is_in_the_hash",),
    ),
)

OBJECTS = (
    Mutant(
        "of two keys of tokens the later one stays",
        "token",
        FOLDER + "key.py",
        "        self._store.create(key, seal(",
        "        self._store.put(key, seal(",
        (KEY + "test_of_two_makers_one_wins_and_both_use_its_key",),
    ),
    Mutant(
        "a damaged key of tokens is none",
        "token",
        FOLDER + "key.py",
        '        raise _damaged("its checksum does not fit")',
        "        return None",
        (KEY + "test_a_damaged_key_is_an_error_that_says_so_and_no_new_key",),
    ),
    Mutant(
        "every forged token has the key read",
        "token",
        FOLDER + "key.py",
        "        if before is None or abs(self._host.now() - self._read_at) < MIN_SECONDS_BETWEEN_READINGS:",
        "        if before is None:",
        (KEY + "test_forged_tokens_have_the_key_read_once_a_minute_at_most",),
    ),
    Mutant(
        "the key of tokens is a file for everyone",
        "token",
        "lambda_handlers/store/directory.py",
        "        return _PRIVATE_MODE if path.is_relative_to(self.root / PRIVATE_PREFIX) else _MODE",
        "        return _MODE",
        (KEY + "test_in_a_directory_only_its_owner_may_read_it",),
    ),
    Mutant(
        "the key of tokens can be read with the rights to read the bucket",
        "token",
        "cloudformation/template.yaml",
        "          - Sid: KeysAreForTheQueryFunction\n            Effect: Deny",
        "          - Sid: KeysAreForTheQueryFunction\n            Effect: Allow",
        (TEMPLATE + "test_the_key_of_tokens_is_for_the_functions_that_run_sql",),
    ),
    Mutant(
        "the scheduled function reaches the key of tokens",
        "token",
        "cloudformation/template.yaml",
        "                - Sid: NoKeys\n                  Effect: Deny",
        "                - Sid: NoKeys\n                  Effect: Allow",
        (TEMPLATE + "test_the_key_of_tokens_is_for_the_functions_that_run_sql",),
    ),
    Mutant(
        "the object of a token is not compared with its name",
        "token",
        FOLDER + "stored_tokens.py",
        "                if hashlib.sha256(body).digest() == digest:",
        "                if True:",
        (STORED + "test_what_is_read_is_compared_with_its_name",),
    ),
    Mutant(
        "a 409 of S3 proves that the object of a token exists",
        "token",
        FOLDER + "stored_tokens.py",
        "                return False  # S3 also",
        "                return True  # S3 also",
        (STORED + "test_whatever_a_create_answers",),
    ),
    Mutant(
        "the objects of other tokens are removed too early",
        "token",
        FOLDER + "stored_tokens.py",
        "if at < newest - KEPT_SECONDS]",
        "if at < newest - 3600]",
        (STORED + "test_in_a_directory_a_write_removes_old_ones",),
    ),
)

COMMITTED = (
    Mutant(
        "a token is committed again with other statements",
        "token",
        "lambda_handlers/sql/own/transaction_log.py",
        "        return self.prefixes.startswith(attempt.prefixes)",
        "        return True",
        (APPLIED + "test_a_branch_with_other_statements_is_a_conflict_and_not_applied",),
    ),
    Mutant(
        "an older token of a committed transaction is another one",
        "token",
        "lambda_handlers/sql/own/transaction_log.py",
        "        return self.prefixes.startswith(attempt.prefixes)",
        "        return self.prefixes == attempt.prefixes",
        (APPLIED + "test_the_same_token_and_each_ancestor_get_the_first_reply",),
    ),
    Mutant(
        "a committed token is forgotten before its end",
        "token",
        "lambda_handlers/sql/own/transaction_log.py",
        "min(times.clock, times.log) - 2 * SKEW_SECONDS",
        "min(times.clock, times.log) + 3600",
        (
            APPLIED + "test_it_is_remembered_for_as_long_as_its_token_lives",
            LOG + "test_a_committed_transaction_is_found_or_too_old_to_be_committed_again",
        ),
    ),
    Mutant(
        "a token whose commit is forgotten is committed again",
        "token",
        "lambda_handlers/sql/own/transaction_log.py",
        "        return max(times.clock, times.log) > self.expires_at + SKEW_SECONDS",
        "        return False",
        (APPLIED + "test_it_is_remembered_for_as_long_as_its_token_lives",),
    ),
    Mutant(
        "the commits of tokens are remembered for ever",
        "token",
        "lambda_handlers/sql/own/transaction_log.py",
        'f"DELETE FROM main.{TABLE} WHERE expires_at < ? OR expires_at > ?"',
        'f"DELETE FROM main.{TABLE} WHERE expires_at < ? AND expires_at > ?"',
        (LOG + "test_records_are_deleted_once_their_tokens_are_over",),
    ),
    Mutant(
        "a token whose recorded reply is damaged is committed again",
        "token",
        "lambda_handlers/database/applied_requests.py",
        "        if reply is None:\n            raise SldbError(",
        "        if False:\n            raise SldbError(",
        (APPLIED + "test_a_record_that_cannot_be_read_is_no_reason_to_commit_again",),
    ),
)

MUTANTS = (*SEALS, *OBJECTS, *COMMITTED)
