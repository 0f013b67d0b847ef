"""AWS::S3::Bucket and AWS::S3::BucketPolicy."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from botocore.exceptions import ClientError

from sldb.emulator.calls.errors import AwsError, NotEmulated
from sldb.emulator.cloudformation.resources.base import Cloud, Existing, New, Properties, ResourceType, with_actual

# property → (operation that sets it, its argument; operation that takes it back)
_CONFIGURATIONS: Mapping[str, tuple[str, Callable[[Any], dict[str, Any]], str]] = {
    "BucketEncryption": (
        "PutBucketEncryption",
        lambda value: {"ServerSideEncryptionConfiguration": _encryption(value)},
        "DeleteBucketEncryption",
    ),
    "PublicAccessBlockConfiguration": (
        "PutPublicAccessBlock",
        lambda value: {"PublicAccessBlockConfiguration": value},
        "DeletePublicAccessBlock",
    ),
    "LoggingConfiguration": ("PutBucketLogging", lambda value: {"BucketLoggingStatus": _logging(value)}, ""),
    "OwnershipControls": (
        "PutBucketOwnershipControls",
        lambda value: {"OwnershipControls": value},
        "DeleteBucketOwnershipControls",
    ),
    "LifecycleConfiguration": (
        "PutBucketLifecycleConfiguration",
        lambda value: {"LifecycleConfiguration": {"Rules": [_rule(rule) for rule in value["Rules"]]}},
        "DeleteBucketLifecycle",
    ),
    "Tags": ("PutBucketTagging", lambda value: {"Tagging": {"TagSet": value}}, "DeleteBucketTagging"),
    "VersioningConfiguration": ("PutBucketVersioning", lambda value: {"VersioningConfiguration": value}, ""),
}


class Bucket(ResourceType):
    properties = frozenset({"BucketName", *_CONFIGURATIONS})
    replaces = frozenset({"BucketName"})
    named_by = "BucketName"

    def create(self, new: New) -> None:
        name = new.properties.get("BucketName") or new.name(63).lower()
        # S3 itself lets an owner in us-east-1 create a bucket twice; CloudFormation does not.
        if _exists(new.cloud, name):
            raise AwsError("AlreadyExists", f"{name} already exists")
        location = {} if new.cloud.region == "us-east-1" else {"LocationConstraint": new.cloud.region}
        new.cloud.call(
            "s3", "CreateBucket", Bucket=name, **({"CreateBucketConfiguration": location} if location else {})
        )
        new.made(name)
        self.update(new.existing(name), new.properties)

    def update(self, it: Existing, wanted: Properties) -> None:
        for name, (put, argument, delete) in _CONFIGURATIONS.items():
            if it.properties.get(name) == wanted.get(name):
                continue
            if wanted.get(name):
                it.cloud.call("s3", put, Bucket=it.physical_id, **argument(wanted[name]))
            elif delete:
                it.cloud.call("s3", delete, Bucket=it.physical_id)
            else:  # of versions, and of access logs, which the API ends by a status without a target
                it.cloud.call("s3", put, Bucket=it.physical_id, **argument({"Status": "Suspended"}))

    def delete(self, it: Existing) -> None:
        try:
            it.cloud.call("s3", "DeleteBucket", Bucket=it.physical_id)
        except it.cloud.client("s3").exceptions.NoSuchBucket:
            pass

    def actual(self, it: Existing) -> Properties | None:
        if not _exists(it.cloud, it.physical_id):
            return None
        found = {name: read(it) for name, read in _READ.items() if name in it.properties}
        return with_actual(it.properties, {name: value for name, value in found.items() if value is not None})

    def attributes(self, it: Existing) -> dict[str, str]:
        return {
            "Arn": f"arn:aws:s3:::{it.physical_id}",
            "DomainName": f"{it.physical_id}.s3.amazonaws.com",
            "RegionalDomainName": f"{it.physical_id}.s3.{it.cloud.region}.amazonaws.com",
        }


class BucketPolicy(ResourceType):
    properties = frozenset({"Bucket", "PolicyDocument"})
    replaces = frozenset({"Bucket"})

    def create(self, new: New) -> None:
        bucket = new.properties["Bucket"]
        if _has_policy(new.cloud, bucket):
            raise AwsError("AlreadyExists", f"The bucket policy already exists on bucket {bucket}.")
        self._put(new.cloud, new.properties)
        new.made(bucket)

    def update(self, it: Existing, wanted: Properties) -> None:
        self._put(it.cloud, wanted)

    def delete(self, it: Existing) -> None:
        try:
            it.cloud.call("s3", "DeleteBucketPolicy", Bucket=it.physical_id)
        except it.cloud.client("s3").exceptions.NoSuchBucket:
            pass

    def actual(self, it: Existing) -> Properties | None:
        try:
            return it.properties if _has_policy(it.cloud, it.physical_id) else None
        except it.cloud.client("s3").exceptions.NoSuchBucket:
            return None

    def _put(self, cloud: Cloud, properties: Properties) -> None:
        policy = json.dumps(properties["PolicyDocument"])
        cloud.call("s3", "PutBucketPolicy", Bucket=properties["Bucket"], Policy=policy)


def _public_access(it: Existing) -> Any:
    try:
        found = it.cloud.call("s3", "GetPublicAccessBlock", Bucket=it.physical_id)["PublicAccessBlockConfiguration"]
    except ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchPublicAccessBlockConfiguration":
            raise
        return dict.fromkeys(it.properties["PublicAccessBlockConfiguration"], False)
    wanted = it.properties["PublicAccessBlockConfiguration"]
    same = all(str(found.get(name, False)).lower() == str(value).lower() for name, value in wanted.items())
    return wanted if same else found


def _versioning(it: Existing) -> Any:
    return {"Status": it.cloud.call("s3", "GetBucketVersioning", Bucket=it.physical_id).get("Status", "Suspended")}


# What is compared of an existing bucket.
_READ: Mapping[str, Callable[[Existing], Any]] = {
    "PublicAccessBlockConfiguration": _public_access,
    "VersioningConfiguration": _versioning,
}


def _exists(cloud: Cloud, bucket: str) -> bool:
    try:
        cloud.call("s3", "HeadBucket", Bucket=bucket)
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
            return False
        raise
    return True


def _has_policy(cloud: Cloud, bucket: str) -> bool:
    try:
        cloud.call("s3", "GetBucketPolicy", Bucket=bucket)
    except ClientError as error:
        if error.response["Error"]["Code"] == "NoSuchBucketPolicy":
            return False
        raise
    return True


def _encryption(value: Properties) -> dict[str, Any]:
    # The template's words for a rule differ from the API's in one place.
    rules = [
        {
            {"ServerSideEncryptionByDefault": "ApplyServerSideEncryptionByDefault"}.get(name, name): member
            for name, member in rule.items()
        }
        for rule in value["ServerSideEncryptionConfiguration"]
    ]
    return {"Rules": rules}


def _logging(value: Properties) -> dict[str, Any]:
    target = value.get("DestinationBucketName")
    return (
        {"LoggingEnabled": {"TargetBucket": target, "TargetPrefix": value.get("LogFilePrefix", "")}} if target else {}
    )


def _rule(rule: Properties) -> dict[str, Any]:
    """Return a lifecycle rule in the API's words."""
    made: dict[str, Any] = {"Filter": {"Prefix": rule.get("Prefix", "")}}
    for name, value in rule.items():
        match name:
            case "Id":
                made["ID"] = value
            case "Status" | "AbortIncompleteMultipartUpload" | "NoncurrentVersionExpiration":
                made[name] = value
            case "ExpirationInDays":
                made["Expiration"] = {"Days": value}
            case "NoncurrentVersionExpirationInDays":
                made["NoncurrentVersionExpiration"] = {"NoncurrentDays": value}
            case "ExpiredObjectDeleteMarker":
                made["Expiration"] = {"ExpiredObjectDeleteMarker": value}
            case "Prefix":
                pass
            case _:
                raise NotEmulated(f"{name} in a lifecycle rule")
    return made
