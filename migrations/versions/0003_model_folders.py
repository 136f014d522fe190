"""Checkpoints that are model folders, and adapters and heads that stand on them.

Revision ID: 0003
Revises: 0002
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_KNOWN = ("logistic", "mlp", "cnn", "lm", "encoder", "backbone")
_BEFORE = _KNOWN[:3]


# a checkpoint is a row a model: the table is small, and both constraints are checked in a moment
_SMALL = "-- squawk-ignore ban-drop-constraint, constraint-missing-not-valid, adding-foreign-key-constraint\n"


def upgrade() -> None:
    op.add_column("checkpoints", sa.Column("base_id", sa.Uuid(), nullable=True))
    op.add_column("checkpoints", sa.Column("facts", postgresql.JSONB(astext_type=sa.Text()), nullable=True))
    op.add_column("checkpoints", sa.Column("tokenizer_digest", sa.String(length=64), nullable=True))
    op.execute(
        f"{_SMALL}ALTER TABLE checkpoints ADD CONSTRAINT fk_checkpoints_base_id_checkpoints "
        "FOREIGN KEY (base_id) REFERENCES checkpoints (id) ON DELETE RESTRICT"
    )
    op.create_index("ix_checkpoints_base_id", "checkpoints", ["base_id"])
    _architectures(_KNOWN)


def downgrade() -> None:
    op.execute(
        "DELETE FROM checkpoint_lineage USING checkpoints c WHERE c.id = checkpoint_id "
        "AND (c.base_id IS NOT NULL OR c.architecture IN ('lm', 'encoder', 'backbone'))"
    )
    op.execute("DELETE FROM checkpoints WHERE base_id IS NOT NULL")
    op.execute("DELETE FROM checkpoints WHERE architecture IN ('lm', 'encoder', 'backbone')")
    _architectures(_BEFORE)
    op.drop_index("ix_checkpoints_base_id", table_name="checkpoints")
    op.drop_constraint(op.f("fk_checkpoints_base_id_checkpoints"), "checkpoints", type_="foreignkey")
    for column in ("tokenizer_digest", "facts", "base_id"):
        op.drop_column("checkpoints", column)


def _architectures(names: tuple[str, ...]) -> None:
    listed = ", ".join(f"'{name}'" for name in names)
    op.execute(f"{_SMALL}ALTER TABLE checkpoints DROP CONSTRAINT ck_checkpoints_architecture")
    op.execute(
        f"{_SMALL}ALTER TABLE checkpoints ADD CONSTRAINT ck_checkpoints_architecture CHECK (architecture IN ({listed}))"
    )
