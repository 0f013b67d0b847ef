"""A role needs the right to each call for API keys, by method and path."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.sldb.emulator.access.test_iam import allow

ARN = "arn:aws:apigateway:us-east-1::"


def client(account: Any, *statements: dict[str, Any]) -> Any:
    return account.as_role(account.role(*statements), "apigateway")


def refused(call: Any) -> str:
    with pytest.raises(ClientError) as caught:
        call()
    assert caught.value.response["Error"]["Code"] == "AccessDeniedException"
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
    return str(caught.value.response["Error"]["Message"])


def test_an_operator_of_keys_makes_and_removes_them_and_nothing_else(account: Any) -> None:
    plan = account.client("apigateway").create_usage_plan(name="plan")["id"]
    other = account.client("apigateway").create_usage_plan(name="other")["id"]
    operator = client(
        account,
        allow(["apigateway:POST", "apigateway:GET"], f"{ARN}/apikeys"),
        allow(["apigateway:GET", "apigateway:PATCH", "apigateway:DELETE"], f"{ARN}/apikeys/*"),
        allow(["apigateway:POST", "apigateway:GET"], f"{ARN}/usageplans/{plan}/keys"),
    )
    key = operator.create_api_key(name="n", enabled=True)["id"]
    operator.create_usage_plan_key(usagePlanId=plan, keyId=key, keyType="API_KEY")
    assert [each["id"] for each in operator.get_usage_plan_keys(usagePlanId=plan)["items"]] == [key]
    assert [each["id"] for each in operator.get_api_keys()["items"]] == [key]
    operator.update_api_key(apiKey=key, patchOperations=[{"op": "replace", "path": "/enabled", "value": "false"}])
    words = refused(lambda: operator.create_usage_plan_key(usagePlanId=other, keyId=key, keyType="API_KEY"))
    assert f'apigateway:POST on resource: "{ARN}/usageplans/{other}/keys"' in words
    refused(lambda: operator.get_usage_plan(usagePlanId=plan))
    refused(lambda: operator.create_usage_plan(name="mine"))
    refused(lambda: operator.create_rest_api(name="mine"))
    refused(operator.get_rest_apis)
    operator.delete_api_key(apiKey=key)
    assert operator.get_usage_plan_keys(usagePlanId=plan)["items"] == []


def test_a_key_with_tags_needs_the_right_to_tag(account: Any) -> None:
    without = client(account, allow("apigateway:POST", f"{ARN}/apikeys"))
    without.create_api_key(name="n")
    words = refused(lambda: without.create_api_key(name="n", tags={"a": "1"}))
    assert f'apigateway:PUT on resource: "{ARN}/tags/arn%3Aaws%3Aapigateway%3Aus-east-1%3A%3A%2Fapikeys%2F*"' in words
    right = client(account, allow("apigateway:POST", f"{ARN}/apikeys"), allow("apigateway:PUT", f"{ARN}/tags/*"))
    assert right.create_api_key(name="n", tags={"a": "1"})["tags"] == {"a": "1"}


@pytest.mark.parametrize("verb", ["POST", "GET", "PATCH", "DELETE"])
def test_each_method_is_a_right_of_its_own(account: Any, verb: str) -> None:
    key = account.client("apigateway").create_api_key(name="n")["id"]
    caller = client(account, allow(f"apigateway:{verb}", f"{ARN}/apikeys*"))
    calls = {
        "POST": lambda: caller.create_api_key(name="n"),
        "GET": lambda: caller.get_api_key(apiKey=key),
        "PATCH": lambda: caller.update_api_key(apiKey=key, patchOperations=[]),
        "DELETE": lambda: caller.delete_api_key(apiKey=key),
    }
    for other, call in calls.items():
        if other != verb:
            assert f"perform: apigateway:{other}" in refused(call)
    calls[verb]()
