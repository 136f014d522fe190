"""Standing orders, the jobs that they post, wanted ads, and listings that fit them.

Revision ID: 0037
Revises: 0036
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0037"
down_revision = "0036"
branch_labels = None
depends_on = None


def upgrade() -> None:
    now = sa.text("now()")
    op.create_table(
        "standing_orders",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("buyer_id", sa.Uuid(), nullable=False),
        sa.Column("repeats", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("spec", postgresql.JSONB(), nullable=False),
        sa.Column("basis", postgresql.JSONB(), nullable=False),
        sa.Column("cap_minor", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.String(length=32), nullable=False),
        sa.Column("problem", sa.Text(), nullable=True),
        sa.Column("next_try_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=now, nullable=False),
        sa.ForeignKeyConstraint(["buyer_id"], ["accounts.id"], name=op.f("fk_standing_orders_buyer_id_accounts")),
        sa.ForeignKeyConstraint(["repeats"], ["valuations.id"], name=op.f("fk_standing_orders_repeats_valuations")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_standing_orders")),
    )
    op.create_index("ix_standing_orders_buyer_id_created_at_id", "standing_orders", ["buyer_id", "created_at", "id"])
    op.create_index(
        "ix_standing_orders_active", "standing_orders", ["next_try_at"], postgresql_where=sa.text("status = 'active'")
    )
    op.create_table(
        "standing_runs",
        sa.Column("standing_order_id", sa.Uuid(), nullable=False),
        sa.Column("valuation_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=now, nullable=False),
        sa.ForeignKeyConstraint(
            ["standing_order_id"],
            ["standing_orders.id"],
            name=op.f("fk_standing_runs_standing_order_id_standing_orders"),
        ),
        sa.ForeignKeyConstraint(
            ["valuation_id"], ["valuations.id"], name=op.f("fk_standing_runs_valuation_id_valuations")
        ),
        sa.PrimaryKeyConstraint("standing_order_id", "valuation_id", name=op.f("pk_standing_runs")),
    )
    op.create_table(
        "wanted_ads",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("buyer_id", sa.Uuid(), nullable=False),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("words", sa.String(length=200), nullable=True),
        sa.Column("modality", sa.String(length=32), nullable=True),
        sa.Column("target", sa.String(length=200), nullable=True),
        sa.Column("min_rows", sa.BigInteger(), nullable=True),
        sa.Column("price_minor", sa.BigInteger(), nullable=True),
        sa.Column("currency", sa.String(length=3), nullable=True),
        sa.Column("status", sa.String(length=32), nullable=False),
        sa.Column("looked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=now, nullable=False),
        sa.CheckConstraint("(price_minor IS NULL) = (currency IS NULL)", name=op.f("ck_wanted_ads_price_has_currency")),
        sa.ForeignKeyConstraint(["buyer_id"], ["accounts.id"], name=op.f("fk_wanted_ads_buyer_id_accounts")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_wanted_ads")),
    )
    op.create_index(
        "ix_wanted_ads_open", "wanted_ads", ["created_at", "id"], postgresql_where=sa.text("status = 'open'")
    )
    op.create_index("ix_wanted_ads_buyer_id_created_at_id", "wanted_ads", ["buyer_id", "created_at", "id"])
    op.create_table(
        "wanted_matches",
        sa.Column("ad_id", sa.Uuid(), nullable=False),
        sa.Column("dataset_id", sa.Uuid(), nullable=False),
        sa.Column("found_at", sa.DateTime(timezone=True), server_default=now, nullable=False),
        sa.ForeignKeyConstraint(
            ["ad_id"], ["wanted_ads.id"], name=op.f("fk_wanted_matches_ad_id_wanted_ads"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["dataset_id"], ["datasets.id"], name=op.f("fk_wanted_matches_dataset_id_datasets"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("ad_id", "dataset_id", name=op.f("pk_wanted_matches")),
    )
    op.create_index("ix_wanted_matches_dataset_id", "wanted_matches", ["dataset_id"])


def downgrade() -> None:
    for table in ("wanted_matches", "wanted_ads", "standing_runs", "standing_orders"):
        op.drop_table(table)
