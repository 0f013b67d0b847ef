"""The driver as SQLAlchemy wants it: with the version of SQLite, as the module sqlite3 has it."""

from __future__ import annotations

from sldb.dbapi import *  # noqa: F403 - all of the module

# The oldest engine of a function; the dialect asks the function itself for its version.
sqlite_version = "3.50.0"
sqlite_version_info = (3, 50, 0)
