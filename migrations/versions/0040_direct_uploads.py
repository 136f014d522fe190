"""Uploads whose parts go to the S3 store itself: the store's id of them, and the size of a part.

Revision ID: 0040
Revises: 0039
"""

import sqlalchemy as sa
from alembic import op

revision = "0040"
down_revision = "0039"
branch_labels = None
depends_on = None

_DIRECT = "(multipart_id IS NULL) = (part_bytes IS NULL)"


def upgrade() -> None:
    op.add_column("resumable_uploads", sa.Column("multipart_id", sa.Text(), nullable=True))
    op.add_column("resumable_uploads", sa.Column("part_bytes", sa.BigInteger(), nullable=True))
    op.create_check_constraint(op.f("ck_resumable_uploads_direct"), "resumable_uploads", _DIRECT)


def downgrade() -> None:
    op.drop_constraint(op.f("ck_resumable_uploads_direct"), "resumable_uploads")
    op.drop_column("resumable_uploads", "part_bytes")
    op.drop_column("resumable_uploads", "multipart_id")
