"""The role with which the account's REST APIs write logs.

It is a setting of the account in a region, not of an API (`AWS::ApiGateway::Account`): a stack that made it would take
it from others, or leave it behind. So the API of kind key has an access log only where the account has such a role.
HTTP APIs need none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lambda_handlers.wire import SldbError
from sldb.aws.errors import aws_errors

if TYPE_CHECKING:
    from sldb.stack.account import Account


def has_log_role(account: Account) -> bool | None:
    """Return whether the account has the role; None if the caller may not see it."""
    try:
        with aws_errors("see whether REST APIs may write logs"):
            return bool(account.rest_apis.get_account().get("cloudwatchRoleArn"))
    except SldbError:
        return None
