"""Checks of what the mounts of a stack's functions rest on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from sldb.aws.errors import aws_errors
from sldb.doctor.finding import Finding

if TYPE_CHECKING:
    from sldb.stack.account import Account
    from sldb.stack.state import StackState


def file_system_findings(account: Account, state: StackState) -> Iterator[Finding]:
    """Check what the functions' mount rests on."""
    name = state.outputs.get("FileSystem", "")
    with aws_errors(f"look at the file system {name}"):
        efs = account.efs
        [found] = efs.describe_file_systems(FileSystemId=name)["FileSystems"]
        targets = efs.describe_mount_targets(FileSystemId=name)["MountTargets"]
        backups = _backups(account, name)
    if not found.get("Encrypted"):
        yield Finding("file system", "fail", f"{name} is not encrypted", "deploy another stack, and push the databases")
    away = [each["MountTargetId"] for each in targets if each["LifeCycleState"] != "available"]
    zones = sorted(each["AvailabilityZoneName"] for each in targets)
    if away or not targets:
        problem = f"mount targets that are not available: {', '.join(away) or 'all'}"
        yield Finding("file system", "fail", f"{name}: {problem}", "sldb deploy creates missing ones again")
    else:
        yield Finding("file system", "ok", f"{name}, {found['ThroughputMode']} throughput, in {', '.join(zones)}", "")
    if len(zones) == 1:
        yield Finding("zones", "warn", "one mount target: with its zone, the databases are out of reach", "--subnets")
    if backups != "ENABLED":
        yield Finding(
            "backups", "warn", f"automatic backups of {name} are {backups.lower()}", "aws efs put-backup-policy"
        )


def _backups(account: Account, name: str) -> str:
    from botocore.exceptions import ClientError

    try:
        return str(account.efs.describe_backup_policy(FileSystemId=name)["BackupPolicy"]["Status"])
    except ClientError as error:
        if error.response["Error"]["Code"] == "PolicyNotFound":
            return "DISABLED"
        raise
