"""Uploads in parts whose file becomes a checkpoint's weights.

Revision ID: 0042
Revises: 0041
"""

import sqlalchemy as sa
from alembic import op

revision = "0042"
down_revision = "0041"
branch_labels = None
depends_on = None

_TABLE = "resumable_uploads"
# releases before this one ask for uploads by their dataset, and see none without
_ACCEPTED = "-- squawk-ignore ban-drop-not-null\n"


def upgrade() -> None:
    op.execute(f"{_ACCEPTED}ALTER TABLE {_TABLE} ALTER COLUMN dataset_id DROP NOT NULL")
    op.add_column(_TABLE, sa.Column("checkpoint_id", sa.Uuid(), nullable=True))
    op.create_foreign_key(
        op.f("fk_resumable_uploads_checkpoint_id_checkpoints"),
        _TABLE,
        "checkpoints",
        ["checkpoint_id"],
        ["id"],
        ondelete="CASCADE",
    )
    op.create_index("ix_resumable_uploads_checkpoint_id", _TABLE, ["checkpoint_id"])
    op.create_check_constraint(
        op.f("ck_resumable_uploads_destination"), _TABLE, "(dataset_id IS NULL) <> (checkpoint_id IS NULL)"
    )


def downgrade() -> None:
    # what came for checkpoints has no place any more
    op.execute("DELETE FROM resumable_uploads WHERE dataset_id IS NULL")
    op.drop_constraint(op.f("ck_resumable_uploads_destination"), _TABLE)
    op.drop_index("ix_resumable_uploads_checkpoint_id", _TABLE)
    op.drop_column(_TABLE, "checkpoint_id")
    op.alter_column(_TABLE, "dataset_id", existing_type=sa.Uuid(), nullable=False)
