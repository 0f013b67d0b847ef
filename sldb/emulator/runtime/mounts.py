"""The file systems of EFS that containers mount: directories on this machine, one for each file system.

A mount needs what it needs in AWS: a mount target in the zone of each of the function's subnets, and the permission of
the function's role, without a denial by the policy of the file system. The directory of an access point is made at its
first use. Not emulated: users and modes of files, and the protocol: a directory here is coherent, NFS is not.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

from sldb.emulator.access import policy
from sldb.emulator.access.policy import Request
from sldb.emulator.calls.call import ACCOUNT
from sldb.emulator.calls.errors import AwsError
from sldb.emulator.calls.function_config import FunctionConfig
from sldb.emulator.calls.moto_app import Moto


class Mounts:
    def __init__(self, moto: Moto, root: Path, service_may: Callable[[str, Request], bool]) -> None:
        """`service_may`: whether the policies of a role allow a request."""
        self._moto = moto
        self._service_may = service_may
        self._root = root

    def environment(self, config: FunctionConfig) -> dict[str, str]:
        """Return the variables of the function with the directories of this machine in place of its mounts. Raises
        AwsError if AWS would not mount them."""
        variables = dict(config.environment)
        for arn, path in config.mounts:
            directory = self._mount(config, arn)
            variables = {name: value.replace(path, str(directory)) for name, value in variables.items()}
        return variables

    def _remove_unused(self, region: str, existing: Collection[str]) -> None:
        """Remove the directories of file systems that do not exist any more."""
        for directory in (self._root / region).glob("fs-*"):
            if directory.name not in existing:
                shutil.rmtree(directory)

    def _mount(self, config: FunctionConfig, access_point_arn: str) -> Path:
        with self._moto.lock:
            efs = self._moto.backend("efs", config.region)
            access_point = efs.access_points.get(access_point_arn.rpartition("/")[2])
            if access_point is None:
                raise _failed(f"there is no access point {access_point_arn}")
            file_system = efs.file_systems_by_id[access_point.file_system_id]
            self._remove_unused(config.region, efs.file_systems_by_id)
            self._check_zones(config, file_system)
            self._check_permission(config, file_system, access_point_arn)
        below = str(access_point.root_directory["Path"]).strip("/")
        directory = self._root / config.region / str(access_point.file_system_id) / below
        directory.mkdir(parents=True, exist_ok=True)
        return directory

    def _check_zones(self, config: FunctionConfig, file_system: Any) -> None:
        ec2 = self._moto.backend("ec2", config.region)
        with_target = {target.availability_zone_name for target in file_system.iter_mount_targets()}
        for subnet_id in config.subnet_ids:
            if (zone := ec2.get_subnet(subnet_id).availability_zone) not in with_target:
                raise _failed(f"{file_system.file_system_id} has no mount target in {zone}", "Connectivity")

    def _check_permission(self, config: FunctionConfig, file_system: Any, access_point_arn: str) -> None:
        context: Mapping[str, tuple[str, ...]] = {
            "aws:securetransport": ("true",),
            "aws:principalarn": (config.role_arn,),
            "elasticfilesystem:accesspointarn": (access_point_arn,),
        }
        request = Request("elasticfilesystem:ClientMount", file_system.file_system_arn, context)
        of_system = [json.loads(file_system.file_system_policy)] if file_system.file_system_policy else []
        if policy.decide(of_system, request, [ACCOUNT, config.role_arn]) == "deny":
            raise _failed(f"the policy of {file_system.file_system_id} denies it")
        if not self._service_may(config.role_arn, request):
            raise _failed(f"the role {config.role_arn} does not allow {request.action}")


def _failed(why: str, kind: str = "") -> AwsError:
    name = f"EFSMount{kind or 'Failure'}Exception"
    return AwsError(name, f"The function couldn't mount the Amazon EFS file system: {why}", 403)
