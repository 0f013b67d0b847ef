"""The use of a policy by a caller. An emulator keeps a set of these, for tests of least privilege."""

from __future__ import annotations

from dataclasses import dataclass

from sldb.emulator.access.policy import Ground

SERVICE = "service"  # the session of a service of AWS that acts with a role


@dataclass(frozen=True, slots=True, order=True)
class Use:
    """An allowed request, and a ground of it."""

    entity_arn: str  # of the role or user
    session: str  # of the role, such as the function's name, or SERVICE; "" of a user
    policy: str  # its name
    ground: Ground
    action: str  # of the request
