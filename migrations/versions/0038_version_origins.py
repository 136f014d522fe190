"""The address that a dataset's version was fetched from.

Revision ID: 0038
Revises: 0037
"""

import sqlalchemy as sa
from alembic import op

revision = "0038"
down_revision = "0037"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("dataset_versions", sa.Column("origin", sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column("dataset_versions", "origin")
