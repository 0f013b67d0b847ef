"""The options of `sldb deploy` for the queue of queries."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from sldb.deploy.queues.options import QueueChoices

_Decorated = TypeVar("_Decorated", bound=Callable[..., Any])

_OPTIONS = (
    click.option(
        "--queue",
        metavar="KIND",
        help="A queue of writes: fifo (in order), standard (in large batches), or none (default).",
    ),
    click.option(
        "--queue-window", type=int, metavar="SECONDS", help="Collect a batch for this long; standard (default: 1)."
    ),
    click.option(
        "--queue-batch", type=int, metavar="N", help="Messages of a batch at most (default: 10; standard: 1000)."
    ),
    click.option("--queue-tries", type=int, metavar="N", help="Deliveries before a dead letter (default: 5)."),
    click.option("--queue-retention", type=int, metavar="DAYS", help="Keep messages for this long (default: 7)."),
)


def queue_options(decorated: _Decorated) -> _Decorated:
    """Add the options to a command."""
    for option in reversed(_OPTIONS):
        decorated = option(decorated)
    return decorated


def take_queue(choices: dict[str, Any]) -> QueueChoices:
    """Take the values of these options out of those of a command."""
    from sldb.deploy.queues.options import QueueChoices

    return QueueChoices(**{name: choices.pop(name) for name in QueueChoices.__dataclass_fields__})
