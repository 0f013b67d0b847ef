"""Failures of resources, in CloudFormation's words."""

from __future__ import annotations

import logging

from botocore.exceptions import ClientError, ParamValidationError

from sldb.emulator.calls.errors import AwsError
from sldb.emulator.cloudformation.stack import Resource

_logger = logging.getLogger(__name__)


class Failed(Exception):
    """A resource could not be made, changed or removed; its event says why."""

    def __init__(self, logical_id: str) -> None:
        super().__init__(logical_id)
        self.logical_id = logical_id


def not_there(resource: Resource) -> AwsError:
    words = f"Resource of type '{resource.type}' with identifier '{resource.physical_id}' was not found."
    return AwsError("NotFound", words)


def reason_of(error: Exception) -> str:
    """Return the reason of a failed resource's event."""
    if isinstance(error, ClientError):
        metadata = error.response["ResponseMetadata"]
        service = error.operation_name
        return (
            f'Resource handler returned message: "{error.response["Error"]["Message"]}" (Operation: {service}, Status '
            f"Code: {metadata['HTTPStatusCode']}, Error Code: {error.response['Error']['Code']}, "
            f"Request ID: {metadata.get('RequestId', '')})"
        )
    if isinstance(error, AwsError):
        return f'Resource handler returned message: "{error.message}" (HandlerErrorCode: {error.code})'
    if isinstance(error, (ParamValidationError, KeyError)):
        return f"Properties validation failed: {error}"
    _logger.error("a resource failed in a way that AWS would not", exc_info=error)
    return f"Internal failure of the emulator: {error!r}"
