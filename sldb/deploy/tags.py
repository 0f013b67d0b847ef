"""The tags of a stack, which CloudFormation hands on to its resources: what is there, given, and taken off. Pure.

Those that somebody else has put on the stack stay, until `--untag` names them. What sldb makes beside the stack gets
them, too: the bucket of bundles, an adopted data bucket, and the security groups that the function makes as locks.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from lambda_handlers.wire import SldbError

OURS = "sldb:"  # keys that begin so are sldb's own
MOST = 45  # AWS takes 50 for a resource, and a lock has five of its own
LONGEST_FOR_LOCKS = 2000  # characters of JSON: the settings of a function have 4 KB in all
_ALLOWED = re.compile(r"[\w\s+\-=.:/@]*")  # what every service takes


@dataclass(frozen=True, slots=True)
class Tags:
    """The tags of a stack, before and after a deployment."""

    before: Mapping[str, str] = field(default_factory=dict)  # without AWS's own
    all: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def choose(cls, found: Mapping[str, str], given: Iterable[str], dropped: Iterable[str]) -> Tags:
        """`found`: on the stack. Raises `bad_request`."""
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
        """All that are to stay, since CloudFormation takes off what is not sent; None where there is nothing to say."""
        return self.all if self.all or self.before else None


def parsed(words: Iterable[str]) -> dict[str, str]:
    """Return the tags that words like KEY=VALUE give. Raises `bad_request`."""
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
    if key.lower().startswith(("aws:", OURS)):
        raise _bad(word, f"a key that does not begin with aws: or {OURS}, which are AWS's and sldb's own")


def merged(before: Mapping[str, str], given: Mapping[str, str], dropped: Iterable[str]) -> dict[str, str]:
    """Return the tags of the stack after a deployment. Raises `bad_request` for what AWS does not take."""
    tags = {**before, **given}
    for key in dropped:
        if key in given:
            raise SldbError("bad_request", f"--untag: {key} is also given by --tags")
        tags.pop(key, None)
    if len(tags) > MOST:
        raise SldbError("bad_request", f"--tags: with those of the stack {len(tags)}, want at most {MOST}")
    folded: dict[str, str] = {}
    for key in tags:
        if other := folded.get(key.lower()):
            raise SldbError("bad_request", f"--tags: {other} and {key} are one key for IAM", f"add --untag {other}")
        folded[key.lower()] = key
    return tags


def for_locks(tags: Mapping[str, str]) -> str:
    """Return the parameter LockTags. Raises `bad_request` for more than the settings of a function can hold."""
    text = json.dumps(dict(sorted(tags.items())), separators=(",", ":"), ensure_ascii=False) if tags else ""
    if len(text) > LONGEST_FOR_LOCKS:
        raise SldbError(
            "bad_request",
            f"--tags: the locks get them, and they take {len(text)} characters, want at most {LONGEST_FOR_LOCKS}",
            "use shorter ones, or --lock s3, whose locks have no tags",
        )
    return text


def as_text(tags: Mapping[str, str]) -> str:
    return ", ".join(f"{key}={value}" for key, value in sorted(tags.items()))


def _bad(word: str, want: str) -> SldbError:
    return SldbError("bad_request", f"--tags: got {word!r}, want {want}")
