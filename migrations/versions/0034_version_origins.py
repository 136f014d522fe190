"""The address that a dataset's version was fetched from.

Revision ID: 0034
Revises: 0033
"""

import sqlalchemy as sa
from alembic import op

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("dataset_versions", sa.Column("origin", sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column("dataset_versions", "origin")
