"""A deployed function as its containers need it: frozen, so that two configurations can be compared.

moto holds the configuration; `read` copies it out under moto's lock. `same_machine` is true if a bundle for the
function's runtime and architecture can run here.
"""

from __future__ import annotations

import platform
import re
import sys
from dataclasses import dataclass, field
from typing import Any

from moto.awslambda.exceptions import LambdaClientError

from sldb.emulator.calls.call import ACCOUNT
from sldb.emulator.calls.errors import AwsError
from sldb.emulator.calls.moto_app import Moto

RUNTIME = f"python{sys.version_info.major}.{sys.version_info.minor}"
ARCHITECTURE = "arm64" if platform.machine().lower() in ("arm64", "aarch64") else "x86_64"
LATEST = "$LATEST"
_INVOKE_CONFIGS = "sldb_invoke_configs"  # an attribute of moto's functions
_FILE_SYSTEMS = "sldb_file_systems"  # an attribute of moto's functions
_NAME = re.compile(
    r"(?:(?:arn:aws:lambda:(?P<region>[a-z0-9-]+):)?\d{12}:(?:function:)?)?(?P<name>[\w-]+)(?::(?P<qualifier>[\w$-]+))?"
)


@dataclass(frozen=True, slots=True)
class FunctionName:
    """The three ways to name a function (name, name:qualifier, ARN) as one."""

    name: str
    qualifier: str | None
    region: str

    @property
    def unqualified(self) -> FunctionName:
        return FunctionName(self.name, None, self.region)

    @property
    def arn(self) -> str:
        suffix = f":{self.qualifier}" if self.qualifier else ""
        return f"arn:aws:lambda:{self.region}:{ACCOUNT}:function:{self.name}{suffix}"

    @classmethod
    def parse(cls, text: str, region: str, qualifier: str | None = None) -> FunctionName:
        found = _NAME.fullmatch(text)
        if found is None:
            raise AwsError(
                "ValidationException",
                f"1 validation error detected: Value '{text}' at 'functionName' failed to satisfy constraint",
            )
        return cls(found["name"], found["qualifier"] or qualifier, found["region"] or region)


@dataclass(frozen=True, slots=True)
class FunctionConfig:
    name: str
    region: str
    arn: str
    version: str
    handler: str
    runtime: str
    architecture: str
    role_arn: str
    timeout_seconds: int
    memory_mb: int
    environment: tuple[tuple[str, str], ...]
    code_sha256: str
    reserved_concurrency: int | None
    retry_attempts: int  # after a failed asynchronous invocation
    on_failure: str  # the ARN of the destination of what failed for the last time; "" if there is none
    subnet_ids: tuple[str, ...]  # of its network; none: it can reach AWS
    mounts: tuple[tuple[str, str], ...]  # ARNs of access points, each with its path in the function
    code: bytes = field(repr=False, compare=False)  # the hash stands for it

    @property
    def function_arn(self) -> str:
        """The ARN without a version or an alias."""
        return FunctionName(self.name, None, self.region).arn

    @property
    def log_group(self) -> str:
        return f"/aws/lambda/{self.name}"

    def same_machine(self) -> bool:
        return (self.runtime, self.architecture) == (RUNTIME, ARCHITECTURE)


def read(moto: Moto, function: FunctionName) -> FunctionConfig:
    """Return the configuration of a function. Raises AwsError ResourceNotFoundException."""
    with moto.lock:
        try:
            found = moto.backend("lambda", function.region).get_function(function.name, function.qualifier)
        except LambdaClientError as error:
            raise AwsError("ResourceNotFoundException", f"Function not found: {function.arn}", 404) from error
        latest = moto.backend("lambda", function.region).get_function(function.name, None)
        return _copy(found, function, _invoke_config_of(latest, function))


def file_systems_of(function: Any) -> list[dict[str, str]]:
    """Return the file systems that a function of moto's mounts: `keep_file_systems` has noted them."""
    found: list[dict[str, str]] = getattr(function, _FILE_SYSTEMS, [])
    return found


def keep_file_systems(moto: Moto, region: str, name: str, configs: list[dict[str, str]]) -> None:
    """Note the file systems that a function mounts, which moto forgets. Called under moto's lock."""
    setattr(moto.backend("lambda", region).get_function(name), _FILE_SYSTEMS, configs)


def invoke_configs_of(latest: Any) -> dict[str, Any]:
    """Return the configurations of asynchronous invocations of a function of moto's, by its aliases."""
    found: dict[str, Any] = latest.__dict__.setdefault(_INVOKE_CONFIGS, {})
    return found


def _invoke_config_of(latest: Any, function: FunctionName) -> dict[str, Any]:
    """Return the configuration of asynchronous invocations: a version or an alias has one of its own."""
    if function.qualifier not in (None, LATEST):
        found: dict[str, Any] = invoke_configs_of(latest).get(str(function.qualifier), {})
        return found
    return dict(latest.event_invoke_config[-1].config) if latest.event_invoke_config else {}


def _copy(found: Any, function: FunctionName, invoke_config: dict[str, Any]) -> FunctionConfig:
    destinations = invoke_config.get("DestinationConfig") or {}
    return FunctionConfig(
        name=function.name,
        region=function.region,
        arn=function.arn,
        version=str(found.version),
        handler=found.handler,
        runtime=found.run_time,
        architecture=found.architectures[0],
        role_arn=found.role,
        timeout_seconds=int(found.timeout),
        memory_mb=int(found.memory_size),
        environment=tuple(sorted(found.environment_vars.items())),
        code_sha256=found.code_sha_256,
        reserved_concurrency=None if found.reserved_concurrency is None else int(found.reserved_concurrency),
        retry_attempts=int(invoke_config.get("MaximumRetryAttempts", 2)),
        on_failure=destinations.get("OnFailure", {}).get("Destination", ""),
        subnet_ids=tuple((found.vpc_config or {}).get("SubnetIds", ())),
        mounts=tuple((each["Arn"], each["LocalMountPath"]) for each in file_systems_of(found)),
        code=found.code_bytes,
    )
