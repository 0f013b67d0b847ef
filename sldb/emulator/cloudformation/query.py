"""The query protocol: a form with dotted names in, XML out, both by botocore's model of CloudFormation."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from typing import Any
from xml.sax.saxutils import escape

from botocore.loaders import Loader
from botocore.model import ListShape, MapShape, ServiceModel, Shape, StructureShape

from sldb.emulator.calls.call import Answer

_NAMESPACE = "http://cloudformation.amazonaws.com/doc/2010-05-15/"
# Characters that are invalid in XML 1.0.
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")


@cache
def model() -> ServiceModel:
    return ServiceModel(Loader().load_service_model("cloudformation", "service-2"), "cloudformation")


def parse(action: str, form: Mapping[str, str]) -> dict[str, Any]:
    """Return the parameters of a call as nested dicts and lists. Unknown names are left in, as text."""
    shape = model().operation_model(action).input_shape
    tree = _tree({name: value for name, value in form.items() if name not in ("Action", "Version")})
    members = shape.members if shape is not None else {}
    return {name: _typed(node, members[name]) if name in members else node for name, node in tree.items()}


def _tree(form: Mapping[str, str]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for name, value in form.items():
        *path, last = name.split(".")
        node = tree
        for part in path:
            node = node.setdefault(part, {})
        node[last] = value
    return tree


def _typed(node: Any, shape: Shape) -> Any:
    if isinstance(shape, StructureShape):
        return {name: _typed(value, shape.members[name]) for name, value in node.items()}
    if isinstance(shape, ListShape):
        members = node.get("member", {}) if isinstance(node, dict) else {}
        return [_typed(members[position], shape.member) for position in sorted(members, key=int)]
    if shape.type_name == "boolean":
        return node == "true"
    return int(node) if shape.type_name == "integer" else node


def render(action: str, result: Mapping[str, Any]) -> Answer:
    shape = model().operation_model(action).output_shape
    content = "" if shape is None else f"<{action}Result>{_members(result, shape)}</{action}Result>"
    request_id = str(uuid.uuid4())
    body = (
        f'<{action}Response xmlns="{_NAMESPACE}">{content}'
        f"<ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata></{action}Response>"
    )
    return Answer(200, (("Content-Type", "text/xml"), ("x-amzn-RequestId", request_id)), body.encode())


def _members(value: Mapping[str, Any], shape: StructureShape) -> str:
    return "".join(
        f"<{name}>{_xml(value[name], member)}</{name}>"
        for name, member in shape.members.items()
        if value.get(name) is not None
    )


def _xml(value: Any, shape: Shape) -> str:
    if isinstance(shape, StructureShape):
        return _members(value, shape)
    if isinstance(shape, ListShape):
        return "".join(f"<member>{_xml(item, shape.member)}</member>" for item in value)
    if isinstance(shape, MapShape):
        raise NotImplementedError(f"no answer of this emulator has a map, such as {shape.name}")
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return escape(_CONTROL.sub("?", str(value)))
