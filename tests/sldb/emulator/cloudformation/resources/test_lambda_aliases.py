"""Versions and aliases of functions: an alias serves what was published, with its settings, and nothing newer."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.fakes.aws.cloudformation import Stack, template


@pytest.fixture
def client(account: Any) -> Any:
    return account.client("lambda")


def published(release: str, containers: int = 2) -> dict[str, Any]:
    """Return a version and an alias for a template; another release replaces the version."""
    alias = {
        "FunctionName": {"Ref": "Function"},
        "Name": "live",
        "FunctionVersion": {"Fn::GetAtt": ["Version", "Version"]},
        "ProvisionedConcurrencyConfig": {"ProvisionedConcurrentExecutions": str(containers)},
    }
    version = {"FunctionName": {"Ref": "Function"}, "Description": release}
    return {
        "Version": {"Type": "AWS::Lambda::Version", "Properties": version},
        "Alias": {"Type": "AWS::Lambda::Alias", "Properties": alias},
    }


def shown(client: Any, stack: Stack, qualifier: str) -> tuple[str, int]:
    found = client.get_function_configuration(FunctionName=stack.physical("Function"), Qualifier=qualifier)
    return found["Version"], found["Timeout"]


def apply(stack: Stack, aws: Any, release: str, timeout: str, *, creates: bool = False) -> str:
    return str(stack.apply(template(aws, **published(release)), creates=creates, Timeout=timeout))


def test_an_alias_goes_on_with_each_release_and_old_versions_go(stack: Stack, aws: Any, client: Any) -> None:
    assert apply(stack, aws, "a", "5", creates=True) == "CREATE_COMPLETE"
    assert shown(client, stack, "live") == ("1", 5)
    assert apply(stack, aws, "a", "6") == "UPDATE_COMPLETE"
    assert (shown(client, stack, "live"), shown(client, stack, "$LATEST")) == (("1", 5), ("$LATEST", 6))
    for number, (release, timeout) in enumerate([("b", "7"), ("c", "8")], start=2):
        assert apply(stack, aws, release, timeout) == "UPDATE_COMPLETE"
        assert shown(client, stack, "live") == (str(number), int(timeout))
    found = client.list_versions_by_function(FunctionName=stack.physical("Function"))["Versions"]
    assert [each["Version"] for each in found] == ["$LATEST", "3"]
    named = {"FunctionName": stack.physical("Function"), "Qualifier": "live"}
    assert client.get_provisioned_concurrency_config(**named)["AvailableProvisionedConcurrentExecutions"] == 2
    assert apply(stack, aws, "d", "8") == "UPDATE_ROLLBACK_COMPLETE"  # the function is the same: nothing to publish
    assert "Modify the function to create a new version" in stack.reason("Version", "UPDATE_FAILED")
    assert shown(client, stack, "live") == ("3", 8)


def test_an_alias_is_invoked_and_has_a_configuration_of_its_own(account: Any, client: Any, aws: Any) -> None:
    name = account.function("import os\ndef handler(event, context):\n    return context.invoked_function_arn")
    client.publish_version(FunctionName=name)
    arn = client.create_alias(FunctionName=name, Name="live", FunctionVersion="1")["AliasArn"]
    assert account.invoke(f"{name}:live") == arn
    assert {each.function for each in aws.containers(name)} == {name}
    client.put_function_event_invoke_config(FunctionName=name, Qualifier="live", MaximumRetryAttempts=0)
    named = {"FunctionName": name, "Qualifier": "live"}
    assert client.get_function_event_invoke_config(**named)["MaximumRetryAttempts"] == 0
    client.delete_function_event_invoke_config(**named)
    for call in (client.get_function_event_invoke_config, client.get_provisioned_concurrency_config):
        with pytest.raises(ClientError, match="NotFound"):
            call(**named)
    with pytest.raises(ClientError, match="is being used in one or more Aliases"):
        client.delete_function(FunctionName=name, Qualifier="1")


def test_no_more_containers_are_provisioned_than_reserved(account: Any, client: Any) -> None:
    name = account.function("def handler(event, context):\n    return 1")
    client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=2)
    client.publish_version(FunctionName=name)
    client.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    wanted = {"FunctionName": name, "Qualifier": "live"}
    client.put_provisioned_concurrency_config(**wanted, ProvisionedConcurrentExecutions=2)
    with pytest.raises(ClientError, match="should not be greater"):
        client.put_provisioned_concurrency_config(**wanted, ProvisionedConcurrentExecutions=3)
    client.delete_provisioned_concurrency_config(**wanted)
