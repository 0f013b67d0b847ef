"""Rules of Lambda's control plane that moto lacks. Called under moto's lock.

The zip exists and can be unpacked, the role exists and trusts Lambda, and the environment has no reserved names.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

from moto.core.utils import iso_8601_datetime_with_nanoseconds
from moto.s3.exceptions import MissingBucket, MissingKey

from sldb.emulator.access import policy
from sldb.emulator.access.iam import document_of
from sldb.emulator.access.policy import Request
from sldb.emulator.calls.actions import function_in
from sldb.emulator.calls.call import ACCOUNT, Answer, Call
from sldb.emulator.calls.errors import AwsError, NotEmulated
from sldb.emulator.calls.function_config import FunctionName, file_systems_of, keep_file_systems
from sldb.emulator.calls.moto_app import Moto
from sldb.emulator.runtime import bundles

_RESERVED = frozenset(
    {
        *("_HANDLER", "_X_AMZN_TRACE_ID", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_EXECUTION_ENV", "LAMBDA_TASK_ROOT"),
        *("AWS_LAMBDA_FUNCTION_NAME", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "AWS_LAMBDA_FUNCTION_VERSION"),
        *("AWS_LAMBDA_INITIALIZATION_TYPE", "AWS_LAMBDA_LOG_GROUP_NAME", "AWS_LAMBDA_LOG_STREAM_NAME"),
        *("AWS_ACCESS_KEY", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"),
        *("AWS_LAMBDA_RUNTIME_API", "LAMBDA_RUNTIME_DIR"),
    }
)
_MAX_ENVIRONMENT_BYTES = 4096
_CHANGES = ("UpdateFunctionConfiguration", "UpdateFunctionCode")
_NOT_SUPPLIED = (
    "Layers",
    "DeadLetterConfig",
    "SnapStart",
    "ImageConfig",
)


def check(moto: Moto, call: Call) -> Call:
    if not call.action:
        raise NotEmulated(f"Lambda's {call.method} {call.path}")
    if call.action in ("CreateFunction", "UpdateFunctionConfiguration"):
        wanted = json.loads(call.body)
        _check_configuration(moto, wanted)
        if call.action == "CreateFunction":
            _check_code(moto, call.region, wanted["Code"])
        elif "KMSKeyArn" in wanted:  # moto takes it for a new function only
            name = FunctionName.parse(function_in(call.path), call.region).name
            moto.backend("lambda", call.region).get_function(name, None).kms_key_arn = wanted["KMSKeyArn"]
    if call.action == "PutFunctionEventInvokeConfig":
        _forget_invoke_config(moto, call)
    if call.action == "UpdateFunctionCode":
        _check_code(moto, call.region, json.loads(call.body))
    return call


def _forget_invoke_config(moto: Moto, call: Call) -> None:
    """Let a configuration of asynchronous invocations replace the one before; moto would keep both."""
    function = FunctionName.parse(function_in(call.path), call.region)
    moto.backend("lambda", call.region).get_function(function.name, None).event_invoke_config = []


def complete(moto: Moto, call: Call, answer: Answer) -> Answer:
    """Keep the file systems of a function and the time of its last change, and show them in its configuration."""
    if call.action not in ("CreateFunction", "GetFunctionConfiguration", *_CHANGES) or answer.status >= 300:
        return answer
    given, shown = json.loads(call.body or b"{}"), json.loads(answer.body)
    if "FileSystemConfigs" in given:
        keep_file_systems(moto, call.region, shown["FunctionName"], given["FileSystemConfigs"])
    function = moto.backend("lambda", call.region).get_function(shown["FunctionName"])
    shown["FileSystemConfigs"] = file_systems_of(function)
    if call.action in _CHANGES:  # moto knows the time of the creation alone
        function.last_modified = shown["LastModified"] = iso_8601_datetime_with_nanoseconds()
    headers = tuple(header for header in answer.headers if header[0].lower() != "content-length")
    return Answer(answer.status, headers, json.dumps(shown).encode())


def _check_network(wanted: Mapping[str, Any]) -> None:
    if wanted.get("FileSystemConfigs") and not wanted.get("VpcConfig", {}).get("SubnetIds"):
        raise AwsError("InvalidParameterValueException", "A function with file systems must be in a VPC.")


def _check_configuration(moto: Moto, wanted: Mapping[str, Any]) -> None:
    for name in _NOT_SUPPLIED:
        if wanted.get(name):
            raise NotEmulated(f"{name} of a function")
    variables = wanted.get("Environment", {}).get("Variables", {})
    if reserved := sorted(_RESERVED & set(variables)):
        raise AwsError(
            "InvalidParameterValueException",
            "Lambda was unable to configure your environment variables because the environment variables you have "
            "provided contains reserved keys that are currently not supported for modification. "
            f"Reserved keys used in this request: {', '.join(reserved)}",
        )
    if len(json.dumps(variables)) > _MAX_ENVIRONMENT_BYTES:
        raise AwsError(
            "InvalidParameterValueException",
            "Lambda was unable to configure your environment variables because the environment variables you have "
            f"provided exceeded the {_MAX_ENVIRONMENT_BYTES} bytes limit.",
        )
    if "Role" in wanted:
        _check_role(moto, wanted["Role"])
    _check_network(wanted)


def _check_role(moto: Moto, role_arn: str) -> None:
    roles = moto.backend("iam", "aws").roles.values()
    role = next((each for each in roles if each.arn == role_arn), None)
    assume = Request("sts:AssumeRole", role_arn, {"aws:sourceaccount": (ACCOUNT,)})
    trust = [] if role is None else [document_of(role.assume_role_policy_document)]
    if policy.decide(trust, assume, ["lambda.amazonaws.com"]) != "allow":
        raise AwsError(
            "InvalidParameterValueException",
            "The role defined for the function cannot be assumed by Lambda.",
        )


def _check_code(moto: Moto, region: str, code: Mapping[str, Any]) -> None:
    if "ZipFile" in code:
        zipped = base64.b64decode(code["ZipFile"])
    elif "S3Bucket" in code:
        zipped = _stored(moto, region, code)
    else:
        raise NotEmulated("code that is neither ZipFile nor S3Bucket and S3Key")
    try:
        bundles.check(zipped)
    except bundles.UnusableBundle as error:
        raise AwsError("InvalidParameterValueException", str(error)) from error


def _stored(moto: Moto, region: str, code: Mapping[str, Any]) -> bytes:
    found = None
    try:
        found = moto.backend("s3", region).get_object(code["S3Bucket"], code["S3Key"], code.get("S3ObjectVersion"))
    except MissingBucket as error:
        raise _unreadable("NoSuchBucket", "The specified bucket does not exist") from error
    except MissingKey:
        pass
    if found is None:
        raise _unreadable("NoSuchKey", "The specified key does not exist.")
    return bytes(found.value)


def _unreadable(code: str, message: str) -> AwsError:
    return AwsError(
        "InvalidParameterValueException",
        f"Error occurred while GetObject. S3 Error Code: {code}. S3 Error Message: {message}",
    )
