"""The stack's template: `cloudformation/template.yaml` in a checkout, beside this module in a wheel.

CloudFormation takes 51,200 bytes in a request. The submitted text has them without comments and with an indentation of
one space; the values are the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

MAX_BYTES = 51_200
KEY_DEPLOYMENT = "KeyDeployment"  # a logical id
# A deployment of a REST API is a copy of its methods. These parameters are in them, beside their part of the template.
_COPIED_PARAMETERS = ("FunctionName", "CorsOrigins", "Readers")
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
    return compact(text.replace(KEY_DEPLOYMENT, f"{KEY_DEPLOYMENT}{methods_digest(text, parameters or {})}"))


def methods_digest(text: str, parameters: Mapping[str, str]) -> str:
    """Return the digest of all that a deployment of the REST API contains, as 8 hex digits."""
    methods = text.partition(_BEGIN)[2].partition(_END)[0]
    given = [f"{name}={parameters.get(name, '')}" for name in _COPIED_PARAMETERS]
    return hashlib.sha256("\n".join([compact(methods), *given]).encode()).hexdigest()[:8]


def compact(text: str) -> str:
    """Return YAML without lines of comments, and with the least indentation."""
    return "".join(f"{line}\n" for line in _indented(_lines(text)))


def _lines(text: str) -> Iterator[str]:
    return (line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#"))


def _indented(lines: Iterable[str]) -> Iterator[str]:
    levels = [(0, 0)]  # columns: as found, as written
    for line in lines:
        content = line.lstrip(" ")
        column = len(line) - len(content)
        while levels[-1][0] > column:
            levels.pop()
        if levels[-1][0] < column:
            levels.append((column, levels[-1][1] + 1))
        written = levels[-1][1]
        yield " " * written + content
        while content.startswith("- "):  # what is inside of an item begins after its dash
            content, column, written = content[2:], column + 2, written + 2
            levels.append((column, written))
