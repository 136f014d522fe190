"""What a transfer does to balances is done as the owner of the ledger: whoever records one needs no right to them.

Revision ID: 0017
Revises: 0016
"""

from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # of a function that acts as its owner the names must not be another's to decide
    op.execute("ALTER FUNCTION ledger_apply_transfer() SECURITY DEFINER SET search_path = public, pg_temp")


def downgrade() -> None:
    op.execute("ALTER FUNCTION ledger_apply_transfer() SECURITY INVOKER RESET search_path")
