"""Statements that change the state of a stream: its transaction, and the settings of its connection. Pure.

A text that SQLite would refuse is none of them: it runs like any other, for SQLite's own error.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from lambda_handlers.sql import script

BEGIN, COMMIT, ROLLBACK = "BEGIN", "COMMIT", "ROLLBACK"
SAVEPOINT, RELEASE, ROLLBACK_TO = "SAVEPOINT", "RELEASE", "ROLLBACK TO"
VACUUM = "VACUUM"  # runs alone
SETTING = "SETTING"  # of the connection: `key` names it
FOREIGN_KEYS = "pragma foreign_keys"  # a key

_NAME = r"""(?P<name>\w+|"[^"]+"|'[^']+'|`[^`]+`|\[[^\]]+\])"""
_FORMS = (
    (BEGIN, r"BEGIN (TRANSACTION )?(?P<readonly>READONLY)( TRANSACTION)?"),
    (BEGIN, r"BEGIN( (DEFERRED|IMMEDIATE|EXCLUSIVE|CONCURRENT))?( TRANSACTION( \S+)?)?"),
    (COMMIT, r"(COMMIT|END)( TRANSACTION( \S+)?)?"),
    (ROLLBACK, r"ROLLBACK( TRANSACTION( (?!TO\b)\S+)?)?"),
    (ROLLBACK_TO, rf"ROLLBACK( TRANSACTION)? TO( SAVEPOINT)? {_NAME}"),
    (SAVEPOINT, rf"SAVEPOINT {_NAME}"),
    (RELEASE, rf"RELEASE( SAVEPOINT)? {_NAME}"),
    (VACUUM, r"VACUUM\b.*"),
    (SETTING, r"PRAGMA (main\.)?(?P<pragma>\w+) ?(=.*|\(.*\))"),
    (SETTING, r"ATTACH\b.* AS (?P<attached>\S+)"),
    (SETTING, r"DETACH( DATABASE)? (?P<detached>\S+)"),
)
_PATTERNS = tuple((does, re.compile(form, re.IGNORECASE | re.DOTALL)) for does, form in _FORMS)
_FIRST_WORDS = frozenset("BEGIN COMMIT END ROLLBACK SAVEPOINT RELEASE VACUUM PRAGMA ATTACH DETACH".split())  # noqa: SIM905
# PRAGMAs whose setting holds for the statements after it on a connection.
_SESSION_PRAGMAS = frozenset(
    """
    analysis_limit automatic_index case_sensitive_like cell_size_check foreign_keys ignore_check_constraints
    legacy_alter_table query_only read_uncommitted recursive_triggers reverse_unordered_selects
    """.split()  # noqa: SIM905 - names read better as a block of words
)


class Control(NamedTuple):
    does: str
    name: str = ""  # of a savepoint, in lower case without quotes
    key: str = ""  # of a setting
    ends_setting: bool = False  # DETACH
    only_reads: bool = False  # BEGIN READONLY


def control_of(sql: str) -> Control | None:
    """Return what a statement does to the state of its stream; None for all others."""
    if script.first_word(sql) not in _FIRST_WORDS:
        return None
    bare = script.bare(sql)
    for does, pattern in _PATTERNS:
        if match := pattern.fullmatch(bare):
            return _control(does, match.groupdict())
    return None


def _control(does: str, named: dict[str, str | None]) -> Control | None:
    if does != SETTING:
        return Control(does, _unquoted(named.get("name") or ""), only_reads=bool(named.get("readonly")))
    if pragma := named.get("pragma"):
        is_of_session = pragma.lower() in _SESSION_PRAGMAS
        return Control(does, key=f"pragma {pragma.lower()}") if is_of_session else None
    detached = named.get("detached")
    name = _unquoted(detached or named.get("attached") or "")
    return Control(does, key=f"attach {name}", ends_setting=detached is not None)


def _unquoted(name: str) -> str:
    return name.strip("\"'`[]").lower()


def closes_its_groups(controls: list[Control | None]) -> bool:
    """Return True for statements with a BEGIN that seem to end all that they begin: they may be one request."""
    is_open = has_group = False
    for control in controls:
        does = control.does if control else ""
        if does in (SAVEPOINT, VACUUM) and not is_open:
            return False
        has_group = has_group or does == BEGIN
        is_open = (is_open or does == BEGIN) and does not in (COMMIT, ROLLBACK)
    return has_group and not is_open
