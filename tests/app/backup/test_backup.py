"""Backups and restores of a real database and a real store: the same answers afterwards, and no withdrawn rows."""

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from fastapi.testclient import TestClient
from sqlalchemy import Engine, create_engine, make_url, text
from sqlalchemy.orm import Session

from app.accounts import service as accounts
from app.accounts.tables import Account
from app.backup.documents import Manifest
from app.backup.folder import BackupFolder
from app.backup.programs import Programs
from app.backup.restoring import restore
from app.backup.taking import Taken, keys_of, take
from app.datasets import service as datasets
from app.datasets.tables import Dataset, DatasetStatus
from app.db.migrate import alembic_config, upgrade
from app.db.session import make_engine, transaction
from app.errors import Conflict, NotFound, Unavailable
from app.identity import Caller, Role
from app.main import create_app
from app.settings import Settings
from app.storage.blobs import BlobStore
from app.valuations.states import ValuationStatus


class Deployment:
    """A database and a store that are there to be backed up or restored into."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.engine = make_engine(settings.database_url.get_secret_value())
        self.blobs = BlobStore.from_url(settings.blob_url)

    def take(self, folder: BackupFolder, keep: int = 14) -> Taken:
        return take(self.engine, self.blobs, self.settings, folder, keep)

    def restore(self, folder: BackupFolder, name: str, **options: Any) -> Any:
        return restore(self.engine, self.blobs, self.settings, folder, name, **options)

    def answers(self, token: str, valuation: str) -> list[Any]:
        """What the owner of a job is told of it."""
        with TestClient(create_app(self.settings), headers={"Authorization": f"Bearer {token}"}) as client:
            paths = [f"/v1/valuations/{valuation}{rest}" for rest in ("", "/values", "/payouts", "/certificate")]
            told = [client.get(path) for path in [*paths, "/v1/me/balance"]]
        assert [each.status_code for each in told] == [200] * len(told)
        return [each.json() for each in told]


@pytest.fixture
def old(market: Any) -> Iterator[Deployment]:
    """The market's own place, as a migration would have left it."""
    place = Deployment(market.settings)
    command.stamp(alembic_config(place.engine), "head")
    yield place
    place.engine.dispose()


