"""The collector: bytes that nothing refers to go, once they are old, and no others ever."""

import os
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.orm import Session, sessionmaker

from app.accounts.tables import Account
from app.housekeeping.collector import Collector, digest_columns
from app.settings import Settings
from app.storage.blobs import BlobStore
from app.valuations.states import ValuationStatus
from app.valuations.tables import BuyerGame, Valuation

CSV = b"age,city,label\n61,Oslo,yes\n34,Bergen,no\n"


@pytest.fixture
def blobs(settings: Settings) -> BlobStore:
    return BlobStore.from_url(settings.blob_url)


@pytest.fixture
def collector(session: Session, blobs: BlobStore, settings: Settings) -> Collector:
    factory = sessionmaker(session.connection(), join_transaction_mode="create_savepoint", expire_on_commit=False)
    return Collector(factory, blobs, settings)


def grow_old(folder: Path) -> None:
    for path in (folder / "blobs").rglob("*"):
        if path.is_file():
            os.utime(path, (time.time() - 200_000,) * 2)


def test_old_bytes_without_a_reference_are_erased(collector: Collector, blobs: BlobStore, tmp_path: Path) -> None:
    digest = blobs.put_bytes(b"nobody's").digest
    assert collector.collect_once() == 0
    grow_old(tmp_path)
    young = blobs.put_bytes(b"just stored").digest
    assert collector.collect_once() == 1
    assert not blobs.exists(digest)
    assert blobs.exists(young)


def test_what_a_dataset_has_is_kept(
    collector: Collector, blobs: BlobStore, provider: Any, upload: Callable[..., Any], tmp_path: Path
) -> None:
    dataset = upload(provider, CSV)
    grow_old(tmp_path)
    assert collector.collect_once() == 0
    assert blobs.exists(dataset["digest"])


def test_what_a_job_reads_or_has_trained_is_kept(
    collector: Collector, blobs: BlobStore, session: Session, buyer: Any, tmp_path: Path
) -> None:
    owner: Account = buyer.account
    kept = [blobs.put_bytes(part).digest for part in (b"player", b"test", b"weights", b"prepared")]
    game = BuyerGame(buyer_id=owner.id, digest="0" * 64, frozen={}, prepared=kept[3], facts=None)
    session.add(game)
    session.flush()
    file = {"name": "x", "format": "csv", "target": "y"}
    inputs = {"players": [[file | {"digest": kept[0]}]], "test": file | {"digest": kept[1]}, "checkpoint": kept[2]}
    session.add(
        Valuation(
            id=uuid.uuid4(),
            buyer_id=owner.id,
            game_id=game.id,
            status=ValuationStatus.SUCCEEDED,
            spec={},
            inputs=inputs,
            pool_minor=1,
            currency="EUR",
            queue="cpu",
        )
    )
    session.commit()
    grow_old(tmp_path)
    assert collector.collect_once() == 0
    assert all(blobs.exists(digest) for digest in kept)


def test_bytes_that_are_stored_again_are_young_again(collector: Collector, blobs: BlobStore, tmp_path: Path) -> None:
    digest = blobs.put_bytes(b"wanted again").digest
    grow_old(tmp_path)
    blobs.put_bytes(b"wanted again")
    assert collector.collect_once() == 0
    assert blobs.exists(digest)


def test_every_table_with_blobs_is_looked_at() -> None:
    found = {f"{column.table.name}.{column.name}" for column in digest_columns()}
    assert {"datasets.digest", "checkpoints.digest", "games.prepared"} <= found
