"""A story of commands, to be told over several targets: each must say the same."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.fakes.terminal.command import sldb


@dataclass(frozen=True, slots=True)
class Step:
    line: str  # the words of the command, as for a shell
    status: int = 0
    stdin: str = ""

    @property
    def arguments(self) -> list[str]:
        return shlex.split(self.line)


ROWS = "a,b\n1,x\n2,y\n"
MIGRATION = "-- migrate:up\nCREATE TABLE u (a);\n-- migrate:down\nDROP TABLE u;\n"

# Each command that a URL can run, in the order of a story.
STORY = (
    Step('query "CREATE TABLE t (a INTEGER PRIMARY KEY, b)"'),
    Step("import rows.csv --table t"),
    Step("import - --table t --input-format jsonl --upsert a", stdin='{"a": 3, "b": "z"}\n'),
    Step('query "SELECT * FROM t" --format json'),
    Step("""query "SELECT ? + 1, x'00ff', 9007199254740993" -p 41 --format json"""),
    Step('''query "INSERT INTO t VALUES (1, 'twice')"''', 1),
    Step('query "SELECT * FROM missing"', 1),
    Step('query "DELETE FROM t" --dry-run'),
    Step("""query "INSERT INTO t VALUES (9, 'typo')" --database typo""", 1),
    Step("""query "INSERT INTO t VALUES (4, 'v')" --request-id once -m because"""),
    Step("""query "INSERT INTO t VALUES (4, 'v')" --request-id once"""),
    Step("result once --format csv"),
    Step("export t --format csv"),
    Step('export --query "SELECT b FROM t" -o b.jsonl'),
    Step("export -o whole.sqlite"),
    Step("import whole.sqlite --database copy --create"),
    Step("dump"),
    Step("dump -o all.sql.gz"),
    Step("diff 1 2 --format json"),
    Step("shell", stdin="BEGIN;\nDELETE FROM t;\nSELECT count(*) FROM t;\nROLLBACK;\nSELECT count(*) FROM t;\n"),
    Step("shell", stdin=".tables\n.schema t\n.database copy\nSELECT count(*) FROM t;\n"),
    Step("undo --yes"),
    Step("redo"),
    Step("restore --at 2"),
    Step('query "SELECT count(*) FROM t" --format csv'),
    Step('query "SELECT count(*) FROM t" --at 3 --format csv'),
    Step("branch --as side"),
    Step("migrate status"),
    Step("migrate up"),
    Step("migrate status --format json"),
    Step("migrate rollback"),
    Step("databases create extra"),
    Step("databases set extra foreign_keys=off"),
    Step("databases rename extra other"),
    Step("databases drop other", 2),
    Step("databases drop other --yes"),
    Step("databases"),
    Step("""query "SELECT count(*) FROM t" --all-databases '*' --format csv"""),
    Step("history --format json"),
)


def told(
    home: Path, steps: Sequence[Step], place: Sequence[str], extra: Mapping[str, str] | None = None
) -> list[tuple[str, str]]:
    """Return the commands of the story with what each wrote to standard output, without times and ids. `place`: the
    options of the target; `extra`: variables."""
    migrations = home / "db" / "migrations"
    migrations.mkdir(parents=True)
    (migrations / "20260101000000_u.sql").write_text(MIGRATION)
    (home / "rows.csv").write_text(ROWS)
    told = []
    for step in steps:
        ran = sldb(home, *place, *step.arguments, stdin=step.stdin, extra=extra)
        assert ran.returncode == step.status, (step, ran.stderr)
        told.append((step.line, CHANGING.sub("…", ran.stdout)))
    return told


# A size, which depends on the times; the caller, of a front; a time; the id of a request.
CHANGING = re.compile(
    r"\"(bytes|pages)\": \d+|\"caller\": [^,}]+|\b[\d.]+ [KM]?B\b|[\d.]+ ms"
    r"|\d{4}-\d\d-\d\d[T ][\d:.]+(Z|[+-]\d\d:\d\d)?|\b[0-9A-Za-z]{20,}\b"
)
