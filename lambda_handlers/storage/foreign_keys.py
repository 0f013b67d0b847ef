"""The setting of a database: the enforcement of foreign keys in requests without a choice of their own.

It lies in the first page of the database, and so in every transaction, snapshot, branch and restore, and costs neither
a page nor a request. Its place is a field of SQLite's header without another use here: the suggested size of the page
cache, in pages (bytes 48 to 51). To other readers of the file the value for "enforced" is close to SQLite's own
default.

SQLite is not shown it (vfs), and each transaction writes it back (draft): SQL cannot reach it, and VACUUM does not lose
it. Any other value of the field is left as it is, and means "not enforced", as in every SQLite file.
"""

from __future__ import annotations

_FIELD = slice(48, 52)
_ENFORCED = (503).to_bytes(4, "big")
_NONE = bytes(4)


def are_enforced(first_page: bytes) -> bool:
    """Return True if this page 1 has the setting "enforced"."""
    return first_page[_FIELD] == _ENFORCED


def with_enforcement(first_page: bytes, enforced: bool) -> bytes:
    """Return the page with that setting."""
    if are_enforced(first_page) == enforced:
        return first_page
    return first_page[: _FIELD.start] + (_ENFORCED if enforced else _NONE) + first_page[_FIELD.stop :]
