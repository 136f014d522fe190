"""The first schema: accounts, datasets, checkpoints, valuations, work, ledger, webhooks.

Revision ID: 0001
Revises: nothing
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0001"
down_revision: str | None = None
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

# The ledger's and the audit log's rules as they stood at this revision; app/payouts/ledger_ddl.py and
# app/audit/audit_ddl.py hold the present ones.
LEDGER_RULES = (
    """CREATE OR REPLACE FUNCTION ledger_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: % is refused; record a correcting entry instead', TG_TABLE_NAME, TG_OP
        USING ERRCODE = 'restrict_violation';
END $$""",
    """CREATE OR REPLACE FUNCTION ledger_guard_account() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF (NEW.debits_posted, NEW.credits_posted, NEW.debits_pending, NEW.credits_pending) <> (0, 0, 0, 0) THEN
            RAISE EXCEPTION 'a new ledger account starts empty; record a transfer to give it money'
                USING ERRCODE = 'restrict_violation';
        END IF;
        RETURN NEW;
    END IF;
    -- depth 1 is a statement of some client, depth 2 the trigger of a transfer
    IF pg_trigger_depth() < 2 OR (NEW.id, NEW.kind, NEW.currency, NEW.may_overdraw)
        IS DISTINCT FROM (OLD.id, OLD.kind, OLD.currency, OLD.may_overdraw)
        OR (NEW.owner_id, NEW.job_id) IS DISTINCT FROM (OLD.owner_id, OLD.job_id) THEN
        RAISE EXCEPTION 'ledger account % changes by transfers only; record a correcting transfer instead', OLD.id
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$""",
    """CREATE TRIGGER ledger_accounts_guard BEFORE INSERT OR UPDATE ON ledger_accounts FOR EACH ROW EXECUTE FUNCTION ledger_guard_account()""",
    """CREATE TRIGGER ledger_accounts_append_only BEFORE DELETE ON ledger_accounts FOR EACH ROW EXECUTE FUNCTION ledger_refuse_change()""",
    """CREATE TRIGGER ledger_accounts_keep BEFORE TRUNCATE ON ledger_accounts FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse_change()""",
    """CREATE OR REPLACE FUNCTION ledger_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: % is refused; record a correcting entry instead', TG_TABLE_NAME, TG_OP
        USING ERRCODE = 'restrict_violation';
END $$""",
    """CREATE OR REPLACE FUNCTION ledger_apply_transfer() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    held ledger_transfers%ROWTYPE;
    posted bigint := 0;   -- what the posted totals grow by
    pending bigint := 0;  -- what the pending totals grow by
    matching integer;
BEGIN
    -- both accounts are locked in the order of their ids, so that two transfers never wait for each other; not FOR
    -- UPDATE, which would wait for the key locks that the foreign keys of the other transfer have taken already
    SELECT count(*) INTO matching FROM (
        SELECT currency FROM ledger_accounts WHERE id IN (NEW.debit_id, NEW.credit_id) ORDER BY id FOR NO KEY UPDATE
    ) locked WHERE locked.currency = NEW.currency;
    IF matching <> 2 THEN
        RAISE EXCEPTION 'transfer % is in % but its accounts are not both; money is never converted here',
            NEW.id, NEW.currency USING ERRCODE = 'check_violation';
    END IF;

    IF NEW.state = 'posted' THEN
        posted := NEW.amount;
    ELSIF NEW.state = 'pending' THEN
        pending := NEW.amount;
    ELSE
        SELECT * INTO held FROM ledger_transfers WHERE id = NEW.pending_id;
        IF held.state IS DISTINCT FROM 'pending' OR (held.debit_id, held.credit_id, held.currency)
            IS DISTINCT FROM (NEW.debit_id, NEW.credit_id, NEW.currency) THEN
            RAISE EXCEPTION 'transfer % resolves %, which is no pending transfer between the same accounts',
                NEW.id, NEW.pending_id USING ERRCODE = 'check_violation';
        END IF;
        IF NEW.state = 'post' AND NEW.amount > held.amount OR NEW.state <> 'post' AND NEW.amount <> held.amount THEN
            RAISE EXCEPTION 'transfer % is of %, but % set aside %', NEW.id, NEW.amount, held.id, held.amount
                USING ERRCODE = 'check_violation';
        END IF;
        IF NEW.state = 'expire' AND (held.expires_at IS NULL OR held.expires_at > now()) THEN
            RAISE EXCEPTION 'transfer % expires %, whose time has not come', NEW.id, held.id
                USING ERRCODE = 'check_violation';
        END IF;
        pending := -held.amount;
        IF NEW.state = 'post' THEN
            posted := NEW.amount;
        END IF;
    END IF;

    UPDATE ledger_accounts SET debits_posted = debits_posted + posted, debits_pending = debits_pending + pending
        WHERE id = NEW.debit_id;
    UPDATE ledger_accounts SET credits_posted = credits_posted + posted, credits_pending = credits_pending + pending
        WHERE id = NEW.credit_id;
    RETURN NULL;
