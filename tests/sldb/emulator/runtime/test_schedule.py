"""Rules with a rate invoke their functions. A minute lasts MINUTE_SECONDS here."""

from __future__ import annotations

import logging
from typing import Any

import pytest


def schedule(account: Any, function: str, *, permit: bool = True, **target: Any) -> None:
    rule = account.client("events").put_rule(Name=function, ScheduleExpression="rate(1 minute)")["RuleArn"]
    arn = account.client("lambda").get_function_configuration(FunctionName=function)["FunctionArn"]
    if permit:
        account.client("lambda").add_permission(
            FunctionName=function,
            StatementId="schedule",
            Action="lambda:InvokeFunction",
            Principal="events.amazonaws.com",
            SourceArn=rule,
        )
    account.client("events").put_targets(Rule=function, Targets=[{"Id": "1", "Arn": arn, **target}])


PRINT = "import json\ndef handler(event, context):\n    print('event', json.dumps(event))"


def events(aws: Any, function: str) -> list[str]:
    return [line for line in aws.log(function) if line.startswith("event")]


def test_rule_fires_again_and_again(account: Any, aws: Any, wait: Any) -> None:
    name = account.function(PRINT)
    schedule(account, name)
    found = wait(lambda: (lines := events(aws, name)) and len(lines) >= 3 and lines)
    assert '"detail-type": "Scheduled Event"' in found[0]
    account.client("events").disable_rule(Name=name)


def test_target_with_input(account: Any, aws: Any, wait: Any) -> None:
    name = account.function(PRINT)
    schedule(account, name, Input='{"a": 1}')
    assert wait(lambda: events(aws, name))[0] == 'event {"a": 1}'
    account.client("events").disable_rule(Name=name)


def test_rule_that_the_function_does_not_admit(
    account: Any, aws: Any, wait: Any, caplog: pytest.LogCaptureFixture
) -> None:
    name = account.function(PRINT)
    with caplog.at_level(logging.WARNING, "sldb.emulator.runtime.schedule"):
        schedule(account, name, permit=False)
        wait(lambda: "does not let the rule invoke it" in caplog.text)
    assert aws.log(name) == []


def test_cron_is_reported(account: Any, wait: Any, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "sldb.emulator.runtime.schedule"):
        account.client("events").put_rule(Name="cron", ScheduleExpression="cron(0 12 * * ? *)")
        wait(lambda: "the emulator runs rate(...) only, not cron" in caplog.text)
