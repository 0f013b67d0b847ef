"""AWS::Lambda::Function, AWS::Lambda::Permission and AWS::Lambda::EventInvokeConfig."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

from sldb.emulator.cloudformation.resources.base import Cloud, Existing, New, Properties, ResourceType, with_actual

_CONFIGURATION = (
    "Description",
    "Handler",
    "Runtime",
    "Role",
    "MemorySize",
    "Timeout",
    "EphemeralStorage",
    "Environment",
    "TracingConfig",
    "VpcConfig",
    "FileSystemConfigs",
    "KmsKeyArn",
)
# What a property is when the template no longer names it.
_DEFAULTS: dict[str, Any] = {
    "Description": "",
    "MemorySize": 128,
    "Timeout": 3,
    "EphemeralStorage": {"Size": 512},
    "Environment": {"Variables": {}},
    "TracingConfig": {"Mode": "PassThrough"},
    "VpcConfig": {"SubnetIds": [], "SecurityGroupIds": []},
    "FileSystemConfigs": [],
    "KmsKeyArn": "",
}


class Function(ResourceType):
    properties = frozenset(
        {"FunctionName", "Architectures", "Code", "Tags", "ReservedConcurrentExecutions", *_CONFIGURATION}
    )
    replaces = frozenset({"FunctionName"})
    named_by = "FunctionName"

    def create(self, new: New) -> None:
        name = new.properties.get("FunctionName") or new.name()
        configuration = {_in_api(key): new.properties[key] for key in _CONFIGURATION if key in new.properties}
        new.cloud.call(
            "lambda",
            "CreateFunction",
            FunctionName=name,
            Code=_code(new.properties["Code"]),
            Architectures=new.properties.get("Architectures", ["x86_64"]),
            Tags=_tags(new.properties),
            **configuration,
        )
        new.made(name)
        self._reserve(new.cloud, name, {}, new.properties)

    def update(self, it: Existing, wanted: Properties) -> None:
        if any(it.properties.get(key) != wanted.get(key) for key in ("Code", "Architectures")):
            architectures = wanted.get("Architectures", ["x86_64"])
            it.cloud.call(
                "lambda",
                "UpdateFunctionCode",
                FunctionName=it.physical_id,
                Architectures=architectures,
                **_code(wanted["Code"]),
            )
        changed = {
            _in_api(key): wanted.get(key, _DEFAULTS.get(key))
            for key in _CONFIGURATION
            if it.properties.get(key) != wanted.get(key)
        }
        if changed:
            it.cloud.call("lambda", "UpdateFunctionConfiguration", FunctionName=it.physical_id, **changed)
        self._tag(it, _tags(wanted))
        self._reserve(it.cloud, it.physical_id, it.properties, wanted)

    def delete(self, it: Existing) -> None:
        try:
            it.cloud.call("lambda", "DeleteFunction", FunctionName=it.physical_id)
        except it.cloud.client("lambda").exceptions.ResourceNotFoundException:
            pass

    def actual(self, it: Existing) -> Properties | None:
        try:
            found = it.cloud.call("lambda", "GetFunctionConfiguration", FunctionName=it.physical_id)
        except it.cloud.client("lambda").exceptions.ResourceNotFoundException:
            return None
        environment = {"Environment": {"Variables": found.get("Environment", {}).get("Variables", {})}}
        return with_actual(
            it.properties, {"MemorySize": found["MemorySize"], "Timeout": found["Timeout"], **environment}
        )

    def attributes(self, it: Existing) -> dict[str, str]:
        found = it.cloud.call("lambda", "GetFunctionConfiguration", FunctionName=it.physical_id)
        return {"Arn": found["FunctionArn"]}

    def _tag(self, it: Existing, wanted: dict[str, str]) -> None:
        old = _tags(it.properties)
        if old == wanted:
            return
        arn = self.attributes(it)["Arn"]
        if gone := sorted(old.keys() - wanted.keys()):
            it.cloud.call("lambda", "UntagResource", Resource=arn, TagKeys=gone)
        if wanted:
            it.cloud.call("lambda", "TagResource", Resource=arn, Tags=wanted)

    def _reserve(self, cloud: Cloud, name: str, old: Properties, new: Properties) -> None:
        wanted = new.get("ReservedConcurrentExecutions")
        if wanted == old.get("ReservedConcurrentExecutions"):
            return
        if wanted is None:
            cloud.call("lambda", "DeleteFunctionConcurrency", FunctionName=name)
        else:
            cloud.call("lambda", "PutFunctionConcurrency", FunctionName=name, ReservedConcurrentExecutions=wanted)


class Permission(ResourceType):
    properties = frozenset({"Action", "FunctionName", "Principal", "SourceArn", "SourceAccount"})
    replaces = properties  # so that it is never updated

    def create(self, new: New) -> None:
        statement_id = new.name(100)
        wanted = {**new.properties, **_function_of(new.properties)}
        new.cloud.call("lambda", "AddPermission", StatementId=statement_id, **wanted)
        new.made(statement_id)

    def delete(self, it: Existing) -> None:
        try:
            it.cloud.call("lambda", "RemovePermission", StatementId=it.physical_id, **_function_of(it.properties))
        except it.cloud.client("lambda").exceptions.ResourceNotFoundException:
            pass

    def actual(self, it: Existing) -> Properties | None:
        try:
            policy = it.cloud.call("lambda", "GetPolicy", **_function_of(it.properties))["Policy"]
        except it.cloud.client("lambda").exceptions.ResourceNotFoundException:
            return None
        is_there = any(statement.get("Sid") == it.physical_id for statement in json.loads(policy)["Statement"])
        return it.properties if is_there else None

    def attributes(self, it: Existing) -> dict[str, str]:
        return {"Id": it.physical_id}


class EventInvokeConfig(ResourceType):
    properties = frozenset(
        {"FunctionName", "Qualifier", "MaximumRetryAttempts", "MaximumEventAgeInSeconds", "DestinationConfig"}
    )
    replaces = frozenset({"FunctionName", "Qualifier"})

    def create(self, new: New) -> None:
        self.update(new.existing(""), new.properties)
        # As of a policy of queues: the same for the same resource.
        new.made(f"{new.properties['FunctionName']}|{new.properties.get('Qualifier', '$LATEST')}")

    def update(self, it: Existing, wanted: Properties) -> None:
        it.cloud.call("lambda", "PutFunctionEventInvokeConfig", **wanted)

    def actual(self, it: Existing) -> Properties | None:
        try:
            it.cloud.call("lambda", "GetFunctionEventInvokeConfig", **self._named(it))
        except it.cloud.client("lambda").exceptions.ResourceNotFoundException:
            return None
        return it.properties

    def delete(self, it: Existing) -> None:
        try:
            it.cloud.call("lambda", "DeleteFunctionEventInvokeConfig", **self._named(it))
        except it.cloud.client("lambda").exceptions.ResourceNotFoundException:
            pass

    def _named(self, it: Existing) -> dict[str, Any]:
        return {name: it.properties[name] for name in ("FunctionName", "Qualifier") if name in it.properties}


def _function_of(properties: Properties) -> dict[str, str]:
    """Return the function of a permission, and the qualifier of one for an alias, which Ref gives as an ARN."""
    name, _, qualifier = properties["FunctionName"].rpartition(":function:")[2].partition(":")
    return {"FunctionName": name, **({"Qualifier": qualifier} if qualifier else {})}


def _in_api(name: str) -> str:
    return "KMSKeyArn" if name == "KmsKeyArn" else name


def _tags(properties: Properties) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in properties.get("Tags", [])}


def _code(code: Properties) -> dict[str, Any]:
    if "ZipFile" not in code:
        return dict(code)
    # Inline code is text, which Lambda stores as index.py.
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        info = zipfile.ZipInfo("index.py")
        info.external_attr = 0o644 << 16
        archive.writestr(info, code["ZipFile"])
    return {"ZipFile": buffer.getvalue()}
