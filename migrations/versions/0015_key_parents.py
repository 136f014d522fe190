"""Which key or user made a key, so that it ends with its maker; and visits of keys that were ended by logging out.

Revision ID: 0015
Revises: 0014
"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("api_keys", sa.Column("made_by_key", sa.Uuid(), nullable=True))
    op.add_column("api_keys", sa.Column("made_by_user", sa.Uuid(), nullable=True))
    op.create_index("ix_api_keys_made_by_key", "api_keys", ["made_by_key"])
    op.create_index("ix_api_keys_made_by_user", "api_keys", ["made_by_user"])
    op.create_table(
        "ended_visits",
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("forgotten_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("fingerprint", name=op.f("pk_ended_visits")),
    )


def downgrade() -> None:
    op.drop_table("ended_visits")
    op.drop_index("ix_api_keys_made_by_user", table_name="api_keys")
    op.drop_index("ix_api_keys_made_by_key", table_name="api_keys")
    op.drop_column("api_keys", "made_by_user")
    op.drop_column("api_keys", "made_by_key")
