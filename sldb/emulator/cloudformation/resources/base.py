"""Resource types: their operations, and the clients of the emulator's own services that they use."""

from __future__ import annotations

import os
import secrets
import string
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.client import BaseClient
from botocore.config import Config
from botocore.model import ListShape, MapShape, Shape, StructureShape
from botocore.session import Session

from sldb.emulator.calls.errors import NotEmulated

Properties = Mapping[str, Any]  # resolved
_ALPHABET = string.ascii_letters + string.digits


@dataclass(frozen=True, slots=True)
class Existing:
    """An existing resource."""

    cloud: Cloud
    physical_id: str
    properties: Properties


@dataclass(frozen=True, slots=True)
class New:
    """A resource to be created."""

    cloud: Cloud
    stack_name: str
    logical_id: str
    properties: Properties
    made: Callable[[str], None]  # to be called with the physical id

    def name(self, max_length: int = 64) -> str:
        """Return a unique name of the form of CloudFormation's."""
        suffix = "".join(secrets.choice(_ALPHABET) for _ in range(12))
        return f"{self.stack_name}-{self.logical_id}"[: max_length - 13] + "-" + suffix

    def existing(self, physical_id: str) -> Existing:
        """Return the resource just created, without any properties yet."""
        return Existing(self.cloud, physical_id, {})


class ResourceType:
    properties: frozenset[str]  # the properties that are acted on; any other is refused
    replaces: frozenset[str]  # those whose change makes a new resource
    named_by = ""  # the property that gives the physical name; "" if none does
    tags_property = "Tags"  # the tags of the stack come to it, too; without effect if it is none of `properties`
    tags_are_object = False  # `Tags` is {key: value}, instead of a list of Key and Value

    def create(self, new: New) -> None:
        """Make it. Calls `new.made` as soon as it exists, before anything further can fail."""
        raise NotImplementedError

    def update(self, it: Existing, wanted: Properties) -> None:
        """Change the resource to the wanted properties; none of them requires a replacement."""
        raise NotImplementedError

    def delete(self, it: Existing) -> None:
        """Delete the resource. A missing one counts as deleted."""
        raise NotImplementedError

    def actual(self, it: Existing) -> Properties | None:
        """Return the properties as they are now, None for a resource that is gone.

        Properties without a comparison here are returned as the template gives them."""
        raise NotImplementedError

    def attributes(self, it: Existing) -> dict[str, str]:  # noqa: ARG002  # most types have some
        """Return the attributes for Fn::GetAtt."""
        return {}


def with_actual(properties: Properties, actual: Properties) -> Properties:
    """Return the given properties of a template with their actual values; numbers are mostly text there."""
    found = {name: value for name, value in actual.items() if name in properties and value != properties[name]}
    return {**properties, **{name: value for name, value in found.items() if str(value) != str(properties[name])}}


class Cloud:
    """The clients of one region, acting as the account's owner. Their calls pass through the whole emulator."""

    def __init__(self, url: str, region: str) -> None:
        self.region = region
        self._url = url
        # The user's profile and configuration files must not matter here.
        self._session = Session(
            session_vars={
                "profile": (None, None, None, None),
                "config_file": (None, None, os.devnull, None),
                "credentials_file": (None, None, os.devnull, None),
            }
        )
        self._lock = threading.Lock()
        self._clients: dict[str, BaseClient] = {}

    def client(self, service: str) -> Any:
        with self._lock:
            if service not in self._clients:
                self._clients[service] = self._session.create_client(
                    service,
                    region_name=self.region,
                    endpoint_url=self._url,
                    aws_access_key_id="cloudformation",
                    aws_secret_access_key="cloudformation",  # nosec B106 - not checked
                    # A proxy in the user's environment does not apply: the emulator is on this machine.
                    config=Config(
                        retries={"total_max_attempts": 1},
                        proxies={},
                        use_fips_endpoint=False,
                        use_dualstack_endpoint=False,
                    ),
                )
            return self._clients[service]

    def call(self, service: str, operation: str, **parameters: Any) -> Any:
        """Call an operation by its API name, with texts converted to the types of its parameters."""
        client = self.client(service)
        shape = client.meta.service_model.operation_model(operation).input_shape
        method = {api: python for python, api in client.meta.method_to_api_mapping.items()}[operation]
        return getattr(client, method)(**coerce(parameters, shape))


def coerce(value: Any, shape: Shape) -> Any:
    """Parameters are text in a template; the API wants numbers and truth values. Unknown members are refused."""
    if isinstance(shape, StructureShape) and isinstance(value, dict):
        for name in value:
            if name not in shape.members:
                raise NotEmulated(f"{name} in {shape.name}")
        return {name: coerce(member, shape.members[name]) for name, member in value.items() if member is not None}
    if isinstance(shape, ListShape) and isinstance(value, (list, tuple)):
        return [coerce(item, shape.member) for item in value]
    if isinstance(shape, MapShape) and isinstance(value, dict):
        return {name: coerce(member, shape.value) for name, member in value.items()}
    return _coerce_scalar(value, shape)


def _coerce_scalar(value: Any, shape: Shape) -> Any:
    if shape.type_name in ("integer", "long") and isinstance(value, str):
        return int(value)
    if shape.type_name in ("double", "float") and isinstance(value, str):
        return float(value)
    if shape.type_name == "boolean" and isinstance(value, str):
        return value.lower() == "true"
    if shape.type_name == "string" and isinstance(value, bool):
        return str(value).lower()
    if shape.type_name == "string" and isinstance(value, (int, float)):
        return str(value)
    return value
