"""AWS_IAM: the signature of the request, and the caller's permission to invoke the route.

    execute-api:Invoke    arn:aws:execute-api:REGION:ACCOUNT:API/STAGE/METHOD/PATH

The path is the request's, not the route's. HTTP APIs have no resource policies. All refusals are 403 Forbidden. A
signature in the query (presigned) is refused; whether AWS takes one is not documented.
"""

from __future__ import annotations

from typing import Any

from sldb.emulator.access import signatures
from sldb.emulator.access.iam import Authorizer
from sldb.emulator.access.policy import Request as Needed
from sldb.emulator.access.principals import Principal, Principals
from sldb.emulator.calls.call import ACCOUNT
from sldb.emulator.calls.errors import AwsError
from sldb.emulator.calls.moto_app import Moto
from sldb.emulator.gateway.http_api.payload import Routed
from sldb.emulator.gateway.messages import refused

SERVICE = "execute-api"
_ROOT = f"arn:aws:iam::{ACCOUNT}:root"


class IamAuthorizer:
    def __init__(self, moto: Moto, principals: Principals, authorizer: Authorizer) -> None:
        self._moto = moto
        self._principals = principals
        self._authorizer = authorizer

    def authorize(self, routed: Routed, region: str, resource: str) -> dict[str, Any]:
        """Return the member of `requestContext.authorizer`. Raises Refused."""
        call = routed.request.call
        is_signed = bool(call.access_key) and "authorization" in call.headers
        if not is_signed or call.service != SERVICE or call.region != region:
            raise refused(403, "Forbidden", f"the request is not signed for {SERVICE} in {region}")
        context = {"aws:securetransport": ("true",), "aws:requestedregion": (region,)}
        needed = Needed(f"{SERVICE}:Invoke", resource, context)
        try:
            principal = self._principals.find(call.access_key)
            if principal is not None:
                signatures.check(call, principal.credentials)
            with self._moto.lock:
                self._authorizer.authorize_request(call, needed, principal)
        except AwsError as error:
            raise refused(403, "Forbidden", error.message) from error
        return {"iam": self._identity(call.access_key, principal)}

    def _identity(self, access_key: str, principal: Principal | None) -> dict[str, Any]:
        """Return the caller as the event has it."""
        user_id = ACCOUNT if principal is None else self._authorizer.id_of(principal)
        return {
            "accessKey": access_key,
            "accountId": ACCOUNT,
            "callerId": user_id,
            "cognitoIdentity": None,
            "principalOrgId": None,
            "userArn": _ROOT if principal is None else principal.arn,
            "userId": user_id,
        }
