"""The names of the functions that sldb adds to those of SQLite. docs/sql.md describes them."""

from __future__ import annotations

SERIES = "generate_series"  # a table
AGGREGATES = ("median", "percentile", "percentile_cont", "percentile_disc")  # newer versions of SQLite have them
UUIDS = ("uuid", "uuid4", "uuid7", "uuid_blob", "uuid_str")
HASHES = ("md5", "sha1", "sha256", "sha512", "sha3")
REGEXP = "regexp"  # the operator, too
NAMES = frozenset((SERIES, REGEXP, *AGGREGATES, *UUIDS, *HASHES))
