"""The syntax of regular expressions: a pattern as a tree of nodes.

The syntax is what RE2, Python and Perl have in common, without back references and without looking ahead or behind: for
those no automaton exists, and a search in linear time needs one.

    .  [a-z]  [^a-z]  [[:alpha:]]  \\d \\w \\s \\D \\W \\S    one character
    x*  x+  x?  x{2}  x{2,}  x{2,5}, also lazy (x*?)          repetition
    (x)  (?:x)  x|y                                           groups, alternatives
    ^  $  \\A  \\z  \\b  \\B                                  places
    (?i)  (?s)  (?m)                                          for all of the pattern, at its beginning
    \\n \\t \\r \\f \\v \\xHH \\x{H…} \\uHHHH                  characters

Characters are those of Unicode. `$` is the end of the text, and not before a last line feed as in Python.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeAlias

from lambda_handlers.shared.dataclasses import dataclass
from lambda_handlers.wire import SldbError

MAX_REPEAT = 1000
MAX_DEPTH = 100  # of groups
MAX_CHARACTERS = 10_000

Test: TypeAlias = Callable[[str], bool]  # of one character


@dataclass(frozen=True, slots=True)
class One:
    """One character that passes a test."""

    test: Test


@dataclass(frozen=True, slots=True)
class Place:
    """A place between two characters: begin, end, line_begin, line_end, word_edge, no_word_edge."""

    kind: str


@dataclass(frozen=True, slots=True)
class Sequence:
    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Alternatives:
    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Repeat:
    part: Node
    least: int
    most: int | None  # None: without an end


Node: TypeAlias = "One | Place | Sequence | Alternatives | Repeat"

_FLAGS = re.compile(r"\(\?([ims]+)\)")
_COUNT = re.compile(r"\{(\d{1,9})(,)?(\d{1,9})?\}")
_POSIX = re.compile(r"\[:(\^?)(\w+):\]")
_CODE = re.compile(r"x\{([0-9A-Fa-f]{1,6})\}|x([0-9A-Fa-f]{2})|u([0-9A-Fa-f]{4})")
_CONTROLS = {"n": "\n", "t": "\t", "r": "\r", "f": "\f", "v": "\v", "a": "\a"}
_PLACES = {"A": "begin", "z": "end", "b": "word_edge", "B": "no_word_edge"}


def is_word(char: str) -> bool:
    return char.isalnum() or char == "_"


_CLASSES: dict[str, Test] = {"d": str.isdecimal, "w": is_word, "s": str.isspace}
_POSIX_CLASSES: dict[str, Test] = {
    "alpha": str.isalpha,
    "digit": str.isdecimal,
    "alnum": str.isalnum,
    "space": str.isspace,
    "upper": str.isupper,
    "lower": str.islower,
    "word": is_word,
    "xdigit": "0123456789abcdefABCDEF".__contains__,
    "punct": "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~".__contains__,
}


def parse(pattern: str) -> Node:
    """Return the tree of a pattern. Raises `sql_error` with the place of a mistake."""
    if len(pattern) > MAX_CHARACTERS:
        raise SldbError("sql_error", f"regexp: the pattern has more than {MAX_CHARACTERS:,} characters")
    return _Parser(pattern).whole()


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._depth = 0
        self._flags = frozenset[str]()

    def whole(self) -> Node:
        while flags := _FLAGS.match(self._text, self._at):
            self._flags |= frozenset(flags[1])
            self._at = flags.end()
        node = self._alternatives()
        if self._at < len(self._text):
            raise self._error("there is a ) without its (")
        return node

    def _error(self, message: str) -> SldbError:
        return SldbError("sql_error", f"regexp: {message}, at character {self._at + 1} of the pattern")

    def _peek(self) -> str:
        return self._text[self._at : self._at + 1]

    def _take(self) -> str:
        char = self._peek()
        if not char:
            raise self._error("the pattern ends too early")
        self._at += 1
        return char

    def _alternatives(self) -> Node:
        parts = [self._sequence()]
        while self._peek() == "|":
            self._at += 1
            parts.append(self._sequence())
        return parts[0] if len(parts) == 1 else Alternatives(tuple(parts))

    def _sequence(self) -> Node:
        parts: list[Node] = []
        while self._peek() not in ("", "|", ")"):
            parts.append(self._repeated(self._atom()))
        return Sequence(tuple(parts))

    def _repeated(self, node: Node) -> Node:
        times = 0
        while (found := self._quantifier()) is not None:
            times += 1
            if times > 1:
                raise self._error("a repetition is repeated: put it into a group")
            node = Repeat(node, *found)
        return node

    def _quantifier(self) -> tuple[int, int | None] | None:
        char = self._peek()
        simple: dict[str, tuple[int, int | None]] = {"*": (0, None), "+": (1, None), "?": (0, 1)}
        if char in simple:
            self._at += 1
            found = simple[char]
        elif counted := _COUNT.match(self._text, self._at):
            least = int(counted[1])
            most = least if counted[2] is None else int(counted[3]) if counted[3] else None
            if max(least, most or 0) > MAX_REPEAT or (most is not None and most < least):
                raise self._error(f"a repetition goes up to {MAX_REPEAT:,}, its smaller number first")
            self._at = counted.end()
            found = (least, most)
        else:
            return None
        if self._peek() == "?":  # lazy: no difference to whether there is a match
            self._at += 1
        return found

    def _atom(self) -> Node:
        char = self._take()
        if char == "(":
            return self._group()
        if char == "[":
            return One(self._set())
        if char == "\\":
            return self._escape()
        if char == ".":
            return One(_anything if "s" in self._flags else "\n".__ne__)
        if char in "^$":
            name = "begin" if char == "^" else "end"
            return Place(f"line_{name}" if "m" in self._flags else name)
        if char in "*+?":
            self._at -= 1
            raise self._error("there is nothing to repeat")
        return One(self._literal(char))

    def _group(self) -> Node:
        if self._peek() == "?":
            if not self._text.startswith("?:", self._at):
                raise self._error("no such kind of group here; (?:…) is one, and (?i) at the beginning of the pattern")
            self._at += 2
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise self._error(f"groups are more than {MAX_DEPTH} deep")
        node = self._alternatives()
        self._depth -= 1
        if self._peek() != ")":
            raise self._error("a ( has no )")
        self._at += 1
        return node

    def _escape(self) -> Node:
        if place := _PLACES.get(self._peek()):
            self._at += 1
            return Place(place)
        test, char = self._escaped()
        return One(test or self._literal(char))

    def _escaped(self) -> tuple[Test | None, str]:
        """Return the class after a backslash, or the character."""
        if code := _CODE.match(self._text, self._at):
            self._at = code.end()
            number = int(code[1] or code[2] or code[3], 16)
            if number > 0x10FFFF:
                raise self._error("there is no such character")
            return None, chr(number)
        char = self._take()
        if char.lower() in _CLASSES:
            test = _CLASSES[char.lower()]
            return (test if char.islower() else _negated(test)), ""
        if char in _CONTROLS:
            return None, _CONTROLS[char]
        if char.isalnum():
            self._at -= 1
            raise self._error(f"\\{char} has no meaning here")
        return None, char

    def _literal(self, char: str) -> Test:
        if "i" not in self._flags:
            return char.__eq__
        same = _cases(char)
        return char.__eq__ if len(same) == 1 else same.__contains__

    def _set(self) -> Test:
        is_negated = self._peek() == "^"
        self._at += is_negated
        chars: set[str] = set()
        ranges: list[tuple[str, str]] = []
        tests: list[Test] = []
        is_first = True
        while is_first or self._peek() != "]":
            is_first = False
            test, low = self._member()
            if test:
                tests.append(test)
            elif self._peek() == "-" and self._text[self._at + 1 : self._at + 2] not in ("]", ""):
                self._at += 1
                test, high = self._member()
                if test or high < low:
                    raise self._error("a range ends before it begins")
                ranges.append((low, high))
            else:
                chars.add(low)
        self._at += 1
        return _set_test(frozenset(chars), tuple(ranges), tuple(tests), is_negated, "i" in self._flags)

    def _member(self) -> tuple[Test | None, str]:
        if posix := _POSIX.match(self._text, self._at):
            if posix[2] not in _POSIX_CLASSES:
                raise self._error(f"no such class: {posix[2]}")
            self._at = posix.end()
            test = _POSIX_CLASSES[posix[2]]
            return (_negated(test) if posix[1] else test), ""
        char = self._take()
        if char != "\\":
            return None, char
        if self._peek() == "b":
            self._at += 1
            return None, "\b"
        return self._escaped()


def _anything(_char: str) -> bool:
    return True


def _negated(test: Test) -> Test:
    return lambda char: not test(char)


def _cases(char: str) -> frozenset[str]:
    """Return a character with its other cases, of those that are one character."""
    found = {char, char.lower(), char.upper(), char.lower().upper(), char.upper().lower()}
    return frozenset(case for case in found if len(case) == 1)


def _set_test(
    chars: frozenset[str],
    ranges: tuple[tuple[str, str], ...],
    tests: tuple[Test, ...],
    is_negated: bool,
    ignores_case: bool,
) -> Test:
    def is_in(char: str) -> bool:
        return char in chars or any(low <= char <= high for low, high in ranges) or any(test(char) for test in tests)

    def matches(char: str) -> bool:
        found = any(map(is_in, _cases(char))) if ignores_case else is_in(char)
        return found is not is_negated

    return matches
