"""The model that a settlement released to the buyer, or why it released none.

Revision ID: 0016
Revises: 0015
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "model_releases",
        sa.Column("valuation_id", sa.Uuid(), nullable=False),
        sa.Column("checkpoint_id", sa.Uuid(), nullable=True),
        sa.Column("package", sa.String(length=64), nullable=True),
        sa.Column("document", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["checkpoint_id"], ["checkpoints.id"], name=op.f("fk_model_releases_checkpoint_id_checkpoints")
        ),
        sa.ForeignKeyConstraint(
            ["valuation_id"], ["valuations.id"], name=op.f("fk_model_releases_valuation_id_valuations")
        ),
        sa.PrimaryKeyConstraint("valuation_id", name=op.f("pk_model_releases")),
    )
    op.create_index("ix_model_releases_checkpoint_id", "model_releases", ["checkpoint_id"])


def downgrade() -> None:
    op.drop_table("model_releases")
