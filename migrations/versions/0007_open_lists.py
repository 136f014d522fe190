"""Lists that grow (methods, architectures, formats, statuses) are the application's, and no CHECK of the schema.

Revision ID: 0007
Revises: 0006
"""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

# table, constraint, column, and the names it listed
_LISTS = (
    ("checkpoints", "ck_checkpoints_architecture", "architecture",
     ("logistic", "mlp", "cnn", "lm", "encoder", "backbone", "lora")),
    ("checkpoints", "ck_checkpoints_unlearnmethod", "unlearning",
     ("auto", "retrain", "newton", "finetune_retained", "neggrad_plus", "tangent", "natural_gradient", "unmerge",
      "erase")),
    ("datasets", "ck_datasets_datasetformat", "format", ("csv", "tsv", "parquet", "npz", "jsonl", "text", "zip")),
    ("datasets", "ck_datasets_datasetkind", "kind", ("train", "test")),
    ("datasets", "ck_datasets_datasetstatus", "status", ("draft", "ready", "published", "withdrawn")),
    ("datasets", "ck_datasets_modality", "modality", ("tabular", "array", "text", "image")),
    ("dataset_versions", "ck_dataset_versions_datasetformat", "format", ("csv", "tsv", "parquet", "npz", "jsonl", "text", "zip")),
    ("dataset_versions", "ck_dataset_versions_modality", "modality", ("tabular", "array", "text", "image")),
    ("dataset_versions", "ck_dataset_versions_profilestatus", "profile_status", ("pending", "done", "failed")),
    ("valuations", "ck_valuations_valuationstatus", "status",
     ("queued", "planning", "running", "settling", "succeeded", "failed", "cancelling", "cancelled", "expired")),
    ("webhook_deliveries", "ck_webhook_deliveries_deliverystatus", "status", ("pending", "succeeded", "failed")),
    ("shards", "ck_shards_shardkind", "kind", ("prepare", "plan", "evaluate", "settle")),
    ("shards", "ck_shards_shardstatus", "status", ("queued", "running", "done", "failed", "abandoned")),
    ("unlearnings", "ck_unlearnings_unlearningstatus", "status", ("waiting", "running", "unlearned", "erased")),
)  # fmt: skip
# dropping a CHECK takes a moment whatever the size; adding one back reads the table, which a downgrade may
_ACCEPTED = "-- squawk-ignore ban-drop-constraint, constraint-missing-not-valid\n"


def upgrade() -> None:
    for table, constraint, _, _ in _LISTS:
        op.execute(f"{_ACCEPTED}ALTER TABLE {table} DROP CONSTRAINT {constraint}")


def downgrade() -> None:
    for table, constraint, column, names in _LISTS:
        listed = ", ".join(f"'{name}'" for name in names)
        op.execute(f"{_ACCEPTED}ALTER TABLE {table} ADD CONSTRAINT {constraint} CHECK ({column} IN ({listed}))")
