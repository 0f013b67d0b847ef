"""The lock chosen by the settings."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from lambda_handlers.host import Host
from lambda_handlers.settings import BadSetting, Settings
from lambda_handlers.store.protocol import NotFound, ObjectStore
from lambda_handlers.store_clock import StoreClock

if TYPE_CHECKING:
    from lambda_handlers.locks.protocol import WriteLock


def build_lock(settings: Settings, store: ObjectStore, host: Host, clock: StoreClock | None = None) -> WriteLock:
    """Build the lock of the settings. Raises BadSetting if a setting that this kind needs is missing. Imports only what
    this kind needs. `clock`: the store's; the lock reports observed times to it."""
    if settings.lock == "security-group":
        return _security_group_lock(settings, host, clock)
    if settings.lock == "none":
        from lambda_handlers.locks.none import NoLock

        return NoLock(host)
    if settings.store.startswith("file:"):
        from lambda_handlers.locks.file import NAME, FileLock
        from lambda_handlers.store.directory import path_of_url

        def check_missing() -> None:
            with suppress(NotFound):
                store.size(NAME)

        return FileLock(path_of_url(settings.store), host, clock, check_missing)
    from lambda_handlers.locks.s3 import ObjectLock

    return ObjectLock(
        store,
        host,
        max_age_seconds=settings.lock_max_age_seconds,
        retry_seconds=settings.lock_retry_seconds,
        clock=clock,
    )


def _security_group_lock(settings: Settings, host: Host, clock: StoreClock | None) -> WriteLock:
    from lambda_handlers.aws.ec2 import Ec2Client
    from lambda_handlers.locks.security_group import SecurityGroupLock

    if settings.credentials is None:
        raise BadSetting(
            "AWS_ACCESS_KEY_ID", "", "credentials in the environment, as SLDB_LOCK=security-group needs them"
        )
    ec2 = Ec2Client(settings.region, settings.credentials, settings.ec2, host.now, clock)
    return SecurityGroupLock(
        ec2,
        host,
        stack=settings.stack,
        vpc_id=settings.vpc_id,
        tags=dict(settings.lock_tags),
        max_age_seconds=settings.lock_max_age_seconds,
        retry_seconds=settings.lock_retry_seconds,
    )
