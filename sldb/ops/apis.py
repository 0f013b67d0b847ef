"""The APIs of a stack, as `sldb status` shows them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from lambda_handlers.wire import SldbError
from sldb.access.listing import listed
from sldb.access.stack_access import StackAccess
from sldb.stack.api_addresses import REST_KIND, api_addresses

if TYPE_CHECKING:
    from sldb.stack.account import Account
    from sldb.stack.state import StackState


@dataclass(frozen=True, slots=True)
class ApiInfo:
    kind: str  # token, key, jwt or iam
    address: str  # a URL
    domain: str  # the custom domain; empty if there is none
    domain_target: str  # of a record in the DNS of the domain
    rate: int  # requests a second
    burst: int
    key_rate: int | None = None  # of each API key
    key_burst: int | None = None
    key_quota: str | None = None  # such as 1000/day


def read_apis(account: Account, state: StackState) -> tuple[ApiInfo, ...]:
    """Return the APIs of the stack, by its parameters and outputs."""
    found = api_addresses(account, state)
    return tuple(_api(kind, address, state) for kind, address in found.items())


def count_callers(account: Account, stack: str, state: StackState, now: float) -> int | None:
    """Return the number of active callers; None if their document cannot be read, which `sldb doctor` reports. `now`:
    unix seconds."""
    try:
        document = StackAccess(account, stack, state).document.read()
    except SldbError:
        return None
    return sum(1 for each in listed(document) if each.state(int(now * 1000)) == "active")


def _api(kind: str, address: str, state: StackState) -> ApiInfo:
    given = state.parameters
    target = state.outputs.get("ApiDomainTarget", "")
    api = ApiInfo(
        kind,
        address,
        domain=given.get("ApiDomain", "") if target else "",
        domain_target=target,
        rate=_number(given, "ApiRate"),
        burst=_number(given, "ApiBurst"),
    )
    return _with_key_limits(api, given) if kind == REST_KIND else api


def _with_key_limits(api: ApiInfo, given: Mapping[str, str]) -> ApiInfo:
    quota = given.get("KeyQuota", "").lower() or None
    return replace(api, key_rate=_number(given, "KeyRate"), key_burst=_number(given, "KeyBurst"), key_quota=quota)


def _number(given: Mapping[str, str], name: str) -> int:
    return int(given.get(name) or 0)
