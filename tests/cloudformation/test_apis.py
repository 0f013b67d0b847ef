"""The APIs of the template: none is open, each names its kind to the function, and a stack without any has no parts of
one. The template is read as in tests/cloudformation/test_template.py, and evaluated as the emulated AWS does."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]  # its types are a package of their own
from hypothesis import given
from hypothesis import strategies as st

from lambda_handlers.access import callers
from lambda_handlers.http.messages import EXPOSED_HEADERS, IDEMPOTENCY_KEY, MIN_TXID
from sldb.deploy.apis.options import KIND_PARAMETERS, kinds_of
from sldb.deploy.checks import apis as checks
from sldb.deploy.losses import role_policies
from sldb.deploy.parameters import DEFAULTS
from sldb.deploy.template import KEY_DEPLOYMENT, methods_digest, template_path, template_text
from sldb.emulator.cloudformation.target import Known, Target
from sldb.emulator.cloudformation.template import _Loader, load, parameter_values
from sldb.stack import names

KINDS = {"Token": "token", "Jwt": "jwt", "Iam": "iam"}  # of HTTP APIs
HTTP_ROUTES = {"POST /{proxy+}", "GET /{proxy+}", "POST /"}
READ_ROUTES = {"POST /{database}/read", "POST /read"}
READER = {"ReadFunction", "ReadRole", "ReadLogGroup"}
WITHOUT_API = {
    *("DataBucket", "DataBucketPolicy", "LockVpc", "QueryLogGroup", "DeadlockFixLogGroup"),
    *("QueryRole", "DeadlockFixRole", "QueryFunction", "DeadlockFixFunction"),
    *("DeadlockFixSchedule", "DeadlockFixSchedulePermission"),
    *("FailedInvocations", "FailureRights", "QueryInvokeConfig", "QueuesOnlyTls"),
}
LOGGED = {  # what a line of the access log may have: no header, no query string, no body, no key
    *("apiId", "requestId", "requestTimeEpoch", "httpMethod", "path", "status", "responseLength", "responseLatency"),
    *("integration.requestId", "error.responseType", "identity.sourceIp"),
    *("authorizer.sldb_name", "authorizer.claims.sub", "identity.userArn", "identity.apiKeyId"),
}
RAW = template_path().read_text("utf-8")
RESOURCES: dict[str, dict[str, Any]] = yaml.load(RAW, _Loader)["Resources"]


def of_type(type_: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, resource in RESOURCES.items():
        if resource["Type"] == type_:
            yield name, resource["Properties"]


def target(**parameters: str) -> Target:
    template = load(template_text(parameters))
    given_values = {"BundleBucket": "bundles", "BundleKey": "code.zip", **parameters}
    entries = [{"ParameterKey": name, "ParameterValue": value} for name, value in given_values.items()]
    return Target(template, parameter_values(template, entries, {}), "test-db", "id", "us-east-1")


def evaluated(wanted: Target) -> dict[str, dict[str, Any]]:
    """Return the properties of all resources. Raises AwsError for a reference to one that the conditions leave out."""
    made = dict[str, Known]()
    found = {}
    for name in wanted.order:
        found[name] = wanted.properties(name, made)
        made[name] = Known(f"<{name}>", None)
    wanted.outputs(made)
    return found


def kind_of(logical_id: str) -> str:
    return next(kind for prefix, kind in {**KINDS, "Key": "key"}.items() if logical_id.startswith(prefix))


def test_no_route_of_an_http_api_is_open() -> None:
    authorizers = dict(of_type("AWS::ApiGatewayV2::Authorizer"))
    routes = dict(of_type("AWS::ApiGatewayV2::Route"))
    for name, route in routes.items():
        kind = kind_of(name)
        want = {"token": "CUSTOM", "jwt": "JWT", "iam": "AWS_IAM"}[kind]
        assert (route["AuthorizationType"], route["RouteKey"].split()[0] in ("GET", "POST")) == (want, True)
        if kind != "iam":
            authorizer = authorizers[route["AuthorizerId"]["Ref"]]
            assert authorizer["ApiId"] == route["ApiId"] == {"Ref": f"{kind.title()}Api"}
            assert authorizer["AuthorizerType"] == {"token": "REQUEST", "jwt": "JWT"}[kind]
    for api, _ in of_type("AWS::ApiGatewayV2::Api"):
        keys = {route["RouteKey"] for route in routes.values() if route["ApiId"] == {"Ref": api}}
        assert keys == HTTP_ROUTES | READ_ROUTES
    assert not any("Target" in api or "RouteKey" in api for _, api in of_type("AWS::ApiGatewayV2::Api"))


def test_each_method_of_the_rest_api_demands_a_key_but_for_preflights_that_reach_no_function() -> None:
    for name, method in of_type("AWS::ApiGateway::Method"):
        if method["HttpMethod"] == "OPTIONS":
            assert method["Integration"]["Type"] == "MOCK"
            assert RESOURCES[name]["Condition"] == "HasKeyApi"
        else:
            assert method["ApiKeyRequired"] is True
            assert method["HttpMethod"] in ("GET", "POST")


def test_there_is_no_other_way_in() -> None:
    """API Gateway may invoke a function for the stage of the template only: another one has no variable that names its
    kind, and the console's test of a method has neither a stage nor a key."""
    assert not list(of_type("AWS::Lambda::Url"))
    for name, permission in of_type("AWS::Lambda::Permission"):
        assert permission["Action"] == "lambda:InvokeFunction"
        if permission["Principal"] == "apigateway.amazonaws.com":
            api = "TokenApi" if name == "AuthorizerPermission" else f"{kind_of(name).title()}Api"
            stage = "sldb" if api == "KeyApi" else "$default"
            end = "authorizers/${TokenAuthorizer}" if name == "AuthorizerPermission" else f"{stage}/*"
            assert permission["SourceArn"]["Fn::Sub"].endswith(f":${{{api}}}/{end}")
        else:
            assert permission["Principal"] == "events.amazonaws.com"


