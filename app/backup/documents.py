"""What a backup writes beside the bytes: a manifest of each backup, and the datasets that were withdrawn since."""

import uuid
from datetime import datetime

from pydantic import Field

from contract.document import Document

FORMAT = "cherish-backup-1"


class Keys(Document):
    """Which secrets the deployment had, without any of them: the public key that checks certificates, and digests."""

    certificate: str
    pepper: str
    signing: str


class Ledger(Document):
    """The ledger as it was proved: ``head`` is the last link of its chain, in hex, of the day ``day``."""

    transfers: int
    day: str | None
    head: str | None


class AuditTrail(Document):
    """The audit log's first ``entries`` entries, up to the one ``last`` of ``until``, by the SHA-256 of all of them."""

    entries: int
    until: datetime | None
    last: uuid.UUID | None
    digest: str


class Manifest(Document):
    """One backup. ``blobs`` are the digests that its rows refer to; ``tables`` how many rows each table has."""

    format: str = FORMAT
    taken_at: datetime
    deployment: uuid.UUID
    revision: str
    postgres: str
    dump_sha256: str
    dump_bytes: int
    tables: dict[str, int]
    ledger: Ledger
    # backups of 0.1.0 have none
    audit: AuditTrail | None = None
    keys: Keys
    blobs: tuple[str, ...]


class Withdrawn(Document):
    """Datasets that were withdrawn by the newest backup, and when: older backups are restored without them."""

    datasets: dict[uuid.UUID, datetime] = Field(default_factory=dict)
