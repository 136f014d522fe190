"""A backup keeps a digest of the audit log: what the owner of the database changes in it shows at the next backup."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from app.audit import repository
from app.backup import trail
from app.backup.folder import BackupFolder
from app.backup.taking import take
from app.db.session import make_engine
from app.storage.blobs import BlobStore
from tests.app.backup.test_backup import Deployment, new, old  # noqa: F401  fixtures

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def write(session: Session, count: int, **given: Any) -> None:
    for number in range(count):
        moment = NOW + timedelta(minutes=number)
        repository.add(session, {"action": f"act {number}", "detail": {"n": number}, "created_at": moment} | given)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE audit_log SET note = 'nothing happened' WHERE action = 'act 3'",
        "DELETE FROM audit_log WHERE action = 'act 0'",
        "INSERT INTO audit_log (id, action, detail, created_at) VALUES (gen_random_uuid(), 'made up', '{}', "
        "'2026-01-01 00:02:30+00')",
    ],
)
def test_an_entry_that_is_changed_taken_out_or_put_in_shows(session: Session, change: str) -> None:
    write(session, 6)
    seen = trail.trail(session, NOW + timedelta(hours=1))
    assert (seen.entries, seen.until) == (6, NOW + timedelta(minutes=5))
    assert trail.is_unchanged(session, seen)
    session.execute(text("ALTER TABLE audit_log DISABLE TRIGGER ALL"))
    session.execute(text(change))
    assert not trail.is_unchanged(session, seen)


def test_what_is_added_later_changes_nothing_and_the_newest_are_left_to_the_next(session: Session) -> None:
    write(session, 6)
    seen = trail.trail(session, NOW + timedelta(minutes=18))
    assert seen.entries == 3, "an entry shows when its transaction ends, with the time at which that began"
    write(session, 2, created_at=NOW + timedelta(minutes=4, seconds=30))
    assert trail.is_unchanged(session, seen)
    assert trail.is_unchanged(session, trail.trail(session, NOW)), "of none"


def test_a_backup_says_that_the_log_was_changed_and_is_taken_all_the_same(
    old: Deployment,  # noqa: F811
    new: Deployment,  # noqa: F811
    tmp_path: Any,
) -> None:
    folder = BackupFolder(tmp_path / "backups")
    engine = make_engine(old.settings.database_url.get_secret_value())
    with Session(engine) as session, session.begin():
        write(session, 4)
    taken = old.take(folder)
    assert taken.altered is None
    assert taken.manifest.audit is not None
    assert taken.manifest.audit.entries == 4
    assert old.take(folder).altered is None
    new.restore(folder, taken.name)
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE audit_log DISABLE TRIGGER ALL"))
        connection.execute(text("UPDATE audit_log SET address = '10.0.0.1' WHERE action = 'act 2'"))
    said = take(engine, BlobStore.from_url(old.settings.blob_url), old.settings, folder, 14)
    assert "first 4 entries" in (said.altered or "")
    assert folder.manifest(said.name).audit is not None
    engine.dispose()
