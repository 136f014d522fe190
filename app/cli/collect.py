"""``cherish collect``: look for blobs that nothing refers to, as the collector beside the sweeper does, by hand."""

from typing import Annotated

import typer
from rich.console import Console

from app.cli import place
from app.db.limits import Process
from app.db.session import make_session_factory, open_engine
from app.errors import Conflict
from app.housekeeping.collector import Collector
from app.storage.blobs import BlobStore


def register(app: typer.Typer) -> None:
    app.command()(collect)


def collect(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be erased, and erase nothing.")] = False,
    release: Annotated[bool, typer.Option("--release", help="Also where much is unreferenced.")] = False,
    adopt: Annotated[
        bool, typer.Option("--adopt", help="Make the blob store this database's, after a move or a restore.")
    ] = False,
) -> None:
    """Mark blobs that nothing refers to, and erase those that have been so for long."""
    settings, console = place.operator_settings(), Console(soft_wrap=True, highlight=False)
    engine = open_engine(settings, Process.OPERATOR, pool_size=1)
    try:
        collector = Collector(make_session_factory(engine), BlobStore.from_url(settings.blob_url), settings)
        if adopt:
            collector.adopt()
        look = collector.look(release=release)
        if look.brake is not None:
            raise Conflict(look.brake)
        waiting = len(look.unreferenced) - len(look.due)
        console.print(
            f"{look.old} old blobs; nothing refers to {len(look.unreferenced)}: "
            f"{len(look.due)} to be erased now, {waiting} marked until they have been so for "
            f"{settings.blob_quarantine_seconds:g} s"
        )
        for name in look.due if dry_run else ():
            console.print(name)
        if not dry_run:
            console.print(f"erased {collector.collect_once(release=release)}")
    finally:
        engine.dispose()
