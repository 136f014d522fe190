"""Why an administrator took a listing down; null while it is not taken down.

Revision ID: 0017
Revises: 0016
"""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("datasets", sa.Column("taken_down", sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column("datasets", "taken_down")
