"""AWS::EC2::VPC."""

from __future__ import annotations

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
        gone = [{"Key": tag["Key"]} for tag in it.properties.get("Tags", []) if tag not in wanted.get("Tags", [])]
        if gone:
            it.cloud.call("ec2", "DeleteTags", Resources=[it.physical_id], Tags=gone)
        if wanted.get("Tags"):
            it.cloud.call("ec2", "CreateTags", Resources=[it.physical_id], Tags=wanted["Tags"])
        for name in _ATTRIBUTES:
            if name in wanted and it.properties.get(name) != wanted[name]:
                it.cloud.call("ec2", "ModifyVpcAttribute", VpcId=it.physical_id, **{name: {"Value": wanted[name]}})

    def delete(self, it: Existing) -> None:
        try:
            it.cloud.call("ec2", "DeleteVpc", VpcId=it.physical_id)
        except ClientError as error:
            if error.response["Error"]["Code"] != "InvalidVpcID.NotFound":
                raise

    def actual(self, it: Existing) -> Properties | None:
        try:
            it.cloud.call("ec2", "DescribeVpcs", VpcIds=[it.physical_id])
        except ClientError as error:
            if error.response["Error"]["Code"] == "InvalidVpcID.NotFound":
                return None
            raise
        return it.properties

    def attributes(self, it: Existing) -> dict[str, str]:
        return {"VpcId": it.physical_id, "CidrBlock": str(it.properties["CidrBlock"])}
