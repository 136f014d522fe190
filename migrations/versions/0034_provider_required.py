"""Whether people may sign in through their organisation's own provider alone, and which sessions it began.

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
    op.add_column("accounts", sa.Column("provider_required", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column("user_sessions", sa.Column("provider_session", sa.String(length=255), nullable=True))


def downgrade() -> None:
    op.drop_column("user_sessions", "provider_session")
    op.drop_column("accounts", "provider_required")
