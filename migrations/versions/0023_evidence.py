"""What a job's result rests on is kept as a blob, which its certificate commits to.

Revision ID: 0023
Revises: 0022
"""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "evidence_documents",
        sa.Column("game_id", sa.Uuid(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["game_id"], ["games.id"], name=op.f("fk_evidence_documents_game_id_games")),
        sa.PrimaryKeyConstraint("game_id", "digest", name=op.f("pk_evidence_documents")),
    )


def downgrade() -> None:
    op.drop_table("evidence_documents")
