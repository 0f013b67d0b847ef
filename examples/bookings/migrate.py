"""Bring the database to the newest schema: `python -m migrate`."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config


def migrate(revision: str = "head") -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")))
    command.upgrade(config, revision)


if __name__ == "__main__":
    migrate()
