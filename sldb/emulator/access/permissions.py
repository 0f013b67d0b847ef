"""The permissions of a call: action, resource and condition keys, from the service authorization reference.

Reads moto's state (tags of groups, of the VPC), so call it under moto's lock.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, unquote

from sldb.emulator.access import key_permissions, resource_arns, secret_permissions
from sldb.emulator.access.policy import Request
from sldb.emulator.calls.actions import split_bucket_and_key
from sldb.emulator.calls.call import ACCOUNT, Call
from sldb.emulator.calls.function_config import FunctionName
from sldb.emulator.calls.moto_app import Moto

# Actions whose permission has another name.
_S3_PERMISSIONS = {
    "HeadObject": "GetObject",
    "HeadBucket": "ListBucket",
    "ListObjects": "ListBucket",
    "ListObjectsV2": "ListBucket",
    "ListObjectVersions": "ListBucketVersions",
    "ListMultipartUploads": "ListBucketMultipartUploads",
    "ListBuckets": "ListAllMyBuckets",
    "CreateMultipartUpload": "PutObject",
    "UploadPart": "PutObject",
    "UploadPartCopy": "PutObject",
    "CompleteMultipartUpload": "PutObject",
    "CopyObject": "PutObject",
    "ListParts": "ListMultipartUploadParts",
    "DeleteObjects": "DeleteObject",
    "GetBucketLifecycleConfiguration": "GetLifecycleConfiguration",
    "PutBucketLifecycleConfiguration": "PutLifecycleConfiguration",
    "DeleteBucketLifecycle": "PutLifecycleConfiguration",
    "GetBucketEncryption": "GetEncryptionConfiguration",
    "PutBucketEncryption": "PutEncryptionConfiguration",
    "GetPublicAccessBlock": "GetBucketPublicAccessBlock",
    "PutPublicAccessBlock": "PutBucketPublicAccessBlock",
}
_COMPLETES_AN_OBJECT = ("PutObject", "CopyObject", "CompleteMultipartUpload")
_VERSIONED = {"GetObject": "GetObjectVersion", "DeleteObject": "DeleteObjectVersion"}


def required(moto: Moto, call: Call) -> list[Request]:
    """Return the permissions of a call; the caller needs all of them. Some calls need none."""
    if call.service == "s3":
        return _s3(call)
    if call.service == "ec2":
        return _ec2(moto, call)
    if call.service == "secretsmanager":
        return secret_permissions.required(moto, call, _common(call))
    if call.service == "kms":
        return key_permissions.required(moto, call, _common(call))
    if call.service == "sts" and call.action == "GetCallerIdentity":
        return []
    if call.service in ("apigateway", "apigatewayv2"):
        return _api_gateway(call)
    action = "InvokeFunction" if call.action == "Invoke" else call.action
    if call.service == "sqs":
        action = action.removesuffix("Batch")
    service = "cloudwatch" if call.service == "monitoring" else call.service
    context = {**_common(call), **_mapped_function(call)}
    return [Request(f"{service}:{action}", resource_arns.arn_of(call), context), *_passed_role(call)]


def _mapped_function(call: Call) -> dict[str, tuple[str, ...]]:
    """Return the condition key of a new event source mapping: it has no resource."""
    if call.action != "CreateEventSourceMapping":
        return {}
    function = FunctionName.parse(str(resource_arns.json_of(call).get("FunctionName")), call.region)
    return {"lambda:functionarn": (function.arn,)}


def _api_gateway(call: Call) -> list[Request]:
    """Return the permission of the method on the path; for a REST API's new thing with tags also that to tag it.

    The paths of both versions begin after /v2. The reference has PUT beside POST for CreateApiKey and its like; its
    resource is that of users' reports (mattclay/aws-terminator#284).
    """
    prefix = f"arn:aws:apigateway:{call.region}::"
    needed = [Request(f"apigateway:{call.method}", prefix + call.path.removeprefix("/v2"), _common(call))]
    if call.service == "apigateway" and call.method == "POST" and resource_arns.json_of(call).get("tags"):
        tagged = quote(f"{prefix}{call.path}/*", safe="*")
        needed.append(Request("apigateway:PUT", f"{prefix}/tags/{tagged}", _common(call)))
    return needed


def _passed_role(call: Call) -> list[Request]:
    """Return the permission to give a function its role."""
    if call.service != "lambda" or call.action not in ("CreateFunction", "UpdateFunctionConfiguration"):
        return []
    role = resource_arns.json_of(call).get("Role")
    context = {**_common(call), "iam:passedtoservice": ("lambda.amazonaws.com",)}
    return [Request("iam:PassRole", str(role), context)] if role else []


def _common(call: Call) -> dict[str, tuple[str, ...]]:
    # Loopback cannot be overheard: the demands of policies for TLS count as met.
    return {"aws:securetransport": ("true",), "s3:tlsversion": ("1.3",), "aws:requestedregion": (call.region,)}


def _s3(call: Call) -> list[Request]:
    bucket, key = split_bucket_and_key(call.path)
    permission = _S3_PERMISSIONS.get(call.action, call.action)
    if "versionId" in call.query:
        permission = _VERSIONED.get(permission, permission)
    context = _s3_context(call)
    if call.action == "DeleteObjects":
        root = ET.fromstring(call.body)  # nosec B314 - of a client on this machine
        keys = [element.text or "" for element in root.iter() if element.tag.endswith("Key")]
        return [Request("s3:DeleteObject", f"arn:aws:s3:::{bucket}/{each}", context) for each in keys]
    resource = "*" if not bucket else f"arn:aws:s3:::{bucket}/{key}" if key else f"arn:aws:s3:::{bucket}"
    needed = [Request(f"s3:{permission}", resource, context)]
    if call.action in ("CopyObject", "UploadPartCopy"):
        source = unquote(call.headers["x-amz-copy-source"]).lstrip("/").partition("?versionId=")[0]
        needed.append(Request("s3:GetObject", f"arn:aws:s3:::{source}", context))
    if permission == "PutObject" and "if-match" in call.headers:
        needed.append(Request("s3:GetObject", resource, context))
    return needed


def _s3_context(call: Call) -> dict[str, tuple[str, ...]]:
    context = _common(call)
    for name in ("if-none-match", "if-match", "x-amz-server-side-encryption", "x-amz-acl"):
        if name in call.headers:
            context[f"s3:{name}"] = (call.headers[name],)
    if call.action in ("ListObjects", "ListObjectsV2", "ListObjectVersions", "ListMultipartUploads"):
        for name in ("prefix", "delimiter", "max-keys"):
            if name in call.query:
                context[f"s3:{name}"] = (call.query[name],)
    if _S3_PERMISSIONS.get(call.action, call.action) == "PutObject":
        context["s3:objectcreationoperation"] = (str(call.action in _COMPLETES_AN_OBJECT).lower(),)
    return context


def _ec2(moto: Moto, call: Call) -> list[Request]:
    common = _common(call) | {"ec2:region": (call.region,)}
    prefix = f"arn:aws:ec2:{call.region}:{ACCOUNT}"
    ec2 = moto.backend("ec2", call.region)
    if call.action == "CreateSecurityGroup":
        return _create_security_group(ec2, call, prefix, common)
    if call.action == "DeleteSecurityGroup":
        group_id = call.form.get("GroupId", "")
        group = ec2.get_security_group_from_id(group_id)
        context = common if group is None else common | _group_context(prefix, group)
        return [Request("ec2:DeleteSecurityGroup", f"{prefix}:security-group/{group_id}", context)]
    if call.action in ("CreateTags", "DeleteTags"):
        return [
            Request(
                f"ec2:{call.action}",
                f"{prefix}:{resource_arns.ec2_resource(resource_id)}",
                common
                | _request_tags(call, r"Tag\.\d+")
                | _resource_tags(ec2.describe_tags({"resource-id": [resource_id]})),
            )
            for name, resource_id in call.form.items()
            if name.startswith("ResourceId.")
        ]
    if call.action == "CreateVpc":
        tags = _request_tags(call, r"TagSpecification\.\d+\.Tag\.\d+")
        return [Request("ec2:CreateVpc", f"{prefix}:vpc/*", {**common, **tags})]
    if call.action == "DeleteVpc":
        return [Request("ec2:DeleteVpc", f"{prefix}:vpc/{call.form.get('VpcId', '')}", common)]
    return [Request(f"ec2:{call.action}", "*", common)]


def _create_security_group(ec2: Any, call: Call, prefix: str, common: Mapping[str, tuple[str, ...]]) -> list[Request]:
    group = f"{prefix}:security-group/*"
    tags = _request_tags(call, r"TagSpecification\.\d+\.Tag\.\d+")
    needed = [Request("ec2:CreateSecurityGroup", group, {**common, **tags})]
    vpc = ec2.vpcs.get(call.form.get("VpcId", ""))
    if vpc is not None:
        vpc_arn = f"{prefix}:vpc/{vpc.id}"
        context = {**common, "ec2:vpcid": (vpc.id,), **_resource_tags(vpc.get_tags())}
        needed.append(Request("ec2:CreateSecurityGroup", vpc_arn, context))
    if tags:
        context = {**common, **tags, "ec2:createaction": (call.action,)}
        needed.append(Request("ec2:CreateTags", group, context))
    return needed


def _group_context(prefix: str, group: Any) -> dict[str, tuple[str, ...]]:
    return {"ec2:vpc": (f"{prefix}:vpc/{group.vpc_id}",), **_resource_tags(group.get_tags())}


def _resource_tags(tags: list[dict[str, str]]) -> dict[str, tuple[str, ...]]:
    pairs = {tag["key"].lower(): (tag["value"],) for tag in tags}
    return {f"{family}:resourcetag/{key}": value for key, value in pairs.items() for family in ("aws", "ec2")}


def _request_tags(call: Call, where: str) -> dict[str, tuple[str, ...]]:
    tags = {}
    for name, key in call.form.items():
        if re.fullmatch(where + r"\.Key", name):
            tags[key] = call.form.get(name.removesuffix("Key") + "Value", "")
    if not tags:
        return {}
    return {f"aws:requesttag/{key.lower()}": (value,) for key, value in tags.items()} | {"aws:tagkeys": tuple(tags)}
