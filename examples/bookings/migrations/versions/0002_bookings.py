"""Seats, and their bookings."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    with op.batch_alter_table("events") as events:
        events.add_column(sa.Column("seats", sa.Integer, nullable=False, server_default="0"))
    op.create_table(
        "bookings",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("event_id", sa.Integer, sa.ForeignKey("events.id"), nullable=False),
        sa.Column("guest", sa.String, nullable=False),
        sa.UniqueConstraint("event_id", "guest"),
    )


def downgrade() -> None:
    op.drop_table("bookings")
    with op.batch_alter_table("events") as events:
        events.drop_column("seats")
