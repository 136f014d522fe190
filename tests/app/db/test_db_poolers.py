"""A pooler in between: limits come with each transaction, and one of which nothing was said is refused."""

from sqlalchemy import create_engine, make_url, text

from app.db.limits import ConnectionLimits
from app.db.poolers import UNSTATED, is_refusal, refuse_unstated, serve_transactions


def test_what_a_pooler_refuses_is_told_apart_from_other_refusals() -> None:
    assert is_refusal(RuntimeError("FATAL: unsupported startup parameter: statement_timeout"))
    assert not is_refusal(RuntimeError("FATAL: password authentication failed"))
    assert "CHERISH_DATABASE_POOLER" in UNSTATED


def test_postgres_itself_is_no_pooler(postgres_url: str) -> None:
    engine = create_engine(make_url(postgres_url).set(drivername="postgresql+psycopg"))
    refuse_unstated(engine)
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT 1")) == 1
    engine.dispose()


def test_limits_are_set_within_each_transaction_and_times_are_utc(postgres_url: str) -> None:
    limits = ConnectionLimits(idle=7.0, lock=2.0, statement=3.0)
    engine = create_engine(make_url(postgres_url).set(drivername="postgresql+psycopg"))
    serve_transactions(engine, limits)
    for _ in range(2):
        with engine.begin() as connection:
            shown = text("SELECT setting FROM pg_settings WHERE name = :name")
            found = {name: connection.scalar(shown, {"name": name}) for name in limits.variables()}
            assert found == {name: value.removesuffix("ms") for name, value in limits.variables().items()}
            assert connection.scalar(text("SHOW timezone")) == "UTC"
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        assert connection.scalar(text("SHOW lock_timeout")) == "0", "nothing stays with the connection"
    engine.dispose()
