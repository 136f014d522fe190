"""Checkpoints that are adapters inside an encoder or a backbone.

Revision ID: 0005
Revises: 0004
"""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_BEFORE = ("logistic", "mlp", "cnn", "lm", "encoder", "backbone")

# a checkpoint is a row a model: the table is small, and the constraint is checked in a moment
_SMALL = "-- squawk-ignore ban-drop-constraint, constraint-missing-not-valid\n"


def upgrade() -> None:
    _architectures((*_BEFORE, "lora"))


def downgrade() -> None:
    op.execute("DELETE FROM unlearnings USING checkpoints c WHERE c.id = checkpoint_id AND c.architecture = 'lora'")
    op.execute(
        "DELETE FROM checkpoint_lineage USING checkpoints c WHERE c.id = checkpoint_id AND c.architecture = 'lora'"
    )
    op.execute("DELETE FROM checkpoints WHERE architecture = 'lora'")
    _architectures(_BEFORE)


def _architectures(names: tuple[str, ...]) -> None:
    listed = ", ".join(f"'{name}'" for name in names)
    op.execute(f"{_SMALL}ALTER TABLE checkpoints DROP CONSTRAINT ck_checkpoints_architecture")
    op.execute(
        f"{_SMALL}ALTER TABLE checkpoints ADD CONSTRAINT ck_checkpoints_architecture CHECK (architecture IN ({listed}))"
    )
