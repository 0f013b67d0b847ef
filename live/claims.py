"""The sentences of the documentation about something not verified on AWS. Each has an id, in a comment behind it:

    Not verified on AWS: the statuses of …  <!-- live: api-statuses -->

The mark `all` stands behind sentences about the live check itself. A test compares both. The check of an id is in an
option; the ids without a check are here with the reason.
"""

from __future__ import annotations

import re
from pathlib import Path

# Id → the reason for which nothing checks it; empty if an option does.
CLAIMS: dict[str, str] = {
    "policies": "needs a user for each role: attach the policies of docs/access.md, and run tests/access against them",
    "efs": "",
    "efs-reads": "",
    "efs-destroy": "",
    "efs-locks": "needs a container that is killed with its lock, and a look at the mount from inside of another one",
    "efs-move": "",
    "kms": "",
    "kms-caller": "needs a user with the policy of a deployer and no other rights",
    "http": "",
    "http-kinds": "",
    "jwt-words": "",
    "repair": "",
    "drift": "",
    "watchdog-exit": "takes a query of minutes in one call of SQLite, and reads the next invocation's log",
    "api-statuses": "",
    "alarm-topic": "",
    "queue-watchdog": "takes a query of minutes in one call of SQLite",
    "fifo-counts": "needs a message that fails at each delivery, which takes half an hour",
    "provisioned": "",
    "queue-names": "",
    "queue-batches": "",
}
ALL = "all"
MARK = re.compile(r"<!-- live: ([a-z0-9-]+(?:, [a-z0-9-]+)*) -->")
# The words of such a sentence.
UNVERIFIED = re.compile(
    r"\bnot verified\b|\bunverified\b(?![\w.])|\bAWS\b.*\buntested\b|\buntested\b.*\bAWS\b"
    r"|\b(?:tried|measured|verified|tested) (?:on|against) AWS\b",
    re.IGNORECASE | re.DOTALL,
)


def marked(page: Path) -> set[str]:
    """Return the ids in a page."""
    return {id_ for ids in MARK.findall(page.read_text("utf-8")) for id_ in ids.split(", ")} - {ALL}


def unmarked(page: Path) -> list[str]:
    """Return the paragraphs of a page about something unverified, without an id."""
    paragraphs = re.split(r"\n\s*\n|\n(?=[-|#] ?)", page.read_text("utf-8"))
    return [text for text in paragraphs if _is_about_it(text) and not MARK.search(text)]


def _is_about_it(paragraph: str) -> bool:
    return any(UNVERIFIED.search(sentence) for sentence in re.split(r"(?<=[.:;])\s", paragraph))
