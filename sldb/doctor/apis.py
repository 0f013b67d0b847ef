"""Checks of the APIs in front of the query function: requests without credentials are refused, and callers are
served.

callers      the access document can be read
api          each API: its routes and its stage as deployed, none of them open, by its settings and from outside
tokens       none is of a signing key that is gone
authorizer   the function that checks tokens refuses a forged one: it can read the document and the signing key
domain       the custom domain is ready, and its name leads somewhere
"""

from __future__ import annotations

import base64
import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lambda_handlers.wire import SldbError
from sldb.access.listing import listed
from sldb.access.stack_access import StackAccess
from sldb.aws.endpoints import transport
from sldb.aws.errors import aws_errors
from sldb.doctor.finding import Finding, checked, ok
from sldb.report import count
from sldb.stack.api_addresses import REST_KIND, REST_STAGE, api_addresses, api_ids
from sldb.stack.names import authorizer_function

if TYPE_CHECKING:
    from sldb.stack.account import Account
    from sldb.stack.state import StackState

FRONT = "sldb_front"  # a variable of each stage
_AUTHORIZATION = {"token": "CUSTOM", "jwt": "JWT", "iam": "AWS_IAM"}
_REFUSED = (401, 403)
_SECONDS = 30.0
_CLOCKS_MS = 60_000  # by which the clock of the operator who made a token may be behind AWS's
_NAMES = 5
_BY_HAND = "undo the change that was made in API Gateway by hand; `sldb token revoke` keeps callers out until then"


