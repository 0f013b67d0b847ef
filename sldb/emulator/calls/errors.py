"""AWS's errors, and their form on the wire in each protocol.

The emulator refuses a call with `AwsError`; `render` alone knows the four shapes.
"""

from __future__ import annotations

import json
import uuid
from xml.sax.saxutils import escape

from sldb.emulator.calls.call import Answer, Call

JSON_SERVICES = frozenset(  # whose errors are JSON
    {
        *("lambda", "events", "logs", "secretsmanager", "apigateway", "apigatewayv2", "sqs", "monitoring", "kms"),
        "elasticfilesystem",
    }
)
# SQS's errors have their names of the query protocol in a header, by which clients know them (botocore's model).
_QUERY_NAMES = {
    "QueueDoesNotExist": "AWS.SimpleQueueService.NonExistentQueue",
    "QueueNameExists": "QueueAlreadyExists",
    "EmptyBatchRequest": "AWS.SimpleQueueService.EmptyBatchRequest",
    "TooManyEntriesInBatchRequest": "AWS.SimpleQueueService.TooManyEntriesInBatchRequest",
    "BatchEntryIdsNotDistinct": "AWS.SimpleQueueService.BatchEntryIdsNotDistinct",
    "BatchRequestTooLong": "AWS.SimpleQueueService.BatchRequestTooLong",
    "MessageNotInflight": "AWS.SimpleQueueService.MessageNotInflight",
}
_XML = '<?xml version="1.0" encoding="UTF-8"?>\n'


class AwsError(Exception):
    """An error as AWS would answer it: its code, its words, its HTTP status."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status


class NotEmulated(AwsError):
    """A feature of AWS that is not emulated: refused by name, never silently ignored."""

    def __init__(self, what: str) -> None:
        super().__init__("NotImplemented", f"sldb emulator does not supply {what}", 501)


def render(call: Call, error: AwsError) -> Answer:
    request_id = str(uuid.uuid4())
    if call.service in JSON_SERVICES:
        return _json(call, error, request_id)
    if call.service == "s3":
        body = "" if call.method == "HEAD" else _s3(call, error, request_id)
    elif call.service == "ec2":
        body = (
            f"<Response><Errors><Error>{_fields(error)}</Error></Errors><RequestID>{request_id}</RequestID></Response>"
        )
    else:
        body = (
            f"<ErrorResponse><Error><Type>Sender</Type>{_fields(error)}</Error>"
            f"<RequestId>{request_id}</RequestId></ErrorResponse>"
        )
    headers = (("Content-Type", "text/xml"), ("x-amzn-RequestId", request_id))
    return Answer(error.status, headers, (_XML + body).encode() if body else b"")


def wrong_region(call: Call) -> AwsError:
    """Return AWS's error for a signature with an unknown region."""
    if call.service == "s3":
        message = f"The authorization header is malformed; the region '{call.region}' is wrong"
        return AwsError("AuthorizationHeaderMalformed", message, 400)
    code = "InvalidSignatureException" if call.service in JSON_SERVICES else "SignatureDoesNotMatch"
    return AwsError(code, f"Credential should be scoped to a valid region, and '{call.region}' is none", 403)


def _fields(error: AwsError) -> str:
    return f"<Code>{escape(error.code)}</Code><Message>{escape(error.message)}</Message>"


def _s3(call: Call, error: AwsError, request_id: str) -> str:
    return f"<Error>{_fields(error)}<Resource>{escape(call.path)}</Resource><RequestId>{request_id}</RequestId></Error>"


def _json(call: Call, error: AwsError, request_id: str) -> Answer:
    name = "Message" if call.service == "lambda" else "message"
    body = {"Type": "User", name: error.message, "__type": error.code}
    headers: tuple[tuple[str, str], ...] = (
        ("Content-Type", "application/json"),
        ("x-amzn-errortype", error.code),
        ("x-amzn-RequestId", request_id),
    )
    if call.service == "sqs":
        headers = (*headers, ("x-amzn-query-error", f"{_QUERY_NAMES.get(error.code, error.code)};Sender"))
    return Answer(error.status, headers, json.dumps(body).encode())