def test_every_stage_names_its_kind_and_has_a_limit() -> None:
    for name, stage in of_type("AWS::ApiGatewayV2::Stage"):
        assert stage["StageVariables"]["sldb_front"] == kind_of(name)
        assert stage["DefaultRouteSettings"]["ThrottlingRateLimit"] == {"Ref": "ApiRate"}
        assert stage["DefaultRouteSettings"]["ThrottlingBurstLimit"] == {"Ref": "ApiBurst"}
        assert (stage["StageName"], stage["AutoDeploy"]) == ("$default", True)
    ((_, stage),) = of_type("AWS::ApiGateway::Stage")
    assert stage["Variables"]["sldb_front"] == "key"
    (settings,) = stage["MethodSettings"]
    assert (settings["HttpMethod"], settings["ResourcePath"]) == ("*", "/*")
    assert (settings["ThrottlingRateLimit"], settings["ThrottlingBurstLimit"]) == (
        {"Ref": "ApiRate"},
        {"Ref": "ApiBurst"},
    )


def test_the_access_log_has_no_values() -> None:
    stages = [stage["AccessLogSettings"] for _, stage in of_type("AWS::ApiGatewayV2::Stage")]
    stages += [stage["AccessLogSetting"]["Fn::If"][1] for _, stage in of_type("AWS::ApiGateway::Stage")]
    assert len(stages) == 4
    for settings in stages:
        assert set(re.findall(r"\$context\.([\w.]+)", settings["Format"])) <= LOGGED
        assert "$" not in settings["Format"].replace("$context.", "")
        assert "${ApiLogGroup}" in settings["DestinationArn"]["Fn::Sub"]


def test_a_result_of_the_authorizer_is_kept_for_twenty_seconds() -> None:
    """With the age of the authorizer's document it is the time until a revoked token is refused."""
    authorizer = RESOURCES["TokenAuthorizer"]["Properties"]
    assert authorizer["AuthorizerResultTtlInSeconds"] == 20
    assert authorizer["IdentitySource"] == ["$request.header.Authorization"]
    assert (authorizer["AuthorizerPayloadFormatVersion"], authorizer["EnableSimpleResponses"]) == ("2.0", True)


def test_the_authorizer_reads_its_secret_and_the_access_document_and_nothing_else() -> None:
    policies = [each for each in RESOURCES["AuthorizerRole"]["Properties"]["Policies"] if "PolicyName" in each]
    assert tuple(policy["PolicyName"] for policy in policies) == role_policies("AuthorizerRole", {})
    statements = [statement for policy in policies for statement in policy["PolicyDocument"]["Statement"]]
    rights = {(str(each["Action"]), str(each["Resource"])) for each in statements}
    document, listing, secret, log = statements
    assert len(rights) == 4
    assert document["Action"] == "s3:GetObject"
    assert document["Resource"]["Fn::Sub"][0].endswith(":s3:::${Bucket}/databases/_access/*")
    assert f"databases/{callers.KEY}" == names.ACCESS_DOCUMENT
    assert (listing["Action"], listing["Condition"]) == (
        "s3:ListBucket",
        {"StringLike": {"s3:prefix": "databases/_access/*"}},
    )
    assert (secret["Action"], secret["Resource"]) == ("secretsmanager:GetSecretValue", {"Ref": "TokenSecret"})
    assert log["Resource"]["Fn::Sub"].endswith(":log-group:/aws/lambda/${FunctionName}-authorizer:*")
    for role, _ in of_type("AWS::IAM::Role"):
        assert role == "AuthorizerRole" or "secretsmanager" not in str(RESOURCES[role])


