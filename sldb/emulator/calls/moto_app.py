"""moto, as one application behind one lock.

moto checks and then acts, without a lock of its own: of two callers in threads, both could create the same object.
Every request to moto, and every read of its state, holds `lock`. Code must not hold it while it waits for a Lambda
function.

moto keeps its state in the process. `Moto()` starts from nothing, so there can be one at a time. The applications of
the services have no state of their own, and stay.
"""

from __future__ import annotations

import functools
import threading
from typing import Any

from moto import settings
from moto.backends import get_backend
from moto.core.base_backend import BackendDict
from moto.core.model_instances import reset_model_data
from moto.iam.access_control import PermissionResult
from moto.moto_server.werkzeug_app import create_backend_app
from moto.s3.models import FakeBucket, S3Backend

from sldb.emulator.calls.call import ACCOUNT, Answer, Call

GLOBAL = {"s3", "iam", "sts"}  # services whose state belongs to no region
_NAMES = {  # moto's, where they differ from the signing names
    "lambda": "awslambda",
    "monitoring": "cloudwatch",
    "elasticfilesystem": "efs",
}


class Moto:
    def __init__(self) -> None:
        self.lock = threading.RLock()
        BackendDict.reset()
        reset_model_data()
        # Policies are `iam`'s. moto reads a bucket's without the conditions: "deny what is not TLS" would deny all.
        FakeBucket.get_permission = _says_nothing  # type: ignore[method-assign, assignment]  # as intended
        # Likewise its look at the policy of a bucket for access logs: `access_log_rules` has the right one.
        FakeBucket._log_permissions_enabled_policy = _allows_logs  # type: ignore[method-assign]
        # moto forgets all versions of an object that is deleted after the bucket ceased to keep them, or fails.
        S3Backend.delete_object = _delete_one_version  # type: ignore[method-assign, assignment]  # as intended
        # Nothing here starts a machine, and the 1,300 images of each region take 0.2 s to make.
        settings.ec2_load_default_amis = lambda: False

    def apply(self, call: Call) -> Answer:
        started: list[Any] = []

        def start_response(status: str, headers: list[tuple[str, str]], _exc_info: object = None) -> None:
            started[:] = [int(status.split(maxsplit=1)[0]), headers]

        with self.lock:
            chunks = _application(call.service)(call.replayable_environ(), start_response)
            try:
                body = b"".join(chunks)
            finally:
                if hasattr(chunks, "close"):
                    chunks.close()
        status, headers = started
        # What a proxy may not pass on: the server decides about the connection by itself.
        return Answer(status, tuple((name, value) for name, value in headers if name != "Connection"), body)

    def backend(self, service: str, region: str) -> Any:
        """moto's state of one service; look at it under `lock` only."""
        return get_backend(service)[ACCOUNT]["aws" if service in GLOBAL else region]  # type: ignore[call-overload]

    def knows_region(self, region: str) -> bool:
        """Return whether AWS has such a region, as far as moto knows."""
        return region in get_backend("ec2")[ACCOUNT].regions

    def regions(self, service: str) -> list[str]:
        """Return the regions with state of a service."""
        return list(get_backend(service)[ACCOUNT])  # type: ignore[call-overload]


@functools.cache  # moto's own dispatcher tries the patterns of 200 services for each call
def _application(service: str) -> Any:
    """Return moto's application of a service, given by its signing name."""
    name: Any = _NAMES.get(service, service)
    return create_backend_app(name)


def _says_nothing(_bucket: FakeBucket, _action: str, _resource: str) -> PermissionResult:
    return PermissionResult.NEUTRAL


def _allows_logs(*_: object, **__: object) -> bool:
    return True


_delete_object = S3Backend.delete_object


def _delete_one_version(
    backend: S3Backend, bucket_name: str, key_name: str, version_id: str | None = None, bypass: bool = False
) -> tuple[bool, dict[str, Any]]:
    """Delete from a bucket that no longer keeps versions as from one that does: what it has kept stays."""
    bucket = backend.get_bucket(bucket_name)
    if bucket.versioning_status != "Suspended":
        return _delete_object(backend, bucket_name, key_name, version_id, bypass)
    bucket.versioning_status = "Enabled"
    try:
        return _delete_object(backend, bucket_name, key_name, version_id, bypass)
    finally:
        bucket.versioning_status = "Suspended"
