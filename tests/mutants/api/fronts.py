"""The fronts of API Gateway: tokens, the list of callers, the identity of each front, and the time of API Gateway."""

from __future__ import annotations

from tests.mutants.mutant import SERVER, Mutant

ACCESS = "lambda_handlers/access/"
AUTHORIZER = "lambda_handlers/authorizer.py"
CLAIMS = "lambda_handlers/http/claims.py"
TIME = "lambda_handlers/http/gateway_time.py"
ATTACKS = SERVER + "attacks/test_fronts.py::"
OF_TOKENS = SERVER + "access/test_tokens.py::"
OF_CALLERS = SERVER + "access/test_callers.py::"
OF_DIRECTORY = SERVER + "access/test_directory.py::"
OF_KEYS = SERVER + "access/test_signing_keys.py::"
OF_AUTHORIZER = SERVER + "test_authorizer.py::"
OF_CLAIMS = SERVER + "http/test_claims.py::"
OF_TIME = SERVER + "http/test_gateway_time.py::"

TOKENS = (
    Mutant(
        "a signature is not compared in constant time",
        "front",
        ACCESS + "tokens.py",
        "hmac.compare_digest(self.signature, _signature(self.signed, secret))",
        "self.signature == _signature(self.signed, secret)",
        (OF_TOKENS + "test_a_signature_is_compared_in_constant_time",),
    ),
    Mutant(
        "a signature is compared as bytes, which have several spellings",
        "front",
        ACCESS + "tokens.py",
        "hmac.compare_digest(self.signature, _signature(self.signed, secret))",
        'hmac.compare_digest(*(base64.urlsafe_b64decode(text + "=") for text in (self.signature, _signature(self.signed, secret))))',
        (OF_TOKENS + "test_a_token_with_one_other_byte_is_refused_at_each_place",),
    ),
    Mutant(
        "the beginning of a signature is enough",
        "front",
        ACCESS + "tokens.py",
        "hmac.compare_digest(self.signature, _signature(self.signed, secret))",
        "hmac.compare_digest(self.signature[:16], _signature(self.signed, secret)[:16])",
        (OF_TOKENS + "test_a_token_with_one_other_byte_is_refused_at_each_place",),
    ),
    Mutant(
        "a short text is a signing key",
        "front",
        ACCESS + "tokens.py",
        "    if len(secret) < MIN_SECRET_CHARACTERS:",
        "    if False:",
        (OF_TOKENS + "test_a_short_text_is_no_signing_key",),
    ),
    Mutant(
        "a huge token is decoded",
        "front",
        ACCESS + "tokens.py",
        "_TOKEN.fullmatch(text) if len(text) <= MAX_CHARACTERS else None",
        "_TOKEN.fullmatch(text)",
        (OF_TOKENS + "test_a_token_of_another_form_is_not_made", OF_TOKENS + "test_a_huge_text_is_not_decoded"),
    ),
    Mutant(
        "a token passes without a signature",
        "front",
        AUTHORIZER,
        "        if not token.is_signed_by(secret):",
        "        if False:",
        (ATTACKS + "test_forge_a_token",),
    ),
    Mutant(
        "every key that the secret ever had is accepted",
        "front",
        AUTHORIZER,
        "self._keys.secret(claims.key_id) if self._directory.accepts_key(claims.key_id) else None",
        "self._keys.secret(claims.key_id)",
        (OF_AUTHORIZER + "test_a_key_that_is_not_accepted_any_more_is_refused_although_it_is_known",),
    ),
    Mutant(
        "a signed token needs no entry",
        "front",
        AUTHORIZER,
        '            raise _Refused("unknown")\n',
        '            entry = Entry("x", None, True, 0)\n',
        (ATTACKS + "test_forge_a_token", OF_AUTHORIZER + "test_why_other_tokens_are_refused"),
    ),
    Mutant(
        "the authorizer does not ask if an entry has ended",
        "front",
        AUTHORIZER,
        "            raise _Refused(reason)\n",
        "            pass\n",
        (ATTACKS + "test_use_a_token_that_was_revoked", OF_AUTHORIZER + "test_an_entry_without_rights"),
    ),
    Mutant(
        "the header decides, and not what API Gateway caches by",
        "front",
        AUTHORIZER,
        '    sources = event.get("identitySource") if isinstance(event, Mapping) else None\n',
        '    sources = [event.get("headers", {}).get("authorization")] if isinstance(event, Mapping) else None\n',
        (OF_AUTHORIZER + "test_only_the_source_of_the_cache_counts",),
    ),
    Mutant(
        "one of several headers is the token",
        "front",
        AUTHORIZER,
        r'(?P<token>[!-~]+)[ \t]*")',
        r'(?P<token>[^, ]+)(?:,.*)?[ \t]*")',
        (ATTACKS + "test_send_a_token_by_another_way",),
    ),
    Mutant(
        "the log has the token",
        "front",
        AUTHORIZER,
        "        claims = token.claims\n",
        "        claims = token.claims\n        line.update(token=token.signed)\n",
        (OF_AUTHORIZER + "test_the_log_never_has_a_token_or_a_key", ATTACKS + "test_forge_a_token"),
    ),
    Mutant(
        "what cannot be read is a refusal, and is cached as one",
        "front",
        AUTHORIZER,
        "            raise\n        self._log.info",
        '            return {"isAuthorized": False}\n        self._log.info',
        (OF_AUTHORIZER + "test_what_cannot_be_read_lets_nobody_pass_and_is_an_error",),
    ),
)

