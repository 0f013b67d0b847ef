"""The names of a stack and of its parts: functions, buckets, logs, and the databases in the bucket. Pure."""

from __future__ import annotations

from lambda_handlers.shared.patterns import pattern
from lambda_handlers.wire import SldbError

DATABASES_PREFIX = "databases/"  # of keys in the data bucket: the databases are below it
ALIAS = "live"  # of the query function with provisioned containers, as in the template
ACCESS_DOCUMENT = f"{DATABASES_PREFIX}_access/callers.json"  # what each caller of the APIs may do
_STACK_NAME = pattern(r"[a-z](-?[a-z0-9])*")
_MAX_BUCKET_NAME = 63  # characters
_DEADLOCK_FIX = "-deadlock-fix"


def check_stack_name(stack: str) -> None:
    """Raise `bad_request` for an invalid name: buckets and locks are named after the stack, in lower case only."""
    if not _STACK_NAME.fullmatch(stack):
        raise SldbError(
            "bad_request",
            f"--stack: got {stack!r}, want lower-case letters, digits and single hyphens, a letter first",
        )


def default_function(stack: str) -> str:
    """Return the name of the query function, unless `sldb deploy --function` gave another."""
    return f"{stack}-function"


def deadlock_fix_function(function: str) -> str:
    """Return the name of the scheduled function beside a query function."""
    return f"{function}{_DEADLOCK_FIX}"


def authorizer_function(function: str) -> str:
    """Return the name of the function beside a query function that checks the tokens of callers."""
    return f"{function}-authorizer"


def read_function(function: str) -> str:
    """Return the name of the function beside a query function that only reads."""
    return f"{function}-read"


MAX_FUNCTION_NAME = 64 - len(_DEADLOCK_FIX)  # characters, of a query function


def log_group(function: str) -> str:
    return f"/aws/lambda/{function}"


def api_log_group(function: str) -> str:
    """Return the log group of the APIs in front of a query function."""
    return f"/aws/vendedlogs/sldb/{function}-api"


def data_bucket(stack: str, account_id: str, region: str) -> str:
    """Return the name of the data bucket, as in the template. Raises `bad_request` if the stack's name is too long."""
    return _bucket(stack, "data", account_id, region)


def bundle_bucket(stack: str, account_id: str, region: str) -> str:
    """Return the name of the bucket of bundles. Raises `bad_request` if the stack's name is too long."""
    return _bucket(stack, "bundles", account_id, region)


def _bucket(stack: str, purpose: str, account_id: str, region: str) -> str:
    name = f"{stack}-{purpose}-{account_id}-{region}"
    if len(name) > _MAX_BUCKET_NAME:
        max_stack = _MAX_BUCKET_NAME - len(f"-bundles-{account_id}-{region}")
        raise SldbError("bad_request", f"--stack: {stack!r} is too long, want at most {max_stack} characters")
    return name
