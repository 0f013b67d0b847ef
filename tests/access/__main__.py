"""python -m tests.access DIR     the rights of the template's roles that no story of `make paths` has used"""

from __future__ import annotations

import sys
from pathlib import Path

from tests.access.rights import kept, rights, unknown, unused


def main(directory: str) -> int:
    uses = kept(Path(directory))
    failures = [*map(str, unused(uses)), *map(str, unknown(uses))]
    print(f"rights: {len(rights())} in the template, {len(uses)} uses, {len(failures)} failures")
    for failure in failures:
        print(f"        {failure}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
