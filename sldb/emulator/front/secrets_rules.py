"""Rules of Secrets Manager that moto lacks. Called under moto's lock.

A secret's current value is the version with the label AWSCURRENT, also after UpdateSecretVersionStage has moved it;
unknown secrets and versions are errors with status 400; a secret marked for deletion takes no calls but a few. The
words of errors are those in users' reports. Rights on a customer's KMS key are not checked.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from sldb.emulator.access.secret_permissions import find, parameters
from sldb.emulator.calls.call import Answer, Call
from sldb.emulator.calls.errors import AwsError, NotEmulated
from sldb.emulator.calls.moto_app import Moto

_CURRENT = "AWSCURRENT"
_MAX_VALUE_BYTES = 65_536
_NEW = ("CreateSecret", "GetRandomPassword", "ListSecrets")  # those that name no existing secret
_OF_DELETED = ("DescribeSecret", "DeleteSecret", "RestoreSecret", "TagResource", "UntagResource")
ACTIONS = frozenset(
    {
        *_NEW,
        *_OF_DELETED,
        *("GetSecretValue", "PutSecretValue", "UpdateSecret", "UpdateSecretVersionStage", "ListSecretVersionIds"),
    }
)


def check(moto: Moto, call: Call) -> Call:
    if call.action not in ACTIONS:
        raise NotEmulated(f"secretsmanager:{call.action}")
    wanted = parameters(call)
    for name in ("AddReplicaRegions", "SecretBinary"):
        if wanted.get(name):
            raise NotEmulated(f"{name} of secretsmanager:{call.action}")
    if len(wanted.get("SecretString", "").encode()) > _MAX_VALUE_BYTES:
        words = "Value at 'secretString' failed to satisfy constraint: Member must have length less than or equal to"
        raise AwsError("ValidationException", f"1 validation error detected: {words} {_MAX_VALUE_BYTES}")
    secret = find(moto, call)
    if call.action not in _NEW:
        _check_existing(call, secret)
    elif call.action == "CreateSecret" and secret is not None and secret.is_deleted():
        raise _invalid(
            "You can't create this secret because a secret with this name is already scheduled for deletion."
        )
    if call.action == "GetSecretValue" and not wanted.keys() & {"VersionId", "VersionStage"}:
        # moto takes the version that was made last, even if the label has been moved since.
        return replace(call, body=json.dumps({**wanted, "VersionStage": _CURRENT}).encode())
    return call


def complete(moto: Moto, call: Call, answer: Answer) -> Answer:
    """Return moto's answer as Secrets Manager gives it."""
    if answer.status == 404:  # Secrets Manager's errors of the caller have all the same status
        return replace(answer, status=400)
    correct = _CORRECTIONS.get(call.action)
    if answer.status != 200 or correct is None:
        return answer
    return correct(find(moto, call), parameters(call), answer)


def _check_existing(call: Call, secret: Any) -> None:
    if secret is None:
        raise AwsError("ResourceNotFoundException", "Secrets Manager can't find the specified secret.")
    if secret.is_deleted() and call.action not in _OF_DELETED:
        raise _invalid("You can't perform this operation on the secret because it was marked for deletion.")


def _move_default(secret: Any, _wanted: Mapping[str, Any], answer: Answer) -> Answer:
    """Let moto know the current version: the next value makes it AWSPREVIOUS."""
    current = (name for name, version in secret.versions.items() if _CURRENT in version["version_stages"])
    secret.set_default_version_id(next(current, None))
    return answer


def _clear_description(secret: Any, wanted: Mapping[str, Any], answer: Answer) -> Answer:
    if wanted.get("Description") == "":
        secret.description = ""
    return answer


def _list_versions(secret: Any, wanted: Mapping[str, Any], answer: Answer) -> Answer:
    """Return the versions with their ages; those without a label are deprecated, and listed on demand."""
    versions = [
        {"VersionId": name, "VersionStages": version["version_stages"], "CreatedDate": version["createdate"]}
        for name, version in secret.versions.items()
        if version["version_stages"] or wanted.get("IncludeDeprecated")
    ]
    body = {"ARN": secret.arn, "Name": secret.name, "Versions": versions}
    return replace(answer, headers=_without_length(answer), body=json.dumps(body).encode())


_CORRECTIONS: dict[str, Callable[[Any, Mapping[str, Any], Answer], Answer]] = {
    "UpdateSecretVersionStage": _move_default,
    "UpdateSecret": _clear_description,
    "ListSecretVersionIds": _list_versions,
}


def _without_length(answer: Answer) -> tuple[tuple[str, str], ...]:
    # The server sets the length again when it sends the answer.
    return tuple(header for header in answer.headers if header[0].lower() != "content-length")


def _invalid(message: str) -> AwsError:
    return AwsError("InvalidRequestException", message)
