"""Void payouts can be disputed by their providers: what was said, when rows were opened once more and what was found. The
answers that are looked at then are kept for longer than a day.

Revision ID: 0046
Revises: 0044
"""

import sqlalchemy as sa
from alembic import op

revision = "0046"
down_revision = "0044"
branch_labels = None
depends_on = None

_NOW = sa.text("now()")


def upgrade() -> None:
    op.create_table(
        "payout_void_disputes",
        sa.Column("transfer_id", sa.Uuid(), nullable=False),
        sa.Column("valuation_id", sa.Uuid(), nullable=False),
        sa.Column("provider_id", sa.Uuid(), nullable=False),
        sa.Column("player_id", sa.Uuid(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finding", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=_NOW, nullable=False),
        sa.PrimaryKeyConstraint("transfer_id", name=op.f("pk_payout_void_disputes")),
    )
    op.create_index("ix_payout_void_disputes_valuation_id", "payout_void_disputes", ["valuation_id"])
    op.add_column("agent_questions", sa.Column("keep_until", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    op.drop_column("agent_questions", "keep_until")
    op.drop_table("payout_void_disputes")