ENTRIES = (
    Mutant(
        "a revoked entry has rights until its time",
        "front",
        ACCESS + "callers.py",
        "        if self.revoked_ms is not None:",
        "        if self.revoked_ms is not None and self.revoked_ms <= now_ms:",
        (OF_CALLERS + "test_a_revoked_entry_is_refused_at_any_time",),
    ),
    Mutant(
        "an entry expires a moment after its time",
        "front",
        ACCESS + "callers.py",
        "now_ms >= self.expires_ms",
        "now_ms > self.expires_ms",
        (OF_CALLERS + "test_an_entry_is_refused_from_its_time_on",),
    ),
    Mutant(
        "a field that is not known limits nothing",
        "front",
        ACCESS + "callers.py",
        "set(value) != _ENTRY_FIELDS",
        "not set(value) >= _ENTRY_FIELDS",
        (OF_CALLERS + "test_a_damaged_entry_is_an_error_and_no_other_caller_s",),
    ),
    Mutant(
        "of two entries of one identity the last counts",
        "front",
        ACCESS + "callers.py",
        "    if len(found) != len(pairs):",
        "    if False:",
        (OF_CALLERS + "test_what_is_not_understood_completely_is_refused",),
    ),
    Mutant(
        "any text is the name of a database",
        "front",
        ACCESS + "callers.py",
        "            if not DATABASE_NAME.fullmatch(name):",
        "            if False:",
        (
            OF_CALLERS + "test_a_damaged_entry_is_an_error_and_no_other_caller_s",
            ATTACKS + "test_use_an_entry_with_invalid_names",
        ),
    ),
    Mutant(
        "a list with a star means all databases",
        "front",
        ACCESS + "callers.py",
        "    if value == ALL:",
        "    if value in (ALL, [ALL]):",
        (
            OF_CALLERS + "test_a_damaged_entry_is_an_error_and_no_other_caller_s",
            ATTACKS + "test_use_an_entry_with_invalid_names",
        ),
    ),
    Mutant(
        "a session of a role with a path has no entry",
        "front",
        ACCESS + "identities.py",
        "{kind}/{found['name']}",
        "{kind}/{arn.partition('/')[2]}",
        (SERVER + "access/test_identities.py::test_a_principal_has_one_identity_whatever_its_path_and_session",),
    ),
)