def test_no_function_may_write_the_access_document() -> None:
    """tests/sldb/emulator/access/test_roles.py shows what follows from it."""
    statements = RESOURCES["DataBucketPolicy"]["Properties"]["PolicyDocument"]["Statement"]
    (statement,) = (each for each in statements if each["Sid"] == "NoFunctionWritesTheAccessDocument")
    assert (statement["Effect"], statement["Principal"]) == ("Deny", "*")
    named = str(statement["Condition"]["ArnEquals"]["aws:PrincipalArn"])
    for role, _ in of_type("AWS::IAM::Role"):
        assert f"'Fn::GetAtt': ['{role}', 'Arn']" in named


def test_the_authorizer_has_its_settings_and_the_code_of_the_others() -> None:
    function, query = (RESOURCES[name]["Properties"] for name in ("AuthorizerFunction", "QueryFunction"))
    variables = function["Environment"]["Variables"]
    shared = {"SLDB_STACK", "SLDB_STORE", "SLDB_URL_SUFFIX", "SLDB_LOG_LEVEL"}
    shared |= {"AWS_USE_FIPS_ENDPOINT", "AWS_USE_DUALSTACK_ENDPOINT"}
    assert set(variables) == {"SLDB_TOKEN_SECRET", *shared}
    others = dict(query["Environment"]["Variables"])
    others["SLDB_STORE"] = others["SLDB_STORE"]["Fn::If"][2]  # the list of callers is in the bucket in any case
    assert {name: variables[name] for name in shared} == {name: others[name] for name in shared}
    assert [function[key] for key in ("Code", "Runtime", "Architectures")] == [
        query[key] for key in ("Code", "Runtime", "Architectures")
    ]
    assert function["FunctionName"] == {"Fn::Sub": "${FunctionName}-authorizer"}
    assert function["Timeout"] <= 10  # API Gateway does not wait longer for an authorizer


def test_a_stack_without_apis_has_what_it_had_before_there_were_any() -> None:
    assert set(target().order) == WITHOUT_API
    assert {name for name in DEFAULTS if name in KIND_PARAMETERS.values() and DEFAULTS[name] != "false"} == set()


truth = st.sampled_from(["true", "false"])


@pytest.mark.long
@given(
    st.fixed_dictionaries(dict.fromkeys(KIND_PARAMETERS.values(), truth)),
    st.fixed_dictionaries(
        {
            "ApiDomain": st.sampled_from(["", "db.example.com"]),
            "CorsOrigins": st.sampled_from(["", "https://a.example", "https://a.example,https://b.example"]),
            "KeyQuota": st.sampled_from(["", "1000/DAY"]),
            "KeyApiLogs": truth,
            "LockKind": st.sampled_from(["security-group", "s3"]),
            "Readers": truth,
            "ExistingBucket": st.sampled_from(["", "left-behind"]),
        }
    ),
)
def test_any_kinds_go_together_and_nothing_of_another_is_there(kinds: dict[str, str], others: dict[str, str]) -> None:
    chosen = kinds_of(kinds)
    wanted = target(**kinds, **others)
    properties = evaluated(wanted)
    apis = {"token": "TokenApi", "key": "KeyApi", "jwt": "JwtApi", "iam": "IamApi"}
    for kind, api in apis.items():
        assert (api in properties) == (kind in chosen)
    assert ("ApiLogGroup" in properties) == bool(chosen)
    assert ("ApiCustomDomain" in properties) == bool(chosen and others["ApiDomain"])
    for secret in ("TokenSecret", "AuthorizerFunction", "AuthorizerRole", "AuthorizerPermission"):
        assert (secret in properties) == ("token" in chosen)
    has_preflights = any(name.endswith("Options") for name in properties)
    assert has_preflights == ("key" in chosen)
    allows_pages = "Access-Control-Allow-Origin': \"'*'\"" in str(properties)
    assert allows_pages == ("key" in chosen and bool(others["CorsOrigins"]))
    has_reader = others["Readers"] == "true"
    assert set(properties) & READER == (READER if has_reader else set())
    for prefix, kind in KINDS.items():
        assert (f"{prefix}ReadRoute" in properties) == (f"{prefix}ReadPermission" in properties)
        assert (f"{prefix}ReadRoute" in properties) == (has_reader and kind in chosen)
    if not chosen:
        assert set(properties) <= WITHOUT_API | READER


