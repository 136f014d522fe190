"""What was noticed when a dataset's bytes were read.

Revision ID: 0013
Revises: 0012
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for table in ("datasets", "dataset_versions"):
        column = sa.Column("findings", postgresql.JSONB(), server_default=sa.text("'[]'::jsonb"), nullable=False)
        op.add_column(table, column)


def downgrade() -> None:
    for table in ("datasets", "dataset_versions"):
        op.drop_column(table, "findings")
