"""The topic of alarms that the user names: looked for before anything changes.

CloudFormation makes alarms for one that does not exist, and their messages are lost.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from lambda_handlers.wire import SldbError
from sldb.aws.errors import aws_errors

if TYPE_CHECKING:
    from sldb.stack.account import Account


def topic_notes(account: Account, before: Mapping[str, str], after: Mapping[str, str]) -> tuple[str, ...]:
    """Return the notes about a newly chosen topic that cannot be looked for. Raises `bad_request` if it does not exist.
    `before`, `after`: the parameters of the stack."""
    topic = after.get("AlarmTopic", "")
    if not topic or topic == before.get("AlarmTopic"):
        return ()
    client = account.topics
    try:
        with aws_errors(f"look for the topic {topic}"):
            client.get_topic_attributes(TopicArn=topic)
    except SldbError as error:
        if isinstance(error.__cause__, client.exceptions.NotFoundException):
            raise SldbError(
                "bad_request",
                f"--alarms: there is no topic {topic}, and messages of alarms would be lost",
                "`aws sns list-topics` shows those there are",
                applied="no",
            ) from error
        return (f"the topic of alarms was not looked for: {error.message}",)  # it may be of another account
    return ()
