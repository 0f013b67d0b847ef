"""The tags of a stack: existing, added and removed. CloudFormation copies them to the resources of the stack. Pure.

Tags from other tools stay, until `--untag` names them. Resources outside the template get the tags, too: the bucket of
bundles, an adopted data bucket, and the security groups of the locks.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from lambda_handlers.wire import SldbError

OWN_PREFIX = "sldb:"  # of the keys of sldb's own tags
MAX_TAGS = 45  # AWS takes 50 for a resource, and a lock has five of its own
MAX_LOCK_TAGS_CHARACTERS = 2000  # of JSON: the settings of a function have 4 KB in all
_ALLOWED = re.compile(r"[\w\s+\-=.:/@]*")  # in every service


@dataclass(frozen=True, slots=True)
class Tags:
    """The tags of a stack, before and after a deployment."""

    before: Mapping[str, str] = field(default_factory=dict)  # without AWS's own
    all: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def choose(cls, found: Mapping[str, str], given: Iterable[str], dropped: Iterable[str]) -> Tags:
        """Return the tags after adding and removing some. `found`: on the stack. Raises `bad_request`."""
        # AWS's own stay by themselves, and may not be sent.
        before = {key: value for key, value in found.items() if not key.lower().startswith("aws:")}
        return cls(before, merged(before, parsed(given), dropped))

    @property
    def dropped(self) -> tuple[str, ...]:
        return tuple(sorted(self.before.keys() - self.all.keys()))

    @property
    def changed(self) -> bool:
        return self.before != self.all

    @property
    def sent(self) -> Mapping[str, str] | None:
        """The tags for a change set: all that are to stay, since CloudFormation removes the others; None if there are
        none and were none."""
        return self.all if self.all or self.before else None


def parsed(words: Iterable[str]) -> dict[str, str]:
    """Return the tags in words like KEY=VALUE. Raises `bad_request`."""
    tags: dict[str, str] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals:
            raise _bad(word, "KEY=VALUE")
        _check_key(key, word)
        if not 1 <= len(value) <= 256 or not _ALLOWED.fullmatch(value):
            raise _bad(word, "a value of 1 to 256 letters, digits, blanks and + - = . _ : / @")
        if tags.get(key, value) != value:
            raise _bad(word, f"one value for {key}")
        tags[key] = value
    return tags


def _check_key(key: str, word: str) -> None:
    if not 1 <= len(key) <= 128 or not _ALLOWED.fullmatch(key):
        raise _bad(word, "a key of 1 to 128 letters, digits, blanks and + - . _ : / @")
    if key.lower().startswith(("aws:", OWN_PREFIX)):
        raise _bad(word, f"a key that does not begin with aws: or {OWN_PREFIX}, which are AWS's and sldb's own")


def merged(before: Mapping[str, str], given: Mapping[str, str], dropped: Iterable[str]) -> dict[str, str]:
    """Return the tags of the stack after a deployment. Raises `bad_request` for tags that AWS refuses."""
    tags = {**before, **given}
    for key in dropped:
        if key in given:
            raise SldbError("bad_request", f"--untag: {key} is also given by --tags")
        tags.pop(key, None)
    if len(tags) > MAX_TAGS:
        raise SldbError("bad_request", f"--tags: with those of the stack {len(tags)}, want at most {MAX_TAGS}")
    folded: dict[str, str] = {}
    for key in tags:
        if other := folded.get(key.lower()):
            raise SldbError("bad_request", f"--tags: {other} and {key} are one key for IAM", f"add --untag {other}")
        folded[key.lower()] = key
    return tags


def for_locks(tags: Mapping[str, str]) -> str:
    """Return the parameter LockTags. Raises `bad_request` if it is too long for the settings of a function."""
    text = json.dumps(dict(sorted(tags.items())), separators=(",", ":"), ensure_ascii=False) if tags else ""
    if len(text) > MAX_LOCK_TAGS_CHARACTERS:
        raise SldbError(
            "bad_request",
            f"--tags: the locks get them, and they take {len(text)} characters, "
            f"want at most {MAX_LOCK_TAGS_CHARACTERS}",
            "use shorter ones, or --lock s3, whose locks have no tags",
        )
    return text


def as_text(tags: Mapping[str, str]) -> str:
    return ", ".join(f"{key}={value}" for key, value in sorted(tags.items()))


def _bad(word: str, want: str) -> SldbError:
    return SldbError("bad_request", f"--tags: got {word!r}, want {want}")
