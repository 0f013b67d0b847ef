"""Checks of the resources of the file system of a stack."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sldb.deploy.checks.check import Problems, ResourceCheck


def _file_system(check: ResourceCheck) -> Problems:
    subject, efs = f"the file system {check.name}", check.account.efs
    found = check.describe(subject, lambda: efs.describe_file_systems(FileSystemId=check.name))
    if found is None:
        yield f"{subject} is gone, and with it every database that was in it"


def _access_point(check: ResourceCheck) -> Problems:
    subject, efs = f"the access point {check.name}", check.account.efs
    if check.describe(subject, lambda: efs.describe_access_points(AccessPointId=check.name)) is None:
        yield f"{subject} is gone"


def _mount_target(check: ResourceCheck) -> Problems:
    subject, efs = f"the mount target {check.name}", check.account.efs
    found = check.describe(subject, lambda: efs.describe_mount_targets(MountTargetId=check.name))
    if found is None:
        yield f"{subject} is gone"
    elif (state := found["MountTargets"][0]["LifeCycleState"]) not in ("available", "creating", "updating"):
        yield f"{subject} is {state}"


def _subnet(check: ResourceCheck) -> Problems:
    subject, ec2 = f"the subnet {check.name}", check.account.ec2
    if check.describe(subject, lambda: ec2.describe_subnets(SubnetIds=[check.name])) is None:
        yield f"{subject} is gone"


def _security_group(check: ResourceCheck) -> Problems:
    subject, ec2 = f"the security group {check.name}", check.account.ec2
    if check.describe(subject, lambda: ec2.describe_security_groups(GroupIds=[check.name])) is None:
        yield f"{subject} is gone"


def _ingress(check: ResourceCheck) -> Problems:
    """Look at the group of the mount targets: a rule has no name of its own there."""
    group, ec2 = check.names.get("FilesSecurityGroup", ""), check.account.ec2
    subject = f"the rule of {group} that lets the functions in"
    found = check.describe(subject, lambda: ec2.describe_security_groups(GroupIds=[group]))
    if found is None or not found["SecurityGroups"][0]["IpPermissions"]:
        yield f"{subject} is gone"


FILE_CHECKS: Mapping[str, Callable[[ResourceCheck], Problems]] = {
    "AWS::EFS::FileSystem": _file_system,
    "AWS::EFS::AccessPoint": _access_point,
    "AWS::EFS::MountTarget": _mount_target,
    "AWS::EC2::Subnet": _subnet,
    "AWS::EC2::SecurityGroup": _security_group,
    "AWS::EC2::SecurityGroupIngress": _ingress,
}
