"""HTTP APIs in stacks: updates, replacements, removals, drift, and the state of `--data`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.fakes.aws.cloudformation import Stack, summary, template
from tests.fakes.aws.http_api import resources, send
from tests.sldb.emulator.cloudformation.test_drift import drifts, revert_drift

DOMAIN = {
    "Type": "AWS::ApiGatewayV2::DomainName",
    "Properties": {
        "DomainName": "db.example.com",
        "DomainNameConfigurations": [
            {"CertificateArn": "arn:aws:acm:us-east-1:123456789012:certificate/1", "EndpointType": "REGIONAL"}
        ],
    },
}
MAPPING = {
    "Type": "AWS::ApiGatewayV2::ApiMapping",
    "Properties": {"DomainName": {"Ref": "Domain"}, "ApiId": {"Ref": "Api"}, "Stage": {"Ref": "Stage"}},
}


def body(aws: Any, **changes: dict[str, Any]) -> dict[str, Any]:
    """Return the template with other properties of its resources; None removes a property, or a whole resource."""
    parts = resources(aws, Domain=DOMAIN, Mapping=MAPPING)
    for name, properties in changes.items():
        if properties is None:
            parts[name] = None
            continue
        changed = {**parts[name]["Properties"], **properties}
        parts[name] = {**parts[name], "Properties": {key: each for key, each in changed.items() if each is not None}}
    whole = template(aws, **parts)
    if changes.get("Domain", {}) is not None:
        whole["Outputs"] = {"Target": {"Value": {"Fn::GetAtt": ["Domain", "RegionalDomainName"]}}}
    return whole


@pytest.fixture
def deployed(account: Any, wait: Any, aws: Any) -> Iterator[Stack]:
    stack = Stack(account, wait)
    assert stack.apply(body(aws), creates=True) == "CREATE_COMPLETE"
    yield stack
    if stack.describe()["StackStatus"] != "DELETE_COMPLETE":
        assert stack.delete() == "DELETE_COMPLETE"


@pytest.fixture
def gateway(account: Any) -> Any:
    return account.client("apigatewayv2")


def test_settings_change_in_place_and_back(deployed: Stack, aws: Any, gateway: Any) -> None:
    api = deployed.physical("Api")
    cors = {"AllowOrigins": ["https://a.example"], "MaxAge": "600"}
    changed = body(
        aws,
        Api={"Name": "other", "CorsConfiguration": cors, "Tags": {"a": "b"}, "DisableExecuteApiEndpoint": "true"},
        Stage={
            "StageVariables": {"sldb_front": "jwt"},
            "DefaultRouteSettings": {"ThrottlingRateLimit": "5", "ThrottlingBurstLimit": "9"},
            "AccessLogSettings": None,
        },
        Integration={"TimeoutInMillis": "5000"},
        Authorizer={"AuthorizerResultTtlInSeconds": "0", "IdentitySource": ["$request.header.X"]},
        Route={"RouteKey": "ANY /{proxy+}", "AuthorizationType": "NONE", "AuthorizerId": None},
    )
    change_set = deployed.prepare(changed)
    assert {each[1:] for each in summary(change_set)} == {
        (name, "False") for name in ("Api", "Stage", "Integration", "Authorizer", "Route")
    }
    deployed.client.execute_change_set(ChangeSetName=change_set["ChangeSetId"])
    assert deployed.settled() == "UPDATE_COMPLETE"
    assert deployed.physical("Api") == api
    found = gateway.get_api(ApiId=api)
    assert (found["Name"], found["CorsConfiguration"], found["Tags"]) == (
        "other",
        {"AllowOrigins": ["https://a.example"], "MaxAge": 600},
        {"a": "b"},
    )
    assert found["DisableExecuteApiEndpoint"] is True
    stage = gateway.get_stage(ApiId=api, StageName="$default")
    assert stage["StageVariables"] == {"sldb_front": "jwt"}
    assert stage["DefaultRouteSettings"]["ThrottlingBurstLimit"] == 9
    assert "AccessLogSettings" not in stage
    assert gateway.get_integrations(ApiId=api)["Items"][0]["TimeoutInMillis"] == 5000
    [authorizer] = gateway.get_authorizers(ApiId=api)["Items"]
    assert (authorizer["AuthorizerResultTtlInSeconds"], authorizer["IdentitySource"]) == (0, ["$request.header.X"])
    [route] = gateway.get_routes(ApiId=api)["Items"]
    assert (route["RouteKey"], route["AuthorizationType"]) == ("ANY /{proxy+}", "NONE")
    assert revert_drift(deployed, changed)["Status"] == "FAILED"  # nothing has drifted
    assert deployed.apply(body(aws)) == "UPDATE_COMPLETE"
    found = gateway.get_api(ApiId=api)
    assert (found["Name"], found.get("CorsConfiguration"), found["Tags"]) == ("small", None, {})
    assert found["DisableExecuteApiEndpoint"] is False
    assert "AccessLogSettings" in gateway.get_stage(ApiId=api, StageName="$default")


def test_a_failed_update_is_rolled_back(deployed: Stack, aws: Any, gateway: Any) -> None:
    api = deployed.physical("Api")
    wrong = body(aws, Api={"Name": "other"}, Stage={"StageVariables": {}}, Route={"RouteKey": "FETCH /x"})
    assert deployed.apply(wrong) == "UPDATE_ROLLBACK_COMPLETE"
    assert "neither $default nor a method" in deployed.reason("Route", "UPDATE_FAILED")
    assert gateway.get_api(ApiId=api)["Name"] == "small"
    assert gateway.get_stage(ApiId=api, StageName="$default")["StageVariables"] == {"sldb_front": "token"}


def test_another_stage_name_makes_a_new_stage(deployed: Stack, aws: Any, gateway: Any) -> None:
    assert deployed.apply(body(aws, Stage={"StageName": "prod"})) == "UPDATE_COMPLETE"
    names = [each["StageName"] for each in gateway.get_stages(ApiId=deployed.physical("Api"))["Items"]]
    assert names == ["prod"]
    [mapping] = gateway.get_api_mappings(DomainName="db.example.com")["Items"]
    assert mapping["Stage"] == "prod"


def test_what_the_template_no_longer_names_is_deleted(deployed: Stack, aws: Any, gateway: Any) -> None:
    assert deployed.describe()["Outputs"][0]["OutputValue"].endswith(".execute-api.us-east-1.amazonaws.com")
    assert deployed.apply(body(aws, Domain=None, Mapping=None)) == "UPDATE_COMPLETE"
    assert gateway.get_domain_names()["Items"] == []
    assert deployed.delete() == "DELETE_COMPLETE"
    assert gateway.get_apis()["Items"] == []


@pytest.mark.long
def test_tags_of_the_stack_are_tags_of_the_api(account: Any, aws: Any, wait: Any, gateway: Any) -> None:
    stack = Stack(account, wait)
    made = stack.client.create_change_set(
        StackName=stack.name,
        ChangeSetName="create",
        ChangeSetType="CREATE",
        TemplateBody=json.dumps(body(aws, Api={"Tags": {"own": "1"}})),
        Capabilities=["CAPABILITY_IAM"],
        Tags=[{"Key": "team", "Value": "data"}],
    )
    stack.id = made["StackId"]
    stack.client.execute_change_set(ChangeSetName=made["Id"])
    assert stack.settled() == "CREATE_COMPLETE"
    assert gateway.get_api(ApiId=stack.physical("Api"))["Tags"] == {"team": "data", "own": "1"}
    assert gateway.get_domain_name(DomainName="db.example.com")["Tags"] == {"team": "data"}
    api, made_at = stack.physical("Api"), gateway.get_apis()["Items"][0]["CreatedDate"]
    changed = stack.client.create_change_set(
        StackName=stack.name,
        ChangeSetName="retag",
        TemplateBody=json.dumps(body(aws, Api={"Tags": {"own": "1"}})),
        Capabilities=["CAPABILITY_IAM"],
        Tags=[{"Key": "owner", "Value": "me"}, {"Key": "cost", "Value": "7"}],
    )
    stack.client.execute_change_set(ChangeSetName=changed["Id"])
    assert stack.settled() == "UPDATE_COMPLETE"
    assert gateway.get_apis()["Items"][0]["CreatedDate"] == made_at
    assert gateway.get_api(ApiId=api)["Tags"] == {"owner": "me", "cost": "7", "own": "1"}
    assert gateway.get_stage(ApiId=api, StageName="$default")["Tags"] == {"owner": "me", "cost": "7"}
    assert gateway.get_domain_name(DomainName="db.example.com")["Tags"] == {"owner": "me", "cost": "7"}
    domain = f"arn:aws:apigateway:{gateway.meta.region_name}::/domainnames/db.example.com"
    assert gateway.get_tags(ResourceArn=domain)["Tags"] == {"owner": "me", "cost": "7"}
    gateway.untag_resource(ResourceArn=domain, TagKeys=["owner", "cost"])
    assert gateway.get_tags(ResourceArn=domain)["Tags"] == {}
    with pytest.raises(gateway.exceptions.NotFoundException):
        gateway.get_tags(ResourceArn=domain.replace("db.", "no."))
    assert stack.delete() == "DELETE_COMPLETE"


@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "lose", "drift"),
    [
        ("Route", "delete_route", "DELETED"),
        ("Stage", "delete_stage", "DELETED"),
        ("Mapping", "delete_api_mapping", "DELETED"),
        ("Stage", "update_stage", "MODIFIED"),
        ("Route", "update_route", "MODIFIED"),
        ("Authorizer", "update_authorizer", "MODIFIED"),
    ],
)
def test_drift_is_found_and_reverted(deployed: Stack, aws: Any, gateway: Any, name: str, lose: str, drift: str) -> None:
    assert revert_drift(deployed, body(aws))["Status"] == "FAILED"  # nothing has drifted
    id_of = {"Route": "RouteId", "Stage": "StageName", "Mapping": "ApiMappingId", "Authorizer": "AuthorizerId"}[name]
    parent = {"DomainName": "db.example.com"} if name == "Mapping" else {"ApiId": deployed.physical("Api")}
    change: dict[str, dict[str, Any]] = {
        "update_stage": {"StageVariables": {"sldb_front": "none"}},
        "update_route": {"AuthorizationType": "NONE"},
        "update_authorizer": {"AuthorizerResultTtlInSeconds": 3600},
    }
    getattr(gateway, lose)(**parent, **{id_of: deployed.physical(name)}, **change.get(lose, {}))
    change_set = revert_drift(deployed, body(aws))
    assert drifts(change_set)[name] == drift
    deployed.client.execute_change_set(ChangeSetName=change_set["ChangeSetId"])
    assert deployed.settled() == "UPDATE_COMPLETE"
    assert revert_drift(deployed, body(aws))["Status"] == "FAILED"


def test_a_custom_domain_serves_its_api(deployed: Stack, aws: Any) -> None:
    good = {"Authorization": "Bearer good", "Host": "db.example.com"}
    status, _, event = send(aws, "POST", "/main/query", b"{}", headers=good)
    assert (status, event["rawPath"]) == (200, "/main/query")
    context = event["requestContext"]
    assert (context["domainName"], context["domainPrefix"], context["stage"]) == ("db.example.com", "db", "$default")
    assert send(aws, "POST", "/main/query", headers={"Host": "db.example.com"})[0] == 401
    keyed = body(aws, Mapping={"ApiMappingKey": "v1/db"}, Api={"DisableExecuteApiEndpoint": "true"})
    assert deployed.apply(keyed) == "UPDATE_COMPLETE"
    status, _, event = send(aws, "POST", "/v1/db/main/query", b"{}", headers=good)
    assert (status, event["rawPath"]) == (200, "/main/query")  # without the key
    assert send(aws, "POST", "/main/query", headers=good)[0] == 404
    own = f"/_execute-api/{deployed.physical('Api')}/main/query"
    assert send(aws, "POST", own, headers={"Authorization": "Bearer good"})[0] == 404


@pytest.mark.parametrize("what", ["api", "stage"])
def test_a_mapping_needs_its_api_and_stage(deployed: Stack, gateway: Any, what: str) -> None:
    wanted = {"api": "none", "stage": "none"}
    given = {"ApiId": deployed.physical("Api"), "Stage": "$default"}
    given["ApiId" if what == "api" else "Stage"] = wanted[what]
    with pytest.raises(gateway.exceptions.ClientError) as caught:
        gateway.create_api_mapping(DomainName="db.example.com", ApiMappingKey="x", **given)
    assert caught.value.response["Error"]["Code"] in ("NotFoundException", "BadRequestException")
    with pytest.raises(gateway.exceptions.ConflictException):
        gateway.create_api_mapping(DomainName="db.example.com", ApiId=deployed.physical("Api"), Stage="$default")
