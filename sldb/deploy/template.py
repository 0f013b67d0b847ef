"""The stack's template: `cloudformation/template.yaml` in a checkout, beside this module in a wheel.

CloudFormation reads it from the bucket of bundles, since it takes 51,200 bytes at most inside a request: as it is, with
its comments, so that the stack's template can be read in AWS's console.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

MAX_BYTES = 1_000_000  # of a template in S3: "1 MB" in CloudFormation's quotas
KEY_DEPLOYMENT = "KeyDeployment"  # a logical id
# A deployment of a REST API is a copy of its methods. These parameters are in them, beside their part of the template.
_COPIED_PARAMETERS = ("FunctionName", "CorsOrigins", "Readers", "ProvisionedConcurrency")
_BEGIN, _END = "(methods of KeyApi: begin)", "(methods of KeyApi: end)"


def template_path() -> Path:
    packaged = Path(__file__).with_name("template.yaml")
    if packaged.exists():
        return packaged
    return Path(__file__).resolve().parents[2] / "cloudformation" / "template.yaml"


def template_text(parameters: Mapping[str, str] | None = None) -> str:
    """Return the template as it is submitted, with these parameters: the deployment of the REST API has another logical
    id for other methods, since CloudFormation would keep the old copy of them."""
    text = template_path().read_text("utf-8")
    return text.replace(KEY_DEPLOYMENT, f"{KEY_DEPLOYMENT}{methods_digest(text, parameters or {})}")


def methods_digest(text: str, parameters: Mapping[str, str]) -> str:
    """Return the digest of all that a deployment of the REST API contains, as 8 hex digits."""
    methods = text.partition(_BEGIN)[2].partition(_END)[0]
    given = [f"{name}={parameters.get(name, '')}" for name in _COPIED_PARAMETERS]
    return hashlib.sha256("\n".join([methods, *given]).encode()).hexdigest()[:8]
