"""The trace that this process is part of: TRACEPARENT of its environment, sent on with each request.

The variable has the header `traceparent` of W3C's Trace Context, as OpenTelemetry's command line tools set it
("Environment Variables as Context Propagation Carriers", OpenTelemetry's specification). A function with SLDB_TRACING
takes it over into its log and replies; any other ignores it.
"""

from __future__ import annotations

import base64
import json
import os
import re
from collections.abc import Mapping

VARIABLE = "TRACEPARENT"
FIELD = "traceparent"  # of HTTP, of the client context of Lambda, and of messages of a queue
_FORM = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


def trace_parent() -> str | None:
    """Return the variable; None if it is not set, or has another form than that of W3C."""
    given = os.environ.get(VARIABLE, "")
    return given if _FORM.fullmatch(given) else None


def http_headers() -> dict[str, str]:
    """Return the header for a request over HTTP."""
    parent = trace_parent()
    return {} if parent is None else {FIELD: parent}


def lambda_headers() -> dict[str, str]:
    """Return the header for an invocation: Lambda's client context, with the trace among the caller's own fields."""
    parent = trace_parent()
    if parent is None:
        return {}
    context = json.dumps({"custom": {FIELD: parent}}, separators=(",", ":"))
    return {"X-Amz-Client-Context": base64.b64encode(context.encode()).decode()}


def message_attributes() -> Mapping[str, dict[str, str]]:
    """Return the attributes of a message of a queue."""
    parent = trace_parent()
    return {} if parent is None else {FIELD: {"DataType": "String", "StringValue": parent}}
