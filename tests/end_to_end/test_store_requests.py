"""What requests ask of the store, before their reply and after it."""

from __future__ import annotations

import threading
from collections import Counter
from functools import partial
from itertools import pairwise

import pytest

from lambda_handlers.storage.publishing import HEAD_EVERY
from sldb.price import estimate
from tests.end_to_end.stack import FUNCTION
from tests.fakes.waiting import wait_until

pytestmark = [pytest.mark.network, pytest.mark.timeout(300)]


def wait_until_idle(stack):
    wait_until(lambda: not any(each.busy for each in stack.aws.containers(FUNCTION)), "idle containers")


def test_what_a_warm_read_and_a_warm_write_ask_of_the_store(stack):
    stack.use_lock("none")
    run = partial(stack.run, database="small")  # whose schema no other test has made larger
    run("CREATE TABLE t (a); INSERT INTO t VALUES (1)")
    wait_until_idle(stack)  # the head of transaction 1 is written; the next one has none
    seen: Counter[str] = Counter()

    def count(call, proceed):
        if call.service in ("s3", "ec2"):
            seen[call.action] += 1
        return proceed(call)

    with stack.hook(count):
        run("SELECT * FROM t")
        assert seen == {"GetObject": 1}
        seen.clear()
        body = run("UPDATE t SET a = 2")
    assert seen == {"PutObject": 1}
    assert (body["stats"]["store_requests"], body["stats"]["store_writes"]) == (1, 1)
    assert body["stats"]["bytes_out"] < 10_000
    # What the README's table calls a write with the lock `none`, but for the time that it takes here.
    as_there = {**body["stats"], "ms": 100, "memory_mb": 1024, "architecture": "aarch64"}
    assert round(estimate(as_there) * 1_000_000, 2) == 6.53
    assert body["stats"]["memory_mb"] >= 128


def test_a_write_has_its_reply_before_its_fold_is_written(stack):
    """Every 16th transaction has a fold: held back here until the client has the reply."""
    stack.use_lock("none")
    table = stack.new_table()
    has_reply, folds = threading.Event(), []

    def hold(call, proceed):
        if call.action == "PutObject" and "/0001/" in call.path:
            folds.append(has_reply.wait(60))
        return proceed(call)

    replies = []
    with stack.hook(hold):
        while not folds and len(replies) < 17:
            has_reply.clear()
            replies.append(stack.run(f"INSERT INTO {table} VALUES (1)", last=True))
            has_reply.set()
            wait_until_idle(stack)
    assert folds == [True]
    stats = stack.run(f"SELECT count(*) FROM {table}")["stats"]
    assert stats["after_store_writes"] == 3
    assert stats["after_ms"] > 0
    reported = [reply["txid"] for reply in replies[1:] if "after_ms" in reply["stats"]]
    assert {later - earlier for earlier, later in pairwise(reported)} <= {HEAD_EVERY}  # once for each head
