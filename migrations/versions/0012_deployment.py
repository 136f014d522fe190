"""A deployment has an id, which its blob store has, too; unreferenced blobs wait before they are erased.

Revision ID: 0012
Revises: 0011
"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "deployment",
        sa.Column("single", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("tied_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("collected_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("unreferenced", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("brake", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("single", name=op.f("ck_deployment_one_row")),
        sa.PrimaryKeyConstraint("single", name=op.f("pk_deployment")),
    )
    op.create_table(
        "unreferenced_blobs",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_unreferenced_blobs")),
    )


def downgrade() -> None:
    op.drop_table("unreferenced_blobs")
    op.drop_table("deployment")
