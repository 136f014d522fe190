"""The worker of the dispatch benchmark goes on as the product's does: its engine sleeps, all else is the product's."""

from sqlalchemy import text

from app.db.limits import Process
from app.db.session import make_session_factory, open_engine
from app.settings import Settings
from benchmarks.dispatch.jobs import add_job, add_round, drawn
from benchmarks.dispatch.sleeping import SleepingRuntime


def test_a_worker_that_sleeps_does_all_shards_of_a_round(own_settings: Settings) -> None:
    engine = open_engine(own_settings, Process.OPERATOR, pool_size=3)
    factory = make_session_factory(engine)
    job = add_job(factory, 5)
    add_round(factory, own_settings, job, drawn(5, 12, 0), 4)
    runtime = SleepingRuntime(own_settings, factory, 0.0)
    with factory() as session:
        waiting = list(session.scalars(text("SELECT id FROM shards ORDER BY ordinal")))
    for shard in waiting:
        runtime.work_on(shard)
    with factory() as session:
        assert session.scalar(text("SELECT count(*) FROM evaluations")) == 12
        assert session.scalar(text("SELECT open FROM rounds")) == 0
    engine.dispose()
