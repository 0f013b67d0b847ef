"""The environment of the functions as one frozen value; the only reader of os.environ on the server side.

Every setting is described in docs/interface.md. A setting that makes no sense is a `bad setting` error at the first
request, which names the variable, what it holds and what it may hold.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass

LOCK_KINDS = ("security-group", "s3", "none")
LARGE_COMMITS = ("put", "parts")
LOG_LEVELS = ("debug", "info", "warning", "error")
MIB = 1 << 20


class BadSetting(ValueError):
    """An environment variable that cannot be used: which, what it holds, what it may hold."""

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
    vpc_id: str | None = None  # where the lock groups are made; None: the region's default VPC
    stack: str = "test-db"  # part of the lock's name and its tag
    cache_bytes: int = 400 * MIB  # for all copies of databases in temp_dir together
    retention_days: float = 30.0
    log_level: str = "info"
    large_commits: str = "put"  # one of LARGE_COMMITS; how a store that is not AWS's gets what is large
    region: str = "us-east-1"
    endpoint_url: str | None = None  # of S3, instead of AWS's own
    ec2_endpoint_url: str | None = None  # of EC2, instead of AWS's own
    credentials: Credentials | None = None
    memory_bytes: int = 512 * MIB  # what the function has in all
    reply_limit_bytes: int | None = None  # Lambda's, where the function runs there
    on_lambda: bool = False
    temp_dir: str = ""
    runtime_api: str | None = None  # host and port where Lambda takes replies, where the function runs there

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        get = environment.get
        endpoint = get("AWS_ENDPOINT_URL")
        store = _store(get("SLDB_STORE", ""))
        return cls(
            store=store,
            lock=_one_of("SLDB_LOCK", get("SLDB_LOCK") or _usual_lock(store), LOCK_KINDS),
            lock_max_age_seconds=_number(environment, "SLDB_LOCK_MAX_AGE_SECONDS", 90.0),
            lock_retry_seconds=_number(environment, "SLDB_LOCK_RETRY_SECONDS", 1.0),
            vpc_id=get("SLDB_VPC_ID") or None,
            stack=get("SLDB_STACK") or "test-db",
            cache_bytes=int(_number(environment, "SLDB_CACHE_BYTES", 400.0 * MIB)),
            retention_days=_number(environment, "SLDB_RETENTION_DAYS", 30.0),
            log_level=_one_of("SLDB_LOG_LEVEL", get("SLDB_LOG_LEVEL", "info").lower(), LOG_LEVELS),
            large_commits=_one_of("SLDB_LARGE_COMMITS", get("SLDB_LARGE_COMMITS") or "put", LARGE_COMMITS),
            region=get("AWS_REGION") or get("AWS_DEFAULT_REGION") or "us-east-1",
            endpoint_url=get("AWS_ENDPOINT_URL_S3") or endpoint or None,
            ec2_endpoint_url=get("AWS_ENDPOINT_URL_EC2") or endpoint or None,
            credentials=_credentials(environment),
            memory_bytes=int(_number(environment, "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", 512.0)) * MIB,
            # Lambda's limit for a synchronous reply (6 MB), less room for the envelope.
            reply_limit_bytes=6_000_000 if "AWS_LAMBDA_FUNCTION_NAME" in environment else None,
            on_lambda="AWS_LAMBDA_FUNCTION_NAME" in environment,
            temp_dir=tempfile.gettempdir(),
            runtime_api=get("AWS_LAMBDA_RUNTIME_API") or None,
        )


def _store(text: str) -> str:
    if not text.startswith(("s3://", "file:///")):
        raise BadSetting("SLDB_STORE", text, "s3://bucket/prefix or file:///directory")
    return text.rstrip("/")


def _usual_lock(store: str) -> str:
    """A directory's processes share a machine, and so its file locks."""
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


def _credentials(environment: Mapping[str, str]) -> Credentials | None:
    key, secret = environment.get("AWS_ACCESS_KEY_ID"), environment.get("AWS_SECRET_ACCESS_KEY")
    if not key or not secret:
        return None
    return Credentials(key, secret, environment.get("AWS_SESSION_TOKEN") or None)
