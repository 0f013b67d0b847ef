"""The parameters of the queue of queries, from the options of `sldb deploy`. Pure.

Options other than the kind keep their values, also while there is no queue. A FIFO queue takes the writes of a database
in their order, in batches of 10; a standard queue takes larger batches, in any order (docs/queue.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from lambda_handlers.wire import SldbError
from sldb.did_you_mean import suggestion

FIFO, STANDARD, NONE = "fifo", "standard", "none"
KINDS = (FIFO, STANDARD, NONE)
DAY_SECONDS = 86_400
MAX_FIFO_BATCH, MAX_BATCH, MAX_WINDOW_SECONDS, MAX_TRIES, MAX_RETENTION_DAYS = 10, 1000, 300, 1000, 14
VISIBILITY_FACTOR = 6  # of the function's timeout, as AWS advises ("Using Lambda with Amazon SQS")

# As in the template; a test compares them.
QUEUE_DEFAULTS = {
    "Queue": NONE,
    "QueueWindow": "1",
    "QueueBatch": "0",  # the default of the kind
    "QueueTries": "5",
    "QueueRetentionSeconds": "604800",
    "QueueRememberedDays": "22",
}
_OPTIONS = {
    "Queue": "--queue",
    "QueueWindow": "--queue-window",
    "QueueBatch": "--queue-batch",
    "QueueTries": "--queue-tries",
    "QueueRetentionSeconds": "--queue-retention",
}


@dataclass(frozen=True, slots=True)
class QueueChoices:
    """The options on the command line; None leaves a parameter as it is."""

    queue: str | None = None  # one of KINDS
    queue_window: int | None = None  # seconds
    queue_batch: int | None = None  # messages; 0: the default of the kind
    queue_tries: int | None = None
    queue_retention: int | None = None  # days

    def parameters(self) -> dict[str, str]:
        """Return the given parameters."""
        days = self.queue_retention
        given = {
            "Queue": self.queue,
            "QueueWindow": self.queue_window,
            "QueueBatch": self.queue_batch,
            "QueueTries": self.queue_tries,
            "QueueRetentionSeconds": None if days is None else days * DAY_SECONDS,
            "QueueRememberedDays": None if days is None else remembered_days(days),
        }
        return {name: str(value) for name, value in given.items() if value is not None}


def remembered_days(retention_days: int) -> int:
    """Return for how many days the ids of applied messages are remembered.

    An applied message can become a dead letter, if its deletion failed each time. It may stay there for 14 days, and
    for the retention in the queue once it is sent again. The day more is for its delivery.
    """
    return MAX_RETENTION_DAYS + retention_days + 1


def visibility_seconds(timeout_seconds: int) -> int:
    """Return for how long a message is hidden while the function, with this timeout, works on it."""
    return VISIBILITY_FACTOR * timeout_seconds


def check_queue(choices: QueueChoices, values: Mapping[str, str]) -> None:
    """Raise `bad_request` for parameters that do not go together or that AWS would refuse."""
    kind, window, batch = values["Queue"], int(values["QueueWindow"]), int(values["QueueBatch"])
    if kind not in KINDS:
        message = f"--queue: got {kind!r}, want one of {', '.join(KINDS)}"
        raise SldbError("bad_request", message, suggestion(kind, KINDS))
    days = int(values["QueueRetentionSeconds"]) // DAY_SECONDS
    _check_range("QueueWindow", window, 0, MAX_WINDOW_SECONDS, "seconds")
    _check_range("QueueBatch", batch, 0, MAX_BATCH, "messages (0: the default of the kind)")
    _check_range("QueueTries", int(values["QueueTries"]), 1, MAX_TRIES, "deliveries")
    _check_range("QueueRetentionSeconds", days, 1, MAX_RETENTION_DAYS, "days")
    given = [name for name in choices.parameters() if name in _OPTIONS and name != "Queue"]
    if kind == NONE and given:
        raise SldbError(
            "bad_request",
            f"{_OPTIONS[given[0]]} is for a queue, and the stack has none",
            f"add --queue {FIFO} or --queue {STANDARD}",
        )
    if kind == FIFO and choices.queue_window is not None:
        raise SldbError(
            "bad_request",
            "--queue-window is for standard queues: a FIFO queue has no window",
            "leave it out, or choose --queue standard",
        )
    if kind == FIFO and batch > MAX_FIFO_BATCH:
        raise SldbError(
            "bad_request",
            f"--queue-batch: got {batch}, and a FIFO queue gives {MAX_FIFO_BATCH} at most",
            "choose --queue standard for larger batches, or --queue-batch 0 for the default",
        )
    if kind == STANDARD and (batch or MAX_BATCH) > MAX_FIFO_BATCH and window < 1:
        raise SldbError(
            "bad_request",
            "batches of more than 10 messages need a window of at least a second",
            "add --queue-window 1, or --queue-batch 10",
        )


def _check_range(name: str, got: int, low: int, high: int, unit: str) -> None:
    if not low <= got <= high:
        raise SldbError("bad_request", f"{_OPTIONS[name]}: got {got}, want {low} to {high} {unit}")
