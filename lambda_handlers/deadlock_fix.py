"""Handler of `test-db-function-deadlock-fix`, which a schedule invokes every minute.

Frees, by id, the locks of the stack that are past their maximum age: their writers are gone. Waiting writers do the
same, so nothing depends on this but that databases which nobody writes to do not keep old locks.

Reply   {"statusCode": 200, "body": {"checked": n, "freed": [Holder.encode, …], "failed": [{…, "reason"}, …]}}
Log     one line; one more for each lock that has no readable time of creation, which is left alone
"""

from __future__ import annotations

import os
from typing import Any

from lambda_handlers.host import Host
from lambda_handlers.locks.build import build_lock
from lambda_handlers.locks.protocol import Sweep, WriteLock
from lambda_handlers.log import Log
from lambda_handlers.settings import BadSetting, Settings
from lambda_handlers.stores import open_store
from lambda_handlers.wire import SldbError

RESERVE_SECONDS = 3.0  # of the function's time, for the call under way and the reply
DIRECT_CALL_SECONDS = 60.0  # where there is no Lambda to say how long


def handler(event: object, context: Any = None) -> dict[str, Any]:  # noqa: ARG001 - the schedule's event says nothing
    host = Host()
    try:
        settings = Settings.from_environment(os.environ)
        lock = build_lock(settings, open_store(settings), host)
    except BadSetting as error:
        Log().error("bad_setting", message=str(error))
        return _failure(SldbError("internal", str(error), "deploy the stack again: sldb deploy"))
    log = Log(settings.log_level, now=host.now)
    return free_locks(lock, host, log, host.now() + _seconds_left(context) - RESERVE_SECONDS)


def free_locks(lock: WriteLock, host: Host, log: Log, deadline: float) -> dict[str, Any]:
    """The reply of one run that ends at `deadline` (unix seconds)."""
    try:
        sweep = lock.free_expired(deadline)
    except SldbError as error:
        log.error("free_locks", code=error.code, message=error.message)
        return _failure(error)
    body = _encode(sweep, host.now())
    for holder in sweep.ageless:
        log.warning("ageless_lock", lock_id=holder.lock_id, database=holder.database)
    write = log.error if sweep.failed else log.info
    write("free_locks", **body)
    return {"statusCode": 200, "body": body}


def _encode(sweep: Sweep, now: float) -> dict[str, Any]:
    return {
        "checked": sweep.checked,
        "freed": [holder.encode(now) for holder in sweep.freed],
        "failed": [{**holder.encode(now), "reason": reason} for holder, reason in sweep.failed],
    }


def _seconds_left(context: Any) -> float:
    return DIRECT_CALL_SECONDS if context is None else context.get_remaining_time_in_millis() / 1000


def _failure(error: SldbError) -> dict[str, Any]:
    return {"statusCode": error.status, "body": error.encode()}