AGES = (
    Mutant(
        "the authorizer's copy of the list lives for 45 seconds",
        "front",
        AUTHORIZER,
        "MAX_AGE_SECONDS = 20.0",
        "MAX_AGE_SECONDS = 45.0",
        (ATTACKS + "test_use_a_token_at_the_worst_time_after_it_was_revoked",),
    ),
    Mutant(
        "the function's copy of the list lives for a minute",
        "front",
        "lambda_handlers/service.py",
        "CALLERS_AGE_SECONDS = 30.0",
        "CALLERS_AGE_SECONDS = 60.0",
        (ATTACKS + "test_use_a_key_or_principal_that_was_revoked",),
    ),
    Mutant(
        "the age of a copy counts from after it was read",
        "front",
        ACCESS + "directory.py",
        "        self._copy = _Copy(document, etag, read_at)",
        "        self._copy = _Copy(document, etag, self._now())",
        (OF_DIRECTORY + "test_the_age_counts_from_before_the_reading",),
    ),
    Mutant(
        "a clock that is set back makes a copy young",
        "front",
        ACCESS + "directory.py",
        "and 0 <= self._now() - self._copy.read_at < seconds",
        "and self._now() - self._copy.read_at < seconds",
        (OF_DIRECTORY + "test_a_clock_that_is_set_back_makes_a_copy_too_old",),
    ),
    Mutant(
        "a change of the list is not noticed",
        "front",
        ACCESS + "directory.py",
        "self._store.info(KEY).etag == copy.etag",
        "self._store.info(KEY).etag",
        (OF_DIRECTORY + "test_a_copy_serves_until_its_age", ATTACKS + "test_use_a_token_that_was_revoked"),
    ),
    Mutant(
        "an older copy serves while the list cannot be read",
        "front",
        ACCESS + "directory.py",
        "            raise store_error(error) from error",
        "            if copy is None:\n                raise store_error(error) from error\n            return",
        (OF_DIRECTORY + "test_what_cannot_be_read_is_an_error_and_no_older_copy_serves",),
    ),
    Mutant(
        "every stranger has the list read",
        "front",
        ACCESS + "directory.py",
        " or self._is_younger(unknown_seconds)",
        "",
        (
            OF_DIRECTORY + "test_keys_that_strangers_name_cost_one_request_a_second",
            ATTACKS + "test_have_forged_tokens_cost_requests",
        ),
    ),
    Mutant(
        "a new caller waits for the age of the copy",
        "front",
        ACCESS + "directory.py",
        "        if has_it(self._copy.document) or self._is_younger(unknown_seconds):",
        "        if True:",
        (OF_DIRECTORY + "test_a_new_caller_is_known_at_once",),
    ),
    Mutant(
        "every token of a key that is gone has the secret read",
        "front",
        ACCESS + "signing_keys.py",
        "        self._missing[key_id] = searched_at\n",
        "",
        (OF_KEYS + "test_a_key_that_is_gone_is_searched_once_a_minute_and_delays_no_other",),
    ),
    Mutant(
        "the previous key is read without need",
        "front",
        ACCESS + "signing_keys.py",
        "            if key_id in self._secrets:\n                return\n",
        "",
        (OF_KEYS + "test_the_current_key_is_read_once",),
    ),
)

