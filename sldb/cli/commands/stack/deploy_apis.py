"""The options of `sldb deploy` for the APIs in front of the query function."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from sldb.deploy.apis.options import ApiChoices

_Decorated = TypeVar("_Decorated", bound=Callable[..., Any])

_OPTIONS = (
    click.option(
        "--api",
        multiple=True,
        metavar="KIND,...",
        help="The HTTP APIs, all of them: token, key, jwt, iam, several with commas; none removes them (default).",
    ),
    click.option("--jwt-issuer", metavar="URL", help="Accept the tokens of this issuer, with --api jwt."),
    click.option("--jwt-audience", metavar="NAME,...", help="Of these, accept those for these audiences."),
    click.option("--api-domain", metavar="NAME", help="The custom domain of the API; none removes it."),
    click.option("--api-certificate", metavar="ARN", help="The certificate of the custom domain, in ACM."),
    click.option("--cors", metavar="ORIGIN,...", help="Web pages that may use the APIs, or *; none removes them."),
    click.option("--api-rate", type=int, metavar="N", help="Requests a second to each API (default: 100)."),
    click.option("--api-burst", type=int, metavar="N", help="Requests at a time beyond the rate (default: 200)."),
    click.option("--key-rate", type=int, metavar="N", help="Requests a second with each API key (default: 20)."),
    click.option("--key-burst", type=int, metavar="N", help="Likewise at a time (default: 40)."),
    click.option(
        "--key-quota", metavar="N/PERIOD", help="Requests with each API key per day, week or month; none: no limit."
    ),
)


def api_options(decorated: _Decorated) -> _Decorated:
    """Add the options to a command."""
    for option in reversed(_OPTIONS):
        decorated = option(decorated)
    return decorated


def take_apis(choices: dict[str, Any]) -> ApiChoices:
    """Take the values of these options out of those of a command."""
    from sldb.deploy.apis.options import ApiChoices

    given: dict[str, Any] = {name: choices.pop(name) for name in ApiChoices.__dataclass_fields__}
    return ApiChoices(**given)
