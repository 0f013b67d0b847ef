"""Errors of AWS and its libraries, and their conversion into sldb's, in this one place.

`OperationFailed`  exit status 1: the deployment itself failed or was refused. The message names the failure and its
                   place, the hint the next step.
`SldbError`        `store_error` (3): no credentials, no region, not reachable, not allowed; `conflict` (75): another
process is changing the stack; `bad_request` (2): an invalid option.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from lambda_handlers.wire import SldbError

if TYPE_CHECKING:
    from botocore.exceptions import BotoCoreError, ClientError, ProxyConnectionError

_STALE_CREDENTIALS = {
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidClientTokenId",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
    "AuthFailure",
    "InvalidAccessKeyId",
}
_CLOCK_CODES = {"RequestTimeTooSkewed", "RequestExpired", "RequestInTheFuture"}
_CLOCK_MESSAGES = ("Signature expired", "Signature not yet current")
_REGION_MESSAGES = ("Credential should be scoped to a valid region", "authorization header is malformed; the region")
_DENIED = {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "403", "Forbidden"}
_BUSY = {
    "InvalidChangeSetStatus",
    "InvalidChangeSetStatusException",
    "ChangeSetNotFound",  # executing one of several drops the others
    "OperationInProgressException",
}


class OperationFailed(SldbError):
    """An error of the client alone: it is never sent, and has no place among the codes of the wire."""

    def __init__(self, message: str, hint: str = "", **details: Any) -> None:
        super().__init__("failed", message, hint, **details)

    @property
    def status(self) -> int:
        return 500

    @property
    def exit_code(self) -> int:
        return 1


@contextmanager
def aws_errors(doing: str) -> Iterator[None]:
    """Raise the errors of botocore as SldbErrors with `doing` in the message, such as "describe the stack"."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as error:
        raise _from_response(doing, error) from error
    except BotoCoreError as error:
        raise _from_botocore(doing, error) from error


def is_missing_stack(error: ClientError) -> bool:
    """Return True if CloudFormation knows no such stack: it has no code of its own for that."""
    return error.response["Error"]["Code"] == "ValidationError" and "does not exist" in str(error)


REGION_HINT = "give --region, set AWS_REGION, or run `aws configure`"
WRONG_REGION_HINT = "check the name of the region: --region, AWS_REGION, or that of your AWS profile"
_CREDENTIALS_HINT = "run `aws configure` or `aws sso login`, or give --profile"


def _from_botocore(doing: str, error: BotoCoreError) -> SldbError:
    """Return the error for one of botocore without a response of the service."""
    from botocore import exceptions as aws

    said = _text(error)
    if isinstance(error, aws.ProfileNotFound):
        return SldbError("store_error", said, _hint(error))
    if isinstance(error, aws.NoRegionError):
        said = "no AWS region is set"
    if isinstance(error, aws.RefreshWithMFAUnsupportedError):
        said = "the role's session has ended"
    # botocore leaves out the response of the proxy.
    if isinstance(error, aws.ProxyConnectionError) and (refusal := _proxy_refusal(error)):
        said = f"{said} ({refusal})"
    return SldbError("store_error", f"cannot {doing}: {said}", _hint(error))


def _hint(error: BotoCoreError) -> str:
    return next(hint for kinds, hint in _hints() if isinstance(error, kinds))


def _hints() -> Iterator[tuple[type[Exception] | tuple[type[Exception], ...], str]]:
    """Return the kinds of errors and their hints. The first match counts."""
    from botocore import exceptions as aws

    yield aws.ProfileNotFound, "see `aws configure list-profiles`, or --profile"
    yield aws.NoRegionError, REGION_HINT
    yield aws.ProxyConnectionError, "check the proxy: HTTPS_PROXY, HTTP_PROXY and NO_PROXY"
    yield aws.SSLError, "if a proxy has its own certificates, set AWS_CA_BUNDLE to the file of those to trust"
    yield (aws.HTTPClientError, aws.ConnectionError), "check the network, the region and AWS_ENDPOINT_URL"
    # A name composed of words from AWS or the user.
    yield aws.ParamValidationError, "check the names in it"
    yield aws.RefreshWithMFAUnsupportedError, "run the command again: it requests another MFA code"
    yield _credential_errors(), _CREDENTIALS_HINT
    yield (aws.IncompleteReadError, aws.ChecksumError, aws.FlexibleChecksumError), "try again"
    yield aws.BotoCoreError, "check the AWS settings that it names"


def _credential_errors() -> tuple[type[Exception], ...]:
    from botocore import exceptions as aws

    return (
        aws.NoCredentialsError,
        aws.PartialCredentialsError,
        aws.CredentialRetrievalError,
        aws.UnknownCredentialError,
        aws.SSOError,
        aws.LoginError,
        aws.TokenRetrievalError,
        aws.NoAuthTokenError,
        aws.MetadataRetrievalError,
    )


def _from_response(doing: str, error: ClientError) -> SldbError:
    """Return the error for a response of the service."""
    response: Any = error.response
    code = response.get("Error", {}).get("Code", "")
    said = _text(error)
    if is_wrong_clock(code, str(error)):
        date = response.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date")
        return SldbError("store_error", f"cannot {doing}: {said}", clock_hint(date))
    if is_wrong_region(said):
        return SldbError("store_error", f"cannot {doing}: {said}", WRONG_REGION_HINT)
    if code in _STALE_CREDENTIALS:
        return SldbError("store_error", f"cannot {doing}: {said}", _CREDENTIALS_HINT)
    if code in _DENIED:
        return SldbError("store_error", f"not allowed to {doing}: {said}", "your AWS identity needs this permission")
    if code in _BUSY or (code == "ValidationError" and "_IN_PROGRESS" in str(error)):
        hint = "another process is changing the stack: when `sldb status` shows that it is done, deploy again"
        return SldbError("conflict", f"cannot {doing}: {said}", hint)
    if code == "OperationAborted":
        hint = "S3 is still working on a bucket of this name, perhaps a deletion: try again in a few minutes"
        return SldbError("store_error", f"cannot {doing}: {said}", hint)
    return SldbError("store_error", f"cannot {doing}: {said}")


def is_wrong_region(message: str) -> bool:
    """Return True if AWS refuses the region in a signature: the services use several codes for that."""
    return any(text in message for text in _REGION_MESSAGES)


def is_wrong_clock(code: str, message: str) -> bool:
    """Return True if AWS refuses a request because of the time of its signature."""
    return code in _CLOCK_CODES or any(text in message for text in _CLOCK_MESSAGES)


def clock_hint(date: str | None) -> str:
    """Return the advice about a wrong clock. `date`: AWS's own time, from the header of its response, if there is
    one."""
    if date is None:
        return "set the clock of this machine: AWS refuses what is signed 5 minutes too early or too late"
    off = time.time() - parsedate_to_datetime(date).timestamp()
    return f"set the clock of this machine: it is {abs(off):,.0f} s {'ahead of' if off > 0 else 'behind'} AWS's"


def _proxy_refusal(error: ProxyConnectionError) -> str:
    """Return the refusal of a proxy; empty if there is none in the error."""
    found = re.search(r"Tunnel connection failed: ([^'\")]*)", str(error.kwargs["error"]))
    return found[1].strip() if found else ""


def _text(error: BaseException) -> str:
    """Return the message in one line, without a password of a proxy or an endpoint."""
    return re.sub(r"(//)[^/\s\"']*@", r"\1***@", " ".join(str(error).split()))
