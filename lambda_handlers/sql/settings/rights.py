"""The rights of a request to each PRAGMA of SQLite: what it may set, what it may only read, and what has no effect.

    free          its effect is within the request's rights
    no effect     a setting of files, memory or locks, all of which are sldb's own: programs send it at each connection
                  or in their first migration. It is accepted, SQLite is not shown it, and the reply has a warning
    unchanged     accepted as long as it asks for the value that holds in any case
    readable      reading it is allowed; its setting is refused
    refused       all others: they reach outside of the database, or change what a result looks like

A setting that a result depends on is never among those without effect. docs/sql.md has the table for users.
"""

from __future__ import annotations

from collections.abc import Collection

from lambda_handlers.wire import Notice

FREE = frozenset(
    """
    analysis_limit application_id auto_vacuum automatic_index case_sensitive_like cell_size_check
    collation_list compile_options data_version database_list defer_foreign_keys encoding foreign_key_check
    foreign_key_list foreign_keys freelist_count function_list ignore_check_constraints incremental_vacuum index_info
    index_list index_xinfo integrity_check legacy_alter_table module_list optimize page_count pragma_list query_only
    quick_check read_uncommitted recursive_triggers reverse_unordered_selects table_info table_list table_xinfo
    user_version
    """.split()  # noqa: SIM905 - names read better as a block of words
)
READABLE = frozenset(
    """
    busy_timeout cache_size cache_spill checkpoint_fullfsync count_changes empty_result_callbacks full_column_names
    fullfsync journal_mode journal_size_limit locking_mode max_page_count mmap_size page_size schema_version
    secure_delete short_column_names synchronous temp_store threads trusted_schema wal_autocheckpoint writable_schema
    """.split()  # noqa: SIM905
)
# Setting it has no effect. In its place SQLite runs the SQL, for a row such as SQLite gives to a program that sets it.
NO_EFFECT = {
    "busy_timeout": "PRAGMA busy_timeout",
    "cache_size": "",
    "cache_spill": "",
    "checkpoint_fullfsync": "",
    "fullfsync": "",
    "journal_mode": "PRAGMA journal_mode",
    "journal_size_limit": "PRAGMA journal_size_limit",
    "locking_mode": "PRAGMA locking_mode",
    "mmap_size": "PRAGMA mmap_size",
    "shrink_memory": "",
    "synchronous": "",
    "temp_store": "",
    "threads": "PRAGMA threads",
    "wal_autocheckpoint": "PRAGMA wal_autocheckpoint",
    "wal_checkpoint": "SELECT 0 AS busy, -1 AS log, -1 AS checkpointed",  # SQLite's answer without a WAL
}
_ACTIONS = ("shrink_memory", "wal_checkpoint")  # do something without an argument, too
_OFF = ("0", "off", "no", "false")
_ON = ("1", "on", "yes", "true")
UNCHANGED = {
    "count_changes": _OFF,
    "empty_result_callbacks": _OFF,
    "full_column_names": _OFF,
    "secure_delete": _OFF,
    "short_column_names": _ON,
    "trusted_schema": _OFF,
    "writable_schema": _OFF,
}
REFUSED = frozenset(("hard_heap_limit", "soft_heap_limit", "temp_store_directory"))

_HINTS = {
    "secure_delete": "deleted rows stay in the history until its retention period is over, whatever SQLite overwrites",
    "max_page_count": "a database has no limit of its own here",
    "page_size": "a new database can be given one, before its first table",
    "writable_schema": "sldb push or sldb import take a whole SQLite file, whatever its schema",
}


def has_no_effect(name: str, argument: str | None) -> bool:
    """Return True for a setting that is accepted without an effect."""
    return name in NO_EFFECT and (argument is not None or name in _ACTIONS)


def keeps_value(name: str, argument: str | None) -> bool:
    """Return True for a setting to the value that holds in any case."""
    return argument is not None and argument.strip("'\"").lower() in UNCHANGED.get(name, ())


def reads(name: str, argument: str | None) -> bool:
    """Return True if the PRAGMA reads a setting that a request may not change."""
    return name in READABLE and argument is None


def shown_instead(name: str) -> str:
    """Return the SQL to run in place of a setting without effect; empty for one without rows."""
    return NO_EFFECT.get(name, "PRAGMA secure_delete" if name == "secure_delete" else "")


def warnings_of(names: Collection[str]) -> tuple[Notice, ...]:
    """Return the warning of a request that has sent these PRAGMAs without effect, in their order."""
    settings = [name for name in names if name in NO_EFFECT]
    if not settings:
        return ()
    message = f"PRAGMA {', '.join(settings)}: no effect here, since files, memory and locks are sldb's own"
    return (Notice("no_effect", message),)


def why_not(name: str) -> tuple[str, str]:
    """Return the reason for a refusal, and its hint, which may be empty."""
    if name in READABLE:
        return f"PRAGMA {name} can be read here, but its setting belongs to the storage", _HINTS.get(name, "")
    if name in REFUSED:
        return f"PRAGMA {name} reaches outside the database or into its storage", ""
    return f"SQLite has no PRAGMA {name}, or none that a request may use", "PRAGMA pragma_list has the names"
