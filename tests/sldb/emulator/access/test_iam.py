"""A function may do what its role allows. The function makes signed calls with what it finds in its environment."""

from __future__ import annotations

import json
from typing import Any

import pytest

# SigV4 in a few lines, so that the container needs no packages. event: [service, method, path, query, headers, body]
SIGNED_CALL = """
import datetime, hashlib, hmac, http.client, os, urllib.parse

def handler(event, context):
    service, method, path, query, extra, body = event
    host = os.environ["AWS_ENDPOINT_URL"].partition("//")[2]
    region = os.environ["AWS_REGION"]
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    digest = hashlib.sha256(body.encode()).hexdigest()
    headers = {"host": host, "x-amz-date": now, "x-amz-content-sha256": digest,
               "x-amz-security-token": os.environ["AWS_SESSION_TOKEN"], **extra}
    names = ";".join(sorted(headers))
    canonical = "\\n".join([method, urllib.parse.quote(path), query,
                           *(f"{n}:{headers[n]}" for n in sorted(headers)), "", names, digest])
    scope = f"{now[:8]}/{region}/{service}/aws4_request"
    text = "\\n".join(["AWS4-HMAC-SHA256", now, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    key = ("AWS4" + os.environ["AWS_SECRET_ACCESS_KEY"]).encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), "sha256").digest()
    signature = hmac.new(key, text.encode(), "sha256").hexdigest()
    headers["authorization"] = (f"AWS4-HMAC-SHA256 Credential={os.environ['AWS_ACCESS_KEY_ID']}/{scope}, "
                                f"SignedHeaders={names}, Signature={signature}")
    connection = http.client.HTTPConnection(host)
    connection.request(method, urllib.parse.quote(path) + ("?" + query if query else ""), body, headers)
    answer = connection.getresponse()
    return [answer.status, answer.read().decode()]
"""
TAG = "sldb:stack"


class Caller:
    def __init__(self, account: Any, *statements: dict[str, Any]) -> None:
        self._account = account
        self._function = account.function(SIGNED_CALL, role=account.role(*statements))

    def s3(self, method: str, path: str, query: str = "", body: str = "", **headers: str) -> tuple[int, str]:
        extra = {name.replace("_", "-"): value for name, value in headers.items()}
        status, text = self._account.invoke(self._function, ["s3", method, path, query, extra, body])
        return status, text

    def ec2(self, **form: str) -> tuple[int, str]:
        import urllib.parse

        body = urllib.parse.urlencode({"Version": "2016-11-15", **form})
        extra = {"content-type": "application/x-www-form-urlencoded"}
        status, text = self._account.invoke(self._function, ["ec2", "POST", "/", "", extra, body])
        return status, text


def allow(actions: str | list[str], resource: str | list[str], **condition: Any) -> dict[str, Any]:
    made = {"Effect": "Allow", "Action": actions, "Resource": resource}
    return {**made, "Condition": condition} if condition else made


@pytest.fixture(scope="module")
def bucket(account: Any) -> str:
    name = account.bucket()
    account.client("s3").put_object(Bucket=name, Key="db/1.ltx", Body="page")
    return str(name)


@pytest.fixture(scope="module")
def writer(account: Any, bucket: str) -> Caller:
    """As the query function: creates and reads, and deletes nothing."""
    return Caller(
        account,
        allow(["s3:GetObject", "s3:PutObject"], f"arn:aws:s3:::{bucket}/db/*"),
        allow("s3:ListBucket", f"arn:aws:s3:::{bucket}", StringLike={"s3:prefix": "db/*"}),
    )


def test_role_without_policies_may_do_nothing(account: Any, bucket: str) -> None:
    caller = Caller(account)
    status, text = caller.s3("GET", f"/{bucket}/db/1.ltx")
    assert status == 403
    assert "is not authorized to perform: s3:GetObject on resource" in text
    assert "because no identity-based policy allows the s3:GetObject action" in text
    assert caller.ec2(Action="DescribeSecurityGroups")[0] == 403


def test_what_the_role_allows(writer: Caller, bucket: str) -> None:
    assert writer.s3("GET", f"/{bucket}/db/1.ltx") == (200, "page")
    assert writer.s3("PUT", f"/{bucket}/db/2.ltx", body="two", if_none_match="*")[0] == 200
    assert writer.s3("PUT", f"/{bucket}/db/2.ltx", body="two", if_none_match="*")[0] == 412


def test_what_it_does_not_allow(writer: Caller, account: Any, bucket: str) -> None:
    status, text = writer.s3("DELETE", f"/{bucket}/db/1.ltx")
    assert (status, "s3:DeleteObject" in text) == (403, True)
    assert account.client("s3").get_object(Bucket=bucket, Key="db/1.ltx")["Body"].read() == b"page"
    assert writer.s3("PUT", f"/{bucket}/elsewhere", body="x")[0] == 403
    assert writer.s3("GET", "/")[0] == 403
    batch = "<Delete><Object><Key>db/1.ltx</Key></Object></Delete>"
    assert writer.s3("POST", f"/{bucket}", "delete=", batch)[0] == 403


