"""Checkpoints forget withdrawn data: how they are to, what they have forgotten, and the duties underway.

Revision ID: 0002
Revises: 0001
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0002"
down_revision: str | None = "0001"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

METHODS = (
    "auto", "retrain", "newton", "finetune_retained", "neggrad_plus", "tangent", "natural_gradient", "erase",
)  # fmt: skip


def upgrade() -> None:
    op.add_column("checkpoints", sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False))
    known = ", ".join(f"'{name}'" for name in METHODS)
    # written out: the check of a new, empty column needs no look at the rows
    op.execute(
        "ALTER TABLE checkpoints ADD COLUMN unlearning VARCHAR(32) CONSTRAINT ck_checkpoints_unlearnmethod"
        f" CHECK (unlearning IN ({known}))"
    )
    op.add_column("checkpoint_lineage", sa.Column("forgotten_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("checkpoint_lineage", sa.Column("forgotten_by", sa.String(length=32), nullable=True))
    op.add_column(
        "erasures", sa.Column("doomed", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True)
    )
    op.create_table(
        "unlearnings",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("checkpoint_id", sa.Uuid(), nullable=False),
        sa.Column("dataset_id", sa.Uuid(), nullable=False),
        sa.Column("reference_id", sa.Uuid(), nullable=True),
        sa.Column(
            "status",
            sa.Enum(
                "waiting", "running", "unlearned", "erased",
                name="unlearningstatus", native_enum=False, create_constraint=True, length=32,
            ),
            nullable=False,
        ),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("attempt", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("fence", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("worker", sa.String(length=128), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("before", sa.String(length=64), nullable=True),
        sa.Column("after", sa.String(length=64), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("record", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "(status IN ('unlearned', 'erased')) = (record IS NOT NULL AND finished_at IS NOT NULL)",
            name=op.f("ck_unlearnings_an_end_has_a_record"),
        ),
        sa.ForeignKeyConstraint(
            ["checkpoint_id"], ["checkpoints.id"], name=op.f("fk_unlearnings_checkpoint_id_checkpoints")
        ),
        sa.ForeignKeyConstraint(["dataset_id"], ["datasets.id"], name=op.f("fk_unlearnings_dataset_id_datasets")),
        sa.ForeignKeyConstraint(
            ["reference_id"], ["valuations.id"], name=op.f("fk_unlearnings_reference_id_valuations")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_unlearnings")),
        sa.UniqueConstraint("checkpoint_id", "dataset_id", name=op.f("uq_unlearnings_checkpoint_id_dataset_id")),
    )  # fmt: skip
    op.create_index("ix_unlearnings_dataset_id", "unlearnings", ["dataset_id"], unique=False)
    op.create_index("ix_unlearnings_before", "unlearnings", ["before"], unique=False)
    op.create_index(
        "uq_unlearnings_running",
        "unlearnings",
        ["checkpoint_id"],
        unique=True,
        postgresql_where=sa.text("status = 'running'"),
    )
    op.create_index(
        "ix_unlearnings_open",
        "unlearnings",
        ["due_at"],
        unique=False,
        postgresql_where=sa.text("status IN ('waiting', 'running')"),
    )


def downgrade() -> None:
    op.drop_table("unlearnings")
    op.drop_column("erasures", "doomed")
    op.drop_column("checkpoint_lineage", "forgotten_by")
    op.drop_column("checkpoint_lineage", "forgotten_at")
    op.drop_column("checkpoints", "unlearning")
    op.drop_column("checkpoints", "version")
