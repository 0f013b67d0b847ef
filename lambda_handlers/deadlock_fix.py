"""The handler of `test-db-function-deadlock-fix`, invoked by a schedule every minute.

First it frees, by id, the locks of the stack that are past their maximum age: their writers are dead. Waiting writers
do the same, so this matters only for databases without writes, which would keep old locks. Then it maintains the
databases (`maintenance`); of all functions it alone may delete objects. In a directory it also removes old objects of
no database (`leftovers`).

Event   anything; {"maintain": "main"} starts a pass over that database at once. One with the `stack` of another
        function is refused
Reply   {"statusCode": 200, "body": {"checked": n, "freed": [Holder.encode, …], "failed": [{…, "reason"}, …],
         "maintained": [Report.encode, …]}}
Log     one line; one more for each lock without a readable time of creation, which is left unchanged, and for each
        database with a pass
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from lambda_handlers.host import Host
from lambda_handlers.locks.build import build_lock
from lambda_handlers.locks.protocol import Sweep, WriteLock
from lambda_handlers.log import Log, trace
from lambda_handlers.settings import BadSetting, Settings, stack_of
from lambda_handlers.storage.upkeep.leftovers import Leftovers
from lambda_handlers.storage.upkeep.maintenance import Maintenance
from lambda_handlers.store.open import open_store
from lambda_handlers.store.protocol import detail_of
from lambda_handlers.wire import DATABASE_NAME, SldbError, wrong_stack

RESERVE_SECONDS = 3.0  # of the function's time, for the call under way and the reply
LOCKS_SECONDS = 55.0  # at most, for the locks: the next minute's invocation continues
DIRECT_CALL_SECONDS = 60.0  # without a limit from Lambda


def handler(event: object, context: Any = None) -> dict[str, Any]:
    host = Host()
    deadline = host.now() + _seconds_left(context) - RESERVE_SECONDS
    own, meant = stack_of(os.environ), event.get("stack") if isinstance(event, Mapping) else None
    if meant not in (None, own):
        return _failure(wrong_stack(str(meant), own))
    try:
        settings = Settings.from_environment(os.environ)
        lock, maintenance, leftovers = _kept(settings)
    except BadSetting as error:
        Log().error("bad_setting", message=str(error))
        return _failure(SldbError("internal", str(error), "deploy the stack again: sldb deploy"))
    log = Log.of(settings, host.now)
    reply = free_locks(lock, host, log, min(deadline, host.now() + LOCKS_SECONDS))
    reports = maintenance.run(deadline, _requested(event))
    if leftovers is not None:
        leftovers.remove()
    if reply["statusCode"] == 200:
        reply["body"]["maintained"] = [report.encode() for report in reports]
    return reply


@lru_cache(maxsize=4)
def _kept(settings: Settings) -> tuple[WriteLock, Maintenance, Leftovers | None]:
    """Return the state that a container keeps from one invocation to the next."""
    host, store = Host(), open_store(settings)
    log = Log.of(settings, host.now)
    leftovers = None if settings.store.startswith("s3:") else Leftovers(store, host, log)
    return build_lock(settings, store, host), Maintenance(store, host, log, settings.retention_days), leftovers


def _requested(event: object) -> str | None:
    asked = event.get("maintain") if isinstance(event, Mapping) else None
    return asked if isinstance(asked, str) and DATABASE_NAME.fullmatch(asked) else None


def free_locks(lock: WriteLock, host: Host, log: Log, deadline: float) -> dict[str, Any]:
    """Free expired locks until `deadline` (unix seconds), and return the reply of the run."""
    try:
        sweep = lock.free_expired(deadline)
    except SldbError as error:
        log.error("free_locks", code=error.code, message=error.message, aws_said=detail_of(error))
        return _failure(error)
    except Exception as error:  # noqa: BLE001 - a bug of the locks, which must not stop the databases' maintenance
        log.error("free_locks", code="internal", traceback=trace(error))
        return _failure(SldbError("internal", "a bug in sldb: the function's log has the traceback"))
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
    return {"statusCode": error.status, "body": error.for_stack(stack_of(os.environ)).encode()}
