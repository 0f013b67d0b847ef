"""Mappings of custom domains to stages of REST APIs. Domains and mappings are moto's; REST APIs are not."""

from __future__ import annotations

import json

from moto.apigatewayv2.models import ApiMapping

from sldb.emulator.calls.call import Answer, Call
from sldb.emulator.calls.errors import AwsError
from sldb.emulator.calls.moto_app import Moto
from sldb.emulator.gateway.rest_api.documents import Documents, bad_request, new_id, not_found


def answer(moto: Moto, documents: Documents, call: Call) -> Answer | None:
    """Return the answer to CreateApiMapping for a REST API; None for any other call. Called under moto's lock."""
    if call.action != "CreateApiMapping":
        return None
    wanted = json.loads(call.body or b"{}")
    api = documents.region(call.region)["apis"].get(wanted.get("apiId"))
    if api is None:
        return None
    backend, domain = moto.backend("apigatewayv2", call.region), call.path.split("/")[3]
    if domain not in backend.domain_names:
        raise not_found(f"Invalid domain name identifier specified: {domain}")
    if wanted.get("stage") not in api["_stages"]:
        raise bad_request("Invalid stage identifier specified")
    key = wanted.get("apiMappingKey", "")
    if any((each.domain_name, each.api_mapping_key or "") == (domain, key) for each in backend.api_mappings.values()):
        raise AwsError("ConflictException", "ApiMapping key already exists for this domain name", 409)
    mapping = ApiMapping(api["id"], key, new_id(), domain, wanted["stage"])
    backend.api_mappings[mapping.api_mapping_id] = mapping
    return Answer(201, (("Content-Type", "application/json"),), json.dumps(mapping.to_json()).encode())
