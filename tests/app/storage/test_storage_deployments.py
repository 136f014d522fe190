"""The deployment's one row, and blobs that wait to be erased: marked while nothing names them, and since when."""

from datetime import timedelta

from sqlalchemy import update
from sqlalchemy.orm import Session

from app.storage import deployments
from app.storage.tables import Deployment, UnreferencedBlob


def test_a_database_is_one_deployment_from_the_first_call_on(session: Session) -> None:
    first = deployments.identify(session)
    assert deployments.identify(session) == first
    state = deployments.state(session)
    assert state is not None
    assert state.id == first


def test_its_store_is_tied_once_and_what_the_collector_found_is_noted(session: Session) -> None:
    deployments.identify(session)
    session.execute(update(Deployment).values(tied_at=None))
    deployments.tie(session)
    session.expire_all()
    tied = deployments.state(session)
    assert tied is not None
    moment = tied.tied_at
    assert moment is not None
    deployments.tie(session)
    deployments.note(session, 7, "too many at once")
    session.expire_all()
    noted = deployments.state(session)
    assert noted is not None
    assert (noted.tied_at, noted.unreferenced, noted.brake) == (moment, 7, "too many at once")
    assert noted.collected_at is not None


def test_a_blob_keeps_its_time_while_nothing_names_it_and_loses_it_when_something_does(session: Session) -> None:
    deployments.mark(session, ["a", "b"])
    session.execute(update(UnreferencedBlob).values(since=UnreferencedBlob.since - timedelta(hours=1)))
    deployments.mark(session, ["b", "c"])
    assert deployments.marked_for(session, 1800.0) == ["b"]
    assert deployments.marked_for(session, 0.0) == ["b", "c"]
    deployments.unmark(session, "b")
    assert deployments.marked_for(session, 0.0) == ["c"]
    deployments.mark(session, [])
    assert deployments.marked_for(session, 0.0) == []
