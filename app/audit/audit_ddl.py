"""The audit log's one rule as a Postgres trigger: rows are added, never changed or deleted, whoever asks."""

_FUNCTION = """
CREATE OR REPLACE FUNCTION audit_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: % is refused; it is the record of what happened', TG_TABLE_NAME, TG_OP
        USING ERRCODE = 'restrict_violation';
END $$
"""

_ROWS = """
CREATE TRIGGER audit_log_append_only BEFORE UPDATE OR DELETE ON audit_log
    FOR EACH ROW EXECUTE FUNCTION audit_refuse_change()
"""

_WHOLE = """
CREATE TRIGGER audit_log_no_truncate BEFORE TRUNCATE ON audit_log
    FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_change()
"""

UPGRADE = (_FUNCTION, _ROWS, _WHOLE)
DOWNGRADE = ("DROP FUNCTION IF EXISTS audit_refuse_change()",)
