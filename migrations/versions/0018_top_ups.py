"""Which job a job tops up, and until when a job that missed its precision waits for one.

Revision ID: 0018
Revises: 0017
"""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("valuations", sa.Column("tops_up", sa.Uuid(), nullable=True))
    op.add_column("valuations", sa.Column("waits_until", sa.DateTime(timezone=True), nullable=True))
    op.create_index("ix_valuations_tops_up", "valuations", ["tops_up"])


def downgrade() -> None:
    op.drop_index("ix_valuations_tops_up", table_name="valuations")
    op.drop_column("valuations", "waits_until")
    op.drop_column("valuations", "tops_up")
