"""AWS::EC2::VPC, Subnet, SecurityGroup and SecurityGroupIngress."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError

from sldb.emulator.cloudformation.resources.base import Existing, New, Properties, ResourceType

_ATTRIBUTES = ("EnableDnsSupport", "EnableDnsHostnames")


class Vpc(ResourceType):
    properties = frozenset({"CidrBlock", "InstanceTenancy", "Tags", *_ATTRIBUTES})
    replaces = frozenset({"CidrBlock", "InstanceTenancy"})

    def create(self, new: New) -> None:
        tenancy = new.properties.get("InstanceTenancy")
        made = new.cloud.call(
            "ec2",
            "CreateVpc",
            CidrBlock=new.properties["CidrBlock"],
            **({"InstanceTenancy": tenancy} if tenancy else {}),
        )
        vpc_id = made["Vpc"]["VpcId"]
        new.made(vpc_id)
        self.update(new.existing(vpc_id), new.properties)

    def update(self, it: Existing, wanted: Properties) -> None:
        _retag(it, wanted)
        for name in _ATTRIBUTES:
            if name in wanted and it.properties.get(name) != wanted[name]:
                it.cloud.call("ec2", "ModifyVpcAttribute", VpcId=it.physical_id, **{name: {"Value": wanted[name]}})

    def delete(self, it: Existing) -> None:
        _delete(it, "DeleteVpc", "VpcId", "InvalidVpcID.NotFound")

    def actual(self, it: Existing) -> Properties | None:
        return _actual(it, "DescribeVpcs", "VpcIds", "InvalidVpcID.NotFound")

    def attributes(self, it: Existing) -> dict[str, str]:
        return {"VpcId": it.physical_id, "CidrBlock": str(it.properties["CidrBlock"])}


class Subnet(ResourceType):
    properties = frozenset({"VpcId", "CidrBlock", "AvailabilityZone", "Tags"})
    replaces = frozenset({"VpcId", "CidrBlock", "AvailabilityZone"})

    def create(self, new: New) -> None:
        given = {key: new.properties[key] for key in self.replaces if key in new.properties}
        made = new.cloud.call("ec2", "CreateSubnet", **given)
        new.made(made["Subnet"]["SubnetId"])
        self.update(new.existing(made["Subnet"]["SubnetId"]), new.properties)

    def update(self, it: Existing, wanted: Properties) -> None:
        _retag(it, wanted)

    def delete(self, it: Existing) -> None:
        _delete(it, "DeleteSubnet", "SubnetId", "InvalidSubnetID.NotFound")

    def actual(self, it: Existing) -> Properties | None:
        return _actual(it, "DescribeSubnets", "SubnetIds", "InvalidSubnetID.NotFound")

    def attributes(self, it: Existing) -> dict[str, str]:
        return {"SubnetId": it.physical_id, "VpcId": str(it.properties["VpcId"])}


class SecurityGroup(ResourceType):
    properties = frozenset({"GroupDescription", "VpcId", "SecurityGroupEgress", "Tags"})
    replaces = frozenset({"GroupDescription", "VpcId"})

    def create(self, new: New) -> None:
        made = new.cloud.call(
            "ec2",
            "CreateSecurityGroup",
            GroupName=new.name(255),
            Description=new.properties["GroupDescription"],
            VpcId=new.properties["VpcId"],
        )
        new.made(made["GroupId"])
        self.update(new.existing(made["GroupId"]), new.properties)

    def update(self, it: Existing, wanted: Properties) -> None:
        _retag(it, wanted)
        before, after = (
            it.properties.get("SecurityGroupEgress", _ANYTHING),
            wanted.get("SecurityGroupEgress", _ANYTHING),
        )
        if before != after:
            for call, rules in (("RevokeSecurityGroupEgress", before), ("AuthorizeSecurityGroupEgress", after)):
                permissions = [_permission(rule, "Destination") for rule in rules]
                it.cloud.call("ec2", call, GroupId=it.physical_id, IpPermissions=permissions)

    def delete(self, it: Existing) -> None:
        _delete(it, "DeleteSecurityGroup", "GroupId", "InvalidGroup.NotFound")

    def actual(self, it: Existing) -> Properties | None:
        return _actual(it, "DescribeSecurityGroups", "GroupIds", "InvalidGroup.NotFound")

    def attributes(self, it: Existing) -> dict[str, str]:
        return {"GroupId": it.physical_id, "VpcId": str(it.properties["VpcId"])}


class SecurityGroupIngress(ResourceType):
    properties = frozenset(
        {"GroupId", "IpProtocol", "FromPort", "ToPort", "SourceSecurityGroupId", "CidrIp", "Description"}
    )
    replaces = properties - {"Description"}

    def create(self, new: New) -> None:
        permission = [_permission(new.properties, "Source")]
        group = new.properties["GroupId"]
        new.cloud.call("ec2", "AuthorizeSecurityGroupIngress", GroupId=group, IpPermissions=permission)
        new.made(new.name(255))

    def update(self, it: Existing, wanted: Properties) -> None:
        """Do nothing: only the description can differ."""

    def delete(self, it: Existing) -> None:
        if self.actual(it) is None:
            return
        permission, group = [_permission(it.properties, "Source")], it.properties["GroupId"]
        it.cloud.call("ec2", "RevokeSecurityGroupIngress", GroupId=group, IpPermissions=permission)

    def actual(self, it: Existing) -> Properties | None:
        group = Existing(it.cloud, str(it.properties["GroupId"]), it.properties)
        return _actual(group, "DescribeSecurityGroups", "GroupIds", "InvalidGroup.NotFound")


_ANYTHING = [{"IpProtocol": "-1", "CidrIp": "0.0.0.0/0"}]  # the rule that EC2 gives a new group


def _permission(rule: Properties, other: str) -> dict[str, Any]:
    """Return a rule in the form of EC2. `other`: Source or Destination."""
    permission: dict[str, Any] = {key: rule[key] for key in ("IpProtocol", "FromPort", "ToPort") if key in rule}
    about = {"Description": rule["Description"]} if "Description" in rule else {}
    if "CidrIp" in rule:
        return {**permission, "IpRanges": [{"CidrIp": rule["CidrIp"], **about}]}
    return {**permission, "UserIdGroupPairs": [{"GroupId": rule[f"{other}SecurityGroupId"], **about}]}


def _retag(it: Existing, wanted: Properties) -> None:
    gone = [{"Key": tag["Key"]} for tag in it.properties.get("Tags", []) if tag not in wanted.get("Tags", [])]
    if gone:
        it.cloud.call("ec2", "DeleteTags", Resources=[it.physical_id], Tags=gone)
    if wanted.get("Tags"):
        it.cloud.call("ec2", "CreateTags", Resources=[it.physical_id], Tags=wanted["Tags"])


def _delete(it: Existing, operation: str, parameter: str, missing: str) -> None:
    try:
        it.cloud.call("ec2", operation, **{parameter: it.physical_id})
    except ClientError as error:
        if error.response["Error"]["Code"] != missing:
            raise


def _actual(it: Existing, operation: str, parameter: str, missing: str) -> Properties | None:
    try:
        it.cloud.call("ec2", operation, **{parameter: [it.physical_id]})
    except ClientError as error:
        if error.response["Error"]["Code"] == missing:
            return None
        raise
    return it.properties
