"""What a dataset's owner declares of how its bytes are read: columns, delimiter, encoding, sheet.

Revision ID: 0011
Revises: 0010
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for table in ("datasets", "dataset_versions"):
        column = sa.Column("reading", postgresql.JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False)
        op.add_column(table, column)


def downgrade() -> None:
    for table in ("datasets", "dataset_versions"):
        op.drop_column(table, "reading")
