"""Restoring a backup into an empty database and a blob store that is empty or the deployment's own.

All is looked at before anything is written. Datasets that were withdrawn after the backup are withdrawn again before
anybody can name them. Then the rows are counted, the ledger is proved, and what the backup cannot know is said.
"""

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine, inspect
from sqlalchemy.orm import Session

from app.backup.documents import Manifest
from app.backup.folder import BackupFolder
from app.backup.programs import Programs, server_version
from app.backup.taking import counted, keys_of, ledger
from app.backup.trail import is_unchanged
from app.datasets import service as datasets
from app.db import roles
from app.db.migrate import head_revision, is_known, upgrade
from app.errors import Conflict
from app.payouts import proof
from app.settings import Settings
from app.storage import scratch
from app.storage.blobs import BlobStore


@dataclass(frozen=True)
class Restored:
    """What was restored. ``missing`` are bytes that had been erased since; ``withdrawn`` datasets that were withdrawn
    again."""

    manifest: Manifest
    put: int
    missing: tuple[str, ...]
    withdrawn: tuple[uuid.UUID, ...]
    revision: str | None


def restore(
    engine: Engine,
    blobs: BlobStore,
    settings: Settings,
    folder: BackupFolder,
    name: str,
    *,
    other_keys: bool = False,
    say: Callable[[str], None] = lambda _: None,
) -> Restored:
    """Restore the backup of this name.

    ``other_keys`` allows another deployment's secrets, with which nobody's API key is valid any more. Raises Conflict
    with the reason where the place is not empty, the secrets are others, the code is older than the backup, or what
    was restored is not what the manifest says; and Unavailable where a program of Postgres is missing or fails.
    """
    manifest = folder.manifest(name)
    server = _refuse_unfit(engine, blobs, manifest)
    if not other_keys:
        _refuse_other_keys(settings, manifest)
    if (digest := BlobStore.digest_of(folder.dump(name))) != manifest.dump_sha256:
        raise Conflict(f"{folder.dump(name)} is damaged: it hashes to {digest}, not to {manifest.dump_sha256}")
    say(f"the database of {manifest.taken_at:%Y-%m-%d %H:%M:%S} UTC, {manifest.dump_bytes:,} bytes")
    Programs(settings.direct_url(), server).restore(folder.dump(name))
    _refuse_other_rows(engine, manifest)
    upgrade(engine, say=say)
    # a dump has no rights in it: they are the deployment's
    roles.grant(engine, roles.passwords(settings))
    with Session(engine) as session, session.begin():
        _refuse_other_ledger(session, manifest)
        again = datasets.withdraw_again(session, _later(folder, manifest.taken_at))
    say(f"the bytes of {len(manifest.blobs)} blobs")
    put, missing = _put(folder.blobs, blobs, manifest)
    blobs.name_deployment(str(manifest.deployment))
    return Restored(manifest, put, missing, tuple(again), head_revision())


def _refuse_unfit(engine: Engine, blobs: BlobStore, manifest: Manifest) -> str:
    """Refuse a place that is not empty or a backup that this code does not know; the server's version."""
    if tables := inspect(engine).get_table_names():
        raise Conflict(
            f"the database is not empty ({len(tables)} tables, {tables[0]} among them); restore into a new one"
        )
    if not is_known(manifest.revision):
        raise Conflict(
            f"the backup's schema is {manifest.revision}, which this release does not know; restore with the release "
            "that took it, or a later one"
        )
    owner = blobs.deployment()
    if owner not in (None, str(manifest.deployment)):
        raise Conflict(
            f"the blob store belongs to deployment {owner}, and the backup to {manifest.deployment}; set "
            "CHERISH_BLOB_URL to an empty store, or to the deployment's own"
        )
    with engine.connect() as connection:
        return server_version(connection)


def _refuse_other_keys(settings: Settings, manifest: Manifest) -> None:
    own = keys_of(settings)
    named = {
        "CHERISH_CERTIFICATE_KEY": (own.certificate, manifest.keys.certificate),
        "CHERISH_KEY_PEPPER": (own.pepper, manifest.keys.pepper),
        "CHERISH_SIGNING_SECRET": (own.signing, manifest.keys.signing),
    }
    if differ := [name for name, (here, there) in named.items() if here != there]:
        raise Conflict(
            f"{', '.join(differ)} differ from those of the backup's deployment; set the same, which are kept apart "
            "from backups. Where they are lost, --other-keys restores without them: API keys and sessions end then, "
            "and new certificates are signed by another key"
        )


def _refuse_other_rows(engine: Engine, manifest: Manifest) -> None:
    with Session(engine) as session, session.begin():
        row_counts = counted(session)
    for name in sorted(row_counts.keys() | manifest.tables.keys()):
        if row_counts.get(name) != manifest.tables.get(name):
            raise Conflict(
                f"the restored table {name} has {row_counts.get(name)} rows, not {manifest.tables.get(name)} as the "
                "manifest says; restore another backup into a new database"
            )


def _refuse_other_ledger(session: Session, manifest: Manifest) -> None:
    """Refuse a ledger or an audit log that ends otherwise than the manifest says, or does not prove."""
    ended = ledger(session)
    if ended != manifest.ledger:
        raise Conflict(f"the restored ledger ends in {ended.head} of {ended.day}, not in {manifest.ledger.head}")
    if manifest.audit is not None and not is_unchanged(session, manifest.audit):
        raise Conflict("the restored audit log is not the one of which the manifest has the digest")
    proved = proof.prove(session)
    if not proved.ok:
        raise Conflict(f"the restored ledger does not prove: {proved.problems[0]}")


def _later(folder: BackupFolder, taken_at: datetime) -> dict[uuid.UUID, datetime]:
    """The datasets that were withdrawn after the backup, as far as the folder's newest backup knows."""
    return {name: moment for name, moment in folder.withdrawn().datasets.items() if moment > taken_at}


def _put(kept: BlobStore, blobs: BlobStore, manifest: Manifest) -> tuple[int, tuple[str, ...]]:
    """Store the manifest's blobs; how many were not there yet, and those that the folder has no more."""
    put, missing = 0, []
    for name in manifest.blobs:
        if blobs.exists(name):
            continue
        if not kept.exists(name):
            missing.append(name)
            continue
        with scratch.file() as path:
            kept.download(name, path)
            blobs.put_file(path)
        put += 1
    return put, tuple(missing)
