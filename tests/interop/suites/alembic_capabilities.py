"""What SQLite behind sldb can do, as Alembic's suite asks for it."""

from alembic.testing import exclusions
from alembic.testing.requirements import SuiteRequirements


class Requirements(SuiteRequirements):
    autocommit_isolation = reflects_fk_options = property(lambda _: exclusions.open())
    schemas = property(lambda _: exclusions.closed("an attached database is read-only"))
