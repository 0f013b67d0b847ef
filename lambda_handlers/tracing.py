"""The trace that a request belongs to: ids taken over from its caller, for the log and the reply.

`trace_id` is that of W3C's Trace Context (`traceparent`, version 00), as OpenTelemetry has it: in the header of an HTTP
request, in the client context of a direct invocation (`custom.traceparent`), or in the attributes of a message of a
queue. `xray_trace_id` is the root of AWS
X-Ray, which Lambda puts into _X_AMZN_TRACE_ID for each invocation. No segment is sent from here. Imported only where
SLDB_TRACING asks for it.

Sources: "Trace Context", W3C; "Using environment variables", Lambda's developer guide.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any

TRACEPARENT = "traceparent"  # a header, in lower case
_W3C = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-.*)?")
_XRAY_ROOT = re.compile(r"(?:^|;)Root=(1-[0-9a-f]{8}-[0-9a-f]{24})(?:;|$)")


def trace_ids(context: Any, headers: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the ids that are known and well formed. `headers`: of an HTTP request, with names in lower case."""
    given = (headers or {}).get(TRACEPARENT) or _custom(context).get(TRACEPARENT)
    w3c = _W3C.fullmatch(given) if isinstance(given, str) else None
    xray = _XRAY_ROOT.search(os.environ.get("_X_AMZN_TRACE_ID", ""))
    return {**({"trace_id": w3c[1]} if w3c else {}), **({"xray_trace_id": xray[1]} if xray else {})}


def _custom(context: Any) -> Mapping[str, Any]:
    """Return the caller's own fields of the client context of an invocation."""
    found = getattr(getattr(context, "client_context", None), "custom", None)
    return found if isinstance(found, dict) else {}
