"""The bill of materials of a release, in CycloneDX's JSON (1.6): the packages of the functions' bundle with their
hashes, and those that the wheel depends on.

Fields: https://cyclonedx.org/docs/1.6/json/. The same commit gives the same bytes: no date but the commit's, and a
serial number made of the content.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from sldb.deploy.bundle.pins import Pin, select
from sldb.deploy.bundle.platform import RUNTIMES

_ROOT = Path(__file__).parents[1]
_LOCK_FILES = ("requirements.txt", "requirements-al2.txt")


def sbom(version: str, requirements: Iterable[str], moment: int, texts: Iterable[str] | None = None) -> str:
    """Return the document. `requirements`: those in the wheel's metadata; `moment`: unix seconds; `texts`: of the lock
    files, None for those of this checkout."""
    if texts is None:
        texts = [(_ROOT / "lambda_handlers" / name).read_text("utf-8") for name in _LOCK_FILES]
    of_bundle = [_pinned(pin) for pin in _pins(texts)]
    of_wheel = [_required(text) for text in sorted(requirements) if "extra ==" not in text]
    whole: dict[str, Any] = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "timestamp": datetime.fromtimestamp(moment, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "component": {
                "type": "application",
                "bom-ref": "sldb",
                "name": "sldb",
                "version": version,
                "purl": f"pkg:pypi/sldb@{version}",
                "licenses": [{"license": {"id": "MIT"}}],
            },
        },
        "components": of_bundle + of_wheel,
        "dependencies": [{"ref": "sldb", "dependsOn": [each["bom-ref"] for each in of_bundle + of_wheel]}],
    }
    serial = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(whole, sort_keys=True))
    return json.dumps({**whole, "serialNumber": f"urn:uuid:{serial}"}, indent=2, sort_keys=True) + "\n"


def _pins(texts: Iterable[str]) -> list[Pin]:
    """Return each pin of the lock files once, with all hashes that any runtime may install."""
    pythons = [tuple(int(part) for part in name.removeprefix("python").split(".")) for name in RUNTIMES]
    hashes: dict[tuple[str, str], frozenset[str]] = {}
    for text in texts:
        for python in pythons:
            for pin in select(text, (python[0], python[1])):
                key = pin.name, pin.version
                hashes[key] = hashes.get(key, frozenset()) | pin.hashes
    return [Pin(name, version, found) for (name, version), found in sorted(hashes.items())]


def _pinned(pin: Pin) -> dict[str, Any]:
    purl = f"pkg:pypi/{pin.name}@{pin.version}"
    return {
        "type": "library",
        "bom-ref": f"bundle:{purl}",
        "name": pin.name,
        "version": pin.version,
        "purl": purl,
        "hashes": [{"alg": "SHA-256", "content": digest} for digest in sorted(pin.hashes)],
        "properties": [{"name": "sldb:part", "value": "the functions' bundle"}],
    }


def _required(text: str) -> dict[str, Any]:
    """Return a component without version: the wheel names a range, in a property."""
    name = re.split(r"[^A-Za-z0-9._-]", text, maxsplit=1)[0]
    properties = {"sldb:part": "the command line", "sldb:requirement": text}
    return {
        "type": "library",
        "bom-ref": f"wheel:pkg:pypi/{name.lower()}",
        "name": name,
        "purl": f"pkg:pypi/{name.lower()}",
        "properties": [{"name": key, "value": value} for key, value in properties.items()],
    }
