"""Tags of stages and domain names, which moto has only from their creation. Those of APIs are moto's own.

The ARNs are those of "Actions, resources, and condition keys for Amazon API Gateway Management V2" in the service
authorization reference: `arn:PARTITION:apigateway:REGION::/apis/ID/stages/NAME` and `…::/domainnames/NAME`.
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qs, unquote

from sldb.emulator.calls.call import Call

_PREFIX = "/v2/tags/"


def answer(backend: Any, call: Call) -> dict[str, Any] | None:
    """Return the body of the answer; None for the tags of another resource. Raises moto's errors."""
    holder = _holder(backend, unquote(call.path.removeprefix(_PREFIX)).partition("::/")[2].split("/"))
    if holder is None:
        return None
    if call.action == "GetTags":
        return {"tags": holder.tags or {}}
    if call.action == "TagResource":
        holder.tags = {**(holder.tags or {}), **json.loads(call.body)["tags"]}
        return {}
    gone = parse_qs(call.environ.get("QUERY_STRING", "")).get("tagKeys", [])
    holder.tags = {key: value for key, value in (holder.tags or {}).items() if key not in gone}
    return {}


def _holder(backend: Any, parts: list[str]) -> Any:
    """Return the stage or domain name, None for another resource. `parts`: of the ARN."""
    if len(parts) == 4 and (parts[0], parts[2]) == ("apis", "stages"):
        return backend.get_stage(parts[1], parts[3])
    if len(parts) == 2 and parts[0] == "domainnames":
        return backend.get_domain_name(parts[1])
    return None
