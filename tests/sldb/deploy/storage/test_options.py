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


MOVING = {**IN_S3, "CreateVpc": "true"}


def test_a_migration_may_change_the_store() -> None:
    final = {**MOVING, "Migration": "final"}
    assert parameters(final, storage="efs", migration="none")["Storage"] == "efs"
    assert parameters({**MOVING, "Migration": "files"}, migration="final")["Migration"] == "final"
    assert parameters(final, migration="final")["Migration"] == "final"  # again, after an interruption
    assert has_files(parameters(IN_S3, create_vpc=True, migration="files"))


@pytest.mark.parametrize("step", ["none", "files"])
def test_a_mover_that_was_away_while_its_move_was_taken_back_does_not_end_it(step: str) -> None:
    """Clients may have written since: the other store does not have that."""
    with pytest.raises(SldbError) as caught:
        parameters({**MOVING, "Migration": step}, storage="efs", migration="none")
    assert (caught.value.code, caught.value.details["applied"]) == ("conflict", "no")


def test_nor_does_it_stop_writes() -> None:
    with pytest.raises(SldbError, match="taken back"):
        parameters({**MOVING, "Migration": "none"}, migration="final")