END $$""",
    """CREATE TRIGGER ledger_transfers_append_only BEFORE UPDATE OR DELETE ON ledger_transfers FOR EACH ROW EXECUTE FUNCTION ledger_refuse_change()""",
    """CREATE TRIGGER ledger_transfers_keep BEFORE TRUNCATE ON ledger_transfers FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse_change()""",
    """CREATE TRIGGER ledger_transfers_apply AFTER INSERT ON ledger_transfers FOR EACH ROW EXECUTE FUNCTION ledger_apply_transfer()""",
    """CREATE OR REPLACE FUNCTION ledger_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: % is refused; record a correcting entry instead', TG_TABLE_NAME, TG_OP
        USING ERRCODE = 'restrict_violation';
END $$""",
    """CREATE TRIGGER payout_settlements_append_only BEFORE UPDATE OR DELETE ON payout_settlements FOR EACH ROW EXECUTE FUNCTION ledger_refuse_change()""",
    """CREATE TRIGGER payout_settlements_keep BEFORE TRUNCATE ON payout_settlements FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse_change()""",
    """CREATE OR REPLACE FUNCTION ledger_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: % is refused; record a correcting entry instead', TG_TABLE_NAME, TG_OP
        USING ERRCODE = 'restrict_violation';
END $$""",
    """CREATE TRIGGER ledger_seals_append_only BEFORE UPDATE OR DELETE ON ledger_seals FOR EACH ROW EXECUTE FUNCTION ledger_refuse_change()""",
    """CREATE TRIGGER ledger_seals_keep BEFORE TRUNCATE ON ledger_seals FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse_change()""",
    """CREATE OR REPLACE FUNCTION audit_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: % is refused; it is the record of what happened', TG_TABLE_NAME, TG_OP
        USING ERRCODE = 'restrict_violation';
