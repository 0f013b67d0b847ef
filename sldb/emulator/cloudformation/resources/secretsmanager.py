"""AWS::SecretsManager::Secret.

Its deletion is final: CloudFormation deletes without a recovery window (coverage roadmap of CloudFormation, issues 838
and 1999). A changed GenerateSecretString makes a new version of the value; a tag or a description does not.
"""

from __future__ import annotations

import json
from typing import Any

from botocore.exceptions import ClientError

from sldb.emulator.calls.errors import AwsError
from sldb.emulator.cloudformation.resources.base import Cloud, Existing, New, Properties, ResourceType, with_actual

_VALUES = ("SecretString", "GenerateSecretString")


class Secret(ResourceType):
    properties = frozenset({"Name", "Description", "KmsKeyId", "Tags", *_VALUES})
    replaces = frozenset({"Name"})
    named_by = "Name"

    def create(self, new: New) -> None:
        # Unlike most names, this one begins with the logical id.
        name = new.properties.get("Name") or new.name(512).removeprefix(f"{new.stack_name}-")
        optional = {key: new.properties[key] for key in ("Description", "KmsKeyId", "Tags") if new.properties.get(key)}
        value = _value(new.cloud, new.properties)
        made = new.cloud.call("secretsmanager", "CreateSecret", Name=name, **optional, **value)
        new.made(made["ARN"])

    def update(self, it: Existing, wanted: Properties) -> None:
        settings = {
            key: wanted.get(key, default)
            for key, default in (("Description", ""), ("KmsKeyId", "alias/aws/secretsmanager"))
            if it.properties.get(key) != wanted.get(key)
        }
        if any(it.properties.get(key) != wanted.get(key) for key in _VALUES):
            settings.update(_value(it.cloud, wanted))
        if settings:
            it.cloud.call("secretsmanager", "UpdateSecret", SecretId=it.physical_id, **settings)
        gone = [tag["Key"] for tag in it.properties.get("Tags", []) if tag not in wanted.get("Tags", [])]
        if gone:
            it.cloud.call("secretsmanager", "UntagResource", SecretId=it.physical_id, TagKeys=gone)
        if wanted.get("Tags"):
            it.cloud.call("secretsmanager", "TagResource", SecretId=it.physical_id, Tags=wanted["Tags"])

    def delete(self, it: Existing) -> None:
        if _describe(it) is not None:
            it.cloud.call("secretsmanager", "DeleteSecret", SecretId=it.physical_id, ForceDeleteWithoutRecovery=True)

    def actual(self, it: Existing) -> Properties | None:
        """Return the properties; a secret marked for deletion counts as gone."""
        found = _describe(it)
        if found is None or found.get("DeletedDate"):
            return None
        return with_actual(it.properties, {"Description": found.get("Description", "")})

    def attributes(self, it: Existing) -> dict[str, str]:
        return {"Id": it.physical_id}


def _describe(it: Existing) -> Any:
    try:
        return it.cloud.call("secretsmanager", "DescribeSecret", SecretId=it.physical_id)
    except ClientError as error:
        if error.response["Error"]["Code"] == "ResourceNotFoundException":
            return None
        raise


def _value(cloud: Cloud, properties: Properties) -> dict[str, str]:
    """Return the value as the template gives it, or a new one. Without either the secret has none."""
    if "SecretString" in properties and "GenerateSecretString" in properties:
        raise AwsError("InvalidRequest", "You can't specify both SecretString and GenerateSecretString.")
    if "SecretString" in properties:
        return {"SecretString": properties["SecretString"]}
    if "GenerateSecretString" not in properties:
        return {}
    settings = dict(properties["GenerateSecretString"])
    template, key = settings.pop("SecretStringTemplate", None), settings.pop("GenerateStringKey", None)
    if (template is None) != (key is None):
        raise AwsError("InvalidRequest", "SecretStringTemplate and GenerateStringKey need each other.")
    password = cloud.call("secretsmanager", "GetRandomPassword", **settings)["RandomPassword"]
    if template is None:
        return {"SecretString": password}
    return {"SecretString": json.dumps({**json.loads(template), key: password})}
