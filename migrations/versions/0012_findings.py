"""What was noticed when a dataset's bytes were read.

Revision ID: 0012
Revises: 0011
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for table in ("datasets", "dataset_versions"):
        column = sa.Column("findings", postgresql.JSONB(), server_default=sa.text("'[]'::jsonb"), nullable=False)
        op.add_column(table, column)


def downgrade() -> None:
    for table in ("datasets", "dataset_versions"):
        op.drop_column(table, "findings")
