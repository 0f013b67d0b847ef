"""What may go wrong with a deployment, and the one place where AWS's errors become ours.

`OperationFailed`  exit status 1: the deployment itself failed or was refused. The message says what and where, the hint
                   what to do next.
`SldbError`        `store_error` (3): no credentials, no region, not reachable, not allowed; `conflict` (75): somebody
                   else is changing the stack; `bad_request` (2): an option that makes no sense.
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
    from botocore.exceptions import ClientError, ProxyConnectionError

_STALE_CREDENTIALS = {
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidClientTokenId",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
    "AuthFailure",
    "InvalidAccessKeyId",
}
_CLOCK = {"RequestTimeTooSkewed", "RequestExpired", "RequestInTheFuture"}
_SIGNED_AT_ANOTHER_TIME = ("Signature expired", "Signature not yet current")
_DENIED = {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "403", "Forbidden"}
_BUSY = {
    "InvalidChangeSetStatus",
    "InvalidChangeSetStatusException",
    "ChangeSetNotFound",  # executing one of several drops the others
    "OperationInProgressException",
}


class OperationFailed(SldbError):
    """Of the client's own: it never travels, and has no place among the codes of the wire."""

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
    """Whatever botocore raises inside becomes an SldbError that says what we were doing."""
    from botocore import exceptions as aws

    try:
        yield
    except aws.ProfileNotFound as error:
        raise SldbError("store_error", _text(error), "see `aws configure list-profiles`, or --profile") from error
    except aws.NoRegionError as error:
        raise SldbError("store_error", f"cannot {doing}: no AWS region is set", REGION_HINT) from error
    except aws.ClientError as error:
        raise _of_client_error(doing, error) from error
    except aws.ProxyConnectionError as error:
        raise SldbError("store_error", f"cannot {doing}: {_said_of_proxy(error)}", _PROXY_HINT) from error
    except aws.SSLError as error:
        raise SldbError("store_error", f"cannot {doing}: {_text(error)}", _CERTIFICATES_HINT) from error
    except (aws.HTTPClientError, aws.ConnectionError) as error:
        hint = "check the network, the region and AWS_ENDPOINT_URL"
        raise SldbError("store_error", f"cannot {doing}: {_text(error)}", hint) from error
    except aws.ParamValidationError as error:  # a name that was put together from what AWS or the user said
        raise SldbError("store_error", f"cannot {doing}: {_text(error)}", "look at the names in it") from error
    except aws.RefreshWithMFAUnsupportedError as error:
        hint = "run the command again: it asks for another MFA code"
        raise SldbError("store_error", f"cannot {doing}: the role's session has ended", hint) from error
    except _of_credentials(aws) as error:
        raise SldbError("store_error", f"cannot {doing}: {_text(error)}", _CREDENTIALS_HINT) from error
    except (aws.IncompleteReadError, aws.ChecksumError, aws.FlexibleChecksumError) as error:
        raise SldbError("store_error", f"cannot {doing}: {_text(error)}", "try again") from error
    except aws.BotoCoreError as error:
        raise SldbError(
            "store_error", f"cannot {doing}: {_text(error)}", "look at the AWS settings it names"
        ) from error


def _of_credentials(aws: Any) -> tuple[type[Exception], ...]:
    return (
        *(
            aws.NoCredentialsError,
            aws.PartialCredentialsError,
            aws.CredentialRetrievalError,
            aws.UnknownCredentialError,
        ),
        *(aws.SSOError, aws.LoginError, aws.TokenRetrievalError, aws.NoAuthTokenError, aws.MetadataRetrievalError),
    )


def is_missing_stack(error: ClientError) -> bool:
    """Return whether CloudFormation says that there is no such stack, for which it has no code of its own."""
    return error.response["Error"]["Code"] == "ValidationError" and "does not exist" in str(error)


REGION_HINT = "give --region, set AWS_REGION, or run `aws configure`"
_PROXY_HINT = "check the proxy: HTTPS_PROXY, HTTP_PROXY and NO_PROXY"
_CERTIFICATES_HINT = "where a proxy has certificates of its own, AWS_CA_BUNDLE names the file of those to trust"
_CREDENTIALS_HINT = "run `aws configure` or `aws sso login`, or give --profile"


def _of_client_error(doing: str, error: Any) -> SldbError:
    code = error.response.get("Error", {}).get("Code", "")
    if is_wrong_clock(code, str(error)):
        date = error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date")
        return SldbError("store_error", f"cannot {doing}: {_text(error)}", clock_hint(date))
    if code in _STALE_CREDENTIALS:
        return SldbError("store_error", f"cannot {doing}: {_text(error)}", _CREDENTIALS_HINT)
    if code in _DENIED:
        hint = "your AWS identity needs this permission"
        return SldbError("store_error", f"not allowed to {doing}: {_text(error)}", hint)
    if code in _BUSY or (code == "ValidationError" and "_IN_PROGRESS" in str(error)):
        hint = "somebody else is changing the stack: when `sldb status` says that it is done, deploy again"
        return SldbError("conflict", f"cannot {doing}: {_text(error)}", hint)
    if code == "OperationAborted":
        hint = "S3 has not finished with a bucket of this name, deleted a moment ago perhaps: try again in some minutes"
        return SldbError("store_error", f"cannot {doing}: {_text(error)}", hint)
    return SldbError("store_error", f"cannot {doing}: {_text(error)}")


def is_wrong_clock(code: str, message: str) -> bool:
    """Whether AWS refuses a request because of the time at which it says that it was signed."""
    return code in _CLOCK or any(said in message for said in _SIGNED_AT_ANOTHER_TIME)


def clock_hint(date: str | None) -> str:
    """What to do about a wrong clock; `date` is AWS's own, the header of its answer, where there is one."""
    if date is None:
        return "set the clock of this machine: AWS refuses what is signed 5 minutes too early or too late"
    off = time.time() - parsedate_to_datetime(date).timestamp()
    return f"set the clock of this machine: it is {abs(off):,.0f} s {'ahead of' if off > 0 else 'behind'} AWS's"


def _said_of_proxy(error: ProxyConnectionError) -> str:
    """What botocore says, which leaves out what the proxy has said."""
    why = re.search(r"Tunnel connection failed: ([^'\")]*)", str(error.kwargs["error"]))
    return f"{_text(error)} ({why[1].strip()})" if why else _text(error)


def _text(error: BaseException) -> str:
    """In one line, and without what may be the password of a proxy or an endpoint."""
    return re.sub(r"(//)[^/\s\"']*@", r"\1***@", " ".join(str(error).split()))
