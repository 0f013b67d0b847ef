"""The shape of a statement: its text without literals, for logs. Pure.

    SELECT name FROM users WHERE mail = 'a@b.c' AND id IN (1, 2)
    SELECT name FROM users WHERE mail = ? AND id IN (?, …)

Strings, numbers, blobs and parameters become `?`, lists of them `(?, …)`; comments go; keywords are in upper case, and
tokens one space apart. Keywords, operators and names stay. The tokens are those of SQLite's tokenizer
(https://sqlite.org/src/file/src/tokenize.c).

A double-quoted token is a name or, if it names nothing, a string. It stays if its place in
the statement allows only a name, or if it is one of the names that SQLite has looked up for the statement. Otherwise
it becomes `"name1"`, the next one `"name2"`.

Other statements than queries and changes of rows keep their first keywords and one name: bare words are strings after
`DEFAULT` and in PRAGMAs.

The first step masks the literals; a text in which anything like one is left has no shape. The second step orders the
masked text, of which a program has few, so that they are cached.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import lru_cache

import apsw

from lambda_handlers.shared.dataclasses import dataclass

MAX_CHARACTERS = 1000  # of a shape
_MAX_READ = 10_000  # characters of a statement; the shape of a longer one ends there
_CACHED = 256
_MAX_CACHED = 2000  # characters of a statement

_ID = r"A-Za-z0-9_$\x80-\U0010ffff"  # the characters of names; they begin with none of the digits, nor $
_QUOTED = r"`[^`]*(?:``[^`]*)*`|\[[^\]]*\]"
# The first character stands alone, so that the search passes all others quickly; the alternatives look back at it.
_LITERAL = re.compile(
    rf"""
    ['xX?$@:\#0-9.\-/"`\[]
    (?: (?P<literal> (?<=')[^']*(?:''[^']*)*' | (?<=[xX])(?<![{_ID}].)'[0-9a-fA-F]*' | (?<=\?)[0-9]*
        | (?:(?<=[@:\#])|(?<=\$)(?<![{_ID}].))(?:[{_ID}]|::)+(?:\([^)\s]*\))?
        | (?<=[0-9])(?<![{_ID}].)
          (?:(?<=0)[xX][0-9a-fA-F_]+|[0-9_]*(?:\.[0-9_]*)?(?:[eE][+-]?[0-9][0-9_]*)?)(?![{_ID}])
        | (?<=\.)[0-9][0-9_]*(?:[eE][+-]?[0-9][0-9_]*)?(?![{_ID}]) )
      | (?P<comment> (?<=-)-[^\n]* | (?<=/)\*(?=.).*?(?:\*/|\Z) )
      | (?P<double> (?<=")[^"]*(?:""[^"]*)*" )
      | (?<=`)[^`]*(?:``[^`]*)*` | (?<=\[)[^\]]*\] )
    """,
    re.VERBOSE | re.DOTALL,
)
# Of a text without literals.
_TOKEN = re.compile(
    rf"""
    [ \t\n\f\r\ufeff]*
    (?: (?P<word> [A-Za-z_\x80-\U0010ffff][{_ID}]* )
      | (?P<operand> \? | {_QUOTED} )
      | (?P<double> \x00[0-9]+\x00 )
      | (?P<operator> ->>? | \|\| | <[=><]? | >[=>]? | [!=]= | [-+*/%=,.;()&|~] )
      | (?P<cut> \x01 ) | (?P<end> \Z ) )
    """,
    re.VERBOSE | re.DOTALL,
)
_KEYWORDS = frozenset(apsw.keywords)
_WHOLE = frozenset(("SELECT", "VALUES", "WITH", "INSERT", "REPLACE", "UPDATE", "DELETE"))  # bare words are names there
_NAMED = ("CREATE", "DROP", "ALTER", "PRAGMA", "ANALYZE", "REINDEX")  # the word after their keywords is a name
_EXPLAIN = ("EXPLAIN", "QUERY", "PLAN", ";")
_BEFORE_NAMES = ("FROM", "JOIN", "INTO", "UPDATE", ".")
_ALWAYS_NAMES = frozenset(("rowid", "oid", "_rowid_", "main", "temp"))
_MORE = "…"
_ITEMS = r"\((?:\?|NULL)(?:, (?:\?|NULL))*\)"
_LIST = re.compile(rf"\b(IN|VALUES) {_ITEMS}(?:, {_ITEMS})*")
_CUT_LIST = re.compile(r"\b(IN|VALUES) \([?NUL,() …]*\Z")
_CUT = "\x01"  # at the end of a masked text: the statement goes on
_MARK = re.compile("\x00([0-9]+)\x00")  # in the place of a double-quoted token: no statement has a NUL


def shape_of(sql: str, known: Collection[str] = ()) -> str | None:
    """Return the shape of one statement; None if its text is not SQL. `known`: names that SQLite has looked up for the
    statement, in lower case."""
    masked, double = _cached_mask(sql) if len(sql) <= _MAX_CACHED else _mask(sql)
    ordered = None if "\x00" in sql else _ordered(masked)
    if ordered is None:
        return None
    text = _filled(ordered, double, known) if double else ordered.text
    return text if len(text) <= MAX_CHARACTERS else text[: MAX_CHARACTERS - 1] + _MORE


def _mask(sql: str) -> tuple[str, list[str]]:
    """Return the text without literals and comments, and its double-quoted tokens without their quotes."""
    out: list[str] = []
    double: list[str] = []
    position = 0
    for match in _LITERAL.finditer(sql):
        start = match.start()
        out.append(sql[position:start])
        position = match.end()
        kind = match.lastgroup
        if kind == "literal":
            out.append(" ? ")
        elif kind == "double":
            out.append(f" \x00{len(double)}\x00 ")
            double.append(match[0][1:-1].replace('""', '"'))
        else:
            out.append(" " if kind else match[0])
        if start > _MAX_READ:
            return "".join((*out, _CUT)), double
    return "".join((*out, sql[position:])), double


_cached_mask = lru_cache(maxsize=_CACHED)(_mask)  # programs with parameters send the same text again


@dataclass(frozen=True, slots=True)
class _Ordered:
    text: str  # with marks for double-quoted tokens
    names: frozenset[int]  # those that must be names


def _filled(ordered: _Ordered, double: list[str], known: Collection[str]) -> str:
    names = {double[number].lower() for number in ordered.names} | _ALWAYS_NAMES
    hidden: dict[str, int] = {}

    def shown(mark: re.Match[str]) -> str:
        name = double[int(mark[1])]
        if name.lower() in names or name.lower() in known:
            return '"' + name.replace('"', '""') + '"'
        return f'"name{hidden.setdefault(name, len(hidden) + 1)}"'

    return _MARK.sub(shown, ordered.text)


@lru_cache(maxsize=_CACHED)
def _ordered(masked: str) -> _Ordered | None:
    builder = _Builder()
    position = 0
    while position < len(masked) and not builder.is_cut:
        match = _TOKEN.match(masked, position)
        if match is None:  # something like a literal is left
            return None
        position = match.end()
        if match.lastgroup not in ("cut", "end"):
            builder.add(match.lastgroup or "", match[match.lastgroup or ""])
        builder.is_cut = builder.is_cut or position > _MAX_READ or match.lastgroup == "cut"
    return builder.ordered()


class _Builder:
    """Takes the tokens of a masked statement in order."""

    def __init__(self) -> None:
        self.is_cut = False  # the rest is not shown
        self._out: list[str] = []
        self._names: set[int] = set()
        self._first = ""  # the keyword that the statement begins with
        self._last = ""  # the token before
        self._is_operand = False  # the token before; a sign after another one belongs to a number
        self._sign = False  # the token before is such a sign
        self._before_sign = ""  # the token before that
        self._into = ""  # after INTO "table", after that name "name", in its list of columns "columns"

    def add(self, kind: str, token: str) -> None:
        upper = token.upper() if kind == "word" else token
        is_keyword = kind == "word" and upper in _KEYWORDS
        if self._last == ";":  # another statement, which SQLite has not prepared
            self.is_cut = True
        elif self._first not in _WHOLE:
            self._add_beginning(upper if is_keyword else token, kind, is_keyword=is_keyword)
        elif upper in ("TRUE", "FALSE"):
            self._put("?", is_operand=True)
        else:
            self._put(upper if is_keyword else token, is_operand=_ends_operand(kind, upper, is_keyword=is_keyword))

    def ordered(self) -> _Ordered | None:
        text = _LIST.sub(rf"\1 (?, {_MORE})", "".join(self._out).removesuffix(";"))
        if self.is_cut:
            text = _CUT_LIST.sub(rf"\1 (?, {_MORE})", text) + f" {_MORE}"
        return _Ordered(text, frozenset(self._names)) if self._first else None

    def _add_beginning(self, token: str, kind: str, *, is_keyword: bool) -> None:
        """Take a token of a statement of which only the beginning is shown, or the first one of any."""
        if not self._first:
            self.is_cut = not is_keyword and token != ";"
            self._first = token if is_keyword and token not in _EXPLAIN else ""
            self._out += ([" "] * bool(self._out) + [token]) * is_keyword
        elif is_keyword and self._first in _NAMED:
            self._out.append(f" {token}")
        else:
            self._out += [f" {token}"] * (kind == "word" and self._first in _NAMED)
            self.is_cut = token != ";"

    def _put(self, token: str, *, is_operand: bool) -> None:
        if token == "?" and self._sign:
            self._out.pop()
            self._last = self._before_sign
        last = self._last
        if token.startswith("\x00") and (last in _BEFORE_NAMES or self._into == "columns"):
            self._names.add(int(token[1:-1]))
        if token == "." and last.startswith("\x00"):
            self._names.add(int(last[1:-1]))
        if self._into or token == "INTO":
            self._follow_into(token)
        is_call = token == "(" and self._is_operand and last not in _KEYWORDS
        is_close = is_call or token in (",", ")", ".", ";") or last in ("(", ".")
        self._out.append(token if is_close else f" {token}")
        self._sign, self._before_sign = token in ("-", "+") and not self._is_operand, last
        self._last, self._is_operand = token, is_operand

    def _follow_into(self, token: str) -> None:
        """Note the list of columns after INTO: it has only names."""
        if self._into == "table" and token != "(":
            self._into = "name"
        elif self._into == "name":
            self._into = {"(": "columns", ".": "table"}.get(token, "")
        elif self._into == "columns" and token == ")":
            self._into = ""
        if token == "INTO":
            self._into = "table"


def _ends_operand(kind: str, token: str, *, is_keyword: bool) -> bool:
    """Return True if a sign after the token is an operator."""
    if kind == "operator":
        return token == ")"
    return not is_keyword or token in ("NULL", "END")
