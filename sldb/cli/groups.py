"""The groups of the commands: the sections of the help, and the folders of the modules."""

from __future__ import annotations

from typing import NamedTuple


class Group(NamedTuple):
    """A section of the help, and the folder below sldb.cli.commands with a module for each of its commands."""

    name: str
    title: str
    meaning: str
    commands: tuple[str, ...]


GROUPS = (
    Group("query", "Query", "run SQL", ("query", "shell", "result", "queue")),
    Group(
        "data",
        "Data in and out",
        "move rows and whole databases",
        ("import", "export", "dump", "push", "pull", "backup"),
    ),
    Group(
        "history",
        "History",
        "see, compare and bring back earlier states",
        ("history", "restore", "undo", "redo", "diff", "branch"),
    ),
    Group("databases", "Databases", "manage databases and their schemas", ("databases", "migrate")),
    Group("access", "Access", "let applications and people in", ("serve", "token", "mcp")),
    Group(
        "stack",
        "Stack",
        "set up sldb in AWS, watch and configure it",
        (
            *("deploy", "destroy", "migrate-storage", "status", "doctor", "cost", "insights", "logs", "unlock"),
            *("config", "completion", "emulator"),
        ),
    ),
)


COMMANDS = {command: group for group in GROUPS for command in group.commands}
