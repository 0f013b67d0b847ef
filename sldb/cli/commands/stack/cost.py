"""The command `sldb cost`: the cost of the stack and of a query."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from sldb.cli import messages, moment_options
from sldb.cli.command import command
from sldb.cli.run import Run

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lambda_handlers.wire import Value
    from sldb.ops.cost import Item
    from sldb.ops.logs import LogEvent

HELP = """Show the cost of the stack and of a query: an estimate from the functions' logs and the bucket.

Prices are those of us-east-1 without any free tier (--prices lists them). Each query's log line holds its use of
Lambda, and of S3 or EFS; for a stack in EFS the same use of S3 is shown, too. Of other requests and of other functions
only Lambda's time is known. Requests to APIs are those in their access log. The cost of single queries: sldb query
--stats.

\b
  sldb cost
  sldb cost --since 7d
  sldb cost --prices --format csv
"""


@command("cost", help=HELP, short_help="Show the cost of the stack.")
@moment_options.since_option("1d")
@click.option("--prices", is_flag=True, help="List the prices of the estimate and their sources.")
def cost(run: Run, since: str, prices: bool) -> None:
    from sldb import moments
    from sldb.render import FOR_PEOPLE, check_format

    check_format(run.format)
    if prices:
        _show_prices(run)
        return
    run.refuse_local("cost")
    now = time.time()
    start_ms = moment_options.resolve_since_ms(run, since, now)
    seconds = max(1.0, (int(now * 1000) - start_ms) / 1000)
    items = _items(run, start_ms, seconds)
    people = run.format in FOR_PEOPLE
    rows = [_row(item, seconds, people=people) for item in items]
    messages.show_rows(run.format, ("what", "number", "dollars", "dollars per million", "dollars a month"), rows)
    total = sum(item.dollars for item in items)
    messages.say(
        f"about ${total:.4f} since {moments.shown(start_ms, to_the_second=True)}, "
        f"${total * _months(seconds):.2f} a month at this pace; us-east-1 prices"
    )


def _months(seconds: float) -> float:
    from sldb.ops.cost import MONTH_SECONDS

    return MONTH_SECONDS / seconds


def _items(run: Run, start_ms: int, seconds: float) -> list[Item]:
    from sldb.aws.errors import aws_errors
    from sldb.deploy.operation.notes import count_alarms
    from sldb.deploy.storage.options import EFS
    from sldb.ops import cost as reckoning
    from sldb.ops import logs
    from sldb.ops.file_system import size_of
    from sldb.ops.status import read_status, serving
    from sldb.stack.account import connect
    from sldb.stack.api_addresses import api_ids
    from sldb.stack.cloudformation import Stack
    from sldb.stack.names import api_log_group, authorizer_function, deadlock_fix_function, log_group, read_function

    account = connect(run.aws)
    state = serving(account, run.stack)
    status = read_status(account, run.stack, state)
    lines = {each.name: list(logs.read(account.logs, log_group(each.name), start_ms)) for each in status.functions}
    machines = {each.name: "x86_64" if each.architecture == "x86_64" else "aarch64" for each in status.functions}
    query, fix = state.function, deadlock_fix_function(state.function)
    reader, authorizer = read_function(query), authorizer_function(query)
    access = logs.read(account.logs, api_log_group(state.function), start_ms) if status.apis else []
    with aws_errors(f"list the objects of {status.bucket}"):
        pages = account.s3.get_paginator("list_objects_v2").paginate(Bucket=status.bucket)
        sizes = [found["Size"] for page in pages for found in page.get("Contents", ())]
    apis = {api_id: kind for kind, api_id in api_ids(state).items()}
    if "key" in apis.values() and state.parameters.get("KeyApiLogs") != "true":
        # It would be counted as 0: without the account's role there are no lines of it.
        apis = {api_id: kind for api_id, kind in apis.items() if kind != "key"}
        messages.say(
            "the requests to the API key are in no log, and not counted: the account has no role for such logs"
        )
    in_files = state.storage == EFS
    alarms = count_alarms(state.parameters, Stack(account.cloudformation, run.stack).template())
    size = size_of(account, state) if in_files else 0
    if in_files:
        _say_beside_s3(size, [*lines[query], *lines.get(reader, ())], seconds)
    return [
        *reckoning.queries([*lines[query], *lines.get(reader, ())], machines[query], in_files=in_files),
        reckoning.scheduled(lines[fix], machines[fix], in_files=in_files),
        *([reckoning.authorizer(lines[authorizer], machines[authorizer])] if authorizer in lines else []),
        *reckoning.messages(state.parameters.get("Queue", "none"), lines[query], seconds),
        *reckoning.requests(access, apis),
        *([reckoning.secret(seconds)] if "token" in api_ids(state) else []),
        *reckoning.watching(alarms, state.parameters, (line for each in lines.values() for line in each), seconds),
        reckoning.logging([*access, *(line for each in lines.values() for line in each)]),
        reckoning.storage(sizes, seconds),
        *([reckoning.file_system(size, seconds), reckoning.backups(size, seconds)] if in_files else []),
    ]


def _say_beside_s3(size: int, lines: Iterable[LogEvent], seconds: float) -> None:
    from sldb.ops.cost import beside_s3

    efs, s3 = (dollars * _months(seconds) for dollars in beside_s3(size, lines, seconds))
    messages.say(f"of it the store: about ${efs:.2f} a month in EFS; the same use of S3 would be ${s3:.2f}")


def _row(item: Item, seconds: float, *, people: bool) -> tuple[Value, ...]:
    figures = (item.dollars, item.each * 1_000_000, item.dollars * _months(seconds))
    if not people:
        return (item.what, item.count, *figures)
    return (item.what, item.count, f"{figures[0]:.6f}", f"{figures[1]:,.2f}", f"{figures[2]:.4f}")


def _show_prices(run: Run) -> None:
    from sldb import price

    aws = "https://aws.amazon.com"
    rows: list[tuple[Value, ...]] = [
        ("a million invocations", price.LAMBDA_REQUEST * 1_000_000, f"{aws}/lambda/pricing/"),
        ("a GB-second, arm64", price.LAMBDA_GB_SECOND["aarch64"], f"{aws}/lambda/pricing/"),
        ("a GB-second, x86_64", price.LAMBDA_GB_SECOND["x86_64"], f"{aws}/lambda/pricing/"),
        ("a thousand PUT, COPY, POST, LIST", round(price.S3_WRITE * 1000, 6), f"{aws}/s3/pricing/"),
        ("a thousand GET and others", round(price.S3_READ * 1000, 6), f"{aws}/s3/pricing/"),
        ("a GB kept for a month", price.S3_GB_MONTH, f"{aws}/s3/pricing/"),
        ("a GB in EFS for a month", price.EFS_GB_MONTH, f"{aws}/efs/pricing/"),
        ("a GB read from EFS", price.EFS_READ_GB, f"{aws}/efs/pricing/"),
        ("a GB written to EFS", price.EFS_WRITE_GB, f"{aws}/efs/pricing/"),
        ("a GB of backups of EFS for a month", price.EFS_BACKUP_GB_MONTH, f"{aws}/backup/pricing/"),
        ("a GB of log lines", price.LOG_GB, f"{aws}/cloudwatch/pricing/"),
        ("a million requests to an HTTP API", price.HTTP_API_REQUEST * 1_000_000, f"{aws}/api-gateway/pricing/"),
        ("a million requests to a REST API", price.REST_API_REQUEST * 1_000_000, f"{aws}/api-gateway/pricing/"),
        ("a million requests to a FIFO queue", price.SQS_REQUEST["fifo"] * 1_000_000, f"{aws}/sqs/pricing/"),
        ("a million requests to a standard queue", price.SQS_REQUEST["standard"] * 1_000_000, f"{aws}/sqs/pricing/"),
        ("an alarm for a month", price.ALARM_MONTH, f"{aws}/cloudwatch/pricing/"),
        ("a custom metric for a month", price.METRIC_MONTH, f"{aws}/cloudwatch/pricing/"),
        ("a dashboard for a month, the fourth", price.DASHBOARD_MONTH, f"{aws}/cloudwatch/pricing/"),
        ("a key of KMS for a month", price.KMS_KEY_MONTH, f"{aws}/kms/pricing/"),
        ("a secret for a month", price.SECRET_MONTH, f"{aws}/secrets-manager/pricing/"),
    ]
    messages.show_rows(run.format, ("what", "dollars", "source"), rows)
