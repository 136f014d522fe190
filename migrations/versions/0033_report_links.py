"""Links to reports, so that they can be taken back before they end.

Revision ID: 0033
Revises: 0032
"""

import sqlalchemy as sa
from alembic import op

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "report_links",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("valuation_id", sa.Uuid(), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("taken_back_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["valuation_id"], ["valuations.id"], name=op.f("fk_report_links_valuation_id_valuations")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_report_links")),
    )
    op.create_index(op.f("ix_report_links_valuation_id"), "report_links", ["valuation_id"])


def downgrade() -> None:
    op.drop_table("report_links")
