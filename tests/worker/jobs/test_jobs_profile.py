"""Profiles are made beside the work that is paid for: nobody waits for them, and owners take turns."""

import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from app.datasets.profiles import profiling
from app.datasets.tables import Dataset, DatasetFormat, DatasetKind, DatasetVersion, Modality, ProfileStatus
from app.db.session import transaction
from tests.market import rows_of
from worker.jobs import profile
from worker.jobs.profile import Profiler


@pytest.fixture
def waiting(market: Any) -> list[Any]:
    """Three versions of one provider and one of another, in this order, that wait to be profiled."""
    one, other = market.providers[:2]
    owners = [one, one, one, other]
    made = [market.add_dataset(owner, DatasetKind.TRAIN, *rows_of(70 + at, 30)) for at, owner in enumerate(owners)]
    with transaction(market.factory) as session:
        for dataset_id in made:
            dataset = session.get_one(Dataset, dataset_id)
            version = DatasetVersion(
                dataset_id=dataset_id, number=1, digest=dataset.digest, format=DatasetFormat.NPZ,
                modality=Modality.TABULAR, size_bytes=dataset.size_bytes, rows=30, columns=[],
            )  # fmt: skip
            session.add(version)
            session.flush()
            profiling.request(session, version)
    return made


def left(session: Session) -> int:
    pending = DatasetVersion.profile_status == ProfileStatus.PENDING
    return session.scalar(select(func.count()).select_from(DatasetVersion).where(pending)) or 0


def eventually(market: Any, count: int, seconds: float = 60.0) -> None:
    ends = time.monotonic() + seconds
    while True:
        with transaction(market.factory) as session:
            if left(session) == count:
                return
        assert time.monotonic() < ends
        time.sleep(0.05)


def test_a_worker_goes_on_while_a_profile_takes_long(
    market: Any, waiting: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before: two archives of pictures held the only worker for minutes while a paid job waited."""
    profiler = Profiler(market.factory, market.blobs, market.settings)
    pipe, opened = tmp_path / "pipe", threading.Event()
    os.mkfifo(pipe)
    download = market.blobs.download

    def slowly(digest: str, path: Path) -> None:
        opened.set()
        # nothing comes until the test writes
        with pipe.open("rb"):
            download(digest, path)

    monkeypatch.setattr(market.blobs, "download", slowly)
    begun = time.monotonic()
    for _ in range(3):
        profiler.ring()
    assert opened.wait(10)
    assert time.monotonic() - begun < 10
    monkeypatch.setattr(market.blobs, "download", download)
    pipe.open("wb").close()
    eventually(market, 0)


def test_owners_take_turns_and_what_is_at_work_is_given_to_nobody_else(market: Any, waiting: list[Any]) -> None:
    given = []
    with transaction(market.factory) as session:
        last = None
        while (found := profiling.next_waiting(session, last)) is not None:
            work = profiling.begin(session, *found)
            assert work is not None
            session.flush()
            given.append(found[0])
            last = work.owner
    assert given == [waiting[0], waiting[3], waiting[1], waiting[2]]


def test_what_is_sent_again_waits_again(market: Any, waiting: list[Any]) -> None:
    with transaction(market.factory) as session:
        for dataset_id in waiting:
            profiling.begin(session, dataset_id, 1)
        session.flush()
        assert profiling.next_waiting(session, None) is None
        session.execute(update(DatasetVersion).values(profile_due_at=func.now() - profiling._DUE))
        assert profiling.send_lost(session) == 4
        assert profiling.next_waiting(session, None) is not None


def test_a_failure_of_one_profile_ends_no_worker_and_the_next_bell_begins_again(
    market: Any, waiting: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    profiler = Profiler(market.factory, market.blobs, market.settings)
    look = profile._profile
    failed = threading.Event()

    def fail_once(*given: Any) -> None:
        if not failed.is_set():
            failed.set()
            raise RuntimeError("once")
        look(*given)

    monkeypatch.setattr(profile, "_profile", fail_once)
    profiler.ring()
    eventually(market, 1)
    with transaction(market.factory) as session:
        profiling.request(session, session.get_one(DatasetVersion, (waiting[0], 1)))
    profiler.ring()
    eventually(market, 0)
    profiler.close()
    working = profiler._thread
    if working is not None:
        # the last version is taken up, not done: nothing waits any longer, and the thread still works
        working.join(60)
    profiler.ring()
    assert profiler._thread is None
