"""An answer of success is true: the commit comes first. A repeated POST has one effect. Lists survive inserts."""

import threading
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import Engine, func, select, text
from sqlalchemy.orm import Session, sessionmaker

from app.accounts import service
from app.accounts.tables import Account, ApiKey
from app.datasets.tables import Dataset
from app.http import idempotency
from app.http.tables import IdempotentAnswer
from app.identity import Role
from app.main import create_app
from app.settings import Settings

BODY = {"name": "ward 3", "target": "label"}


@pytest.fixture
def committed(engine: Engine, settings: Settings) -> Iterator[tuple[FastAPI, str]]:
    """The application on real, separate transactions, and a provider's token; all of it removed afterwards."""
    app = create_app(settings)
    with TestClient(app), sessionmaker(engine).begin() as session:
        account = service.create_account(session, f"provider {uuid.uuid4().hex}", Role.PROVIDER)
        _, token = service.issue_key(session, settings, account, "test")
        session.commit()
        yield app, token
    with sessionmaker(engine).begin() as session:
        for table in (Dataset, IdempotentAnswer, ApiKey, Account):
            session.execute(table.__table__.delete())  # type: ignore[attr-defined]  # a Table


def count(engine: Engine, table: type) -> int:
    with Session(engine) as session:
        return session.scalar(select(func.count()).select_from(table)) or 0


def test_a_failed_commit_is_a_500_and_stores_nothing(committed: tuple[FastAPI, str], engine: Engine) -> None:
    app, token = committed
    client = TestClient(app, headers={"Authorization": f"Bearer {token}", "Idempotency-Key": "one"})
    with engine.begin() as connection:
        connection.execute(
            text(
                "CREATE FUNCTION refuse_commit() RETURNS trigger LANGUAGE plpgsql AS "
                "$$ BEGIN RAISE EXCEPTION 'the disk is full'; END $$"
            )
        )
        connection.execute(
            text(
                "CREATE CONSTRAINT TRIGGER refuse_commit AFTER INSERT ON datasets DEFERRABLE INITIALLY DEFERRED "
                "FOR EACH ROW EXECUTE FUNCTION refuse_commit()"
            )
        )
    try:
        refused = client.post("/v1/datasets", json=BODY)
    finally:
        with engine.begin() as connection:
            connection.execute(text("DROP TRIGGER refuse_commit ON datasets"))
            connection.execute(text("DROP FUNCTION refuse_commit"))
    assert refused.status_code == 500
    assert refused.headers["content-type"] == "application/problem+json"
    assert (count(engine, Dataset), count(engine, IdempotentAnswer)) == (0, 0)
    # the key was not used up: the same request may be sent again
    assert client.post("/v1/datasets", json=BODY).status_code == 201
    assert (count(engine, Dataset), count(engine, IdempotentAnswer)) == (1, 1)


def test_many_at_once_with_one_key_have_one_effect(committed: tuple[FastAPI, str], engine: Engine) -> None:
    app, token = committed
    client = TestClient(app, headers={"Authorization": f"Bearer {token}", "Idempotency-Key": "one"})
    answers: list[Any] = []
    start = threading.Barrier(8)

    def post() -> None:
        start.wait()
        answers.append(client.post("/v1/datasets", json=BODY))

    threads = [threading.Thread(target=post) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert count(engine, Dataset) == 1
    made = [answer for answer in answers if answer.status_code == 201]
    assert len({answer.json()["id"] for answer in made}) == 1
    assert sum("Idempotency-Replayed" not in answer.headers for answer in made) == 1
    assert {answer.status_code for answer in answers} <= {201, 409}


def test_a_repeat_gets_the_first_answer(provider: Any, session: Session) -> None:
    headers = {"Idempotency-Key": "order-17"}
    first = provider.client.post("/v1/datasets", json=BODY, headers=headers)
    again = provider.client.post("/v1/datasets", json=BODY, headers=headers)
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.content == first.content
    assert again.headers["Location"] == first.headers["Location"]
    assert again.headers["Idempotency-Replayed"] == "true"
    assert "Idempotency-Replayed" not in first.headers
    assert session.scalar(select(func.count()).select_from(Dataset)) == 1


def test_a_key_stands_for_one_request_of_one_caller(provider: Any, known: Callable[..., Any]) -> None:
    headers = {"Idempotency-Key": "order-17"}
    first = provider.client.post("/v1/datasets", json=BODY, headers=headers).json()
    other = provider.client.post("/v1/datasets", json=BODY | {"name": "ward 4"}, headers=headers)
    assert (other.status_code, "use a new key" in other.json()["detail"]) == (422, True)
    stranger = known(Role.PROVIDER).client.post("/v1/datasets", json=BODY, headers=headers)
    assert (stranger.status_code, stranger.json()["id"] != first["id"]) == (201, True)


def test_a_refused_request_may_be_mended_under_its_key(provider: Any) -> None:
    headers = {"Idempotency-Key": "order-17"}
    assert provider.client.post("/v1/datasets", json={"name": "x"}, headers=headers).status_code == 422
    assert provider.client.post("/v1/datasets", json=BODY, headers=headers).status_code == 201
    assert provider.client.post("/v1/datasets", json=BODY, headers={"Idempotency-Key": "x" * 256}).status_code == 422


def test_old_answers_are_forgotten(provider: Any, session: Session) -> None:
    provider.client.post("/v1/datasets", json=BODY, headers={"Idempotency-Key": "order-17"})
    made = session.scalar(select(IdempotentAnswer.created_at))
    assert made is not None
    assert idempotency.purge(session, made) == 0
    session.execute(text("UPDATE idempotent_answers SET created_at = created_at - interval '3 days'"))
    assert idempotency.purge(session, made) == 1


def test_a_cursor_belongs_to_its_list_and_cannot_be_forged(provider: Any, known: Callable[..., Any]) -> None:
    for _ in range(3):
        provider.client.post("/v1/datasets", json=BODY)
    cursor = provider.client.get("/v1/datasets", params={"limit": 1}).json()["next_cursor"]
    swapped = cursor[:-4] + ("AAAA" if cursor[-4:] != "AAAA" else "BBBB")
    stranger = known(Role.PROVIDER)
    for caller, params in (
        (provider, {"cursor": swapped}),
        (provider, {"cursor": "nonsense!"}),
        (provider, {"cursor": "é"}),
        (provider, {"cursor": cursor, "status": "draft"}),
        (stranger, {"cursor": cursor}),
    ):
        refused = caller.client.get("/v1/datasets", params=params)
        assert refused.status_code == 422, params
        assert refused.json()["errors"][0]["pointer"] == "?cursor"
    assert provider.client.get("/v1/datasets", params={"cursor": cursor}).status_code == 200
