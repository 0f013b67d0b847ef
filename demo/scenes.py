"""The scenes of the demo, in order. Plain data; `stage` shows and runs it.

A command is shell text, shown as it stands here. Its exit status is part of the script: another one ends the demo.
"""

from __future__ import annotations

from dataclasses import dataclass

# It never ends: its writer has the lock until that is freed.
ENDLESS = (
    "UPDATE peaks SET metres = (WITH RECURSIVE n AS (SELECT 1 UNION ALL\n  SELECT 1 FROM n) SELECT count(*) FROM n)"
)


@dataclass(frozen=True, slots=True)
class Command:
    text: str
    status: int = 0  # the expected exit status


@dataclass(frozen=True, slots=True)
class LostWriter:
    """A writer killed in the middle of its transaction, together with its waiting client."""

    sql: str


@dataclass(frozen=True, slots=True)
class Scene:
    title: str
    remark: str  # below the title
    steps: tuple[Command | LostWriter, ...]


SCENES = (
    Scene(
        "Deploy",
        "An emulated AWS runs on this machine. sldb builds the bundle of the functions\n"
        "and has CloudFormation make the stack, as it would in your account.",
        (Command("sldb deploy --yes"),),
    ),
    Scene(
        "A table and some rows",
        "Each command invokes the function, which runs SQLite over pages kept in S3.",
        (
            Command(
                'sldb query "CREATE TABLE peaks (\n'
                "  name TEXT PRIMARY KEY, metres INTEGER CHECK (metres > 0), climbed INTEGER\n"
                ')"'
            ),
            Command(
                'sldb query "INSERT INTO peaks VALUES\n'
                "  ('Everest', 8849, 1953), ('Aconcagua', 6961, 1897), ('Denali', 6190, 1913),\n"
                "  ('Kilimanjaro', 5895, 1889), ('Elbrus', 5642, 1874), ('Vinson', 4892, 1966)\""
            ),
            Command('sldb query "SELECT * FROM peaks ORDER BY climbed LIMIT 4"'),
            Command(
                "sldb query --format csv -p 1900 \\\n"
                '  "SELECT name, metres FROM peaks WHERE climbed > ? ORDER BY metres"'
            ),
        ),
    ),
    Scene(
        "Statements that fail",
        "The message shows the place of the error. One submission is one transaction:\n"
        "the second one fails at its INSERT, so its UPDATE is not applied either.",
        (
            Command('sldb query "SELECT name, meters FROM peaks"', status=1),
            Command(
                'sldb query "UPDATE peaks SET metres = metres + 1;\n'
                "  INSERT INTO peaks VALUES ('Elbrus', 5642, 1829)\"",
                status=1,
            ),
            Command('sldb query "SELECT max(metres), min(metres) FROM peaks"'),
        ),
    ),
    Scene(
        "Every version is still there",
        "An unwanted write, and a read of the state after the second transaction.",
        (
            Command('sldb query "DELETE FROM peaks WHERE metres < 6000"'),
            Command('sldb query "SELECT count(*) AS peaks FROM peaks"'),
            Command('sldb query --at 2 "SELECT count(*) AS peaks_then FROM peaks"'),
        ),
    ),
    Scene(
        "A writer dies",
        "One writer at a time has the lock: a security group, as its creation is atomic.\n"
        "This one, and the client that waits for it, are killed in mid-transaction.",
        (
            LostWriter(ENDLESS),
            Command("sldb query --timeout 3 \"INSERT INTO peaks VALUES ('Logan', 5959, 1925)\"", status=75),
        ),
    ),
    Scene(
        "Unlock",
        "The schedule frees such a lock by itself after 90 seconds. Or now, by hand:",
        (
            Command("sldb unlock --yes"),
            Command("sldb query \"INSERT INTO peaks VALUES ('Logan', 5959, 1925)\""),
            Command('sldb query "SELECT * FROM peaks ORDER BY metres DESC"'),
            Command("sldb status"),
        ),
    ),
)
