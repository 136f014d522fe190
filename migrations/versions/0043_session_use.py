"""When a user's session was last used, and by what browser.

Revision ID: 0043
Revises: 0042
"""

import sqlalchemy as sa
from alembic import op

revision = "0043"
down_revision = "0042"
branch_labels = None
depends_on = None

_TABLE = "user_sessions"


def upgrade() -> None:
    op.add_column(_TABLE, sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column(_TABLE, sa.Column("browser", sa.String(200), server_default="", nullable=False))


def downgrade() -> None:
    op.drop_column(_TABLE, "browser")
    op.drop_column(_TABLE, "last_used_at")