@pytest.fixture
def new(market: Any, postgres_url: str, tmp_path: Path) -> Iterator[Deployment]:
    """An empty database and an empty folder."""
    name = f"new_{uuid.uuid4().hex[:12]}"
    admin = create_engine(postgres_url, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    url = make_url(postgres_url).set(database=name).render_as_string(hide_password=False)
    place = Deployment(
        Settings.model_validate(
            market.settings.model_dump() | {"database_url": url, "blob_url": f"file://{tmp_path}/restored"}
        )
    )
    yield place
    place.engine.dispose()
    with admin.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    admin.dispose()


@pytest.fixture
def folder(tmp_path: Path) -> BackupFolder:
    return BackupFolder(tmp_path / "backups of ours")


def key_of(market: Any) -> str:
    with transaction(market.factory) as session:
        account = session.get_one(Account, market.buyer.account_id)
        return accounts.issue_key(session, market.settings, account, "first")[1]


def withdraw(market: Any, place: Deployment, dataset_id: uuid.UUID) -> str:
    """Withdraw as the owner does, and erase the bytes as a worker does; the digest that they had."""
    with Session(place.engine) as session, session.begin():
        dataset = session.get_one(Dataset, dataset_id)
        owner = Caller(dataset.provider_id, Role.PROVIDER, frozenset(), uuid.uuid4())
        datasets.withdraw(session, owner, dataset_id)
        digest = str(dataset.digest)
    place.blobs.delete(digest)
    return digest


def test_a_restored_place_gives_the_same_answers_and_proves_the_same_ledger(
    market: Any, hand: Any, old: Deployment, new: Deployment, folder: BackupFolder
) -> None:
    token, posted = key_of(market), market.post()
    hand.finish(posted)
    assert market.job(posted).status is ValuationStatus.SUCCEEDED
    valuation = f"val_{posted.hex}"
    taken = old.take(folder)
    assert taken.copied == len(taken.manifest.blobs) > 5
    done = new.restore(folder, taken.name)
    assert (done.put, done.missing, done.withdrawn) == (taken.copied, (), ())
    assert new.answers(token, valuation) == old.answers(token, valuation)
    # a second backup of what is the same copies no byte again
    assert new.take(folder).copied == 0


def test_a_withdrawn_dataset_does_not_come_back(
    market: Any, old: Deployment, new: Deployment, folder: BackupFolder
) -> None:
    first = old.take(folder)
    digest = withdraw(market, old, market.datasets[1])
    assert folder.blobs.exists(digest)
    second = old.take(folder)
    assert not folder.blobs.exists(digest)
    assert second.left == 1
    done = new.restore(folder, first.name)
    assert done.withdrawn == (market.datasets[1],)
    assert done.missing == (digest,)
    assert not new.blobs.exists(digest)
    with Session(new.engine) as session:
        assert session.get_one(Dataset, market.datasets[1]).status is DatasetStatus.WITHDRAWN
        assert session.get_one(Dataset, market.datasets[0]).status is DatasetStatus.PUBLISHED


def test_nothing_leaves_the_folder_where_the_store_looks_like_another(
    market: Any, old: Deployment, folder: BackupFolder
) -> None:
    for number in range(12):
        market.add_dataset(market.providers[0], datasets.DatasetKind.TRAIN, *rows(number))
    old.take(folder)
    there = {blob.digest for batch in folder.blobs.listed() for blob in batch}
    for name in there:
        old.blobs.delete(name)
    taken = old.take(folder)
    assert taken.left == 0
    assert "CHERISH_BLOB_BRAKE_SHARE" in str(taken.brake)
    assert {blob.digest for batch in folder.blobs.listed() for blob in batch} == there


def test_only_the_newest_are_kept_and_what_was_cut_off_goes(old: Deployment, folder: BackupFolder) -> None:
    names = [old.take(folder, keep=2).name]
    cut = folder.path / "backups" / "20200101T000000.000000Z"
    cut.mkdir()
    (cut / "database.dump").write_bytes(b"half of one")
    assert folder.names() == names
    while len(names) < 3:
        names.append(old.take(folder, keep=2).name)
    assert folder.names() == names[1:]
    assert not cut.exists()


def test_a_place_that_is_not_empty_is_left_as_it_is(old: Deployment, new: Deployment, folder: BackupFolder) -> None:
    name = old.take(folder).name
    with pytest.raises(Conflict, match="the database is not empty"):
        old.restore(folder, name)
    new.blobs.name_deployment(str(uuid.uuid4()))
    with pytest.raises(Conflict, match="the blob store belongs to deployment"):
        new.restore(folder, name)
    assert tables_of(new.engine) == 0


def test_other_secrets_are_refused_unless_they_are_meant(
    old: Deployment, new: Deployment, folder: BackupFolder
) -> None:
    name = old.take(folder).name
    new.settings = Settings.model_validate(new.settings.model_dump() | {"key_pepper": "another pepper " * 3})
    with pytest.raises(Conflict, match=r"^CHERISH_KEY_PEPPER differ"):
        new.restore(folder, name)
    assert tables_of(new.engine) == 0
    assert new.restore(folder, name, other_keys=True).put > 0


def test_a_damaged_dump_is_refused_before_anything_is_written(
    old: Deployment, new: Deployment, folder: BackupFolder
) -> None:
    name = old.take(folder).name
    with folder.dump(name).open("ab") as file:
        file.write(b"one more")
    with pytest.raises(Conflict, match="is damaged"):
        new.restore(folder, name)
    assert tables_of(new.engine) == 0


def test_a_folder_has_the_backups_of_one_deployment(old: Deployment, new: Deployment, folder: BackupFolder) -> None:
    old.take(folder)
    upgrade(new.engine)
    with pytest.raises(Conflict, match="has backups of deployment"):
        new.take(folder)


def test_a_schema_that_this_code_does_not_have_is_refused(
    old: Deployment, new: Deployment, folder: BackupFolder
) -> None:
    with pytest.raises(Conflict, match="run `cherish migrate` first"):
        new.take(folder)
    name = old.take(folder).name
    path = folder.path / "backups" / name / "manifest.json"
    other = Manifest.model_validate_json(path.read_bytes()).model_copy(update={"revision": "9999"})
    path.write_text(other.model_dump_json())
    with pytest.raises(Conflict, match="which this release does not know"):
        new.restore(folder, name)
    with pytest.raises(NotFound, match="has no complete backup '2'"):
        new.restore(folder, "2")


def test_programs_older_than_the_server_are_named(old: Deployment, tmp_path: Path) -> None:
    programs = Programs(old.settings.database_url.get_secret_value(), "99.1")
    with pytest.raises(Unavailable, match=r"no pg_dump for a server of Postgres 99 \(.*pg_dump is 'pg_dump"):
        programs.dump(tmp_path / "dump", "")


def test_a_manifest_tells_no_secret(old: Deployment) -> None:
    told = keys_of(old.settings).model_dump_json()
    for secret in (old.settings.key_pepper, old.settings.signing_secret):
        assert secret.get_secret_value() not in told


def rows(seed: int) -> tuple[Any, Any]:
    import numpy as np

    rng = np.random.default_rng(seed)
    return rng.normal(size=(6, 4)).astype(np.float32), np.array([0, 1, 2] * 2)


def tables_of(engine: Engine) -> int:
    with engine.connect() as connection:
        return int(connection.scalar(text("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")) or 0)
