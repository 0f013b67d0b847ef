"""The options of `sldb deploy` for a key of one's own and for access logs."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from sldb.deploy.protection.options import ProtectionChoices

_Decorated = TypeVar("_Decorated", bound=Callable[..., Any])

_OPTIONS = (
    click.option(
        "--kms-key",
        metavar="ARN",
        help="Encrypt bucket, logs, settings and secret with this key of KMS; none: with AWS's own (default).",
    ),
    click.option(
        "--access-logs",
        metavar="BUCKET[/PREFIX]",
        help="Have S3 log each access to the data bucket there; none: no such log (default).",
    ),
)


def protection_options(decorated: _Decorated) -> _Decorated:
    """Add the options to a command."""
    for option in reversed(_OPTIONS):
        decorated = option(decorated)
    return decorated


def take_protection(choices: dict[str, Any]) -> ProtectionChoices:
    """Take the values of these options out of those of a command."""
    from sldb.deploy.protection.options import ProtectionChoices

    return ProtectionChoices(**{name: choices.pop(name) for name in ProtectionChoices.__dataclass_fields__})
