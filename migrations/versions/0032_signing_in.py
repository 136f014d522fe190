"""Passkeys, organisations' identity providers, and whether an organisation demands second factors.

Revision ID: 0032
Revises: 0031
"""

import sqlalchemy as sa
from alembic import op

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None


def _made() -> sa.Column[object]:
    return sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False)


def _of(table: str, column: str, other: str) -> sa.ForeignKeyConstraint:
    name = op.f(f"fk_{table}_{column}_{other}")
    return sa.ForeignKeyConstraint([column], [f"{other}.id"], name=name, ondelete="RESTRICT")


def upgrade() -> None:
    demanded = sa.Column("second_factor_required", sa.Boolean(), server_default=sa.false(), nullable=False)
    op.add_column("accounts", demanded)
    op.add_column("user_sessions", sa.Column("second_factor", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.create_table(
        "passkeys",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("credential_id", sa.String(length=1400), nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        sa.Column("sign_count", sa.BigInteger(), nullable=False),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        _made(),
        _of("passkeys", "user_id", "users"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_passkeys")),
        sa.UniqueConstraint("credential_id", name=op.f("uq_passkeys_credential_id")),
    )
    op.create_index("ix_passkeys_user_id", "passkeys", ["user_id"])
    op.create_table(
        "used_challenges",
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("forgotten_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("fingerprint", name=op.f("pk_used_challenges")),
    )
    op.create_table(
        "identity_providers",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("issuer", sa.String(length=500), nullable=False),
        sa.Column("client_id", sa.String(length=255), nullable=False),
        sa.Column("client_secret", sa.Text(), nullable=False),
        sa.Column("domains", sa.ARRAY(sa.String(length=253)), nullable=False),
        sa.Column(
            "admits",
            sa.Enum("invited", "domain", name="admits", native_enum=False, create_constraint=True, length=32),
            nullable=False,
        ),
        _made(),
        _of("identity_providers", "account_id", "accounts"),
        sa.PrimaryKeyConstraint("account_id", name=op.f("pk_identity_providers")),
    )
    op.create_table(
        "provider_people",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("issuer", sa.String(length=500), nullable=False),
        sa.Column("subject", sa.String(length=255), nullable=False),
        _made(),
        _of("provider_people", "user_id", "users"),
        _of("provider_people", "account_id", "accounts"),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_provider_people")),
        sa.UniqueConstraint(
            "account_id", "issuer", "subject", name=op.f("uq_provider_people_account_id_issuer_subject")
        ),
    )


def downgrade() -> None:
    op.drop_table("provider_people")
    op.drop_table("identity_providers")
    op.drop_table("used_challenges")
    op.drop_table("passkeys")
    op.drop_column("user_sessions", "second_factor")
    op.drop_column("accounts", "second_factor_required")
