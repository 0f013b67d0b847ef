"""The options of `sldb deploy` for the operation of a stack."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from sldb.deploy.operation.options import OperationChoices

_Decorated = TypeVar("_Decorated", bound=Callable[..., Any])

_OPTIONS = (
    click.option("--alarms", metavar="MAIL|ARN", help="Tell a mail address or a topic of trouble; none: no alarms."),
    click.option("--metrics", metavar="KIND", help="auto (default: with alarms), stack, or databases: of each, too."),
    click.option("--dashboard/--no-dashboard", default=None, help="With or without a dashboard in CloudWatch."),
    click.option("--tracing/--no-tracing", default=None, help="With or without trace ids of callers, and X-Ray."),
    click.option(
        "--reserved-concurrency",
        metavar="N",
        help="Invocations of the function at a time, reserved and at most; none: as many as the account has.",
    ),
)


def operation_options(decorated: _Decorated) -> _Decorated:
    """Add the options to a command."""
    for option in reversed(_OPTIONS):
        decorated = option(decorated)
    return decorated


def take_operation(choices: dict[str, Any]) -> OperationChoices:
    """Take the values of these options out of those of a command."""
    from sldb.deploy.operation.options import OperationChoices

    given: dict[str, Any] = {name: choices.pop(name) for name in OperationChoices.__dataclass_fields__}
    return OperationChoices(**given)
