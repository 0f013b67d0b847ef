"""May the caller do this? moto does not ask; this does, for every call.

The account's owner may do what no policy of a bucket denies. A function may do what the policies of its role, or of
the bucket, allow and none denies. The words of a refusal are AWS's, which name who, what and why.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

from sldb.emulator import policy
from sldb.emulator.actions import split_bucket_and_key
from sldb.emulator.call import ACCOUNT, Answer, Call
from sldb.emulator.errors import AwsError, NotEmulated
from sldb.emulator.moto_app import Moto
from sldb.emulator.permissions import required
from sldb.emulator.policy import Document, Request
from sldb.emulator.principals import Principal

_ROOT = f"arn:aws:iam::{ACCOUNT}:root"
_POLICY_PARAMETERS = ("PolicyDocument", "AssumeRolePolicyDocument")


def authorize(moto: Moto, call: Call, principal: Principal | None) -> None:
    """Raises AwsError where AWS would refuse the caller. `principal` is None for the account's owner."""
    bucket_policies = _bucket_policies(moto, call)
    names = [ACCOUNT, _ROOT, *([principal.role_arn, principal.arn] if principal else [])]
    for request in required(moto, call):
        of_bucket = policy.decide(bucket_policies, request, names)
        if of_bucket == "deny":
            raise _denied(call, request, principal, "with an explicit deny in a resource-based policy")
        if principal is None:
            continue
        of_role = policy.decide(_role_policies(moto, principal), request)
        if of_role == "deny":
            raise _denied(call, request, principal, "with an explicit deny in an identity-based policy")
        if "allow" not in (of_role, of_bucket):
            reason = f"because no identity-based policy allows the {request.action} action"
            raise _denied(call, request, principal, reason)


def conceal(moto: Moto, call: Call, principal: Principal | None, answer: Answer) -> Answer:
    """S3 tells that a key is absent only to those who may list the bucket; to others it is forbidden."""
    if principal is None or answer.status != 404 or call.action not in ("GetObject", "HeadObject"):
        return answer
    bucket = split_bucket_and_key(call.path)[0]
    listing = Request("s3:ListBucket", f"arn:aws:s3:::{bucket}", {"aws:securetransport": ("true",)})
    if policy.decide(_role_policies(moto, principal), listing) == "allow":
        return answer
    reason = "because no identity-based policy allows the s3:ListBucket action"
    raise _denied(call, listing, principal, reason)


def check_policies_in(call: Call) -> None:
    """Refuse a policy that is about to be stored and that could not be evaluated later."""
    texts = [call.form[name] for name in _POLICY_PARAMETERS if name in call.form]
    if call.action == "PutBucketPolicy":
        texts.append(call.body.decode())
    for text in texts:
        try:
            policy.check(json.loads(text))
        except policy.UnknownElement as error:
            raise NotEmulated(f"{error} in a policy") from error
        except (ValueError, KeyError) as error:
            raise AwsError("MalformedPolicyDocument", f"This policy contains invalid Json: {error}") from error


def _bucket_policies(moto: Moto, call: Call) -> list[Document]:
    if call.service != "s3":
        return []
    bucket = moto.backend("s3", call.region).buckets.get(split_bucket_and_key(call.path)[0])
    return [] if bucket is None or not bucket.policy else [document_of(bucket.policy)]


def _role_policies(moto: Moto, principal: Principal) -> list[Document]:
    role = next((each for each in moto.backend("iam", "aws").roles.values() if each.arn == principal.role_arn), None)
    return [] if role is None else list(_documents_of(role))


def _documents_of(role: Any) -> Iterator[Document]:
    yield from (document_of(text) for text in role.policies.values())
    for managed in role.managed_policies.values():
        document = document_of(managed.document)
        try:
            policy.check(document)
        except policy.UnknownElement as error:
            raise NotEmulated(f"{error} in the managed policy {managed.arn}") from error
        yield document


def document_of(text: Any) -> Document:
    if isinstance(text, bytes):
        text = text.decode()
    if isinstance(text, str):
        text = json.loads(text if text.lstrip().startswith("{") else unquote(text))
    document: Document = text
    return document


def _denied(call: Call, request: Request, principal: Principal | None, reason: str) -> AwsError:
    who = principal.arn if principal else _ROOT
    words = f'User: {who} is not authorized to perform: {request.action} on resource: "{request.resource}" {reason}'
    if call.service == "ec2":
        return AwsError("UnauthorizedOperation", f"You are not authorized to perform this operation. {words}", 403)
    return AwsError("AccessDenied" if call.service == "s3" else "AccessDeniedException", words, 403)
