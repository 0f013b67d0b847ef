"""What is printed, for tests to recognise."""

from __future__ import annotations

TIME = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d"  # of a transaction, for people