def test_routes_that_read_go_to_the_function_that_only_reads() -> None:
    for name, route in of_type("AWS::ApiGatewayV2::Route"):
        reads = route["RouteKey"] in READ_ROUTES
        kind = kind_of(name).title()
        assert route["Target"] == {"Fn::Sub": f"integrations/${{{kind}{'Read' if reads else ''}Integration}}"}
        assert RESOURCES[name]["Condition"] == (f"Has{kind}Readers" if reads else f"Has{kind}Api")
    for name, integration in of_type("AWS::ApiGatewayV2::Integration"):
        uri = integration["IntegrationUri"]["Fn::Sub"]
        if "Read" in name:
            assert uri.endswith(":${FunctionName}-read")
        else:
            assert uri[0].endswith(":${FunctionName}${Alias}")
            assert uri[1] == {"Alias": {"Fn::If": ["HasProvisioned", ":live", ""]}}
    for name, permission in of_type("AWS::Lambda::Permission"):
        if "Read" in name:
            assert permission["FunctionName"] == {"Fn::Sub": "${FunctionName}-read"}


def test_a_mapping_names_the_one_api_and_its_stage() -> None:
    for kind, parameter in KIND_PARAMETERS.items():
        properties = evaluated(target(**{parameter: "true", "ApiDomain": "db.example.com"}))
        mapping = properties["ApiDomainMapping"]
        assert (mapping["ApiId"], mapping["Stage"]) == (f"<{kind.title()}Api>", f"<{kind.title()}Stage>")


def test_origins_and_audiences_are_lists_and_a_quota_has_a_period() -> None:
    properties = evaluated(
        target(
            ApiJwt="true",
            JwtIssuer="https://id.example",
            JwtAudience="a,b",
            ApiKey="true",
            KeyQuota="1000/WEEK",
            CorsOrigins="https://a.example,https://b.example",
        )
    )
    assert properties["JwtAuthorizer"]["JwtConfiguration"]["Audience"] == ["a", "b"]
    assert properties["JwtApi"]["CorsConfiguration"]["AllowOrigins"] == ["https://a.example", "https://b.example"]
    assert properties["KeyUsagePlan"]["Quota"] == {"Limit": "1000", "Period": "WEEK"}


def test_a_deployment_has_another_id_for_other_methods_and_the_same_for_all_else() -> None:
    """CloudFormation keeps the copy that a deployment is, as long as its logical id is the same."""
    before = methods_digest(RAW, {"FunctionName": "f"})
    assert (
        methods_digest(RAW.replace("TimeoutInMillis: 29000", "TimeoutInMillis: 28000"), {"FunctionName": "f"}) != before
    )
    for parameters in ({"FunctionName": "g"}, {"FunctionName": "f", "CorsOrigins": "*"}):
        assert methods_digest(RAW, parameters) != before
    assert methods_digest(RAW, {"FunctionName": "f", "ApiRate": "7"}) == before
    assert methods_digest(RAW.replace("Timeout: 900", "Timeout: 800"), {"FunctionName": "f"}) == before
    copied = yaml.load(RAW.partition("methods of KeyApi: begin)")[2].partition("# (methods")[0], _Loader)
    types = ("AWS::ApiGateway::Resource", "AWS::ApiGateway::Method", "AWS::ApiGateway::GatewayResponse")
    assert set(copied) == {name for type_ in types for name, _ in of_type(type_)}
    made = load(template_text({"FunctionName": "f"})).resources
    assert f"{KEY_DEPLOYMENT}{before}" in made
    assert made["KeyStage"]["Properties"]["DeploymentId"] == {"Ref": f"{KEY_DEPLOYMENT}{before}"}


@pytest.mark.parametrize("origins", ["", "*"])
def test_a_deployment_is_made_after_all_that_it_copies(origins: str) -> None:
    wanted = target(ApiKey="true", CorsOrigins=origins)
    (deployment,) = (name for name in wanted.order if name.startswith(KEY_DEPLOYMENT))
    before = wanted.order[: wanted.order.index(deployment)]
    types = ("AWS::ApiGateway::Method", "AWS::ApiGateway::GatewayResponse")
    assert sum(wanted.template.type_of(name) in types for name in before) == 7
    assert all(name in before for name in wanted.order if wanted.template.type_of(name) in types)


def test_the_checks_know_the_methods_and_responses_of_the_rest_api() -> None:
    methods = {
        name: ("KeyResource" if "Ref" in method["ResourceId"] else "", method["HttpMethod"])
        for name, method in of_type("AWS::ApiGateway::Method")
    }
    assert methods == checks._METHODS
    responses = {name: each["ResponseType"] for name, each in of_type("AWS::ApiGateway::GatewayResponse")}
    assert responses == checks._RESPONSES


def test_web_pages_may_send_and_read_the_headers_of_the_http_interface() -> None:
    configured = [properties["CorsConfiguration"] for _, properties in of_type("AWS::ApiGatewayV2::Api")]
    assert len(configured) == len(KINDS)
    for _, cors, _ in (one["Fn::If"] for one in configured):
        assert cors["ExposeHeaders"] == EXPOSED_HEADERS.split(", ")
        assert {"content-type", IDEMPOTENCY_KEY, MIN_TXID} < set(cors["AllowHeaders"])
