"""An HTTP API as its control plane has it: moto's objects, copied out under moto's lock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sldb.emulator.calls.call import ACCOUNT
from sldb.emulator.calls.moto_app import Moto
from sldb.emulator.gateway.http_api import routes
from sldb.emulator.gateway.http_api.routes import RouteKey
from sldb.emulator.gateway.throttling import Limit

DEFAULT_STAGE = "$default"
MAX_SECONDS = 30.0  # of an integration
_REGION_RATE, _REGION_BURST = 10_000.0, 5_000  # of an account in a region, where a stage says nothing


@dataclass(frozen=True, slots=True)
class Cors:
    allow_origins: tuple[str, ...] = ()
    allow_methods: tuple[str, ...] = ()
    allow_headers: tuple[str, ...] = ()
    expose_headers: tuple[str, ...] = ()
    allow_credentials: bool = False
    max_age_seconds: int | None = None


@dataclass(frozen=True, slots=True)
class Authorizer:
    id: str
    kind: str  # REQUEST or JWT
    uri: str
    simple: bool
    payload_version: str
    identity_sources: tuple[str, ...]
    ttl_seconds: int
    issuer: str
    audience: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Integration:
    uri: str
    payload_version: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Route:
    key: RouteKey
    authorization: str  # NONE, AWS_IAM, CUSTOM or JWT
    authorizer: Authorizer | None
    scopes: tuple[str, ...]
    integration: Integration | None


@dataclass(frozen=True, slots=True)
class Stage:
    name: str
    variables: Mapping[str, str]
    limit: Limit
    route_limits: Mapping[str, Limit]
    log_group_arn: str
    log_format: str


@dataclass(frozen=True, slots=True)
class HttpApi:
    id: str
    region: str
    cors: Cors | None
    routes: tuple[Route, ...]
    stages: Mapping[str, Stage] = field(default_factory=dict)
    has_own_host: bool = True  # False: DisableExecuteApiEndpoint

    def arn(self, suffix: str) -> str:
        """Return the ARN of a part of the API, as policies name it."""
        return f"arn:aws:execute-api:{self.region}:{ACCOUNT}:{self.id}/{suffix}"


def read(moto: Moto, api_id: str) -> HttpApi | None:
    """Return the HTTP API with this id, of any region; None if there is none."""
    with moto.lock:
        for region in moto.regions("apigatewayv2"):
            found = moto.backend("apigatewayv2", region).apis.get(api_id)
            if found is not None and found.protocol_type == "HTTP":
                return _copy(found, region)
    return None


def _copy(api: Any, region: str) -> HttpApi:
    return HttpApi(
        id=api.api_id,
        region=region,
        cors=_cors(api.cors_configuration),
        routes=tuple(_route(api, each) for each in api.routes.values()),
        stages={name: _stage(stage) for name, stage in api.stages.items()},
        has_own_host=not api.disable_execute_api_endpoint,
    )


def _cors(given: Mapping[str, Any] | None) -> Cors | None:
    if not given:
        return None
    age = given.get("maxAge")
    return Cors(
        allow_origins=tuple(given.get("allowOrigins", ())),
        allow_methods=tuple(given.get("allowMethods", ())),
        allow_headers=tuple(name.lower() for name in given.get("allowHeaders", ())),
        expose_headers=tuple(name.lower() for name in given.get("exposeHeaders", ())),
        allow_credentials=bool(given.get("allowCredentials")),
        max_age_seconds=None if age is None else int(age),
    )


def _route(api: Any, route: Any) -> Route:
    authorizer = api.authorizers.get(route.authorizer_id)
    integration = api.integrations.get((route.target or "").removeprefix("integrations/"))
    return Route(
        key=routes.parse(route.route_key),
        authorization=route.authorization_type or "NONE",
        authorizer=None if authorizer is None else _authorizer(authorizer),
        scopes=tuple(route.authorization_scopes or ()),
        integration=None if integration is None else _integration(integration),
    )


def _authorizer(found: Any) -> Authorizer:
    jwt = found.jwt_config or {}
    return Authorizer(
        id=found.id,
        kind=found.authorizer_type,
        uri=found.authorizer_uri or "",
        simple=bool(found.enable_simple_response),
        payload_version=found.auth_payload_format_version or "",
        identity_sources=tuple(found.identity_source or ()),
        ttl_seconds=int(found.auth_result_ttl or 0),
        issuer=jwt.get("issuer", ""),
        audience=tuple(jwt.get("audience", ())),
    )


def _integration(found: Any) -> Integration:
    milliseconds = found.timeout_in_millis
    return Integration(
        uri=found.integration_uri or "",
        payload_version=found.payload_format_version or "1.0",
        seconds=MAX_SECONDS if milliseconds is None else min(MAX_SECONDS, int(milliseconds) / 1000),
    )


def _stage(stage: Any) -> Stage:
    log = stage.access_log_settings or {}
    default = _limit(stage.default_route_settings or {}, Limit(_REGION_RATE, _REGION_BURST))
    return Stage(
        name=stage.name,
        variables=dict(stage.stage_variables or {}),
        limit=default,
        route_limits={key: _limit(each, default) for key, each in (stage.route_settings or {}).items()},
        log_group_arn=log.get("destinationArn", ""),
        log_format=log.get("format", ""),
    )


def _limit(settings: Mapping[str, Any], default: Limit) -> Limit:
    rate, burst = settings.get("throttlingRateLimit"), settings.get("throttlingBurstLimit")
    return Limit(default.rate if rate is None else float(rate), default.burst if burst is None else int(burst))
