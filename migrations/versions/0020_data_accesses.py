"""Each time that a buyer was given the rows of a dataset that it paid for.

Revision ID: 0020
Revises: 0019
"""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "data_accesses",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("valuation_id", sa.Uuid(), nullable=False),
        sa.Column("dataset_id", sa.Uuid(), nullable=False),
        sa.Column("provider_id", sa.Uuid(), nullable=False),
        sa.Column("content", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["dataset_id"], ["datasets.id"], name=op.f("fk_data_accesses_dataset_id_datasets")),
        sa.ForeignKeyConstraint(["provider_id"], ["accounts.id"], name=op.f("fk_data_accesses_provider_id_accounts")),
        sa.ForeignKeyConstraint(
            ["valuation_id"], ["valuations.id"], name=op.f("fk_data_accesses_valuation_id_valuations")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_data_accesses")),
    )
    op.create_index("ix_data_accesses_provider_id_created_at_id", "data_accesses", ["provider_id", "created_at", "id"])


def downgrade() -> None:
    op.drop_table("data_accesses")
