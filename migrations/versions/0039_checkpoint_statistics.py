"""What is stored beside weights that were trained here: the curvature of the rows that they have seen.

Revision ID: 0039
Revises: 0038
"""

import sqlalchemy as sa
from alembic import op

revision = "0039"
down_revision = "0038"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("checkpoints", sa.Column("statistics_digest", sa.String(length=64), nullable=True))


def downgrade() -> None:
    op.drop_column("checkpoints", "statistics_digest")
