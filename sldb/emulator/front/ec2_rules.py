"""Rules of EC2 for security groups that moto lacks. Called under moto's lock, so that check and create are one.

Names are unique in a VPC whatever their case, have at most 255 characters of a small set, and do not begin with
`sg-`; the VPC exists (API reference of CreateSecurityGroup).
"""

from __future__ import annotations

import re
from typing import Any
from xml.sax.saxutils import escape

from sldb.emulator.calls.call import Answer, Call
from sldb.emulator.calls.errors import AwsError, NotEmulated
from sldb.emulator.calls.moto_app import Moto

_TEXT = re.compile(r"[a-zA-Z0-9 ._\-:/()#,@\[\]+=&;{}!$*]{1,255}")
# The actions of this stack and of its users; in all others moto may differ from EC2.
ACTIONS = frozenset(
    {
        *("CreateSecurityGroup", "DeleteSecurityGroup", "DescribeSecurityGroups"),
        *("CreateVpc", "DeleteVpc", "DescribeVpcs", "DescribeVpcAttribute", "ModifyVpcAttribute", "DescribeSubnets"),
        *("CreateSubnet", "DeleteSubnet", "DescribeNetworkInterfaces"),
        *("AuthorizeSecurityGroupIngress", "RevokeSecurityGroupIngress"),
        *("AuthorizeSecurityGroupEgress", "RevokeSecurityGroupEgress"),
        *("CreateTags", "DeleteTags", "DescribeTags", "DescribeRegions", "DescribeAvailabilityZones"),
    }
)


def check(moto: Moto, call: Call) -> Call:
    if call.action not in ACTIONS:
        raise NotEmulated(f"ec2:{call.action}")
    if call.action == "CreateSecurityGroup":
        _check_new_group(moto.backend("ec2", call.region), call)
    if call.action == "DeleteVpc":
        _check_empty(moto.backend("ec2", call.region), call.form.get("VpcId", ""))
    return call


def complete(moto: Moto, call: Call, answer: Answer) -> Answer:
    """Add a new group's tags, which are part of EC2's answer, and not of moto's."""
    found = re.search(r"<groupId>(.*?)</groupId>", answer.body.decode()) if answer.status == 200 else None
    if call.action != "CreateSecurityGroup" or found is None:
        return answer
    tags = moto.backend("ec2", call.region).get_security_group_from_id(found[1]).get_tags()
    items = "".join(
        f"<item><key>{escape(tag['key'])}</key><value>{escape(tag['value'])}</value></item>" for tag in tags
    )
    body = answer.body.decode().replace(found[0], f"{found[0]}<tagSet>{items}</tagSet>", 1)
    # The server sets the length again when it sends the answer.
    headers = tuple(header for header in answer.headers if header[0].lower() != "content-length")
    return Answer(answer.status, headers, body.encode())


def _check_empty(ec2: Any, vpc_id: str) -> None:
    if any(group.name != "default" for group in ec2.groups.get(vpc_id, {}).values()):
        raise AwsError("DependencyViolation", f"The vpc '{vpc_id}' has dependencies and cannot be deleted.")


def _check_new_group(ec2: Any, call: Call) -> None:
    name = call.form.get("GroupName", "")
    _check_text("GroupName", name)
    _check_text("GroupDescription", call.form.get("GroupDescription", ""))
    if name.lower().startswith("sg-"):
        raise _invalid("GroupName", name, "Group names may not be in the format sg-*")
    vpc_id = _vpc_of(ec2, call)
    taken = (group.name.lower() for group in ec2.groups.get(vpc_id, {}).values())
    if name.lower() in taken:
        raise AwsError("InvalidGroup.Duplicate", f"The security group '{name}' already exists for VPC '{vpc_id}'")


def _vpc_of(ec2: Any, call: Call) -> str:
    vpc_id = call.form.get("VpcId")
    if vpc_id is None:
        default = ec2.default_vpc
        if default is None or default.id not in ec2.vpcs:
            raise AwsError("VPCIdNotSpecified", "No default VPC for this user")
        return str(default.id)
    if vpc_id not in ec2.vpcs:
        raise AwsError("InvalidVpcID.NotFound", f"The vpc ID '{vpc_id}' does not exist")
    return vpc_id


def _check_text(parameter: str, value: str) -> None:
    if not value:
        raise AwsError("MissingParameter", f"The request must contain the parameter {parameter}")
    if not _TEXT.fullmatch(value):
        raise _invalid(
            parameter, value, "It has at most 255 characters of a-z, A-Z, 0-9, space and ._-:/()#,@[]+=&;{}!$*"
        )


def _invalid(parameter: str, value: str, why: str) -> AwsError:
    return AwsError("InvalidParameterValue", f"Value ({value}) for parameter {parameter} is invalid. {why}")
