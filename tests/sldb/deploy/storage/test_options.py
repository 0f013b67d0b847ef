"""The parameters of the store of the databases."""

from __future__ import annotations

from typing import Any

import pytest

from lambda_handlers.wire import SldbError
from sldb.deploy.apis.options import ApiChoices
from sldb.deploy.parameters import Choices, resolve
from sldb.deploy.storage.options import StorageChoices, has_files, subnets_of

NETWORK = {"vpc": "vpc-1a", "subnets": "subnet-1a, subnet-2b"}
IN_S3 = {"Storage": "s3"}
IN_EFS = {"Storage": "efs", "Vpc": "vpc-1a", "Subnets": "subnet-1a,subnet-2b", "CreateVpc": "false"}


def parameters(previous: dict[str, str] | None = None, api: str = "", **given: Any) -> dict[str, str]:
    choices = Choices(storage=StorageChoices(**given), apis=ApiChoices(api=(api,) if api else ()))
    return resolve("test-db", choices, {}, previous or {})


def test_databases_are_in_s3_unless_efs_is_chosen() -> None:
    assert parameters()["Storage"] == "s3"
    assert not has_files(parameters())
    assert parameters(storage="efs", create_vpc=True)["CreateVpc"] == "true"


def test_a_network_is_named_or_made() -> None:
    named = parameters(storage="efs", **NETWORK)
    assert subnets_of(named) == ("subnet-1a", "subnet-2b")
    assert has_files(named)
    again = parameters(IN_EFS)
    assert (again["Vpc"], again["Subnets"]) == ("vpc-1a", "subnet-1a,subnet-2b")


@pytest.mark.parametrize(
    "given",
    [
        {"storage": "nfs"},
        {"storage": "efs"},
        {"storage": "efs", "vpc": "vpc-1a"},
        {"storage": "efs", "create_vpc": True, **NETWORK},
        {"storage": "efs", "vpc": "vpc", "subnets": "subnet-1a"},
        {"storage": "efs", "vpc": "vpc-1a", "subnets": "1a"},
        {"storage": "efs", "vpc": "vpc-1a", "subnets": "subnet-1a,subnet-1a"},
        {"storage": "efs", "vpc": "vpc-1a", "subnets": "subnet-1,subnet-2,subnet-3,subnet-4"},
        {"storage": "s3", "create_vpc": True},
        {"vpc": "vpc-1a"},
        {"storage": "efs", "create_vpc": True, "api": "key"},
        {"storage": "efs", "create_vpc": True, "api": "token,iam"},
        {"storage": "efs", "create_vpc": True, "previous": IN_S3},
        {"storage": "s3", "previous": IN_EFS},
        {"vpc": "vpc-2b", "subnets": "subnet-9", "previous": IN_EFS},
        {"create_vpc": True, "previous": IN_EFS},
    ],
)
def test_what_does_not_go_together_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(SldbError) as caught:
        parameters(**given)
    assert caught.value.code == "bad_request"


def test_apis_whose_callers_come_with_their_rights_are_allowed() -> None:
    assert parameters(storage="efs", create_vpc=True, api="token")["ApiToken"] == "true"


def test_a_migration_may_change_the_store() -> None:
    assert parameters(IN_S3, storage="efs", create_vpc=True, migration="none")["Storage"] == "efs"
    assert has_files(parameters(IN_S3, create_vpc=True, migration="files"))