@dataclass(frozen=True, slots=True)
class ApiChecks:
    account: Account
    stack: str
    state: StackState
    status_of: Callable[[str], int]  # of a GET without credentials; raises SldbError
    resolve: Callable[[str], object] = socket.gethostbyname  # raises OSError for a name without an address

    def findings(self) -> Iterator[Finding]:
        """Yield the findings; none for a stack without APIs."""
        ids = api_ids(self.state)
        if not ids:
            return
        yield checked("callers", self._callers)
        for kind, api_id in ids.items():
            yield checked("api", lambda kind=kind, api_id=api_id: self._api(kind, api_id))  # type: ignore[misc]
        if "token" in ids:
            yield checked("tokens", self._tokens)
            yield checked("authorizer", self._authorizer)
        if "ApiDomainTarget" in self.state.outputs:
            yield checked("domain", self._domain)

    def _callers(self) -> Finding:
        document = StackAccess(self.account, self.stack, self.state).document.read()
        states = [each.state(int(time.time() * 1000)) for each in listed(document)]
        if damaged := states.count("damaged"):
            hint = "`sldb token list` shows which; revoke and create them again"
            return Finding("callers", "warn", f"damaged, and refused: {count(damaged, 'caller')}", hint)
        if "active" not in states:
            return Finding("callers", "warn", "the APIs have no callers yet", "sldb token create NAME")
        return ok("callers", f"{states.count('active')} may use the APIs")

    def _tokens(self) -> Finding:
        access = StackAccess(self.account, self.stack, self.state)
        now_ms, made_ms = int(time.time() * 1000), access.signing_keys.made_ms()
        active = [
            one for one in listed(access.document.read()) if one.kind == "token" and one.state(now_ms) == "active"
        ]
        outdated = [one.name for one in active if one.entry and one.entry.created_ms < made_ms - _CLOCKS_MS]
        if outdated:
            more = f" and {len(outdated) - _NAMES} more" if len(outdated) > _NAMES else ""
            says = f"refused, since the key that signed them is gone: {', '.join(outdated[:_NAMES])}{more}"
            return Finding(
                "tokens", "warn", says, "revoke them and make new ones: sldb token revoke, sldb token create"
            )
        return ok("tokens", f"active: {len(active)}; the key that signs them is there")

    def _api(self, kind: str, api_id: str) -> Finding:
        address = api_addresses(self.account, self.state)[kind]
        with aws_errors(f"read the settings of the {kind} API {api_id}"):
            problems = list(self._rest(api_id) if kind == REST_KIND else self._http(kind, api_id))
        if problems:
            return Finding("api", "fail", f"{kind}: {'; '.join(problems)}", _BY_HAND)
        try:
            status = self.status_of(f"{address}/health")
        except SldbError as error:
            return Finding("api", "warn", f"{kind}: {address} could not be reached: {error.message}", error.hint)
        if status not in _REFUSED:
            says = f"{kind}: {address} answers {status} to a request without credentials, and should refuse it"
            return Finding("api", "fail" if status < 400 else "warn", says, "sldb logs --function api")
        return ok("api", f"{kind}: {address} refuses requests without credentials")

    def _http(self, kind: str, api_id: str) -> Iterator[str]:
        client, want = self.account.apis, _AUTHORIZATION[kind]
        for route in _items(client, "get_routes", ApiId=api_id):
            if route["AuthorizationType"] != want:
                is_open = route["AuthorizationType"] == "NONE"
                yield f"the route {route['RouteKey']} is {'open' if is_open else 'authorized by another rule'}"
        for stage in _items(client, "get_stages", ApiId=api_id):
            yield from _stage(kind, stage["StageName"], "$default", stage.get("StageVariables", {}))

    def _rest(self, api_id: str) -> Iterator[str]:
        client = self.account.rest_apis
        pages = client.get_paginator("get_resources").paginate(restApiId=api_id, embed=["methods"])
        for resource in (each for page in pages for each in page["items"]):
            for verb, method in resource.get("resourceMethods", {}).items():
                is_preflight = verb == "OPTIONS" and method.get("methodIntegration", {}).get("type") == "MOCK"
                if not method.get("apiKeyRequired") and not is_preflight:
                    yield f"the method {verb} {resource['path']} demands no API key"
        for stage in client.get_stages(restApiId=api_id)["item"]:
            yield from _stage(REST_KIND, stage["stageName"], REST_STAGE, stage.get("variables", {}))
        plan_id = self.state.outputs.get("KeyUsagePlanId", "")
        stages = client.get_usage_plan(usagePlanId=plan_id).get("apiStages", [])
        if (api_id, REST_STAGE) not in [(each["apiId"], each["stage"]) for each in stages]:
            yield f"the usage plan {plan_id} does not have it, so that no API key is accepted"

    def _authorizer(self) -> Finding:
        document = StackAccess(self.account, self.stack, self.state).document.read()
        token = forged_token(document.key_ids[0] if document.key_ids else "0" * 8)
        event = {"identitySource": [f"Bearer {token}"], "requestContext": {"requestId": "sldb-doctor"}}
        function = authorizer_function(self.state.function)
        with aws_errors(f"invoke the function {function}"):
            reply = self.account.functions.invoke(FunctionName=function, Payload=json.dumps(event).encode())
            answer = json.loads(reply["Payload"].read())
        if reply.get("FunctionError") or answer != {"isAuthorized": False}:
            what = answer.get("errorMessage", "another answer") if isinstance(answer, dict) else "another answer"
            return Finding("authorizer", "fail", f"{function} fails: {what}", "sldb logs --function authorizer")
        return ok("authorizer", f"{function} refuses a forged token")

    def _domain(self) -> Finding:
        domain, target = self.state.parameters["ApiDomain"], self.state.outputs["ApiDomainTarget"]
        with aws_errors(f"read the settings of the custom domain {domain}"):
            found = self.account.apis.get_domain_name(DomainName=domain)
        status = found["DomainNameConfigurations"][0].get("DomainNameStatus", "AVAILABLE")
        if status != "AVAILABLE":
            return Finding("domain", "warn", f"{domain} is {status}", "check again: API Gateway is preparing it")
        if "*" not in domain:
            try:
                self.resolve(domain)
            except OSError:
                hint = f"add a record to the DNS of {domain} that points at {target}"
                return Finding("domain", "warn", f"{domain} has no address", hint)
        return ok("domain", f"{domain} is ready at {target}")


def _stage(kind: str, name: str, ours: str, variables: dict[str, str]) -> Iterator[str]:
    if name != ours:
        yield f"the stage {name} is not of sldb"
    elif variables.get(FRONT) != kind:
        yield f"the stage {name} has lost its variable {FRONT}={kind}"


def _items(client: Any, method: str, **given: str) -> Iterator[Any]:
    for page in client.get_paginator(method).paginate(**given):
        yield from page["Items"]


def forged_token(key_id: str) -> str:
    """Return a token in the right form, which no key has signed."""
    claims = json.dumps({"v": 1, "id": "a" * 26, "kid": key_id}).encode()
    return f"sldb_{base64.urlsafe_b64encode(claims).decode().rstrip('=')}.{'A' * 43}"


def http_status(account: Account) -> Callable[[str], int]:
    """Return a function that sends a GET without credentials, and returns the status of the response."""
    from botocore.awsrequest import AWSRequest
    from urllib3.exceptions import HTTPError

    def status_of(url: str) -> int:
        with aws_errors(f"reach {url}"), closing(transport(account.session._session, url, _SECONDS, [])) as http:
            try:
                return int(http.send(AWSRequest("GET", url).prepare()).status_code)
            except HTTPError as error:
                raise SldbError("store_error", f"no answer, or not all of it ({type(error).__name__})") from error

    return status_of
