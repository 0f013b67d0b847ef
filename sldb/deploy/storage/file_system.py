"""The file system of a stack: a new stack adopts the one that an earlier stack of its name left behind, as it does with
the data bucket. Found by its tag; its network is checked before anything is made.

A new stack in S3 beside such a file system would be one without its databases: it is made only if S3 is asked for.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lambda_handlers.wire import SldbError
from sldb.aws.errors import OperationFailed, aws_errors
from sldb.deploy.storage.options import IN_NEW_NETWORK, has_files, subnets_of
from sldb.stack.ownership import TAG

if TYPE_CHECKING:
    from sldb.stack.account import Account
    from sldb.stack.state import StackState

_PAUSE_SECONDS, _TRIES = 2.0, 60  # until mount targets that are being deleted are gone


def find_adopted_files(
    account: Account, stack: str, state: StackState | None, wanted: Mapping[str, str], *, is_asked_for: bool
) -> tuple[str, tuple[str, ...]]:
    """Return the parameter ExistingFileSystem and the notes about it. `state`: None for a new stack; `wanted`: its
    parameters from now on; `is_asked_for`: the store is the user's choice. Raises OperationFailed if several file
    systems have the stack's tag, or if there is one and the new stack would not mount it, without having been asked."""
    if not has_files(wanted):
        return "", _left_aside(account, stack, is_asked_for=is_asked_for) if state is None else ()
    if state is not None and has_files(state.parameters):
        return state.parameters.get("ExistingFileSystem", ""), ()
    found = file_systems(account, stack)
    if len(found) > 1:
        names = ", ".join(each["FileSystemId"] for each in found)
        raise OperationFailed(
            f"refused: several file systems have the tag {TAG}={stack}: {names}",
            "remove the tag from those that the stack is not to serve: aws efs untag-resource",
            applied="no",
        )
    if not found:
        return "", ()
    name = found[0]["FileSystemId"]
    return name, (f"found the file system {name} of an earlier stack: it will be mounted again",)


def _left_aside(account: Account, stack: str, *, is_asked_for: bool) -> tuple[str, ...]:
    """Return the notes about file systems of an earlier stack beside a new one in S3. Raises as above."""
    try:
        names = ", ".join(each["FileSystemId"] for each in file_systems(account, stack))
    except SldbError as error:  # a stack in S3 needs no right to EFS
        return (f"it is not known whether an earlier stack left databases in a file system: {error.message}",)
    if not names:
        return ()
    if is_asked_for:
        return (f"the file system {names} of an earlier stack stays, and is not served",)
    raise OperationFailed(
        f"refused: an earlier stack {stack} left the file system {names}, and this one would be without the databases "
        "in it",
        f"sldb deploy {IN_NEW_NETWORK} (or --vpc and --subnets) serves them again; --storage s3 makes a stack without "
        "them",
        applied="no",
    )


def file_systems(account: Account, stack: str) -> list[dict[str, Any]]:
    """Return the file systems with the tag of the stack."""
    with aws_errors("look for file systems"):
        pages = account.efs.get_paginator("describe_file_systems").paginate()
        every = [each for page in pages for each in page["FileSystems"]]
    wanted = {"Key": TAG, "Value": stack}
    return [each for each in every if wanted in each["Tags"] and each["LifeCycleState"] != "deleted"]


def check_subnets(account: Account, wanted: Mapping[str, str]) -> None:
    """Raise OperationFailed unless the subnets are in the VPC, each in a zone of its own."""
    subnets = subnets_of(wanted)
    if not (has_files(wanted) and subnets):
        return
    with aws_errors(f"look for the subnets {', '.join(subnets)}"):
        found = account.ec2.describe_subnets(SubnetIds=list(subnets))["Subnets"]
    zones: dict[str, str] = {}
    for each in found:
        subnet, zone = each["SubnetId"], each["AvailabilityZone"]
        if each["VpcId"] != wanted["Vpc"]:
            raise _unfit(f"the subnet {subnet} is in {each['VpcId']}, not in {wanted['Vpc']}")
        if zone in zones:
            raise _unfit(f"the subnets {zones[zone]} and {subnet} are both in {zone}: EFS has one mount target in each")
        zones[zone] = subnet


def delete_file_system(account: Account, name: str) -> None:
    """Delete a file system, with the mount targets and access points that are left. Its backups stay."""
    with aws_errors(f"delete the file system {name}"):
        for _ in range(_TRIES):
            targets = account.efs.describe_mount_targets(FileSystemId=name)["MountTargets"]
            for target in targets:
                if target["LifeCycleState"] == "available":
                    account.efs.delete_mount_target(MountTargetId=target["MountTargetId"])
            if not targets:
                break
            time.sleep(_PAUSE_SECONDS)
        for point in account.efs.describe_access_points(FileSystemId=name)["AccessPoints"]:
            account.efs.delete_access_point(AccessPointId=point["AccessPointId"])
        account.efs.delete_file_system(FileSystemId=name)


def _unfit(problem: str) -> OperationFailed:
    return OperationFailed(f"refused: {problem}", "give one subnet of the VPC for each zone: --subnets", applied="no")
