"""Buyers that providers see under a pseudonym.

Revision ID: 0036
Revises: 0035
"""

import sqlalchemy as sa
from alembic import op

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("accounts", sa.Column("pseudonymous", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column("accounts", sa.Column("pseudonym_secret", sa.LargeBinary(length=32), nullable=True))


def downgrade() -> None:
    op.drop_column("accounts", "pseudonym_secret")
    op.drop_column("accounts", "pseudonymous")