IDENTITIES = (
    Mutant(
        "an event without its front's identity is an operator's",
        "front",
        CLAIMS,
        "    found = _FRONTS[front](context)\n",
        '    found = OPERATOR if context.get("authorizer") is None and front != "key" else _FRONTS[front](context)\n',
        (ATTACKS + "test_be_identified_by_another_front", OF_CLAIMS + "test_no_front_passes_without_its_identity"),
    ),
    Mutant(
        "a front believes the claims of another",
        "front",
        CLAIMS,
        '    return _by_claims(_own(context, "lambda"))',
        '    return _by_claims(_claims(context.get("authorizer"))[0])',
        (ATTACKS + "test_be_identified_by_another_front", OF_CLAIMS + "test_no_front_believes_the_identity_of_another"),
    ),
    Mutant(
        "an authorizer beside the own one does not matter",
        "front",
        CLAIMS,
        "if set(authorizer) == {kind} else {}",
        "if kind in authorizer else {}",
        (OF_CLAIMS + "test_no_front_passes_without_its_identity",),
    ),
    Mutant(
        "a front that is not known is another's",
        "front",
        CLAIMS,
        "    if front is None:\n        return None\n",
        '    if front is None or front not in ("token", "jwt", "iam", "key"):\n        return None\n',
        (OF_CLAIMS + "test_a_front_that_is_not_known_is_refused",),
    ),
    Mutant(
        "the function does not ask if an entry has ended",
        "front",
        CLAIMS,
        "    if reason := entry.refusal(int(now * 1000)):",
        '    if reason := "":',
        (OF_CLAIMS + "test_an_entry_decides", ATTACKS + "test_use_a_key_or_principal_that_was_revoked"),
    ),
    Mutant(
        "a list in a claim with a star means all databases",
        "front",
        CLAIMS,
        "    if databases == ALL:",
        '    if databases.strip("[] ") == ALL:',
        (ATTACKS + "test_have_all_databases_by_a_claim", OF_CLAIMS + "test_what_is_no_name_of_a_database_is_refused"),
    ),
    Mutant(
        "an issuer of JWTs gives the names of other callers",
        "front",
        CLAIMS,
        "        return _by_claims(claims, OF_ISSUER)",
        "        return _by_claims(claims)",
        (ATTACKS + "test_take_the_name_of_a_caller_of_another_front", OF_CLAIMS + "test_each_front_has_its_identity"),
    ),
    Mutant(
        "an authorizer may say that a name is an issuer's",
        "front",
        CLAIMS,
        "not re.fullmatch(NAME, name) or",
        "not re.fullmatch(f'({OF_ISSUER})?{NAME}', name) or",
        (OF_CLAIMS + "test_an_issuer_gives_no_name_of_another_kind",),
    ),
    Mutant(
        "of two claims that differ the first counts",
        "front",
        CLAIMS,
        "        if found.setdefault(short, value) != value:",
        "        if not found.setdefault(short, value):",
        (OF_CLAIMS + "test_claims_that_differ_in_prefix_and_value_are_refused",),
    ),
    Mutant(
        "any prefix is a provider's",
        "front",
        CLAIMS,
        r're.compile(r"custom:|https?://\S+/")',
        r're.compile(r".*[:/]")',
        (OF_CLAIMS + "test_other_prefixes_are_other_claims",),
    ),
)

TIMES = (
    Mutant(
        "requests behind API Gateway have all of the function's time",
        "time",
        "lambda_handlers/service.py",
        "            context = limited(event, context, self._host.now)\n",
        "            limited(event, context, self._host.now)\n",
        (OF_TIME + "test_a_request_that_does_not_end_is_answered_before_the_gateway_gives_up",),
    ),
    Mutant(
        "function URLs are given up as API Gateway does",
        "time",
        TIME,
        ' or ".lambda-url." in str(request.get("domainName", ""))',
        "",
        (OF_TIME + "test_other_events_have_the_time_of_the_function",),
    ),
    Mutant(
        "clocks that differ take all of the time",
        "time",
        TIME,
        "    if not 0 <= waited < seconds:",
        "    if False:",
        (OF_TIME + "test_clocks_that_differ_take_no_time_away",),
    ),
    Mutant(
        "the time of a cold start counts twice",
        "time",
        TIME,
        "started + seconds - waited",
        "started + seconds",
        (OF_TIME + "test_what_a_cold_start_took_is_gone",),
    ),
)

MUTANTS = (*TOKENS, *ENTRIES, *AGES, *IDENTITIES, *TIMES)
