"""Prices of uses beyond the value; rows that are bought, links to them, and what marks each copy.

Revision ID: 0035
Revises: 0034
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None


def _created() -> sa.Column[sa.DateTime]:
    return sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False)


def upgrade() -> None:
    op.add_column("datasets", sa.Column("asking", postgresql.JSONB(none_as_null=True), nullable=True))
    op.create_table(
        "data_purchases",
        sa.Column("valuation_id", sa.Uuid(), nullable=False),
        sa.Column("dataset_id", sa.Uuid(), nullable=False),
        sa.Column("content", sa.String(length=64), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("fee_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        _created(),
        sa.CheckConstraint(
            "amount_minor > 0 AND fee_minor BETWEEN 0 AND amount_minor", name=op.f("ck_data_purchases_amounts")
        ),
        sa.ForeignKeyConstraint(["dataset_id"], ["datasets.id"], name=op.f("fk_data_purchases_dataset_id_datasets")),
        sa.ForeignKeyConstraint(
            ["valuation_id"], ["valuations.id"], name=op.f("fk_data_purchases_valuation_id_valuations")
        ),
        sa.PrimaryKeyConstraint("valuation_id", "dataset_id", name=op.f("pk_data_purchases")),
    )
    op.create_index("ix_data_purchases_dataset_id", "data_purchases", ["dataset_id"])
    op.create_table(
        "data_links",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("valuation_id", sa.Uuid(), nullable=False),
        sa.Column("dataset_id", sa.Uuid(), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("taken_back_at", sa.DateTime(timezone=True), nullable=True),
        _created(),
        sa.ForeignKeyConstraint(["dataset_id"], ["datasets.id"], name=op.f("fk_data_links_dataset_id_datasets")),
        sa.ForeignKeyConstraint(
            ["valuation_id"], ["valuations.id"], name=op.f("fk_data_links_valuation_id_valuations")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_data_links")),
    )
    op.create_index("ix_data_links_valuation_id", "data_links", ["valuation_id"])
    op.add_column("data_accesses", sa.Column("seed", sa.LargeBinary(length=32), nullable=True))
    op.add_column("data_accesses", sa.Column("copy_digest", sa.String(length=64), nullable=True))
    op.add_column("data_accesses", sa.Column("link_id", sa.Uuid(), nullable=True))
    op.create_foreign_key(
        op.f("fk_data_accesses_link_id_data_links"), "data_accesses", "data_links", ["link_id"], ["id"]
    )
    op.create_index("ix_data_accesses_dataset_id", "data_accesses", ["dataset_id"])


def downgrade() -> None:
    op.drop_index("ix_data_accesses_dataset_id", "data_accesses")
    for column in ("link_id", "copy_digest", "seed"):
        op.drop_column("data_accesses", column)
    op.drop_table("data_links")
    op.drop_table("data_purchases")
    op.drop_column("datasets", "asking")