END $$""",
    """CREATE TRIGGER audit_log_append_only BEFORE UPDATE OR DELETE ON audit_log
    FOR EACH ROW EXECUTE FUNCTION audit_refuse_change()""",
    """CREATE TRIGGER audit_log_no_truncate BEFORE TRUNCATE ON audit_log
    FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_change()""",
)


def upgrade() -> None:
    op.create_table(
        "accounts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column(
            "role",
            sa.Enum("provider", "buyer", "admin", name="role", native_enum=False, create_constraint=True, length=32),
            nullable=False,
        ),
        sa.Column(
            "status",
            sa.Enum(
                "pending",
                "active",
                "suspended",
                name="accountstatus",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            server_default="active",
            nullable=False,
        ),
        sa.Column("status_reason", sa.String(length=500), nullable=True),
        sa.Column("max_running_jobs", sa.Integer(), nullable=True),
        sa.Column("reads_per_minute", sa.Integer(), nullable=True),
        sa.Column("writes_per_minute", sa.Integer(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_accounts")),
        sa.UniqueConstraint("name", name=op.f("uq_accounts_name")),
    )
    op.create_index("ix_accounts_created_at_id", "accounts", ["created_at", "id"], unique=False)
    op.create_table(
        "audit_log",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=True),
        sa.Column("key_id", sa.Uuid(), nullable=True),
        sa.Column("user_id", sa.Uuid(), nullable=True),
        sa.Column("subject_id", sa.Uuid(), nullable=True),
        sa.Column("action", sa.String(length=100), nullable=False),
        sa.Column("object", sa.String(length=200), nullable=True),
        sa.Column("address", sa.String(length=64), nullable=True),
        sa.Column("request_id", sa.String(length=128), nullable=True),
        sa.Column("detail", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_log")),
    )
    op.create_index(
        "ix_audit_log_account_id_created_at_id", "audit_log", ["account_id", "created_at", "id"], unique=False
    )
    op.create_index("ix_audit_log_created_at_id", "audit_log", ["created_at", "id"], unique=False)
    op.create_index(
        "ix_audit_log_subject_id_created_at_id", "audit_log", ["subject_id", "created_at", "id"], unique=False
    )
    op.create_table(
        "idempotent_answers",
        sa.Column("principal", sa.Uuid(), nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("headers", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("principal", "key", name=op.f("pk_idempotent_answers")),
    )
    op.create_index("ix_idempotent_answers_created_at", "idempotent_answers", ["created_at"], unique=False)
    op.create_table(
        "ledger_accounts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "buyer_wallet",
                "escrow",
                "provider_payable",
                "provider_accrued",
                "holdback",
                "dispute",
                "platform_fee",
                "compute_cost",
                "payment_clearing",
                name="accountkind",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("owner_id", sa.Uuid(), nullable=True),
        sa.Column("job_id", sa.Uuid(), nullable=True),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("may_overdraw", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("debits_posted", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("credits_posted", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("debits_pending", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("credits_pending", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("may_overdraw = (kind = 'payment_clearing')", name=op.f("ck_ledger_accounts_overdraft")),
        sa.CheckConstraint(
            "debits_posted >= 0 AND credits_posted >= 0 AND debits_pending >= 0 AND credits_pending >= 0",
            name=op.f("ck_ledger_accounts_totals"),
        ),
        sa.CheckConstraint(
            "may_overdraw OR credits_posted - debits_posted - debits_pending >= 0",
            name=op.f("ck_ledger_accounts_funded"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ledger_accounts")),
        sa.UniqueConstraint(
            "kind",
            "owner_id",
            "job_id",
            "currency",
            name=op.f("uq_ledger_accounts_kind_owner_id_job_id_currency"),
            postgresql_nulls_not_distinct=True,
        ),
    )
    op.create_index(
        "ix_ledger_accounts_job_id",
        "ledger_accounts",
        ["job_id"],
        unique=False,
        postgresql_where=sa.text("job_id IS NOT NULL"),
    )
    op.create_index(
        "ix_ledger_accounts_owner_id",
        "ledger_accounts",
        ["owner_id"],
        unique=False,
        postgresql_where=sa.text("owner_id IS NOT NULL"),
    )
    op.create_table(
        "outbox",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("task", sa.String(length=128), nullable=False),
        sa.Column("args", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("queue", sa.String(length=16), nullable=False),
        sa.Column("priority", sa.SmallInteger(), nullable=False),
        sa.Column("lane", sa.String(length=64), nullable=True),
        sa.Column("available_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
    )
    op.create_index(
        "ix_outbox_sent", "outbox", ["sent_at"], unique=False, postgresql_where=sa.text("sent_at IS NOT NULL")
    )
    op.create_index(
        "ix_outbox_unsent", "outbox", ["priority", "id"], unique=False, postgresql_where=sa.text("sent_at IS NULL")
    )
    op.create_table(
        "payout_settlements",
        sa.Column("valuation_id", sa.Uuid(), nullable=False),
        sa.Column("buyer_id", sa.Uuid(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("plan", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("plan_digest", sa.String(length=64), nullable=False),
        sa.Column("dispute_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("valuation_id", name=op.f("pk_payout_settlements")),
    )
    op.create_table(
        "worker_heartbeats",
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("queue", sa.String(length=16), nullable=False),
        sa.Column("device", sa.String(length=64), nullable=False),
        sa.Column("host", sa.String(length=255), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("shard_id", sa.Uuid(), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_worker_heartbeats")),
    )
    op.create_table(
        "api_keys",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("prefix", sa.String(length=8), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("scopes", postgresql.ARRAY(sa.String(length=64)), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("replaced_by", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("fk_api_keys_account_id_accounts"), ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(
            ["replaced_by"], ["api_keys.id"], name=op.f("fk_api_keys_replaced_by_api_keys"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_keys")),
        sa.UniqueConstraint("prefix", name=op.f("uq_api_keys_prefix")),
    )
    op.create_index(
        "ix_api_keys_account_id_created_at_id", "api_keys", ["account_id", "created_at", "id"], unique=False
    )
    op.create_index("ix_api_keys_replaced_by", "api_keys", ["replaced_by"], unique=False)
    op.create_table(
        "checkpoints",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("buyer_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column(
            "architecture",
            sa.Enum(
                "logistic", "mlp", "cnn", name="architecture", native_enum=False, create_constraint=True, length=32
            ),
            nullable=False,
        ),
        sa.Column("hyper", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=True),
        sa.Column("size_bytes", sa.BigInteger(), nullable=True),
        sa.Column("tensors", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("erased_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["buyer_id"], ["accounts.id"], name=op.f("fk_checkpoints_buyer_id_accounts"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_checkpoints")),
    )
    op.create_index(
        "ix_checkpoints_buyer_id_created_at_id", "checkpoints", ["buyer_id", "created_at", "id"], unique=False
    )
    op.create_table(
        "datasets",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("provider_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("description", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column(
            "kind",
            sa.Enum("train", "test", name="datasetkind", native_enum=False, create_constraint=True, length=32),
            nullable=False,
        ),
        sa.Column(
            "status",
            sa.Enum(
                "draft",
                "ready",
                "published",
                "withdrawn",
                name="datasetstatus",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("target", sa.String(length=200), nullable=True),
        sa.Column(
            "modality",
            sa.Enum(
                "tabular",
                "array",
                "text",
                "image",
                name="modality",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=True,
        ),
        sa.Column(
            "format",
            sa.Enum(
                "csv",
                "tsv",
                "parquet",
                "npz",
                "jsonl",
                "text",
                "zip",
                name="datasetformat",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=True,
        ),
        sa.Column("version", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=True),
        sa.Column("size_bytes", sa.BigInteger(), nullable=True),
        sa.Column("rows", sa.BigInteger(), nullable=True),
        sa.Column("columns", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
        sa.Column("licence", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
        sa.Column("reserve_minor", sa.BigInteger(), nullable=True),
        sa.Column("reserve_currency", sa.String(length=3), nullable=True),
        sa.Column("preview_rows", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("withdrawn_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "search",
            postgresql.TSVECTOR(),
            sa.Computed(
                "setweight(to_tsvector('english', name), 'A') || setweight(to_tsvector('english', description), 'B') || setweight(jsonb_to_tsvector('simple', coalesce(columns, '[]'::jsonb), '[\"string\"]'::jsonb), 'C')",
                persisted=True,
            ),
            nullable=False,
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "status NOT IN ('ready', 'published') OR (digest IS NOT NULL AND size_bytes IS NOT NULL AND rows IS NOT NULL AND columns IS NOT NULL AND format IS NOT NULL)",
            name=op.f("ck_datasets_ready_is_complete"),
        ),
        sa.CheckConstraint(
            "(reserve_minor IS NULL) = (reserve_currency IS NULL)", name=op.f("ck_datasets_reserve_has_currency")
        ),
        sa.CheckConstraint("reserve_minor >= 0", name=op.f("ck_datasets_reserve_is_no_debt")),
        sa.ForeignKeyConstraint(
            ["provider_id"], ["accounts.id"], name=op.f("fk_datasets_provider_id_accounts"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_datasets")),
    )
    op.create_index("ix_datasets_digest", "datasets", ["digest"], unique=False)
    op.create_index(
        "ix_datasets_provider_id_created_at_id", "datasets", ["provider_id", "created_at", "id"], unique=False
    )
    op.create_index(
        "ix_datasets_published",
        "datasets",
        ["created_at", "id"],
        unique=False,
        postgresql_where=sa.text("status = 'published'"),
    )
    op.create_index("ix_datasets_search", "datasets", ["search"], unique=False, postgresql_using="gin")
    op.create_table(
        "games",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("buyer_id", sa.Uuid(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("frozen", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("prepared", sa.String(length=64), nullable=True),
        sa.Column("facts", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["buyer_id"], ["accounts.id"], name=op.f("fk_games_buyer_id_accounts")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_games")),
        sa.UniqueConstraint("buyer_id", "digest", name=op.f("uq_games_buyer_id_digest")),
    )
    op.create_table(
        "ledger_transfers",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("debit_id", sa.Uuid(), nullable=False),
        sa.Column("credit_id", sa.Uuid(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "posted",
                "pending",
                "post",
                "void",
                "expire",
                name="transferstate",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("pending_id", sa.Uuid(), nullable=True),
        sa.Column("code", sa.String(length=32), nullable=False),
        sa.Column("reference", sa.String(length=200), nullable=True),
        sa.Column("job_id", sa.Uuid(), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "(pending_id IS NULL) = (state IN ('posted', 'pending'))", name=op.f("ck_ledger_transfers_resolves")
        ),
        sa.CheckConstraint("expires_at IS NULL OR state = 'pending'", name=op.f("ck_ledger_transfers_expires")),
        sa.CheckConstraint("amount > 0", name=op.f("ck_ledger_transfers_amount")),
        sa.CheckConstraint("debit_id <> credit_id", name=op.f("ck_ledger_transfers_two_accounts")),
        sa.ForeignKeyConstraint(
            ["credit_id"], ["ledger_accounts.id"], name=op.f("fk_ledger_transfers_credit_id_ledger_accounts")
        ),
        sa.ForeignKeyConstraint(
            ["debit_id"], ["ledger_accounts.id"], name=op.f("fk_ledger_transfers_debit_id_ledger_accounts")
        ),
        sa.ForeignKeyConstraint(
            ["pending_id"], ["ledger_transfers.id"], name=op.f("fk_ledger_transfers_pending_id_ledger_transfers")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ledger_transfers")),
        sa.UniqueConstraint("pending_id", name=op.f("uq_ledger_transfers_pending_id")),
        sa.UniqueConstraint("position", name=op.f("uq_ledger_transfers_position")),
    )
    op.create_index(
        "ix_ledger_transfers_credit_id_position", "ledger_transfers", ["credit_id", "position"], unique=False
    )
    op.create_index("ix_ledger_transfers_debit_id_position", "ledger_transfers", ["debit_id", "position"], unique=False)
    op.create_index(
        "ix_ledger_transfers_job_id",
        "ledger_transfers",
        ["job_id"],
        unique=False,
        postgresql_where=sa.text("job_id IS NOT NULL"),
    )
    op.create_table(
        "users",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("password_hash", sa.String(length=255), nullable=True),
        sa.Column("invitation", sa.String(length=64), nullable=True),
        sa.Column("invited_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_login_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("removed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("fk_users_account_id_accounts"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        sa.UniqueConstraint("invitation", name=op.f("uq_users_invitation")),
    )
    op.create_index("ix_users_account_id_created_at_id", "users", ["account_id", "created_at", "id"], unique=False)
    op.create_index("uq_users_email", "users", ["email"], unique=True, postgresql_where=sa.text("removed_at IS NULL"))
    op.create_table(
        "webhook_endpoints",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("description", sa.String(length=200), nullable=False),
        sa.Column("events", postgresql.ARRAY(sa.String(length=64)), nullable=True),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("disabled_reason", sa.Text(), nullable=True),
        sa.Column("disabled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("salt", sa.LargeBinary(), nullable=False),
        sa.Column("previous_salt", sa.LargeBinary(), nullable=True),
        sa.Column("previous_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("failures", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_webhook_endpoints_account_id_accounts")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_endpoints")),
    )
    op.create_index(
        "ix_webhook_endpoints_account_id_created_at_id",
        "webhook_endpoints",
        ["account_id", "created_at", "id"],
        unique=False,
    )
    op.create_table(
        "webhook_events",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("type", sa.String(length=64), nullable=False),
        sa.Column("data", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("request_id", sa.String(length=128), nullable=True),
        sa.Column("traceparent", sa.String(length=55), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_webhook_events_account_id_accounts")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_events")),
    )
    op.create_index("ix_webhook_events_account_id", "webhook_events", ["account_id"], unique=False)
    op.create_index("ix_webhook_events_created_at", "webhook_events", ["created_at"], unique=False)
    op.create_table(
        "checkpoint_lineage",
        sa.Column("checkpoint_id", sa.Uuid(), nullable=False),
        sa.Column("dataset_id", sa.Uuid(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["checkpoint_id"], ["checkpoints.id"], name=op.f("fk_checkpoint_lineage_checkpoint_id_checkpoints")
        ),
        sa.ForeignKeyConstraint(
            ["dataset_id"], ["datasets.id"], name=op.f("fk_checkpoint_lineage_dataset_id_datasets")
        ),
        sa.PrimaryKeyConstraint("checkpoint_id", "dataset_id", "digest", name=op.f("pk_checkpoint_lineage")),
    )
    op.create_index("ix_checkpoint_lineage_dataset_id", "checkpoint_lineage", ["dataset_id"], unique=False)
    op.create_table(
        "dataset_versions",
        sa.Column("dataset_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column(
            "format",
            sa.Enum(
                "csv",
                "tsv",
                "parquet",
                "npz",
                "jsonl",
                "text",
                "zip",
                name="datasetformat",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column(
            "modality",
            sa.Enum(
                "tabular",
                "array",
                "text",
                "image",
                name="modality",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("columns", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column(
            "profile_status",
            sa.Enum(
                "pending", "done", "failed", name="profilestatus", native_enum=False, create_constraint=True, length=32
            ),
            nullable=False,
        ),
        sa.Column("profile_due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("profile_attempts", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("profile", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
        sa.Column("preview", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["dataset_id"], ["datasets.id"], name=op.f("fk_dataset_versions_dataset_id_datasets"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("dataset_id", "number", name=op.f("pk_dataset_versions")),
        sa.UniqueConstraint("dataset_id", "digest", name=op.f("uq_dataset_versions_dataset_id_digest")),
    )
    op.create_index("ix_dataset_versions_digest", "dataset_versions", ["digest"], unique=False)
    op.create_index(
        "ix_dataset_versions_pending",
        "dataset_versions",
        ["profile_due_at"],
        unique=False,
        postgresql_where=sa.text("profile_status = 'pending'"),
    )
    op.create_table(
        "erasures",
        sa.Column("dataset_id", sa.Uuid(), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("record", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["dataset_id"], ["datasets.id"], name=op.f("fk_erasures_dataset_id_datasets")),
        sa.PrimaryKeyConstraint("dataset_id", name=op.f("pk_erasures")),
    )
    op.create_table(
        "evaluations",
        sa.Column("game_id", sa.Uuid(), nullable=False),
        sa.Column("source", sa.String(length=64), nullable=False),
        sa.Column("coalition", sa.LargeBinary(), nullable=False),
        sa.Column("worth", sa.Double(), nullable=False),
        sa.Column("seconds", sa.Double(), nullable=False),
        sa.Column("valuation_id", sa.Uuid(), nullable=False),
        sa.Column("shard_id", sa.Uuid(), nullable=False),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["game_id"], ["games.id"], name=op.f("fk_evaluations_game_id_games")),
        sa.PrimaryKeyConstraint("game_id", "source", "coalition", name=op.f("pk_evaluations")),
    )
    op.create_table(
        "ledger_seals",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("transfer_id", sa.Uuid(), nullable=False),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.ForeignKeyConstraint(
            ["transfer_id"], ["ledger_transfers.id"], name=op.f("fk_ledger_seals_transfer_id_ledger_transfers")
        ),
        sa.PrimaryKeyConstraint("day", "number", name=op.f("pk_ledger_seals")),
        sa.UniqueConstraint("transfer_id", name=op.f("uq_ledger_seals_transfer_id")),
    )
    op.create_table(
        "user_sessions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_user_sessions_user_id_users"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_user_sessions")),
        sa.UniqueConstraint("fingerprint", name=op.f("uq_user_sessions_fingerprint")),
    )
    op.create_index("ix_user_sessions_expires_at", "user_sessions", ["expires_at"], unique=False)
    op.create_index("ix_user_sessions_user_id", "user_sessions", ["user_id"], unique=False)
    op.create_table(
        "valuations",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("buyer_id", sa.Uuid(), nullable=False),
        sa.Column("game_id", sa.Uuid(), nullable=False),
        sa.Column(
            "status",
            sa.Enum(
                "queued",
                "planning",
                "running",
                "settling",
                "succeeded",
                "failed",
                "cancelling",
                "cancelled",
                "expired",
                name="valuationstatus",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("reason", sa.String(length=32), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("traceback", sa.Text(), nullable=True),
        sa.Column("spec", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("inputs", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column(
            "metadata", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False
        ),
        sa.Column("pool_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("queue", sa.String(length=16), nullable=False),
        sa.Column("round", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("event_seq", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column(
            "progress", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False
        ),
        sa.Column("result", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
        sa.Column("deadline", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cancel_requested_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["buyer_id"], ["accounts.id"], name=op.f("fk_valuations_buyer_id_accounts")),
        sa.ForeignKeyConstraint(["game_id"], ["games.id"], name=op.f("fk_valuations_game_id_games")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_valuations")),
    )
    op.create_index(
        "ix_valuations_active",
        "valuations",
        ["status", "id"],
        unique=False,
        postgresql_where=sa.text("status IN ('queued', 'planning', 'running', 'settling', 'cancelling')"),
    )
    op.create_index(
        "ix_valuations_buyer_id_created_at_id", "valuations", ["buyer_id", "created_at", "id"], unique=False
    )
    op.create_index("ix_valuations_game_id", "valuations", ["game_id"], unique=False)
    op.create_table(
        "webhook_deliveries",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("endpoint_id", sa.Uuid(), nullable=False),
        sa.Column(
            "status",
            sa.Enum(
                "pending",
                "succeeded",
                "failed",
                name="deliverystatus",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("step", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["endpoint_id"],
            ["webhook_endpoints.id"],
            name=op.f("fk_webhook_deliveries_endpoint_id_webhook_endpoints"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["event_id"],
            ["webhook_events.id"],
            name=op.f("fk_webhook_deliveries_event_id_webhook_events"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_deliveries")),
        sa.UniqueConstraint("event_id", "endpoint_id", name=op.f("uq_webhook_deliveries_event_id_endpoint_id")),
    )
    op.create_index(
        "ix_webhook_deliveries_due",
        "webhook_deliveries",
        ["next_attempt_at"],
        unique=False,
        postgresql_where=sa.text("status = 'pending'"),
    )
    op.create_index(
        "ix_webhook_deliveries_endpoint_id_created_at_id",
        "webhook_deliveries",
        ["endpoint_id", "created_at", "id"],
        unique=False,
    )
    op.create_table(
        "dataset_signatures",
        sa.Column("dataset_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("hashes", postgresql.ARRAY(sa.BigInteger()), nullable=False),
        sa.Column("distinct", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["dataset_id", "number"],
            ["dataset_versions.dataset_id", "dataset_versions.number"],
            name="fk_dataset_signatures_version",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("dataset_id", "number", "kind", name=op.f("pk_dataset_signatures")),
    )
    op.create_index(
        "ix_dataset_signatures_hashes", "dataset_signatures", ["hashes"], unique=False, postgresql_using="gin"
    )
    op.create_table(
        "rounds",
        sa.Column("valuation_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("source", sa.String(length=64), nullable=False),
        sa.Column("worths", sa.Integer(), nullable=False),
        sa.Column("shards", sa.Integer(), nullable=False),
        sa.Column("open", sa.Integer(), nullable=False),
        sa.Column("done", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("seconds", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["valuation_id"], ["valuations.id"], name=op.f("fk_rounds_valuation_id_valuations")),
        sa.PrimaryKeyConstraint("valuation_id", "number", name=op.f("pk_rounds")),
    )
    op.create_table(
        "shards",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("valuation_id", sa.Uuid(), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "prepare",
                "plan",
                "evaluate",
                "settle",
                name="shardkind",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.Column(
            "status",
            sa.Enum(
                "queued",
                "running",
                "done",
                "failed",
                "abandoned",
                name="shardstatus",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("queue", sa.String(length=16), nullable=False),
        sa.Column("source", sa.String(length=64), nullable=True),
        sa.Column("coalitions", sa.LargeBinary(), nullable=True),
        sa.Column("count", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("attempt", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("fence", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("worker", sa.String(length=128), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("dispatched_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["valuation_id"], ["valuations.id"], name=op.f("fk_shards_valuation_id_valuations")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_shards")),
        sa.UniqueConstraint(
            "valuation_id", "round", "kind", "ordinal", name=op.f("uq_shards_valuation_id_round_kind_ordinal")
        ),
    )
    op.create_index(
        "ix_shards_dispatched",
        "shards",
        ["queue", "dispatched_at"],
        unique=False,
        postgresql_where=sa.text("status = 'queued' AND dispatched_at IS NOT NULL"),
    )
    op.create_index(
        "ix_shards_lease", "shards", ["lease_until"], unique=False, postgresql_where=sa.text("status = 'running'")
    )
    op.create_index("ix_shards_valuation_id_status", "shards", ["valuation_id", "status"], unique=False)
    op.create_index(
        "ix_shards_waiting",
        "shards",
        ["valuation_id", "round", "ordinal"],
        unique=False,
        postgresql_where=sa.text("status = 'queued' AND dispatched_at IS NULL"),
    )
    op.create_table(
        "valuation_datasets",
        sa.Column("valuation_id", sa.Uuid(), nullable=False),
        sa.Column("dataset_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["dataset_id"], ["datasets.id"], name=op.f("fk_valuation_datasets_dataset_id_datasets")
        ),
        sa.ForeignKeyConstraint(
            ["valuation_id"], ["valuations.id"], name=op.f("fk_valuation_datasets_valuation_id_valuations")
        ),
        sa.PrimaryKeyConstraint("valuation_id", "dataset_id", name=op.f("pk_valuation_datasets")),
    )
    op.create_index("ix_valuation_datasets_dataset_id", "valuation_datasets", ["dataset_id"], unique=False)
    op.create_table(
        "valuation_events",
        sa.Column("valuation_id", sa.Uuid(), nullable=False),
        sa.Column("seq", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("type", sa.String(length=64), nullable=False),
        sa.Column("data", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["valuation_id"], ["valuations.id"], name=op.f("fk_valuation_events_valuation_id_valuations")
        ),
        sa.PrimaryKeyConstraint("valuation_id", "seq", name=op.f("pk_valuation_events")),
    )
    op.create_table(
        "valuation_players",
        sa.Column("valuation_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("provider_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("datasets", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("value", sa.Double(), nullable=True),
        sa.Column("stderr", sa.Double(), nullable=True),
        sa.Column("value_low", sa.Double(), nullable=True),
        sa.Column("value_high", sa.Double(), nullable=True),
        sa.Column("share", sa.Double(), nullable=True),
        sa.Column("share_low", sa.Double(), nullable=True),
        sa.Column("share_high", sa.Double(), nullable=True),
        sa.Column("amount_minor", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["provider_id"], ["accounts.id"], name=op.f("fk_valuation_players_provider_id_accounts")
        ),
        sa.ForeignKeyConstraint(
            ["valuation_id"], ["valuations.id"], name=op.f("fk_valuation_players_valuation_id_valuations")
        ),
        sa.PrimaryKeyConstraint("valuation_id", "position", name=op.f("pk_valuation_players")),
    )
    op.create_index(
        "ix_valuation_players_provider_id_valuation_id",
        "valuation_players",
        ["provider_id", "valuation_id"],
        unique=False,
    )
    op.create_table(
        "webhook_attempts",
        sa.Column("delivery_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("milliseconds", sa.Integer(), nullable=False),
        sa.Column("status", sa.SmallInteger(), nullable=True),
        sa.Column("response", sa.Text(), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["delivery_id"],
            ["webhook_deliveries.id"],
            name=op.f("fk_webhook_attempts_delivery_id_webhook_deliveries"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("delivery_id", "number", name=op.f("pk_webhook_attempts")),
    )
    for statement in LEDGER_RULES:
        op.execute(statement)


def downgrade() -> None:
    op.drop_table("webhook_attempts")
    op.drop_index("ix_valuation_players_provider_id_valuation_id", table_name="valuation_players")
    op.drop_table("valuation_players")
    op.drop_table("valuation_events")
    op.drop_index("ix_valuation_datasets_dataset_id", table_name="valuation_datasets")
    op.drop_table("valuation_datasets")
    op.drop_index(
        "ix_shards_waiting",
        table_name="shards",
        postgresql_where=sa.text("status = 'queued' AND dispatched_at IS NULL"),
    )
    op.drop_index("ix_shards_valuation_id_status", table_name="shards")
    op.drop_index("ix_shards_lease", table_name="shards", postgresql_where=sa.text("status = 'running'"))
    op.drop_index(
        "ix_shards_dispatched",
        table_name="shards",
        postgresql_where=sa.text("status = 'queued' AND dispatched_at IS NOT NULL"),
    )
    op.drop_table("shards")
    op.drop_table("rounds")
    op.drop_index("ix_dataset_signatures_hashes", table_name="dataset_signatures", postgresql_using="gin")
    op.drop_table("dataset_signatures")
    op.drop_index("ix_webhook_deliveries_endpoint_id_created_at_id", table_name="webhook_deliveries")
    op.drop_index(
        "ix_webhook_deliveries_due", table_name="webhook_deliveries", postgresql_where=sa.text("status = 'pending'")
    )
    op.drop_table("webhook_deliveries")
    op.drop_index("ix_valuations_game_id", table_name="valuations")
    op.drop_index("ix_valuations_buyer_id_created_at_id", table_name="valuations")
    op.drop_index(
        "ix_valuations_active",
        table_name="valuations",
        postgresql_where=sa.text("status IN ('queued', 'planning', 'running', 'settling', 'cancelling')"),
    )
    op.drop_table("valuations")
    op.drop_index("ix_user_sessions_user_id", table_name="user_sessions")
    op.drop_index("ix_user_sessions_expires_at", table_name="user_sessions")
    op.drop_table("user_sessions")
    op.drop_table("ledger_seals")
    op.drop_table("evaluations")
    op.drop_table("erasures")
    op.drop_index(
        "ix_dataset_versions_pending",
        table_name="dataset_versions",
        postgresql_where=sa.text("profile_status = 'pending'"),
    )
    op.drop_index("ix_dataset_versions_digest", table_name="dataset_versions")
    op.drop_table("dataset_versions")
    op.drop_index("ix_checkpoint_lineage_dataset_id", table_name="checkpoint_lineage")
    op.drop_table("checkpoint_lineage")
    op.drop_index("ix_webhook_events_created_at", table_name="webhook_events")
    op.drop_index("ix_webhook_events_account_id", table_name="webhook_events")
    op.drop_table("webhook_events")
    op.drop_index("ix_webhook_endpoints_account_id_created_at_id", table_name="webhook_endpoints")
    op.drop_table("webhook_endpoints")
    op.drop_index("uq_users_email", table_name="users", postgresql_where=sa.text("removed_at IS NULL"))
    op.drop_index("ix_users_account_id_created_at_id", table_name="users")
    op.drop_table("users")
    op.drop_index(
        "ix_ledger_transfers_job_id", table_name="ledger_transfers", postgresql_where=sa.text("job_id IS NOT NULL")
    )
    op.drop_index("ix_ledger_transfers_debit_id_position", table_name="ledger_transfers")
    op.drop_index("ix_ledger_transfers_credit_id_position", table_name="ledger_transfers")
    op.drop_table("ledger_transfers")
    op.drop_table("games")
    op.drop_index("ix_datasets_search", table_name="datasets", postgresql_using="gin")
    op.drop_index("ix_datasets_published", table_name="datasets", postgresql_where=sa.text("status = 'published'"))
    op.drop_index("ix_datasets_provider_id_created_at_id", table_name="datasets")
    op.drop_index("ix_datasets_digest", table_name="datasets")
    op.drop_table("datasets")
    op.drop_index("ix_checkpoints_buyer_id_created_at_id", table_name="checkpoints")
    op.drop_table("checkpoints")
    op.drop_index("ix_api_keys_replaced_by", table_name="api_keys")
    op.drop_index("ix_api_keys_account_id_created_at_id", table_name="api_keys")
    op.drop_table("api_keys")
    op.drop_table("worker_heartbeats")
    op.drop_table("payout_settlements")
    op.drop_index("ix_outbox_unsent", table_name="outbox", postgresql_where=sa.text("sent_at IS NULL"))
    op.drop_index("ix_outbox_sent", table_name="outbox", postgresql_where=sa.text("sent_at IS NOT NULL"))
    op.drop_table("outbox")
    op.drop_index(
        "ix_ledger_accounts_owner_id", table_name="ledger_accounts", postgresql_where=sa.text("owner_id IS NOT NULL")
    )
    op.drop_index(
        "ix_ledger_accounts_job_id", table_name="ledger_accounts", postgresql_where=sa.text("job_id IS NOT NULL")
    )
    op.drop_table("ledger_accounts")
    op.drop_index("ix_idempotent_answers_created_at", table_name="idempotent_answers")
    op.drop_table("idempotent_answers")
    op.drop_index("ix_audit_log_subject_id_created_at_id", table_name="audit_log")
    op.drop_index("ix_audit_log_created_at_id", table_name="audit_log")
    op.drop_index("ix_audit_log_account_id_created_at_id", table_name="audit_log")
    op.drop_table("audit_log")
    op.drop_index("ix_accounts_created_at_id", table_name="accounts")
    op.drop_table("accounts")
    op.execute("DROP FUNCTION IF EXISTS ledger_apply_transfer()")
    op.execute("DROP FUNCTION IF EXISTS ledger_guard_account()")
    op.execute("DROP FUNCTION IF EXISTS ledger_refuse_change()")
    op.execute("DROP FUNCTION IF EXISTS audit_refuse_change()")
