"""The user's profile and region, for every client of AWS."""

from __future__ import annotations

from lambda_handlers.shared.dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AwsOptions:
    profile: str | None = None
    region: str | None = None
