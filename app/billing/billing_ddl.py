"""Issued documents never change: the triggers that refuse it, as plain SQL that table and migration attach."""

STATEMENTS: tuple[str, ...] = (
    """
CREATE OR REPLACE FUNCTION billing_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'billing_documents is append-only: % is refused; an issued document stays', TG_OP
        USING ERRCODE = 'restrict_violation';
END $$
""",
    "CREATE TRIGGER billing_documents_append_only BEFORE UPDATE OR DELETE ON billing_documents "
    "FOR EACH ROW EXECUTE FUNCTION billing_refuse_change()",
    "CREATE TRIGGER billing_documents_keep BEFORE TRUNCATE ON billing_documents "
    "FOR EACH STATEMENT EXECUTE FUNCTION billing_refuse_change()",
)
