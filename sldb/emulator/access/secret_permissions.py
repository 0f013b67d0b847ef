"""The permissions of a call of Secrets Manager, from the service authorization reference. Called under moto's lock."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sldb.emulator.access.policy import Request
from sldb.emulator.calls.call import ACCOUNT, Call
from sldb.emulator.calls.errors import AwsError
from sldb.emulator.calls.moto_app import Moto

_CONDITIONS = {"SecretId": "secretid", "VersionId": "versionid", "VersionStage": "versionstage"}
_OF_NO_SECRET = ("GetRandomPassword", "ListSecrets")


def required(moto: Moto, call: Call, common: Mapping[str, tuple[str, ...]]) -> list[Request]:
    action = f"secretsmanager:{call.action}"
    if call.action in _OF_NO_SECRET:
        return [Request(action, "*", common)]
    wanted = parameters(call)
    context = {f"secretsmanager:{key}": (str(wanted[name]),) for name, key in _CONDITIONS.items() if wanted.get(name)}
    secret = find(moto, call)
    if secret is None:
        # A caller must be allowed to use the name before it is told whether there is such a secret.
        name = str(wanted.get("SecretId") or wanted.get("Name"))
        prefix = f"arn:aws:secretsmanager:{call.region}:{ACCOUNT}:secret:"
        return [Request(action, name if name.startswith("arn:") else prefix + name, {**common, **context})]
    for tag in secret.tags or []:
        for family in ("aws", "secretsmanager"):
            context[f"{family}:resourcetag/{tag['Key'].lower()}"] = (tag["Value"],)
    return [Request(action, secret.arn, {**common, **context})]


def find(moto: Moto, call: Call) -> Any:
    """Return moto's secret for a call, by name or ARN; None if there is none."""
    wanted = parameters(call)
    name = wanted.get("SecretId", wanted.get("Name"))
    return None if name is None else moto.backend("secretsmanager", call.region).secrets.get(name)


def parameters(call: Call) -> dict[str, Any]:
    """Return the parameters of a call. Raises AwsError."""
    try:
        found = json.loads(call.body or b"{}")
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise AwsError("SerializationException", "the body is not a JSON object")
    return found
