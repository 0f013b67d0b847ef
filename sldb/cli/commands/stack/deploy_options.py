"""The options of `sldb deploy` by the parts of the stack that they are about; each part has its choices in
`sldb.deploy`, with fields of the same names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

_Decorated = TypeVar("_Decorated", bound=Callable[..., Any])


class OptionGroup:
    """Options to be added to a command together: a decorator, as each of them is."""

    def __init__(self, *options: Callable[[Any], Any]) -> None:
        self._options = options

    def __call__(self, decorated: _Decorated) -> _Decorated:
        for option in reversed(self._options):
            decorated = option(decorated)
        return decorated


operation_options = OptionGroup(
    click.option("--alarms", metavar="MAIL|ARN", help="Tell a mail address or a topic of trouble; none: no alarms."),
    click.option(
        "--metrics",
        metavar="KIND",
        help="Metrics: auto (with alarms or a dashboard; default), stack (always), databases (those of each, too).",
    ),
    click.option("--dashboard/--no-dashboard", default=None, help="With or without a dashboard in CloudWatch."),
    click.option("--tracing/--no-tracing", default=None, help="With or without trace ids of callers, and X-Ray."),
    click.option(
        "--reserved-concurrency",
        metavar="N",
        help="Invocations of the function at a time, reserved and at most; none: as many as the account has.",
    ),
    click.option(
        "--provisioned-concurrency",
        metavar="N",
        help="Containers of the function that are kept ready, for callers of lambda:NAME:live; none: none (default).",
    ),
)
network_options = OptionGroup(
    click.option("--vpc", metavar="ID", help="The network of the file system, with --storage efs."),
    click.option("--subnets", metavar="ID,...", help="Its subnets, one for each zone, three at most."),
    click.option("--create-vpc", is_flag=True, default=None, help="Create the network, without a way out of it."),
)
storage_options = OptionGroup(
    click.option("--storage", metavar="KIND", help="Where the databases are: s3 (default) or efs."),
    network_options,
)
protection_options = OptionGroup(
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
api_options = OptionGroup(
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
queue_options = OptionGroup(
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
