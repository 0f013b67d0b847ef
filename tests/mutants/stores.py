"""Guarantees of other S3 servers than AWS's, and their probe."""

from __future__ import annotations

from tests.mutants.mutant import LOCKS, SERVER, Mutant

# Of the scheduled function's role: the other roles have the same lines.
PREFIX_OF_A_LIST = """                    s3:prefix: databases/*
              - Sid: DeleteWhatRetentionTakes
"""

HANDLERS = "lambda_handlers/"
ROLES = "tests/sldb/emulator/access/test_roles.py::"

MUTANTS = (
    Mutant(
        "a foreign store is not asked",
        "1",
        "lambda_handlers/store/other_stores.py",
        "            if missing:",
        "            if False:",
        ("tests/lambda_handlers/store/test_other_stores.py::test_a_store_that_ignores_a_condition_gets_no_database",),
    ),
    Mutant(
        "a directory that is gone is an empty one",
        "5",
        "lambda_handlers/store/directory.py",
        "        elif has_seen_root:\n",
        "        elif False:\n",
        ("tests/lambda_handlers/store/test_directory.py::test_a_warm_copy_does_not_outlive_its_directory",),
    ),
    Mutant(
        "a directory that another thread has just made is gone",
        "5",
        "lambda_handlers/store/directory.py",
        "        elif has_seen_root:\n",
        "        elif self._has_seen_root:\n",
        ("tests/lambda_handlers/store/test_directory.py::test_a_root_that_another_thread_makes_meanwhile_is_not_gone",),
    ),
    Mutant(
        "a foreign store is asked for one condition",
        "1",
        "lambda_handlers/store/conditional_writes.py",
        '        store.replace(key, b"3", NO_ETAG)',
        "        return None",
        ("tests/lambda_handlers/store/test_other_stores.py::test_a_store_that_ignores_a_condition_gets_no_database",),
    ),
    Mutant(
        "one verb of a foreign store is not guarded",
        "1",
        "lambda_handlers/store/other_stores.py",
        "        self._check(key)\n        return super().put(key, body)",
        "        return super().put(key, body)",
        ("tests/lambda_handlers/store/test_other_stores.py::test_no_verb_writes_there",),
    ),
    Mutant(
        "an endpoint is AWS's by any part of its name",
        "1",
        "lambda_handlers/shared/endpoints.py",
        '    return any(host.endswith(f".{domain}") and _S3_HOST',
        "    return any(domain in endpoint_url or _S3_HOST",
        ("tests/lambda_handlers/store/test_other_stores.py::test_whose_endpoint_it_is",),
    ),
    Mutant(
        "keys that were chosen take a token that was not",
        "1",
        "lambda_handlers/store/obstore_client.py",
        '        "token": None,',
        '        "token": os.environ.get("AWS_SESSION_TOKEN"),',
        (
            "tests/lambda_handlers/store/test_obstore_client.py::test_a_token_of_the_environment_is_not_mixed_with_chosen_keys",
        ),
    ),
    Mutant(
        "commits of obstore's go where a variable says, and others elsewhere",
        "1",
        "lambda_handlers/store/obstore_client.py",
        '        "aws_endpoint_url_s3": endpoint.url,  # takes precedence over the other one\n',
        "",
        ("tests/lambda_handlers/store/test_obstore_client.py::test_no_variable_changes_a_request",),
    ),
    Mutant(
        "our own requests go past the proxy",
        "2",
        "lambda_handlers/aws/connections.py",
        "        self._proxy = urlsplit(endpoint.proxy_url) if endpoint.proxy_url else None",
        "        self._proxy = None",
        ("tests/lambda_handlers/shared/test_proxies.py::test_every_client_goes_by_the_proxy",),
    ),
    Mutant(
        "the functions know one partition",
        "1",
        "lambda_handlers/shared/endpoints.py",
        '    return found if suffix in ("", found.suffix) else Partition(suffix, suffix)',
        "    return _COMMERCIAL",
        ("tests/lambda_handlers/shared/test_endpoints.py::test_the_functions_go_to_the_same_hosts",),
    ),
    Mutant(
        "completions are trusted unraced",
        "1",
        "lambda_handlers/store/other_stores.py",
        "                self._completes_atomically = self._wins_races()",
        "                self._completes_atomically = True",
        ("tests/lambda_handlers/store/test_other_stores.py::test_parts_are_not_used_where_two_complete",),
    ),
    Mutant(
        "a large object is put without a condition",
        "1",
        "lambda_handlers/store/other_stores.py",
        '[], body, {"if-none-match": "*"}, tries=1)',
        "[], body, {}, tries=1)",
        ("tests/lambda_handlers/store/test_other_stores.py::test_what_is_large_goes_as_one_conditional_put",),
    ),
    Mutant(
        "a race with two winners holds",
        "1",
        "lambda_handlers/store/conditional_writes.py",
        "        winners = _winners(attempts)\n",
        "        winners = _winners(attempts)\n        return True\n",
        (
            "tests/lambda_handlers/store/test_other_stores.py::test_races_find_who_writes_over",
            "tests/sldb/doctor/test_store.py::test_a_store_that_is_right_alone_and_not_when_several_write",
        ),
    ),
    Mutant(
        "a source that ends early is copied as it is",
        "2",
        "lambda_handlers/store/other_stores.py",
        "                if len(piece) != length:",
        "                if False:",
        ("tests/lambda_handlers/store/test_other_stores.py::test_a_source_that_is_shorter_than_said_makes_nothing",),
    ),
    Mutant(
        "that a key is absent is told only if S3 takes it for a prefix",
        "1",
        "cloudformation/template.yaml",
        f"StringLikeIfExists:\n{PREFIX_OF_A_LIST}",
        f"StringLike:\n{PREFIX_OF_A_LIST}",
        (ROLES + "test_what_is_not_there_is_not_found_and_not_forbidden",),
    ),
    Mutant(
        "the query function overwrites",
        "1",
        "cloudformation/template.yaml",
        "              # upload carry no condition.\n"
        "              - Sid: OverwriteNothing\n                Effect: Deny",
        "              # upload carry no condition.\n"
        "              - Sid: OverwriteNothing\n                Effect: Allow",
        (ROLES + "test_each_function_overwrites_what_it_must_and_nothing_else",),
    ),
    Mutant(
        "a kept reply is put",
        "1",
        HANDLERS + "database/replies.py",
        "                self._store.create(key, body)",
        "                self._store.put(key, body)",
        (SERVER + "database/test_replies.py::test_what_is_kept_is_created_and_never_written_over",),
    ),
    Mutant(
        "two databases with one lock",
        "lock",
        HANDLERS + "shared/lock_holder.py",
        """{'.' if '-' in database else '-'}""",
        "-",
        ("tests/lambda_handlers/shared/test_lock_holder.py",),
    ),
    Mutant(
        "two stacks with one lock, but for their case",
        "lock",
        HANDLERS + "shared/lock_holder.py",
        "    if not _READABLE_STACK.fullmatch(stack):",
        "    if False:",
        ("tests/lambda_handlers/shared/test_lock_holder.py",),
    ),
    Mutant(
        "locks are found by their newest name",
        "lock",
        HANDLERS + "locks/security_group.py",
        "if is_group_name(group.name)]",
        "if group.name == group_name(self.stack, _holder(group).database)]",
        (LOCKS + "test_security_group.py",),
    ),
)
