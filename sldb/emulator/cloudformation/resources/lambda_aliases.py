"""AWS::Lambda::Version and AWS::Lambda::Alias."""

from __future__ import annotations

from typing import Any

from sldb.emulator.calls.errors import AwsError
from sldb.emulator.cloudformation.resources.base import Cloud, Existing, New, Properties, ResourceType, with_actual


class Version(ResourceType):
    """The physical id is the ARN with the number. Lambda publishes none of an unchanged function."""

    properties = frozenset({"FunctionName", "Description"})
    replaces = properties

    def create(self, new: New) -> None:
        function = new.properties["FunctionName"]
        before = {each["Version"] for each in _versions(new.cloud, function)}
        made = new.cloud.call("lambda", "PublishVersion", **new.properties)
        if made["Version"] in before:
            message = f"A version for this Lambda function exists ( {made['Version']} ). "
            raise AwsError("AlreadyExists", f"{message}Modify the function to create a new version.")
        new.made(made["FunctionArn"])

    def delete(self, it: Existing) -> None:
        name, number = _qualified(it)
        _found(it, "DeleteFunction", FunctionName=name, Qualifier=number)

    def actual(self, it: Existing) -> Properties | None:
        name, number = _qualified(it)
        found = _found(it, "GetFunctionConfiguration", FunctionName=name, Qualifier=number)
        return None if found is None else with_actual(it.properties, {"Description": found["Description"]})

    def attributes(self, it: Existing) -> dict[str, str]:
        return {"Version": _qualified(it)[1], "FunctionArn": it.physical_id}


class Alias(ResourceType):
    """The physical id is the ARN."""

    properties = frozenset({"FunctionName", "FunctionVersion", "Name", "Description", "ProvisionedConcurrencyConfig"})
    replaces = frozenset({"FunctionName", "Name"})

    def create(self, new: New) -> None:
        settings = {name: value for name, value in new.properties.items() if name != "ProvisionedConcurrencyConfig"}
        new.made(new.cloud.call("lambda", "CreateAlias", **settings)["AliasArn"])
        self._provision(new.cloud, {}, new.properties)

    def update(self, it: Existing, wanted: Properties) -> None:
        settings = {name: value for name, value in wanted.items() if name != "ProvisionedConcurrencyConfig"}
        it.cloud.call("lambda", "UpdateAlias", **settings)
        self._provision(it.cloud, it.properties, wanted)

    def delete(self, it: Existing) -> None:
        name, alias = _qualified(it)
        _found(it, "DeleteAlias", FunctionName=name, Name=alias)

    def actual(self, it: Existing) -> Properties | None:
        name, alias = _qualified(it)
        found = _found(it, "GetAlias", FunctionName=name, Name=alias)
        return None if found is None else with_actual(it.properties, {"FunctionVersion": found["FunctionVersion"]})

    def attributes(self, it: Existing) -> dict[str, str]:
        return {"AliasArn": it.physical_id}

    def _provision(self, cloud: Cloud, old: Properties, new: Properties) -> None:
        function = {"FunctionName": new["FunctionName"], "Qualifier": new["Name"]}
        if wanted := new.get("ProvisionedConcurrencyConfig"):
            cloud.call("lambda", "PutProvisionedConcurrencyConfig", **function, **wanted)
        elif old.get("ProvisionedConcurrencyConfig"):
            cloud.call("lambda", "DeleteProvisionedConcurrencyConfig", **function)


def _qualified(it: Existing) -> tuple[str, str]:
    """Return the name of the function, and the version or alias."""
    return it.physical_id.split(":")[6], it.physical_id.split(":")[7]


def _found(it: Existing, operation: str, **parameters: str) -> dict[str, Any] | None:
    """Return the answer about a version or an alias, or None if it is gone."""
    try:
        answer: dict[str, Any] = it.cloud.call("lambda", operation, **parameters)
    except it.cloud.client("lambda").exceptions.ResourceNotFoundException:
        return None
    return answer


def _versions(cloud: Cloud, function: str) -> list[Any]:
    found: list[Any] = cloud.call("lambda", "ListVersionsByFunction", FunctionName=function)["Versions"]
    return found
