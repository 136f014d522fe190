"""Invoices and credit notes that were issued, numbered without gaps.

Revision ID: 0030
Revises: 0029
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "billing_documents",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("owner_id", sa.Uuid(), nullable=False),
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("seller_id", sa.Uuid(), nullable=True),
        sa.Column("year", sa.Integer(), nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.Column("content", postgresql.JSONB(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_billing_documents")),
        sa.UniqueConstraint("owner_id", "month", "currency", name=op.f("uq_billing_documents_owner_id_month_currency")),
        sa.UniqueConstraint(
            "seller_id",
            "year",
            "ordinal",
            name=op.f("uq_billing_documents_seller_id_year_ordinal"),
            postgresql_nulls_not_distinct=True,
        ),
    )
    op.execute(
        """
CREATE OR REPLACE FUNCTION billing_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'billing_documents is append-only: % is refused; an issued document stays', TG_OP
        USING ERRCODE = 'restrict_violation';
END $$
"""
    )
    op.execute(
        "CREATE TRIGGER billing_documents_append_only BEFORE UPDATE OR DELETE ON billing_documents "
        "FOR EACH ROW EXECUTE FUNCTION billing_refuse_change()"
    )
    op.execute(
        "CREATE TRIGGER billing_documents_keep BEFORE TRUNCATE ON billing_documents "
        "FOR EACH STATEMENT EXECUTE FUNCTION billing_refuse_change()"
    )


def downgrade() -> None:
    op.drop_table("billing_documents")
    op.execute("DROP FUNCTION IF EXISTS billing_refuse_change()")
