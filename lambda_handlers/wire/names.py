"""The names of databases and stacks, and their defaults."""

from __future__ import annotations

import re

DEFAULT_DATABASE = "main"
DEFAULT_STACK = "test-db"
DATABASE_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
