"""Custom domain names, and their mappings to stages of APIs."""

from __future__ import annotations

from dataclasses import dataclass

from sldb.emulator.calls.moto_app import Moto
from sldb.emulator.gateway.addresses import longest_mapping


@dataclass(frozen=True, slots=True)
class MappedApi:
    api_id: str
    stage: str
    path: str  # below the key of the mapping


def exists(moto: Moto, domain: str) -> bool:
    with moto.lock:
        return any(domain in moto.backend("apigatewayv2", region).domain_names for region in _regions(moto))


def find(moto: Moto, domain: str, path: str) -> MappedApi | None:
    """Return the API that a domain's path is mapped to."""
    with moto.lock:
        mappings = {
            mapping.api_mapping_key or "": (mapping.api_id, mapping.stage)
            for region in _regions(moto)
            for mapping in moto.backend("apigatewayv2", region).api_mappings.values()
            if mapping.domain_name == domain
        }
    found = longest_mapping(path, frozenset(mappings))
    return None if found is None else MappedApi(*mappings[found.key], found.path)


def _regions(moto: Moto) -> list[str]:
    return moto.regions("apigatewayv2")
