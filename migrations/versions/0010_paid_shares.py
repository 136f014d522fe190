"""What a player is paid is told apart from its share by value, with the reason; disputes have a kind.

Revision ID: 0010
Revises: 0009
"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("valuation_players", sa.Column("paid_share", sa.Double(), nullable=True))
    op.add_column("valuation_players", sa.Column("reason", sa.Text(), nullable=True))
    op.create_table(
        "payout_disputes",
        sa.Column("valuation_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("valuation_id", name=op.f("pk_payout_disputes")),
    )


def downgrade() -> None:
    op.drop_table("payout_disputes")
    op.drop_column("valuation_players", "reason")
    op.drop_column("valuation_players", "paid_share")
