"""The options of the queue: what goes together, and what follows from them."""

from __future__ import annotations

import re
from typing import Any

import pytest

from lambda_handlers.wire import SldbError
from sldb.deploy.parameters import Choices, resolve
from sldb.deploy.queues.options import QueueChoices


def resolved(previous: dict[str, str] | None = None, timeout: int | None = None, **given: Any) -> dict[str, str]:
    return resolve(
        "test-db", Choices(timeout=timeout, lock_max_age=1000, queue=QueueChoices(**given)), {}, previous or {}
    )


def test_times_follow_from_the_timeout_and_the_retention() -> None:
    values = resolved(queue="fifo", queue_retention=14, timeout=900)
    assert values["QueueVisibilitySeconds"] == "5400"  # of SQS's 43,200 at most
    assert values["QueueRetentionSeconds"] == str(14 * 86_400)
    assert values["QueueRememberedDays"] == "29"
    assert values == resolved(values)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"queue": "fifos"}, "--queue: got 'fifos', want one of fifo, standard, none"),
        ({"queue_tries": 3}, "--queue-tries is for a queue, and the stack has none"),
        ({"queue": "fifo", "queue_window": 5}, "a FIFO queue has no window"),
        ({"queue": "fifo", "queue_batch": 11}, "a FIFO queue gives 10 at most"),
        ({"queue": "standard", "queue_window": 0}, "more than 10 messages need a window"),
        ({"queue": "standard", "queue_batch": 1001}, "--queue-batch: got 1001, want 0 to 1000"),
        ({"queue": "standard", "queue_window": 301}, "--queue-window: got 301, want 0 to 300 seconds"),
        ({"queue": "fifo", "queue_retention": 15}, "--queue-retention: got 15, want 1 to 14 days"),
        ({"queue": "fifo", "queue_tries": 0}, "--queue-tries: got 0, want 1 to 1000 deliveries"),
    ],
)
def test_what_aws_would_refuse_is_refused(given: dict[str, Any], words: str) -> None:
    with pytest.raises(SldbError, match=re.escape(words)) as caught:
        resolved(**given)
    assert caught.value.code == "bad_request"


def test_small_batches_need_no_window() -> None:
    assert resolved(queue="standard", queue_window=0, queue_batch=10)["QueueWindow"] == "0"


def test_without_a_queue_the_other_options_stay() -> None:
    before = resolved(queue="standard", queue_window=20)
    assert resolved(before, queue="none")["QueueWindow"] == "20"
    assert resolved(resolved(before, queue="none"), queue="fifo")["Queue"] == "fifo"
