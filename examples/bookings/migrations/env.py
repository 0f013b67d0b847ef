"""How Alembic reaches the database: all migrations are one transaction of sldb.

Foreign keys are off, because a table that is made anew must not take what refers to it with it.
"""

from alembic import context
from sqlalchemy import create_engine

from models import Base, engine

migrating = create_engine(engine().url.update_query_dict({"foreign_keys": "0"}))
with migrating.connect() as connection:
    context.configure(connection=connection, target_metadata=Base.metadata, render_as_batch=True)
    with context.begin_transaction():
        context.run_migrations()
migrating.dispose()