def test_condition_on_the_prefix(writer: Caller, bucket: str) -> None:
    status, text = writer.s3("GET", f"/{bucket}", "list-type=2&prefix=db%2F")
    assert (status, "db/1.ltx" in text) == (200, True)
    assert writer.s3("GET", f"/{bucket}", "list-type=2&prefix=other%2F")[0] == 403


def test_absent_key_is_told_only_to_those_who_may_list(writer: Caller, account: Any, bucket: str) -> None:
    blind = Caller(account, allow("s3:GetObject", f"arn:aws:s3:::{bucket}/*"))
    lister = Caller(account, allow("s3:GetObject", f"arn:aws:s3:::{bucket}/*"), allow("s3:ListBucket", "*"))
    assert blind.s3("GET", f"/{bucket}/nothing")[0] == 403
    assert lister.s3("GET", f"/{bucket}/nothing")[0] == 404


def test_a_bucket_that_is_not_there_is_told_to_all(account: Any, bucket: str) -> None:
    for caller in (Caller(account, allow("s3:*", "*")), Caller(account, allow("s3:GetObject", "arn:aws:s3:::*/*"))):
        status, text = caller.s3("GET", f"/{bucket}-gone/db/1.ltx")
        assert (status, "NoSuchBucket" in text) == (404, True)


def test_deny_outweighs_allow(account: Any, bucket: str) -> None:
    deny = {"Effect": "Deny", "Action": "s3:Get*", "Resource": f"arn:aws:s3:::{bucket}/db/*"}
    caller = Caller(account, allow("s3:*", "*"), deny)
    status, text = caller.s3("GET", f"/{bucket}/db/1.ltx")
    assert (status, "with an explicit deny in an identity-based policy" in text) == (403, True)
    assert caller.s3("DELETE", f"/{bucket}/none")[0] == 204


GROUP = "arn:aws:ec2:us-east-1:123456789012:security-group/*"


@pytest.fixture(scope="module")
def vpc(account: Any) -> str:
    return str(account.client("ec2").create_vpc(CidrBlock="10.0.0.0/28")["Vpc"]["VpcId"])


@pytest.fixture(scope="module")
def locker(account: Any, vpc: str) -> Caller:
    return Caller(
        account,
        allow("ec2:CreateSecurityGroup", GROUP, StringEquals={f"aws:RequestTag/{TAG}": "test-db"}),
        allow("ec2:CreateSecurityGroup", f"arn:aws:ec2:us-east-1:123456789012:vpc/{vpc}"),
        allow("ec2:CreateTags", GROUP, StringEquals={"ec2:CreateAction": "CreateSecurityGroup"}),
        allow("ec2:DeleteSecurityGroup", GROUP, StringEquals={f"aws:ResourceTag/{TAG}": "test-db"}),
        allow("ec2:DescribeSecurityGroups", "*"),
    )


def creation(vpc: str, name: str, tag: str | None) -> dict[str, str]:
    form = {"Action": "CreateSecurityGroup", "GroupName": name, "GroupDescription": "a lock", "VpcId": vpc}
    if tag is None:
        return form
    where = "TagSpecification.1."
    tags = {where + "ResourceType": "security-group", where + "Tag.1.Key": TAG, where + "Tag.1.Value": tag}
    return {**form, **tags}


def test_lock_with_the_tag_of_the_stack(locker: Caller, vpc: str) -> None:
    status, text = locker.ec2(**creation(vpc, "mine", "test-db"))
    assert status == 200
    group_id = text.partition("<groupId>")[2].partition("</groupId>")[0]
    assert locker.ec2(Action="DescribeSecurityGroups")[0] == 200
    assert locker.ec2(Action="DeleteSecurityGroup", GroupId=group_id)[0] == 200


@pytest.mark.parametrize("tag", [None, "other-db"])
def test_lock_without_the_tag_of_the_stack(locker: Caller, vpc: str, tag: str | None) -> None:
    status, text = locker.ec2(**creation(vpc, "not-mine", tag))
    assert (status, "<Code>UnauthorizedOperation</Code>" in text) == (403, True)


def test_lock_in_another_vpc(locker: Caller, account: Any) -> None:
    other = account.client("ec2").create_vpc(CidrBlock="10.1.0.0/28")["Vpc"]["VpcId"]
    assert locker.ec2(**creation(other, "elsewhere", "test-db"))[0] == 403


