"""Ada, a person of the buyer, and the browser that she has signed in with."""

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session

from app.accounts import users
from tests.app.conftest import Known

EMAIL, PASSWORD = "ada@harbour.example", "a quiet harbour at dawn"
PAIR = {"email": EMAIL, "password": PASSWORD}


@pytest.fixture
def ada(buyer: Known, session: Session) -> Known:
    users.create_user(session, buyer.account, EMAIL, "Ada", PASSWORD)
    session.commit()
    return buyer


@pytest.fixture
def browser(app: FastAPI, ada: Known) -> TestClient:
    """A browser that Ada has signed in with; the token of its changes in its headers."""
    client = TestClient(app)
    answer = client.post("/v1/sessions", json=PAIR)
    assert answer.status_code == 201, answer.text
    client.headers["X-CSRF-Token"] = answer.json()["csrf_token"]
    return client
