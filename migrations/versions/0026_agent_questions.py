"""Questions to providers' agents, their answers, and when each agent was last there.

Revision ID: 0026
Revises: 0025
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "agent_questions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("dataset_id", sa.Uuid(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("question", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("models", sa.LargeBinary(), nullable=False),
        sa.Column("status", sa.String(length=32), nullable=False),
        sa.Column("answer", sa.LargeBinary(), nullable=True),
        sa.Column("refusal", sa.Text(), nullable=True),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["dataset_id"], ["datasets.id"], name=op.f("fk_agent_questions_dataset_id_datasets"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_agent_questions")),
        sa.UniqueConstraint("dataset_id", "digest", name=op.f("uq_agent_questions_dataset_id_digest")),
    )
    op.create_index(
        "ix_agent_questions_waiting",
        "agent_questions",
        ["dataset_id", "id"],
        postgresql_where=sa.text("status = 'waiting'"),
    )
    op.create_index("ix_agent_questions_created_at", "agent_questions", ["created_at"])
    op.create_table(
        "agent_presences",
        sa.Column("dataset_id", sa.Uuid(), nullable=False),
        sa.Column("protocol", sa.Integer(), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["dataset_id"], ["datasets.id"], name=op.f("fk_agent_presences_dataset_id_datasets"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("dataset_id", name=op.f("pk_agent_presences")),
    )


def downgrade() -> None:
    op.drop_table("agent_presences")
    op.drop_table("agent_questions")