def test_lock_of_another_stack_cannot_be_deleted_or_taken_over(locker: Caller, account: Any, vpc: str) -> None:
    specification = [{"ResourceType": "security-group", "Tags": [{"Key": TAG, "Value": "other-db"}]}]
    made = account.client("ec2").create_security_group(
        GroupName="theirs", Description="d", VpcId=vpc, TagSpecifications=specification
    )["GroupId"]
    assert locker.ec2(Action="DeleteSecurityGroup", GroupId=made)[0] == 403
    tag = {"Action": "CreateTags", "ResourceId.1": made, "Tag.1.Key": TAG, "Tag.1.Value": "test-db"}
    assert locker.ec2(**tag)[0] == 403


def test_group_that_is_gone_is_not_found_rather_than_forbidden(account: Any) -> None:
    caller = Caller(account, allow("ec2:DeleteSecurityGroup", GROUP))
    assert "InvalidGroup.NotFound" in caller.ec2(Action="DeleteSecurityGroup", GroupId="sg-0123456789abcdef0")[1]


def test_other_services_need_permission_too(account: Any) -> None:
    caller = Caller(account)
    status, text = account.invoke(caller._function, ["lambda", "GET", "/2015-03-31/functions/", "", {}, ""])
    assert (status, "lambda:ListFunctions" in text) == (403, True)


def test_nothing_is_allowed_beyond_the_boundary_of_the_role(account: Any, bucket: str) -> None:
    document = {"Version": "2012-10-17", "Statement": [allow("s3:GetObject", "*"), allow("ec2:*", "*")]}
    iam = account.client("iam")
    boundary = iam.create_policy(PolicyName="get-only", PolicyDocument=json.dumps(document))["Policy"]["Arn"]
    role = account.role(allow("s3:*", "*"))
    iam.put_role_permissions_boundary(RoleName=role.rpartition("/")[2], PermissionsBoundary=boundary)
    caller = Caller(account)
    caller._function = account.function(SIGNED_CALL, role=role)
    assert caller.s3("GET", f"/{bucket}/db/1.ltx")[0] == 200
    status, text = caller.s3("DELETE", f"/{bucket}/db/1.ltx")
    assert (status, "no permissions boundary allows the s3:DeleteObject action" in text) == (403, True)
    assert caller.s3("GET", f"/{bucket}/nothing")[0] == 403  # nor may it list
    assert caller.ec2(Action="DescribeSecurityGroups")[0] == 403  # a boundary allows nothing by itself
    iam.delete_role_permissions_boundary(RoleName=role.rpartition("/")[2])
    assert caller.s3("GET", f"/{bucket}/nothing")[0] == 404


def test_what_a_managed_policy_allows_is_allowed(account: Any, bucket: str) -> None:
    document = {"Version": "2012-10-17", "Statement": [allow("s3:GetObject", "*")]}
    iam = account.client("iam")
    managed = iam.create_policy(PolicyName="managed", PolicyDocument=json.dumps(document))["Policy"]["Arn"]
    role = account.role()
    iam.attach_role_policy(RoleName=role.rpartition("/")[2], PolicyArn=managed)
    caller = Caller(account)
    caller._function = account.function(SIGNED_CALL, role=role)
    assert caller.s3("GET", f"/{bucket}/db/1.ltx")[0] == 200
    assert caller.s3("DELETE", f"/{bucket}/db/1.ltx")[0] == 403


def test_what_a_role_uses_is_kept_with_what_allowed_it(account: Any, aws: Any, bucket: str) -> None:
    objects, whole = f"arn:aws:s3:::{bucket}/db/*", f"arn:aws:s3:::{bucket}"
    reads, lists = allow(["s3:Get*", "s3:PutObject"], objects), allow("s3:ListBucket", [whole, "arn:aws:s3:::other"])
    role = account.role({**reads, "Sid": "Read"}, {**lists, "Sid": "List"}, allow("s3:DeleteObject", "*"))
    caller = Caller(account)
    caller._function = account.function(SIGNED_CALL, role=role)

    def used() -> set[tuple[str, str, str, str, str]]:
        return {
            (use.policy, use.ground.sid, use.ground.action, use.ground.resource, use.action)
            for use in aws.uses
            if use.entity_arn == role
        }

    assert caller.s3("GET", f"/{bucket}/elsewhere")[0] == 403
    assert used() == set()  # what is refused uses nothing
    assert caller.s3("GET", f"/{bucket}/db/1.ltx")[0] == 200
    of_read = ("all", "Read", "s3:Get*", objects, "s3:GetObject")
    assert used() == {of_read}
    assert caller.s3("GET", f"/{bucket}/db/nothing")[0] == 404  # to be told so takes the right to list
    assert used() == {of_read, ("all", "List", "s3:ListBucket", whole, "s3:ListBucket")}
