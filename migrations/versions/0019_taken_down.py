"""Why an administrator took a listing down; null while it is not taken down.

Revision ID: 0019
Revises: 0018
"""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("datasets", sa.Column("taken_down", sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column("datasets", "taken_down")
