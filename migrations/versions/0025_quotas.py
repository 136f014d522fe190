"""Quotas of one organisation, where an administrator decided otherwise than the settings.

Revision ID: 0025
Revises: 0024
"""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name in ("max_drafts", "max_versions", "max_keys"):
        op.add_column("accounts", sa.Column(name, sa.Integer(), nullable=True))
    op.add_column("accounts", sa.Column("max_stored_bytes", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    for name in ("max_stored_bytes", "max_keys", "max_versions", "max_drafts"):
        op.drop_column("accounts", name)
