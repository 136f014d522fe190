"""Taking a backup: one snapshot of the database, and the bytes that its rows refer to.

The service goes on meanwhile. Rows, counts and references are those of one snapshot; bytes never change under their
name. What a withdrawal erases while the backup runs is missing from it, as it is from the store. Secrets are not read.
"""

import hmac
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Connection, Engine, func, inspect, select, table, text
from sqlalchemy.orm import Session

from app.backup.documents import Keys, Ledger, Manifest, Withdrawn
from app.backup.folder import DUMP, BackupFolder
from app.backup.programs import Programs, server_version
from app.backup.trail import is_unchanged, trail
from app.datasets import repository as datasets
from app.db.migrate import current_revision, head_revision
from app.errors import Conflict, NotFound
from app.housekeeping.collector import referred
from app.payouts import proof
from app.settings import Settings
from app.storage import deployments, scratch
from app.storage.blobs import BlobStore
from app.valuations.results import certificates

# fewer bytes than this that are to leave are no sign of a wrong store
_FEW = 10


@dataclass(frozen=True)
class Taken:
    """What a backup did: how many blobs it copied of how many, what left the folder, and why nothing did.

    ``altered`` says that the audit log is not what an earlier backup saw.
    """

    name: str
    manifest: Manifest
    copied: int
    gone: int
    dropped: tuple[str, ...]
    left: int
    brake: str | None
    altered: str | None


def keys_of(settings: Settings) -> Keys:
    """What tells whether two deployments have the same secrets, without telling the secrets."""

    def digest(secret: str, what: str) -> str:
        return hmac.digest(secret.encode(), f"cherish-backup {what}".encode(), "sha256").hex()

    return Keys(
        certificate=certificates.public_key(settings),
        pepper=digest(settings.key_pepper.get_secret_value(), "pepper"),
        signing=digest(settings.signing_secret.get_secret_value(), "signing"),
    )


def take(engine: Engine, blobs: BlobStore, settings: Settings, folder: BackupFolder, keep: int) -> Taken:
    """Take a backup into ``folder`` and keep the newest ``keep`` of it.

    Raises Conflict where the folder has another deployment's backups or the schema no revision, Unavailable where a
    program of Postgres is missing or fails.
    """
    revision = current_revision(engine)
    if revision is None or revision != head_revision():
        raise Conflict(f"the database's schema is {revision}, not {head_revision()}; run `cherish migrate` first")
    with Session(engine) as session, session.begin():
        deployment = deployments.identify(session)
        proved = proof.prove(session)
    if not proved.ok:
        raise Conflict(f"the ledger is not in order, and its backup would not be: {proved.problems[0]}")
    if (other := folder.of_another(deployment)) is not None:
        raise Conflict(
            f"{folder.path} has backups of deployment {other}, and this is {deployment}; name another folder"
        )
    revision = current_revision(engine)
    if revision is None:
        raise Conflict("the database has no schema of ours; run `cherish migrate` first")
    folder.make()
    folder.drop_unfinished()
    moment = datetime.now(UTC)
    path = folder.begin(moment)
    with _snapshot(engine) as (connection, snapshot):
        server = server_version(connection)
        # a pooler would not keep the snapshot
        Programs(settings.direct_url(), server).dump(path / DUMP, snapshot)
        session = Session(connection)
        names, copied, gone = _copy(session, blobs, folder.blobs)
        manifest = Manifest(
            taken_at=moment,
            deployment=deployment,
            revision=revision,
            postgres=server,
            dump_sha256=BlobStore.digest_of(path / DUMP),
            dump_bytes=(path / DUMP).stat().st_size,
            tables=counted(session),
            ledger=ledger(session),
            audit=trail(session, moment),
            keys=keys_of(settings),
            blobs=tuple(sorted(names)),
        )
        altered = _altered(session, folder)
        folder.finish(path, manifest, Withdrawn(datasets=datasets.withdrawn(session)))
    dropped = tuple(folder.names()[:-keep])
    for name in dropped:
        folder.drop(name)
    left, brake = _let_go(folder, blobs, manifest, settings.blob_brake_share)
    return Taken(path.name, manifest, copied, gone, dropped, left, brake, altered)


