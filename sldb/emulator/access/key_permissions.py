"""The permissions of a call of KMS, from the service authorization reference: the key by its ARN, none for CreateKey.

The key's own policy is not asked here: those of this project leave it to the policies of the caller. Called under
moto's lock.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sldb.emulator.access.policy import Request
from sldb.emulator.access.resource_arns import json_of
from sldb.emulator.calls.call import ACCOUNT, Call
from sldb.emulator.calls.moto_app import Moto


def required(moto: Moto, call: Call, common: Mapping[str, tuple[str, ...]]) -> list[Request]:
    fields, action = json_of(call), f"kms:{call.action}"
    key_id = str(fields.get("KeyId") or "").rpartition("/")[2]
    if not key_id:
        tags = _tags(fields.get("Tags"), "aws:requesttag")
        return [Request(action, "*", {**common, **tags})]
    kms = moto.backend("kms", call.region)
    found = kms.list_resource_tags(key_id) if key_id in kms.keys else {"Tags": []}
    context = {**common, **_tags(found["Tags"], "aws:resourcetag")}
    return [Request(action, f"arn:aws:kms:{call.region}:{ACCOUNT}:key/{key_id}", context)]


def _tags(tags: Any, family: str) -> dict[str, tuple[str, ...]]:
    return {f"{family}/{tag['TagKey'].lower()}": (tag["TagValue"],) for tag in tags or []}
