"""S3's access logs: the bucket that gets them lets S3 write them, by its policy. Called under moto's lock.

moto stores the setting, and writes the logs; it would look for the permission in its own copy of the policy, which has
none here (`moto_app`). The demands are those of
https://docs.aws.amazon.com/AmazonS3/latest/userguide/enable-server-access-logging.html.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET

from sldb.emulator.access import policy
from sldb.emulator.access.bucket_policy import BucketPolicies
from sldb.emulator.access.policy import Request
from sldb.emulator.calls.actions import split_bucket_and_key
from sldb.emulator.calls.call import ACCOUNT, Call
from sldb.emulator.calls.errors import AwsError

SERVICE = "logging.s3.amazonaws.com"
_NAMESPACE = "{http://s3.amazonaws.com/doc/2006-03-01/}"


def check(call: Call, policies: BucketPolicies) -> None:
    """Raise AwsError if the target's policy does not let S3 write the logs of the bucket."""
    root = ET.fromstring(call.body)  # nosec B314 - of a client on this machine
    enabled = root.find(f"{_NAMESPACE}LoggingEnabled")
    if enabled is None:
        return
    target = enabled.findtext(f"{_NAMESPACE}TargetBucket") or ""
    prefix = enabled.findtext(f"{_NAMESPACE}TargetPrefix") or ""
    context = {
        "aws:sourcearn": (f"arn:aws:s3:::{split_bucket_and_key(call.path)[0]}",),
        "aws:sourceaccount": (ACCOUNT,),
        "aws:securetransport": ("true",),
    }
    writes = Request("s3:PutObject", f"arn:aws:s3:::{target}/{prefix}2026-01-01-00-00-00-0123456789ABCDEF", context)
    if policy.decide(policies.of(target), writes, [SERVICE]) != "allow":
        words = "You must give the log-delivery group WRITE and READ_ACP permissions to the target bucket"
        raise AwsError("InvalidTargetBucketForLogging", words)