def _altered(session: Session, folder: BackupFolder) -> str | None:
    """Why the audit log is not what the newest backup that knows it saw; None where it is."""
    for earlier in reversed(list(folder.manifests())):
        if earlier.audit is not None:
            if is_unchanged(session, earlier.audit):
                return None
            return (
                f"the audit log's first {earlier.audit.entries:,} entries, up to "
                f"{earlier.audit.until:%Y-%m-%d %H:%M:%S} UTC, are not what the backup of "
                f"{earlier.taken_at:%Y-%m-%d %H:%M:%S} UTC saw: somebody with the owner's rights has changed them. "
                "Keep that backup, and compare"
            )
    return None


def counted(session: Session) -> dict[str, int]:
    """How many rows each table of the database has."""
    names = inspect(session.connection()).get_table_names()
    return {name: session.scalar(select(func.count()).select_from(table(name))) or 0 for name in sorted(names)}


def ledger(session: Session) -> Ledger:
    """How many transfers the ledger has, and the last link of its chain."""
    transfers, last = proof.end(session)
    if last is None:
        return Ledger(transfers=transfers, day=None, head=None)
    return Ledger(transfers=transfers, day=last.day.isoformat(), head=last.digest.hex())


@contextmanager
def _snapshot(engine: Engine) -> Iterator[tuple[Connection, str]]:
    """A read-only transaction that sees one moment, and the name by which another program sees the same."""
    with engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection, connection.begin():
        connection.execute(text("SET TRANSACTION READ ONLY"))
        # a large dump takes longer than an idle transaction may
        for limit in ("idle_in_transaction_session_timeout", "statement_timeout", "transaction_timeout"):
            connection.execute(text(f"SET LOCAL {limit} = 0"))
        yield connection, str(connection.scalar(text("SELECT pg_export_snapshot()")))


def _copy(session: Session, live: BlobStore, kept: BlobStore) -> tuple[set[str], int, int]:
    """Copy what the snapshot's rows refer to; returns the names, how many were copied, and how many went meanwhile."""
    there = {blob.digest for batch in kept.listed() for blob in batch}
    names, copied, gone = set[str](), 0, 0
    for batch in live.listed():
        for name in sorted(referred(session, [blob.digest for blob in batch])):
            if name not in there:
                try:
                    with scratch.file() as path:
                        live.download(name, path)
                        kept.put_file(path)
                except NotFound:
                    gone += 1
                    continue
                copied += 1
            names.add(name)
    return names, copied, gone


def _let_go(folder: BackupFolder, live: BlobStore, newest: Manifest, share: float) -> tuple[int, str | None]:
    """Erase bytes that no kept backup names, and those that the service itself has erased since: a withdrawn dataset
    leaves the older backups, too. Where that would be much of the folder nothing is erased, and said why."""
    named = {name for manifest in folder.manifests() for name in manifest.blobs}
    alive = set(newest.blobs)
    there = {blob.digest for batch in folder.blobs.listed() for blob in batch}
    erased = {name for name in there & named - alive if not live.exists(name)}
    if len(erased) >= _FEW and len(erased) > share * len(there):
        return 0, (
            f"{len(erased)} of {len(there)} blobs of older backups are no longer in the blob store, more than "
            f"CHERISH_BLOB_BRAKE_SHARE ({share:g}) allows; they are kept. Is CHERISH_BLOB_URL the right store? Where "
            "those datasets were withdrawn remove the older backups"
        )
    leaving = erased | (there - named)
    for name in leaving:
        folder.blobs.delete(name)
    return len(leaving), None
