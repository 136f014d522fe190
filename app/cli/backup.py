"""``cherish backup`` and ``cherish restore``: a deployment's database and bytes into a folder, and back."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from app.backup.folder import BackupFolder
from app.backup.restoring import restore as restore_backup
from app.backup.taking import take
from app.cli import place
from app.db.limits import Process
from app.db.session import open_engine
from app.errors import NotFound
from app.http.ids import public_id
from app.storage.blobs import BlobStore

_Folder = Annotated[Path, typer.Argument(help="The folder of backups; the same one each time.")]


def register(app: typer.Typer) -> None:
    for command in (backup, restore):
        app.command()(command)


def backup(
    folder: _Folder,
    keep: Annotated[int, typer.Option(min=1, help="How many of the newest backups stay in the folder.")] = 14,
) -> None:
    """Back up the database and the bytes that it refers to, while the service goes on."""
    settings, console = place.operator_settings(), Console(soft_wrap=True, highlight=False)
    engine = open_engine(settings, Process.OPERATOR, pool_size=2)
    try:
        taken = take(engine, BlobStore.from_url(settings.blob_url), settings, BackupFolder(folder), keep)
    finally:
        engine.dispose()
    manifest = taken.manifest
    console.print(f"backup {taken.name}: {sum(manifest.tables.values()):,} rows, {manifest.dump_bytes:,} bytes")
    console.print(f"{len(manifest.blobs)} blobs, {taken.copied} of them copied now")
    if taken.gone:
        console.print(f"{taken.gone} were erased by a withdrawal meanwhile and are not in it")
    console.print(f"the ledger's chain ends in {manifest.ledger.head or 'nothing'}; keep this line elsewhere, too")
    if (audit := manifest.audit) is not None:
        console.print(f"the audit log's first {audit.entries:,} entries are {audit.digest}; keep this line, too")
    if taken.dropped:
        console.print(f"removed the older {', '.join(taken.dropped)}")
    if taken.left:
        console.print(f"{taken.left} blobs that were erased since, or that no backup names, left the folder")
    if taken.brake:
        console.print(taken.brake, style="yellow")
    console.print("secrets are not in it: keep CHERISH_KEY_PEPPER, _SIGNING_SECRET and _CERTIFICATE_KEY apart")
    if taken.altered:
        console.print(taken.altered, style="red")
        raise typer.Exit(1)


def restore(
    folder: _Folder,
    name: Annotated[str | None, typer.Option("--backup", help="The backup's name; the newest otherwise.")] = None,
    other_keys: Annotated[
        bool, typer.Option("--other-keys", help="Also with other secrets than the backup's deployment had.")
    ] = False,
) -> None:
    """Restore a backup into an empty database, and say what it cannot know."""
    settings, console = place.operator_settings(), Console(soft_wrap=True, highlight=False)
    kept = BackupFolder(folder)
    if not kept.names():
        raise NotFound(f"{folder} has no complete backup")
    engine = open_engine(settings, Process.MIGRATION, pool_size=2)
    try:
        blobs = BlobStore.from_url(settings.blob_url)
        chosen = name or kept.names()[-1]
        done = restore_backup(engine, blobs, settings, kept, chosen, other_keys=other_keys, say=console.print)
    finally:
        engine.dispose()
    console.print(f"restored {chosen}: {sum(done.manifest.tables.values()):,} rows as counted when it was taken")
    console.print(f"schema {done.revision}; the ledger is proved, and ends in {done.manifest.ledger.head or 'nothing'}")
    console.print(f"{done.put} blobs were stored; {len(done.missing)} had been erased since the backup")
    for dataset_id in done.withdrawn:
        console.print(f"{public_id('ds', dataset_id)} was withdrawn after the backup, and is withdrawn again")
    console.print(
        f"What happened after {done.manifest.taken_at:%Y-%m-%d %H:%M:%S} UTC is not in it: compare deposits and "
        "payments with your bank before you open the API, and ask providers who withdrew since the folder's newest "
        "backup. Events may be sent twice."
    )
