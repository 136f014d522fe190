"""Providers' consent to single jobs.

Revision ID: 0029
Revises: 0028
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "valuation_consents",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("valuation_id", sa.Uuid(), nullable=False),
        sa.Column("provider_id", sa.Uuid(), nullable=False),
        sa.Column("datasets", postgresql.JSONB(), nullable=False),
        sa.Column("status", sa.String(length=32), nullable=False),
        sa.Column("answer_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["valuation_id"], ["valuations.id"], name=op.f("fk_valuation_consents_valuation_id_valuations")
        ),
        sa.ForeignKeyConstraint(
            ["provider_id"], ["accounts.id"], name=op.f("fk_valuation_consents_provider_id_accounts")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_valuation_consents")),
        sa.UniqueConstraint("valuation_id", "provider_id", name=op.f("uq_valuation_consents_valuation_id_provider_id")),
    )
    op.create_index(
        "ix_valuation_consents_provider_id_created_at_id",
        "valuation_consents",
        ["provider_id", "created_at", "id"],
    )
    op.create_index(
        "ix_valuation_consents_pending",
        "valuation_consents",
        ["answer_until"],
        postgresql_where=sa.text("status = 'pending'"),
    )


def downgrade() -> None:
    # earlier code knows no such job, and would neither start it with consent nor give its pool back
    op.execute(
        """
        DO $$ BEGIN
            IF EXISTS (SELECT 1 FROM valuations WHERE status = 'awaiting_consent') THEN
                RAISE EXCEPTION 'jobs await consent; have them answered or cancelled, then go back';
            END IF;
        END $$
        """
    )
    op.drop_table("valuation_consents")
