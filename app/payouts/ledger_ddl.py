"""The ledger's rules as Postgres functions and triggers: plain SQL that both the tables and the migration attach.

No application code can break them: rows are never changed or deleted, every transfer moves the running balances of two
accounts of its own currency, a pending transfer is resolved once and for no more than it set aside, and nothing touches
a balance except a transfer. The functions hold no policy: who is paid what is decided in ``policies``.
"""

_APPEND_ONLY_FUNCTION = """
CREATE OR REPLACE FUNCTION ledger_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: % is refused; record a correcting entry instead', TG_TABLE_NAME, TG_OP
        USING ERRCODE = 'restrict_violation';
END $$
"""

_ACCOUNT_FUNCTION = """
CREATE OR REPLACE FUNCTION ledger_guard_account() RETURNS trigger LANGUAGE plpgsql AS $$
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
END $$
"""

_TRANSFER_FUNCTION = """
CREATE OR REPLACE FUNCTION ledger_apply_transfer() RETURNS trigger LANGUAGE plpgsql AS $$
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
END $$
"""


def _append_only(table: str) -> tuple[str, ...]:
    return (
        f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table} "
        "FOR EACH ROW EXECUTE FUNCTION ledger_refuse_change()",
        f"CREATE TRIGGER {table}_keep BEFORE TRUNCATE ON {table} "
        "FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse_change()",
    )


STATEMENTS: dict[str, tuple[str, ...]] = {
    "ledger_accounts": (
        _APPEND_ONLY_FUNCTION,
        _ACCOUNT_FUNCTION,
        "CREATE TRIGGER ledger_accounts_guard BEFORE INSERT OR UPDATE ON ledger_accounts "
        "FOR EACH ROW EXECUTE FUNCTION ledger_guard_account()",
        "CREATE TRIGGER ledger_accounts_append_only BEFORE DELETE ON ledger_accounts "
        "FOR EACH ROW EXECUTE FUNCTION ledger_refuse_change()",
        "CREATE TRIGGER ledger_accounts_keep BEFORE TRUNCATE ON ledger_accounts "
        "FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse_change()",
    ),
    "ledger_transfers": (
        _APPEND_ONLY_FUNCTION,
        _TRANSFER_FUNCTION,
        # whoever records a transfer needs no right to balances; its names are nobody else's to decide
        "ALTER FUNCTION ledger_apply_transfer() SECURITY DEFINER SET search_path = public, pg_temp",
        *_append_only("ledger_transfers"),
        "CREATE TRIGGER ledger_transfers_apply AFTER INSERT ON ledger_transfers "
        "FOR EACH ROW EXECUTE FUNCTION ledger_apply_transfer()",
    ),
    "payout_settlements": (_APPEND_ONLY_FUNCTION, *_append_only("payout_settlements")),
    "ledger_seals": (_APPEND_ONLY_FUNCTION, *_append_only("ledger_seals")),
}
"""Table -> what to run, in order, once that table exists. A trigger goes when its table is dropped."""

UPGRADE: tuple[str, ...] = tuple(statement for statements in STATEMENTS.values() for statement in statements)
"""For a migration, after it has created the four tables: ``for statement in UPGRADE: op.execute(statement)``."""

DOWNGRADE: tuple[str, ...] = (
    "DROP FUNCTION IF EXISTS ledger_apply_transfer()",
    "DROP FUNCTION IF EXISTS ledger_guard_account()",
    "DROP FUNCTION IF EXISTS ledger_refuse_change()",
)
"""For a migration, after it has dropped the tables."""
