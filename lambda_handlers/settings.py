"""The environment of the functions as one frozen value; the only reader of os.environ on the server side.

Every setting is described in docs/interface.md. An invalid setting is a `bad setting` error at the first request, with
the variable, its value and the allowed values.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from lambda_handlers.shared import temporary
from lambda_handlers.shared.dataclasses import dataclass, replace
from lambda_handlers.shared.endpoints import Endpoint, bucket_url, is_endpoint_url, partition_at, service_url
from lambda_handlers.shared.proxies import proxy_for
from lambda_handlers.wire import DEFAULT_STACK

LOCK_KINDS = ("security-group", "s3", "none")
LARGE_COMMITS = ("put", "parts")
LOG_LEVELS = ("debug", "info", "warning", "error")
METRICS = ("false", "true", "databases")
PROXY_VARIABLES = ("http_proxy", "https_proxy", "no_proxy")  # in any case
MIB = 1 << 20


class BadSetting(ValueError):
    """An invalid environment variable: its name, its value, and the allowed values."""

    def __init__(self, name: str, got: str, want: str) -> None:
        super().__init__(f"{name}: got {got!r}, want {want}")


@dataclass(frozen=True, slots=True)
class Credentials:
    access_key_id: str
    secret_access_key: str
    session_token: str | None = None


@dataclass(frozen=True, slots=True)
class Settings:
    store: str  # s3://bucket/prefix or file:///directory
    lock: str = "security-group"  # one of LOCK_KINDS
    lock_max_age_seconds: float = 90.0  # an older lock belongs to a writer that is gone
    lock_retry_seconds: float = 1.0
    lock_tags: tuple[tuple[str, str], ...] = ()  # of each lock group, beside its own
    vpc_id: str | None = None  # where the lock groups are made; None: the region's default VPC
    stack: str = DEFAULT_STACK  # part of the lock's name and its tag
    cache_bytes: int = 400 * MIB  # for all copies of databases in temp_dir together
    retention_days: float = 30.0
    log_level: str = "info"
    metrics: str = ""  # in the lines of the log: empty for none, `true`, or `databases` for those of each as well
    queue_retention_days: float = 14.0  # how long the ids of queued requests are remembered
    queue_tries: int = 0  # deliveries of a message before the queue moves it to its dead letters; 0: not known
    tracing: bool = False  # ids of traces, from callers, in the log and in replies
    read_only: bool = False  # no writes to databases, whatever a request asks for
    moves_files: bool = False  # takes and gives whole files of databases, while they move to another store
    moving_to: str = ""  # the kind of the store (s3, efs) that the databases move to, while writes are refused for it
    insights: bool = False  # the shapes of statements, and what they take, are kept
    large_commits: str = "put"  # one of LARGE_COMMITS; how large objects are sent to a store that is not AWS's
    region: str = "us-east-1"
    url_suffix: str = ""  # the domain of AWS's hosts; empty: by the region
    fips: bool = False  # AWS's validated endpoints
    dual_stack: bool = False  # AWS's endpoints that speak IPv6 as well
    endpoint_url: str | None = None  # of S3, instead of AWS's own
    ec2_endpoint_url: str | None = None  # of EC2, instead of AWS's own
    secrets_endpoint_url: str | None = None  # of Secrets Manager, instead of AWS's own
    virtual_hosted: bool = False  # the bucket's name is part of the host
    proxies: tuple[tuple[str, str], ...] = ()  # the environment's variables about proxies
    ca_bundle: str | None = None  # the path of a PEM file; None: the system's trusted certificates
    credentials: Credentials | None = None
    memory_bytes: int = 512 * MIB  # of the whole function
    reply_limit_bytes: int | None = None  # Lambda's, if the function runs there
    on_lambda: bool = False
    temp_dir: str = ""
    token_secret: str = ""  # the ARN of the secret that signs the API's tokens; of the authorizer only
    cors_origins: tuple[str, ...] = ()  # of web pages that may use the API with keys; `*`: all
    runtime_api: str | None = None  # host and port where Lambda takes replies, if the function runs there

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        get = environment.get
        ignores = _is_true(environment, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS")
        names = ("S3", "EC2", "SECRETS_MANAGER")
        s3, ec2, secrets = ((None if ignores else _endpoint(environment, name)) for name in names)
        store = _store(get("SLDB_STORE", ""))
        read_only = _true_or_false(environment, "SLDB_READ_ONLY")
        usual_lock = "none" if read_only else _usual_lock(store)
        return cls(
            store=store,
            lock=_one_of("SLDB_LOCK", get("SLDB_LOCK") or usual_lock, LOCK_KINDS),
            lock_max_age_seconds=_number(environment, "SLDB_LOCK_MAX_AGE_SECONDS", 90.0),
            lock_retry_seconds=_number(environment, "SLDB_LOCK_RETRY_SECONDS", 1.0),
            lock_tags=_tags(get("SLDB_LOCK_TAGS", "")),
            vpc_id=get("SLDB_VPC_ID") or None,
            stack=stack_of(environment),
            cache_bytes=int(_number(environment, "SLDB_CACHE_BYTES", 400.0 * MIB)),
            retention_days=_number(environment, "SLDB_RETENTION_DAYS", 30.0),
            queue_retention_days=_number(environment, "SLDB_QUEUE_RETENTION_DAYS", 14.0),
            queue_tries=int(_number(environment, "SLDB_QUEUE_TRIES", 0.0)),
            log_level=_one_of("SLDB_LOG_LEVEL", get("SLDB_LOG_LEVEL", "info").lower(), LOG_LEVELS),
            metrics=_one_of("SLDB_METRICS", get("SLDB_METRICS") or "false", METRICS).replace("false", ""),
            tracing=_true_or_false(environment, "SLDB_TRACING"),
            read_only=read_only,
            moves_files=_true_or_false(environment, "SLDB_MOVES_FILES"),
            moving_to=get("SLDB_MOVING_TO") or "",
            insights=insights_of(environment),
            large_commits=_one_of("SLDB_LARGE_COMMITS", get("SLDB_LARGE_COMMITS") or "put", LARGE_COMMITS),
            region=get("AWS_REGION") or get("AWS_DEFAULT_REGION") or "us-east-1",
            url_suffix=get("SLDB_URL_SUFFIX") or "",
            fips=_is_true(environment, "AWS_USE_FIPS_ENDPOINT"),
            dual_stack=_is_true(environment, "AWS_USE_DUALSTACK_ENDPOINT"),
            endpoint_url=s3,
            ec2_endpoint_url=ec2,
            secrets_endpoint_url=secrets,
            proxies=_proxies(environment),
            ca_bundle=_ca_bundle(environment),
            credentials=_credentials(environment),
            memory_bytes=int(_number(environment, "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", 512.0)) * MIB,
            # Lambda's limit for a synchronous reply (6 MB), less room for the envelope.
            reply_limit_bytes=6_000_000 if "AWS_LAMBDA_FUNCTION_NAME" in environment else None,
            on_lambda="AWS_LAMBDA_FUNCTION_NAME" in environment,
            temp_dir=temporary.directory(),
            token_secret=get("SLDB_TOKEN_SECRET") or "",
            cors_origins=tuple(filter(None, get("SLDB_CORS_ORIGINS", "").split(","))),
            runtime_api=get("AWS_LAMBDA_RUNTIME_API") or None,
        )

    def only_reads(self, action: str) -> bool:
        """Return True if an action may write nothing here."""
        return self.read_only and not (self.moves_files and action.startswith("file_"))

    @property
    def billed_machine(self) -> dict[str, Any]:
        """The factors of Lambda's price for a second, and the kind of store unless it is S3; nothing if seconds cost
        nothing."""
        if not self.on_lambda:
            return {}
        factors = {"memory_mb": self.memory_bytes // MIB, "architecture": os.uname().machine}
        return {**factors, "store": "efs"} if self.store.startswith("file:") else factors

    @property
    def s3(self) -> Endpoint:
        """S3 as a whole; of a bucket: `s3_bucket`. Raises BadSetting for an unusable proxy."""
        return self._endpoint("s3", self.endpoint_url)

    @property
    def ec2(self) -> Endpoint:
        return self._endpoint("ec2", self.ec2_endpoint_url)

    @property
    def secrets_manager(self) -> Endpoint:
        return self._endpoint("secretsmanager", self.secrets_endpoint_url)

    def s3_bucket(self, bucket: str) -> Endpoint:
        s3 = self.s3
        return replace(s3, url=bucket_url(s3.url, bucket, virtual_hosted=self.virtual_hosted))

    def _endpoint(self, service: str, configured: str | None) -> Endpoint:
        partition = partition_at(self.url_suffix, self.region)
        url = configured or service_url(service, self.region, partition, fips=self.fips, dual_stack=self.dual_stack)
        try:
            return Endpoint(url, proxy_for(url, dict(self.proxies)), self.ca_bundle)
        except ValueError as error:
            name = f"{url.partition(':')[0].upper()}_PROXY"
            raise BadSetting(
                name, "a hidden value (it may be a password)", "http://host:port or http://user:password@host:port"
            ) from error


def _tags(text: str) -> tuple[tuple[str, str], ...]:
    if not text:
        return ()
    import json

    try:
        tags = json.loads(text)
    except ValueError:
        tags = None
    if not isinstance(tags, dict) or not all(isinstance(value, str) for value in tags.values()):
        raise BadSetting("SLDB_LOCK_TAGS", text, "a JSON object of strings")
    return tuple(tags.items())


def insights_of(environment: Mapping[str, str]) -> bool:
    """Return True if the environment asks for insights. Raises BadSetting."""
    return _true_or_false(environment, "SLDB_INSIGHTS")


def stack_of(environment: Mapping[str, str]) -> str:
    """Return the stack of the function, also if other settings are invalid."""
    return environment.get("SLDB_STACK") or DEFAULT_STACK


def _store(text: str) -> str:
    if not text.startswith(("s3://", "file:///")):
        raise BadSetting("SLDB_STORE", text, "s3://bucket/prefix or file:///directory")
    return text.rstrip("/")


def _usual_lock(store: str) -> str:
    """Return the default kind of lock. The processes over a directory share a machine, and so its file locks."""
    return "s3" if store.startswith("file:") else "security-group"


def _one_of(name: str, got: str, allowed: tuple[str, ...]) -> str:
    if got not in allowed:
        raise BadSetting(name, got, "one of " + ", ".join(allowed))
    return got


def _number(environment: Mapping[str, str], name: str, default: float) -> float:
    text = environment.get(name)
    if not text:
        return default
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number < float("inf"):
        raise BadSetting(name, text, "a number, zero or more")
    return number


def _true_or_false(environment: Mapping[str, str], name: str) -> bool:
    """Return True for `true`. Raises BadSetting for any other text but `false`: a mistyped one must not allow more."""
    return _one_of(name, environment.get(name) or "false", ("true", "false")) == "true"


def _is_true(environment: Mapping[str, str], name: str) -> bool:
    return environment.get(name, "").lower() == "true"


def _endpoint(environment: Mapping[str, str], service: str) -> str | None:
    """Return the configured endpoint of a service, or of all services."""
    names = (f"AWS_ENDPOINT_URL_{service}", "AWS_ENDPOINT_URL")
    name = next((name for name in names if environment.get(name)), None)
    if name is None:
        return None
    if not is_endpoint_url(environment[name]):
        raise BadSetting(name, environment[name], "http://host or https://host, with a port where it needs one")
    return environment[name]


def _proxies(environment: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((name, value) for name, value in environment.items() if name.lower() in PROXY_VARIABLES))


def _ca_bundle(environment: Mapping[str, str]) -> str | None:
    return environment.get("AWS_CA_BUNDLE") or environment.get("REQUESTS_CA_BUNDLE") or None


def _credentials(environment: Mapping[str, str]) -> Credentials | None:
    key, secret = environment.get("AWS_ACCESS_KEY_ID"), environment.get("AWS_SECRET_ACCESS_KEY")
    if not key or not secret:
        return None
    return Credentials(key, secret, environment.get("AWS_SESSION_TOKEN") or None)
