"""Checks of the key of KMS and of the bucket of access logs, as `sldb deploy` makes them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from lambda_handlers.wire import SldbError
from sldb.aws.errors import OperationFailed
from sldb.deploy.protection.access_logs import check_access_logs
from sldb.deploy.protection.key import check_key
from sldb.doctor.finding import Finding, ok, unchecked

if TYPE_CHECKING:
    from sldb.stack.account import Account


def protection(account: Account, parameters: Mapping[str, str], data_bucket: str) -> Iterator[Finding]:
    key, target = parameters.get("KmsKey", ""), parameters.get("AccessLogBucket", "")
    prefix = parameters.get("AccessLogPrefix", "")
    if key:
        has_topic = bool(parameters.get("AlarmMail"))
        yield _checked("key", f"{key} can be used", lambda: check_key(account, key, has_topic=has_topic))
    if target:
        says = f"S3 may write them to s3://{target}/{prefix}"
        yield _checked("access logs", says, lambda: check_access_logs(account, data_bucket, target, prefix))


def _checked(name: str, says: str, check: Callable[[], None]) -> Finding:
    try:
        check()
    except OperationFailed as error:
        return Finding(name, "fail", error.message, error.hint)
    except SldbError as error:
        return unchecked(name, error)
    return ok(name, says)
