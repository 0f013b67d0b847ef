"""The parameters of the stack, from the user's choices, the environment, the stack and the template. Pure.

The choices take precedence over the environment, the environment over the stack, the stack over the defaults. All
values are text, as in CloudFormation. `BundleBucket`, `BundleKey`, `ExistingBucket`, `ExistingFileSystem`,
`BucketMade`, `LockTags`, `KeepLockVpc`, `KeyApiLogs` and `FormerKmsKeys` follow from the existing resources, and
`Release` from all others: `sldb.deploy.preparation` adds them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lambda_handlers.wire import SldbError
from sldb.deploy.apis.options import API_DEFAULTS, ApiChoices, check_apis
from sldb.deploy.bundle.platform import ARCHITECTURES, RUNTIMES
from sldb.deploy.operation.options import OPERATION_DEFAULTS, OperationChoices, check_operation, computed
from sldb.deploy.protection.options import PROTECTION_DEFAULTS, ProtectionChoices, check_protection
from sldb.deploy.queues.options import QUEUE_DEFAULTS, QueueChoices, check_queue, visibility_seconds
from sldb.deploy.storage.options import STORAGE_DEFAULTS, StorageChoices, check_storage
from sldb.did_you_mean import suggestion
from sldb.stack.names import MAX_FUNCTION_NAME, deadlock_fix_function, default_function

LOCK_KINDS = ("security-group", "s3", "none")
MIB = 1 << 20
CACHE_SHARE = 0.8  # of /tmp; the rest is for transactions that spill, journals and sorting
NO_BOUNDARY = "none"  # as --permissions-boundary: removes it

# As in the template; a test compares them.
DEFAULTS = {
    "Runtime": "python3.13",
    "Architecture": "arm64",
    "MemorySize": "1024",
    "Timeout": "60",
    "EphemeralStorage": "512",
    "DeadlockFixMemorySize": "1024",
    "LockKind": "security-group",
    "LockMaxAgeSeconds": "90",
    "RetentionDays": "30",
    "RecoverableDays": "0",
    "LogLevel": "info",
    "LogRetentionDays": "30",
    "UseFipsEndpoints": "false",
    "UseDualStackEndpoints": "false",
    "PermissionsBoundary": "",
    "Readers": "false",
    "Insights": "false",
    **API_DEFAULTS,
    **OPERATION_DEFAULTS,
    **QUEUE_DEFAULTS,
    **STORAGE_DEFAULTS,
    **PROTECTION_DEFAULTS,
}
_ENVIRONMENT = {
    "Runtime": "SLDB_RUNTIME",
    "Architecture": "SLDB_ARCHITECTURE",
    "UseFipsEndpoints": "AWS_USE_FIPS_ENDPOINT",
    "UseDualStackEndpoints": "AWS_USE_DUALSTACK_ENDPOINT",
}
_ALLOWED = {"Runtime": RUNTIMES, "Architecture": ARCHITECTURES, "LockKind": LOCK_KINDS}
_RANGES = {
    "MemorySize": (128, 10240, "MB"),
    "Timeout": (1, 900, "seconds"),
    "EphemeralStorage": (512, 10240, "MB"),
    "LockMaxAgeSeconds": (2, 86400, "seconds"),
    "RetentionDays": (1, 36500, "days"),
    "RecoverableDays": (0, 365, "days"),
}
_OPTIONS = {
    "Runtime": "--runtime",
    "Architecture": "--architecture",
    "MemorySize": "--memory",
    "Timeout": "--timeout",
    "EphemeralStorage": "--ephemeral-storage",
    "LockKind": "--lock",
    "LockMaxAgeSeconds": "--lock-max-age",
    "RetentionDays": "--retention-days",
    "RecoverableDays": "--recoverable-days",
    "FunctionName": "--function",
    "PermissionsBoundary": "--permissions-boundary",
}
_FUNCTION_NAME = re.compile(r"[a-zA-Z0-9_-]+")
_POLICY_ARN = re.compile(r"arn:aws[a-z-]*:iam::([0-9]{12}|aws):policy/.+")


# By the names of their fields in Choices.
PARTS: dict[str, Any] = {
    "apis": ApiChoices,
    "operation": OperationChoices,
    "queue": QueueChoices,
    "storage": StorageChoices,
    "protection": ProtectionChoices,
}


@dataclass(frozen=True, slots=True)
class Choices:
    """The options on the command line; None leaves a parameter as it is."""

    runtime: str | None = None
    architecture: str | None = None
    memory: int | None = None  # MB
    timeout: int | None = None  # seconds
    ephemeral_storage: int | None = None  # MB
    lock: str | None = None
    lock_max_age: int | None = None  # seconds
    retention_days: int | None = None
    recoverable_days: int | None = None
    function: str | None = None
    new_bucket: bool = False  # in place of a lost data bucket: no parameter of the stack
    permissions_boundary: str | None = None  # an ARN, or NO_BOUNDARY
    tags: tuple[str, ...] = ()  # KEY=VALUE
    untag: tuple[str, ...] = ()  # keys
    readers: bool | None = None  # a function that only reads
    insights: bool | None = None  # shapes of statements in the log
    apis: ApiChoices = field(default_factory=ApiChoices)
    operation: OperationChoices = field(default_factory=OperationChoices)
    queue: QueueChoices = field(default_factory=QueueChoices)
    storage: StorageChoices = field(default_factory=StorageChoices)
    protection: ProtectionChoices = field(default_factory=ProtectionChoices)

    @classmethod
    def of_options(cls, options: Mapping[str, Any]) -> Choices:
        """Return the choices in options by their names. Those of a part of the stack have the names of its fields."""
        rest, parts = dict(options), {}
        for part, kind in PARTS.items():
            parts[part] = kind(**{name: rest.pop(name) for name in kind.__dataclass_fields__ if name in rest})
        return cls(**rest, **parts)

    def parameters(self) -> dict[str, str]:
        given = {
            "Runtime": self.runtime,
            "Architecture": self.architecture,
            "MemorySize": self.memory,
            "Timeout": self.timeout,
            "EphemeralStorage": self.ephemeral_storage,
            "LockKind": self.lock,
            "LockMaxAgeSeconds": self.lock_max_age,
            "RetentionDays": self.retention_days,
            "RecoverableDays": self.recoverable_days,
            "FunctionName": self.function,
            "PermissionsBoundary": "" if self.permissions_boundary == NO_BOUNDARY else self.permissions_boundary,
            "Readers": None if self.readers is None else str(self.readers).lower(),
            "Insights": None if self.insights is None else str(self.insights).lower(),
        }
        values = {name: str(value) for name, value in given.items() if value is not None}
        for part in PARTS:
            values |= getattr(self, part).parameters()
        return values


def resolve(
    stack: str, choices: Choices, environment: Mapping[str, str], previous: Mapping[str, str]
) -> dict[str, str]:
    """Return all parameters of the user's choice, checked. `previous`: of the stack; empty for a new one. Raises
    `bad_request`."""
    from_environment = {
        name: environment[variable] for name, variable in _ENVIRONMENT.items() if environment.get(variable)
    }
    defaults = {**DEFAULTS, "FunctionName": default_function(stack)}
    kept = {name: previous[name] for name in defaults if name in previous}
    values = {**defaults, **kept, **from_environment, **choices.parameters()}
    values["DeadlockFixFunctionName"] = deadlock_fix_function(values["FunctionName"])
    for name, value in values.items():
        _check(name, value)
    _check_lock_age(int(values["Timeout"]), int(values["LockMaxAgeSeconds"]))
    check_apis(choices.apis, values)
    check_operation(values)
    values.update(computed(values))
    check_queue(choices.queue, values)
    values["QueueVisibilitySeconds"] = str(visibility_seconds(int(values["Timeout"])))
    check_storage(choices.storage, values, previous)
    check_protection(values)
    values["CacheBytes"] = str(int(int(values["EphemeralStorage"]) * MIB * CACHE_SHARE))
    return values


def _check(name: str, value: str) -> None:
    allowed = _ALLOWED.get(name)
    if allowed and value not in allowed:
        message = f"{_option(name)}: got {value!r}, want one of {', '.join(allowed)}"
        raise SldbError("bad_request", message, suggestion(value, allowed))
    if name in _RANGES:
        low, high, unit = _RANGES[name]
        if not value.isdigit() or not low <= int(value) <= high:
            raise SldbError("bad_request", f"{_option(name)}: got {value!r}, want {low} to {high} {unit}")
    if name == "PermissionsBoundary" and value and not _POLICY_ARN.fullmatch(value):
        want = f"the ARN of a policy, such as arn:aws:iam::123456789012:policy/boundary, or {NO_BOUNDARY}"
        raise SldbError("bad_request", f"{_option(name)}: got {value!r}, want {want}")
    if name == "FunctionName" and not (_FUNCTION_NAME.fullmatch(value) and len(value) <= MAX_FUNCTION_NAME):
        want = f"1 to {MAX_FUNCTION_NAME} letters, digits, hyphens and underscores"
        raise SldbError("bad_request", f"{_option(name)}: got {value!r}, want {want}")


def _option(name: str) -> str:
    variable = _ENVIRONMENT.get(name)
    return f"{_OPTIONS[name]} ({variable})" if variable else _OPTIONS[name]


def _check_lock_age(timeout: int, max_age: int) -> None:
    if max_age <= timeout:
        raise SldbError(
            "bad_request",
            f"locks would be freed after {max_age} s, while the function may run for {timeout} s: "
            "writers that are alive would lose their locks",
            f"add --lock-max-age {timeout + 30}, or choose a --timeout below {max_age}",
        )
