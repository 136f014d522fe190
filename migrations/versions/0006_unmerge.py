"""Adapters may be unlearned by ``unmerge``.

Revision ID: 0006
Revises: 0005
"""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_BEFORE = (
    "auto",
    "retrain",
    "newton",
    "finetune_retained",
    "neggrad_plus",
    "tangent",
    "natural_gradient",
    "erase",
)

# a checkpoint is a row a model: the table is small, and the constraint is checked in a moment
_SMALL = "-- squawk-ignore ban-drop-constraint, constraint-missing-not-valid\n"


def upgrade() -> None:
    _methods((*_BEFORE, "unmerge"))


def downgrade() -> None:
    op.execute("UPDATE checkpoints SET unlearning = NULL WHERE unlearning = 'unmerge'")
    _methods(_BEFORE)


def _methods(names: tuple[str, ...]) -> None:
    listed = ", ".join(f"'{name}'" for name in names)
    op.execute(f"{_SMALL}ALTER TABLE checkpoints DROP CONSTRAINT ck_checkpoints_unlearnmethod")
    op.execute(
        f"{_SMALL}ALTER TABLE checkpoints ADD CONSTRAINT ck_checkpoints_unlearnmethod CHECK (unlearning IN ({listed}))"
    )
