"""What was read of a job's files is kept for every process that answers calls.

Revision ID: 0004
Revises: 0003
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0004"
down_revision: str | None = "0003"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "fittings",
        sa.Column("question", sa.String(length=64), nullable=False),
        sa.Column("told", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("question", name=op.f("pk_fittings")),
    )
    op.create_index("ix_fittings_created_at", "fittings", ["created_at"], unique=False)


def downgrade() -> None:
    op.drop_table("fittings")
