"""The gateway of an emulator, put together."""

from __future__ import annotations

from collections.abc import Callable

from sldb.emulator.access.iam import Authorizer
from sldb.emulator.access.principals import Principals
from sldb.emulator.calls.moto_app import Moto
from sldb.emulator.gateway.access_log import AccessLog
from sldb.emulator.gateway.gateway import Gateway
from sldb.emulator.gateway.http_api.function_authorizer import FunctionAuthorizers
from sldb.emulator.gateway.http_api.handler import HttpApis
from sldb.emulator.gateway.http_api.handler import Parts as HttpParts
from sldb.emulator.gateway.http_api.iam_authorizer import IamAuthorizer
from sldb.emulator.gateway.http_api.issuer_keys import IssuerKeys
from sldb.emulator.gateway.http_api.jwt_authorizer import JwtAuthorizers
from sldb.emulator.gateway.invoking import LambdaInvoker
from sldb.emulator.gateway.rest_api.documents import Documents
from sldb.emulator.gateway.rest_api.handler import Parts as RestParts
from sldb.emulator.gateway.rest_api.handler import RestApis
from sldb.emulator.gateway.rest_api.usage import Usage
from sldb.emulator.gateway.throttling import Throttle
from sldb.emulator.runtime.functions import Functions


def gateway(
    moto: Moto,
    functions: Functions,
    principals: Principals,
    authorizer: Authorizer,
    logged: Callable[[str], None],
    documents: Documents,
) -> Gateway:
    """Return the front of all kinds of APIs. `logged` is called with the region of new log lines; `documents` are those
    of REST APIs."""
    invoker, throttle, log = LambdaInvoker(moto, functions), Throttle(), AccessLog(moto, logged)
    http = HttpParts(
        invoker=invoker,
        functions=FunctionAuthorizers(invoker),
        jwt=JwtAuthorizers(IssuerKeys()),
        iam=IamAuthorizer(moto, principals, authorizer),
        throttle=throttle,
        log=log,
    )
    rest = RestParts(invoker, throttle, Usage(throttle), log)
    return Gateway(moto, (HttpApis(moto, http), RestApis(moto, documents, rest)), close=invoker.close)
