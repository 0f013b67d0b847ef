"""The parameters of the store of the databases, from the options of `sldb deploy`. Pure.

Databases do not move by a change of the store: `sldb migrate-storage` moves them, and passes `moves`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from lambda_handlers.wire import SldbError
from sldb.deploy.apis.options import kinds_of
from sldb.did_you_mean import suggestion
from sldb.stack.state import FILE_LOCKS

S3, EFS = "s3", "efs"
STORAGES = (S3, EFS)
MAX_SUBNETS = 3  # as many mount targets as the template has
NO_MIGRATION, FILES, FINAL = "none", "files", "final"  # values of Migration
NETWORK = ("Vpc", "CreateVpc")  # parameters: a file system has its mount targets in one network at a time

# As in the template; a test compares them. ExistingFileSystem follows from what there is.
STORAGE_DEFAULTS = {"Storage": S3, "Vpc": "", "Subnets": "", "CreateVpc": "false", "Migration": NO_MIGRATION}
IN_NEW_NETWORK = f"--storage {EFS} --create-vpc"  # options
_OPTIONS = {"Storage": "--storage", "Vpc": "--vpc", "Subnets": "--subnets", "CreateVpc": "--create-vpc"}
_VPC, _SUBNET = re.compile(r"vpc-[0-9a-f]+"), re.compile(r"subnet-[0-9a-f]+")
_NEED_THE_LIST = ("key", "iam")  # kinds of APIs whose callers only the access document knows


@dataclass(frozen=True, slots=True)
class StorageChoices:
    """The options on the command line; None leaves a parameter as it is."""

    storage: str | None = None
    vpc: str | None = None
    subnets: str | None = None  # with commas between them
    create_vpc: bool | None = None
    migration: str | None = None  # of `sldb migrate-storage`

    def parameters(self) -> dict[str, str]:
        given = {"Storage": self.storage, "Vpc": self.vpc, "Migration": self.migration}
        values = {name: value for name, value in given.items() if value is not None}
        if self.subnets is not None:
            values["Subnets"] = ",".join(each.strip() for each in self.subnets.split(","))
        if self.create_vpc:
            return {**values, "CreateVpc": "true", "Vpc": values.get("Vpc", ""), "Subnets": values.get("Subnets", "")}
        if self.vpc or self.subnets:
            values["CreateVpc"] = "false"
        return values


def has_files(values: Mapping[str, str]) -> bool:
    """Return True if the stack is to have a file system."""
    return values.get("Storage") == EFS or values.get("Migration", NO_MIGRATION) != NO_MIGRATION


def options_of(values: Mapping[str, str]) -> str:
    """Return the options of `sldb deploy` for a store as these parameters have it; empty for the default one."""
    if values.get("Storage") != EFS:
        return ""
    if values.get("CreateVpc") == "true":
        return IN_NEW_NETWORK
    return f"--storage {EFS} --vpc {values.get('Vpc', '')} --subnets {values.get('Subnets', '')}"


def lock_kind(values: Mapping[str, str]) -> str:
    """Return the kind of the locks that the functions take: files have locks of their own."""
    return FILE_LOCKS if values.get("Storage") == EFS else values["LockKind"]


def subnets_of(values: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(filter(None, values.get("Subnets", "").split(",")))


def check_storage(choices: StorageChoices, values: Mapping[str, str], previous: Mapping[str, str]) -> None:
    """Raise `bad_request` for parameters that do not go together. `previous`: of the stack; empty for a new one."""
    storage = values["Storage"]
    if storage not in STORAGES:
        message = f"--storage: got {storage!r}, want one of {', '.join(STORAGES)}"
        raise SldbError("bad_request", message, suggestion(storage, STORAGES))
    _check_move(choices, storage, previous)
    if not has_files(values):
        _refuse_unused(choices)
        return
    _check_network(values)
    _check_same_network(values, previous)
    needy = [kind for kind in kinds_of(values) if kind in _NEED_THE_LIST]
    if storage == EFS and needy:
        raise SldbError(
            "bad_request",
            f"--storage efs: the functions have no way to the list of callers, and --api {','.join(needy)} needs it",
            "choose --api token, or jwt with the rights as claims; or keep --storage s3",
        )


def _check_move(choices: StorageChoices, storage: str, previous: Mapping[str, str]) -> None:
    """Raise `bad_request` for another store without a move, `conflict` for a step of a move that has ended."""
    before = previous.get("Storage", S3)
    if previous and storage != before and choices.migration is None:
        raise SldbError(
            "bad_request",
            f"--storage {storage}: the databases of this stack are in {before}, and a deployment does not move them",
            f"sldb migrate-storage {storage} moves them, with their history",
        )
    # The process that moves them may have been frozen, while another one took the move back and clients wrote.
    step = previous.get("Migration", NO_MIGRATION)
    was_taken_back = step == NO_MIGRATION if choices.migration == FINAL else storage != before and step != FINAL
    if previous and was_taken_back:
        raise SldbError(
            "conflict",
            "the move of the databases was taken back meanwhile, and they may have been written since",
            "the same `sldb migrate-storage` begins it again",
            applied="no",
        )


def _refuse_unused(choices: StorageChoices) -> None:
    for name, value in choices.parameters().items():
        if name in ("Vpc", "Subnets", "CreateVpc") and value not in ("", "false"):
            raise SldbError("bad_request", f"{_OPTIONS[name]} is for databases in EFS", "add --storage efs")


def _check_network(values: Mapping[str, str]) -> None:
    vpc, subnets, creates = values["Vpc"], subnets_of(values), values["CreateVpc"] == "true"
    if creates and (vpc or subnets):
        raise SldbError("bad_request", "--create-vpc makes a network, and --vpc names one", "give one of them")
    if not creates and not (vpc and subnets):
        raise SldbError(
            "bad_request",
            "--storage efs: the functions and the file system need a network",
            "add --create-vpc, or --vpc ID --subnets ID,ID",
        )
    if vpc and not _VPC.fullmatch(vpc):
        raise SldbError("bad_request", f"--vpc: got {vpc!r}, want the id of a VPC, such as vpc-0a1b2c3d")
    for subnet in subnets:
        if not _SUBNET.fullmatch(subnet):
            raise SldbError("bad_request", f"--subnets: got {subnet!r}, want ids such as subnet-0a1b2c3d, with commas")
    if len(subnets) > MAX_SUBNETS or len(set(subnets)) < len(subnets):
        raise SldbError("bad_request", f"--subnets: got {','.join(subnets)}, want 1 to {MAX_SUBNETS} different subnets")


def _check_same_network(values: Mapping[str, str], previous: Mapping[str, str]) -> None:
    """Raise `bad_request` for another network."""
    if not has_files(previous):
        return
    for name in NETWORK:
        if values[name] != previous.get(name, values[name]):
            raise SldbError(
                "bad_request",
                f"{_OPTIONS[name]}: the file system of this stack is in another network, and stays in it",
                "sldb destroy keeps the databases; then sldb deploy --storage efs with the other network",
            )
