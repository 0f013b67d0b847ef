"""An automaton for a pattern: a search takes time linear in the text, whatever the pattern.

The tree of the pattern becomes a graph of nodes (Thompson's construction): the text so far leads to a set of them. A
state is such a set, with the kind of the character before. What a character does to a state is computed at its first
use and remembered in the state, which is a dict from characters to states; so the loop over the text is one look-up a
character, in C. Memory is bounded: too much remembered is forgotten, and computed again when it is needed.

A place such as `\\b` depends on the characters before and after it, so the ways that need no character are followed
once the next one is known; the end of the text is the empty string.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from operator import getitem

from lambda_handlers.sql.functions.pattern import Alternatives, Node, One, Place, Repeat, Sequence, Test, is_word, parse
from lambda_handlers.wire import SldbError

MAX_NODES = 5000
MAX_REMEMBERED = 200_000  # nodes in states, and transitions
_CHARACTERS_BETWEEN_CHECKS = 65_536
_END = ""
_MATCH = 0  # the node of a match


class _Found(Exception):
    """The text matches."""


class _State(dict[str, "_State"]):
    """The nodes that the text so far leads to. `before`: the character before; "": none."""

    __slots__ = ("_step", "before", "nodes")

    def __init__(self, step: Callable[[_State, str], _State], nodes: tuple[int, ...], before: str) -> None:
        self._step = step
        self.nodes = nodes
        self.before = before

    def __missing__(self, char: str) -> _State:
        return self._step(self, char)


def _stop(_state: _State, _char: str) -> _State:
    raise _Found


class Automaton:
    """For one thread at a time."""

    def __init__(self, pattern: str, check: Callable[[], None]) -> None:
        """Raise `sql_error` for a pattern with a mistake or a large one. `check` raises an error when time is up."""
        self._check = check
        self._tests: list[Test | None] = [None]  # of the nodes that need a character
        self._places: list[str | None] = [None]  # of the nodes that need a place
        self._next: list[tuple[int, ...]] = [()]
        self._entry = self._add(parse(pattern), _MATCH)
        self._states: dict[tuple[tuple[int, ...], str], _State] = {}
        self._remembered = 0
        self._found = _State(_stop, (), "")

    def search(self, text: str) -> bool:
        """Return True if the pattern matches somewhere in the text. Raises what `check` raises."""
        state = self._state((self._entry,), "")
        try:
            for begin in range(0, len(text), _CHARACTERS_BETWEEN_CHECKS):
                state = reduce(getitem, text[begin : begin + _CHARACTERS_BETWEEN_CHECKS], state)
                self._check()
            return state[_END] is self._found
        except _Found:
            return True

    # The graph

    def _node(self, test: Test | None, place: str | None, following: tuple[int, ...]) -> int:
        if len(self._next) >= MAX_NODES:
            raise SldbError("sql_error", f"regexp: the pattern is too large: more than {MAX_NODES:,} steps")
        self._tests.append(test)
        self._places.append(place)
        self._next.append(following)
        return len(self._next) - 1

    def _add(self, node: Node, following: int) -> int:
        """Add the nodes of a part of the tree, and return the first of them. `following`: the node after it."""
        if isinstance(node, One):
            return self._node(node.test, None, (following,))
        if isinstance(node, Place):
            return self._node(None, node.kind, (following,))
        if isinstance(node, Sequence):
            for part in reversed(node.parts):
                following = self._add(part, following)
            return following
        if isinstance(node, Alternatives):
            return self._node(None, None, tuple(self._add(part, following) for part in node.parts))
        return self._add_repeat(node, following)

    def _add_repeat(self, node: Repeat, following: int) -> int:
        if node.most is None:
            loop = self._node(None, None, ())
            self._next[loop] = (self._add(node.part, loop), following)
            entry = loop
        else:
            entry = following
            for _ in range(node.most - node.least):
                entry = self._node(None, None, (self._add(node.part, entry), following))
        for _ in range(node.least):
            entry = self._add(node.part, entry)
        return entry

    # The states

    def _state(self, nodes: tuple[int, ...], before: str) -> _State:
        kind = before if before in ("", "\n") else "a" if is_word(before) else "-"
        state = self._states.get((nodes, kind))
        if state is None:
            self._remembered += len(nodes)
            state = self._states[nodes, kind] = _State(self._step, nodes, kind)
        return state

    def _step(self, state: _State, char: str) -> _State:
        """Return what a character leads to from a state, and remember it there."""
        self._check()
        if self._remembered > MAX_REMEMBERED:
            self._forget()
        reached: dict[int, None] = {}
        is_found = False
        for node in self._without_characters(state, char):
            test = self._tests[node]
            if node == _MATCH:
                is_found = True
            elif test is not None and char and test(char):
                reached[self._next[node][0]] = None
        reached[self._entry] = None  # a match may begin anywhere
        following = self._found if is_found else self._state(tuple(sorted(reached)), char)
        self._remembered += 1
        state[char] = following
        return following

    def _without_characters(self, state: _State, char: str) -> dict[int, None]:
        """Return the nodes that a state reaches before the character."""
        reached = dict.fromkeys(state.nodes)
        waiting = list(state.nodes)
        while waiting:
            node = waiting.pop()
            place = self._places[node]
            if self._tests[node] is not None or (place is not None and not _is_at(place, state.before, char)):
                continue
            for following in self._next[node]:
                if following not in reached:
                    reached[following] = None
                    waiting.append(following)
        return reached

    def _forget(self) -> None:
        for state in self._states.values():
            state.clear()  # states refer to each other
        self._states.clear()
        self._remembered = 0


def _is_at(place: str, before: str, after: str) -> bool:
    if place == "begin":
        return not before
    if place == "end":
        return not after
    if place == "line_begin":
        return before in ("", "\n")
    if place == "line_end":
        return after in ("", "\n")
    is_edge = (before == "a") is not (after != "" and is_word(after))
    return is_edge is (place == "word_edge")
