"""The options of `sldb deploy` for the store of the databases."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from sldb.deploy.storage.options import StorageChoices

_Decorated = TypeVar("_Decorated", bound=Callable[..., Any])

NETWORK_OPTIONS = (
    click.option("--vpc", metavar="ID", help="The network of the file system, with --storage efs."),
    click.option("--subnets", metavar="ID,...", help="Its subnets, one for each zone, three at most."),
    click.option("--create-vpc", is_flag=True, default=None, help="Create the network, without a way out of it."),
)
_OPTIONS = (
    click.option("--storage", metavar="KIND", help="Where the databases are: s3 (default) or efs."),
    *NETWORK_OPTIONS,
)
_NAMES = ("storage", "vpc", "subnets", "create_vpc")


def storage_options(decorated: _Decorated) -> _Decorated:
    """Add the options to a command."""
    for option in reversed(_OPTIONS):
        decorated = option(decorated)
    return decorated


def network_options(decorated: _Decorated) -> _Decorated:
    """Add the options for the network alone."""
    for option in reversed(NETWORK_OPTIONS):
        decorated = option(decorated)
    return decorated


def take_storage(choices: dict[str, Any]) -> StorageChoices:
    """Take the values of these options out of those of a command."""
    from sldb.deploy.storage.options import StorageChoices

    return StorageChoices(**{name: choices.pop(name) for name in _NAMES})
