"""Lambda's API of versions and aliases, as far as moto lacks it: numbers of versions, provisioned concurrency, and
configurations of asynchronous invocations by an alias. Called under moto's lock.

A version has the number after the highest so far (moto counts the remaining ones), and none is published of a function
without a change since the last one. Provisioned containers are ready at once here: those of an alias
are made on its first invocation, as others are. The words of errors are those of the API reference of Lambda.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from sldb.emulator.calls.actions import function_in
from sldb.emulator.calls.call import Answer, Call
from sldb.emulator.calls.errors import AwsError
from sldb.emulator.calls.function_config import LATEST, FunctionName, invoke_configs_of
from sldb.emulator.calls.moto_app import Moto

_COUNT = "sldb_published"  # an attribute of moto's functions: the number of the last version
_PROVISIONED = "sldb_provisioned"  # likewise: alias → containers
_INVOKE_CONFIG = ("PutFunctionEventInvokeConfig", "GetFunctionEventInvokeConfig", "DeleteFunctionEventInvokeConfig")


def answer(moto: Moto, call: Call) -> Answer | None:
    """Return the answer to a call about a version or an alias; None if it is moto's. Raises AwsError."""
    if call.action.endswith("ProvisionedConcurrencyConfig"):
        return _provisioned(moto, call)
    if call.action in _INVOKE_CONFIG and call.query.get("Qualifier", LATEST) != LATEST:
        return _invoke_config(moto, call)
    if call.action == "PublishVersion":
        return _publish(moto, call)
    if call.action == "DeleteFunction" and "Qualifier" in call.query:
        _refuse_if_used(moto, call)
    return None


def _publish(moto: Moto, call: Call) -> Answer:
    """Let moto publish a version, and give it the next number."""
    latest, before = _latest(moto, call), _versions(moto, call)
    is_new = not before or latest.code_or_config_updated
    found = moto.apply(call)
    if found.status != HTTPStatus.CREATED or not is_new:
        return found
    number = latest.__dict__.get(_COUNT, 0) + 1
    latest.__dict__.update({_COUNT: number, "code_or_config_updated": False})
    published = _versions(moto, call)[-1]
    published.set_version(number)
    shown = {**json.loads(found.body), "Version": str(number), "FunctionArn": published.function_arn}
    return _json(HTTPStatus.CREATED, shown)


def _refuse_if_used(moto: Moto, call: Call) -> None:
    aliases = moto.backend("lambda", call.region).list_aliases(_function(call).name)
    if used := [each.name for each in aliases if each.function_version == call.query["Qualifier"]]:
        message = f"Version {call.query['Qualifier']} is being used in one or more Aliases: {', '.join(used)}"
        raise AwsError("ResourceConflictException", message, 409)


def _provisioned(moto: Moto, call: Call) -> Answer:
    function, latest = _function(call), _latest(moto, call)
    moto.backend("lambda", call.region).get_alias(function.qualifier, function.name)
    kept: dict[str, int] = latest.__dict__.setdefault(_PROVISIONED, {})
    alias = str(function.qualifier)
    if call.action.startswith("Put"):
        wanted = int(json.loads(call.body)["ProvisionedConcurrentExecutions"])
        reserved = latest.reserved_concurrency
        if reserved is not None and wanted > int(reserved):
            message = "Requested Provisioned Concurrency should not be greater than the reservedConcurrentExecution"
            raise AwsError("InvalidParameterValueException", f"{message} for function")
        kept[alias] = wanted
        return _json(HTTPStatus.ACCEPTED, _status(wanted))
    if alias not in kept:
        message = "No Provisioned Concurrency Config found for this function"
        raise AwsError("ProvisionedConcurrencyConfigNotFoundException", message, 404)
    if call.action.startswith("Delete"):
        del kept[alias]
        return Answer(HTTPStatus.NO_CONTENT)
    return _json(HTTPStatus.OK, _status(kept[alias]))


def _status(count: int) -> dict[str, Any]:
    counts = ("Requested", "Available", "Allocated")
    return {"Status": "READY", **{f"{each}ProvisionedConcurrentExecutions": count for each in counts}}


def _invoke_config(moto: Moto, call: Call) -> Answer:
    function, configs = _function(call), invoke_configs_of(_latest(moto, call))
    alias = str(function.qualifier)
    if call.action.startswith("Put"):
        configs[alias] = json.loads(call.body)
    elif alias not in configs:
        message = f"The function {function.arn} doesn't have an EventInvokeConfig"
        raise AwsError("ResourceNotFoundException", message, 404)
    elif call.action.startswith("Delete"):
        del configs[alias]
        return Answer(HTTPStatus.NO_CONTENT)
    return _json(HTTPStatus.OK, {**configs[alias], "FunctionArn": function.arn})


def _function(call: Call) -> FunctionName:
    return FunctionName.parse(function_in(call.path), call.region, call.query.get("Qualifier"))


def _latest(moto: Moto, call: Call) -> Any:
    return moto.backend("lambda", call.region).get_function(_function(call).name, None)


def _versions(moto: Moto, call: Call) -> list[Any]:
    found: list[Any] = moto.backend("lambda", call.region)._lambdas._functions[_function(call).name]["versions"]
    return found


def _json(status: HTTPStatus, content: Mapping[str, Any]) -> Answer:
    return Answer(status, (("Content-Type", "application/json"),), json.dumps(content).encode())
