"""HTTP APIs with AWS_IAM: who may invoke which path, and who the function sees."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.fakes.aws.cloudformation import Stack, template
from tests.fakes.aws.http_api import resources, send
from tests.fakes.waiting import wait_until

_names = count(1)
TRUST = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}


@pytest.fixture(scope="module")
def api(account: Any, aws: Any) -> Iterator[str]:
    parts = resources(aws, AuthorizerFunction=None, AuthorizerPermission=None, Authorizer=None)
    route = {name: value for name, value in parts["Route"]["Properties"].items() if name != "AuthorizerId"}
    parts["Route"]["Properties"] = {**route, "AuthorizationType": "AWS_IAM"}
    found = Stack(account, lambda look: wait_until(look, "the stack"))
    assert found.apply(template(aws, **parts), creates=True) == "CREATE_COMPLETE"
    yield found.physical("Api")
    assert found.delete() == "DELETE_COMPLETE"


def document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(api: str, path: str) -> dict[str, Any]:
    arn = f"arn:aws:execute-api:us-east-1:123456789012:{api}/$default/{path}"
    return {"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": arn}


def signed(
    aws: Any, credentials: Credentials, path: str, *, body: bytes = b"{}", service: str = "execute-api", **more: str
) -> tuple[int, dict[str, str], Any]:
    request = AWSRequest("POST", aws.url + path, {"Content-Type": "application/json"}, body)
    SigV4Auth(credentials, service, "us-east-1").add_auth(request)
    return send(aws, "POST", path, body, headers={**dict(request.headers.items()), **more})


@pytest.fixture
def session(account: Any, api: str) -> Credentials:
    """A session of a role that may write to the database main."""
    iam, name = account.client("iam"), f"caller-{next(_names)}"
    role = iam.create_role(RoleName=name, Path="/team/", AssumeRolePolicyDocument=document(TRUST))["Role"]["Arn"]
    iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=document(allow(api, "POST/main/*")))
    found = account.client("sts").assume_role(RoleArn=role, RoleSessionName="me")["Credentials"]
    return Credentials(found["AccessKeyId"], found["SecretAccessKey"], found["SessionToken"])


def test_a_role_may_invoke_the_paths_of_its_policy(aws: Any, api: str, session: Credentials) -> None:
    status, _, event = signed(aws, session, f"/_execute-api/{api}/main/query?a=1")
    assert status == 200
    identity = event["requestContext"]["authorizer"]["iam"]
    assert identity["userArn"].startswith("arn:aws:sts::123456789012:assumed-role/caller-")
    assert identity["userArn"].endswith("/me")
    assert (identity["accountId"], identity["accessKey"]) == ("123456789012", session.access_key)
    assert identity["userId"] == identity["callerId"]
    assert identity["userId"].endswith(":me")
    assert identity["cognitoIdentity"] is None
    status, _, content = signed(aws, session, f"/_execute-api/{api}/other/query")
    assert (status, content) == (403, {"message": "Forbidden"})


def test_a_user_may_as_well(aws: Any, account: Any, api: str) -> None:
    iam = account.client("iam")
    iam.create_user(UserName="analyst", Path="/team/")
    iam.put_user_policy(UserName="analyst", PolicyName="p", PolicyDocument=document(allow(api, "POST/main/read")))
    key = iam.create_access_key(UserName="analyst")["AccessKey"]
    user = Credentials(key["AccessKeyId"], key["SecretAccessKey"])
    status, _, event = signed(aws, user, f"/_execute-api/{api}/main/read")
    assert status == 200
    identity = event["requestContext"]["authorizer"]["iam"]
    assert identity["userArn"] == "arn:aws:iam::123456789012:user/team/analyst"
    assert signed(aws, user, f"/_execute-api/{api}/main/query")[0] == 403


def test_the_owner_of_the_account_may_all(aws: Any, api: str) -> None:
    status, _, event = signed(aws, Credentials("owner", "secret"), f"/_execute-api/{api}/any/path")
    assert status == 200
    assert event["requestContext"]["authorizer"]["iam"]["userArn"] == "arn:aws:iam::123456789012:root"


def test_what_is_not_signed_so_is_refused(aws: Any, api: str, session: Credentials) -> None:
    path = f"/_execute-api/{api}/main/query"
    assert send(aws, "POST", path, b"{}")[0] == 403
    assert send(aws, "POST", path, b"{}", headers={"Authorization": "Bearer good"})[0] == 403
    assert signed(aws, session, path, service="lambda")[0] == 403
    assert signed(aws, Credentials("owner", "secret"), path, service="lambda")[0] == 403
    assert signed(aws, Credentials(session.access_key, "wrong", session.token), path)[0] == 403
    assert signed(aws, Credentials(session.access_key, session.secret_key), path)[0] == 403
    assert signed(aws, session, path, **{"X-Amz-Date": "20200101T000000Z"})[0] == 403
    request = AWSRequest("POST", aws.url + path, {}, b"{}")
    SigV4Auth(session, "execute-api", "us-east-1").add_auth(request)
    headers = dict(request.headers.items())
    assert send(aws, "POST", path, b'{"query": "DROP"}', headers=headers)[0] == 403
    assert send(aws, "POST", f"/_execute-api/{api}/main/read", b"{}", headers=headers)[0] == 403
    assert send(aws, "POST", path, b"{}", headers=headers)[0] == 200
