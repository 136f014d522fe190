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
    # what is marked is erased in the same look
    return Collector(factory, blobs, settings.model_copy(update={"blob_quarantine_seconds": 0}))


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
    assert {"datasets.digest", "checkpoints.digest", "games.prepared", "player_models.digest"} <= found


def _collector(session: Session, blobs: BlobStore, settings: Settings, **changes: Any) -> Collector:
    factory = sessionmaker(session.connection(), join_transaction_mode="create_savepoint", expire_on_commit=False)
    return Collector(factory, blobs, settings.model_copy(update=changes))


def _copied(collector: Collector, blobs: BlobStore, folder: Path, count: int = 13) -> list[str]:
    digests = [blobs.put_bytes(f"of another database {number}".encode()).digest for number in range(count)]
    grow_old(folder)
    return digests


def test_unreferenced_bytes_wait_in_quarantine_and_one_that_is_referred_to_again_stays(
    session: Session, blobs: BlobStore, settings: Settings, buyer: Any, tmp_path: Path
) -> None:
    gone, wanted = blobs.put_bytes(b"nobody's").digest, blobs.put_bytes(b"wanted again").digest
    grow_old(tmp_path)
    collector = _collector(session, blobs, settings, blob_quarantine_seconds=3600)
    assert collector.collect_once() == 0
    assert collector.look().unreferenced == {gone, wanted}
    session.add(BuyerGame(buyer_id=buyer.account.id, digest="0" * 64, frozen={}, prepared=wanted, facts=None))
    session.commit()
    assert collector.collect_once() == 0, "not long enough"
    time.sleep(0.2)
    assert _collector(session, blobs, settings, blob_quarantine_seconds=0.1).collect_once() == 1
    assert not blobs.exists(gone)
    assert blobs.exists(wanted)


def test_a_fresh_database_on_a_copied_store_erases_nothing_and_says_so(
    session: Session, blobs: BlobStore, settings: Settings, tmp_path: Path, admin: Any
) -> None:
    collector = _collector(session, blobs, settings, blob_quarantine_seconds=0)
    digests = _copied(collector, blobs, tmp_path)
    assert collector.collect_once() == 0
    assert all(blobs.exists(digest) for digest in digests)
    brake = collector.look().brake
    assert brake is not None
    assert "13 of 13 old blobs" in brake
    scraped = admin.client.get("/metrics").text
    assert "cherish_collector_braked 1.0" in scraped
    assert "cherish_blobs_unreferenced 13.0" in scraped
    assert collector.look(release=True).brake is None
    assert collector.collect_once(release=True) == 13
    assert "cherish_collector_braked 0.0" in admin.client.get("/metrics").text


def test_a_few_unreferenced_among_many_are_no_brake(
    session: Session, blobs: BlobStore, settings: Settings, buyer: Any, tmp_path: Path
) -> None:
    collector = _collector(session, blobs, settings, blob_quarantine_seconds=0)
    for number in range(30):
        kept = blobs.put_bytes(f"kept {number}".encode()).digest
        session.add(BuyerGame(buyer_id=buyer.account.id, digest=f"{number:064d}", frozen={}, prepared=kept, facts=None))
    session.commit()
    _copied(collector, blobs, tmp_path, count=10)
    assert collector.collect_once() == 10


def test_another_deployments_store_is_left_alone_until_it_is_adopted(
    session: Session, blobs: BlobStore, settings: Settings, tmp_path: Path
) -> None:
    collector = _collector(session, blobs, settings, blob_quarantine_seconds=0)
    half = tmp_path / "blobs" / "sha256" / "aa" / f"{'b' * 62}#1"
    blobs.name_deployment(str(uuid.uuid4()))
    _copied(collector, blobs, tmp_path, count=2)
    half.parent.mkdir(parents=True)
    half.write_bytes(b"half-written")
    grow_old(tmp_path)
    assert collector.collect_once(release=True) == 0
    assert half.exists()
    brake = collector.look().brake
    assert brake is not None
    assert "belongs to deployment" in brake
    collector.adopt()
    assert collector.collect_once() == 3
    assert blobs.deployment() is not None


def test_a_store_that_is_nobodys_becomes_its_databases(session: Session, blobs: BlobStore, settings: Settings) -> None:
    assert blobs.deployment() is None
    _collector(session, blobs, settings).look()
    named = blobs.deployment()
    assert named is not None
    assert blobs.name_deployment("late", anew=True) == named
