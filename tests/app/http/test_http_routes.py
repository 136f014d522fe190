"""What every operation of the API does around its endpoint: JSON is insisted on, changes are recorded with it."""

import uuid
from collections.abc import Mapping
from typing import Any

import pytest
from fastapi import FastAPI, Request, Response
from fastapi.testclient import TestClient
from pydantic import BaseModel

from app.http import problems
from app.http.routes import Change, affects, api_router, record_as
from app.identity import SCOPES, Caller, Role
from app.settings import Settings

CALLER = Caller(uuid.uuid4(), Role.BUYER, SCOPES[Role.BUYER], uuid.uuid4())
OTHER = uuid.uuid4()
SESSION = object()


class Named(BaseModel):
    name: str


class Recorder:
    """Stands where the application puts the audit log; it keeps what it is given."""

    def __init__(self) -> None:
        self.changes: list[Change] = []

    def __call__(
        self,
        session: Any,
        caller: Caller | None,
        action: str,
        object_: str | None,
        detail: Mapping[str, Any],
        *,
        subject: uuid.UUID | None = None,
    ) -> None:
        assert session is SESSION
        self.changes.append(Change(caller, action, object_, dict(detail), subject))


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def client(recorder: Recorder) -> TestClient:
    room = api_router("/v1/things", "things")

    def opened(request: Request) -> None:
        request.state.session, request.state.caller = SESSION, CALLER

    @room.post("", status_code=201)
    async def create_thing(request: Request, body: Named, draft: str | None = None) -> dict[str, str]:
        opened(request)
        return {"id": "th_1", "name": body.name}

    @room.post("/{thing_id}/end")
    async def end_thing(request: Request, thing_id: str) -> list[str]:
        opened(request)
        affects(request, OTHER)
        return [thing_id]

    @room.post("/{thing_id}/refused")
    async def refuse_thing(request: Request, response: Response, thing_id: str) -> None:
        opened(request)
        response.status_code = 303

    @room.post("/secret")
    async def keep_secret(request: Request, body: Named) -> None:
        opened(request)
        record_as(request, Change(None, "said_otherwise", "th_9", {}))

    @room.post("/unopened")
    async def read_only() -> None: ...

    @room.get("/{thing_id}")
    async def get_thing(request: Request, thing_id: str) -> str:
        opened(request)
        return thing_id

    app = FastAPI()
    app.state.settings, app.state.record_change = Settings(), recorder
    problems.register(app)
    app.include_router(room)
    return TestClient(app)


def test_a_new_object_is_named_by_the_answer_and_the_detail_is_what_was_sent(
    client: TestClient, recorder: Recorder
) -> None:
    assert client.post("/v1/things?draft=yes", json={"name": "a"}).status_code == 201
    assert recorder.changes == [Change(CALLER, "create_thing", "th_1", {"draft": "yes", "name": "a"})]


def test_an_object_in_the_path_is_the_one_that_changed_and_its_organisation_is_told(
    client: TestClient, recorder: Recorder
) -> None:
    client.post("/v1/things/th_2/end")
    assert recorder.changes == [Change(CALLER, "end_thing", "th_2", {}, OTHER)]


def test_an_operation_may_say_itself_what_it_did(client: TestClient, recorder: Recorder) -> None:
    client.post("/v1/things/secret", json={"name": "hunter2"})
    assert recorder.changes == [Change(None, "said_otherwise", "th_9", {})]


def test_reading_refusing_and_what_opened_no_transaction_is_not_recorded(
    client: TestClient, recorder: Recorder
) -> None:
    assert client.get("/v1/things/th_1").status_code == 200
    assert client.post("/v1/things/th_1/refused", follow_redirects=False).status_code == 303
    assert client.post("/v1/things/unopened").status_code == 200
    assert client.post("/v1/things", json={}).status_code == 422
    assert recorder.changes == []


@pytest.mark.parametrize(
    "sent", ["application/json", "application/json; charset=utf-8", "application/merge-patch+json"]
)
def test_json_is_read_by_each_of_its_names(client: TestClient, sent: str) -> None:
    answer = client.post("/v1/things", content=b'{"name": "a"}', headers={"Content-Type": sent})
    assert answer.status_code == 201, answer.text


def test_another_kind_of_body_is_refused_only_where_a_body_is_read(client: TestClient, recorder: Recorder) -> None:
    xml = {"Content-Type": "text/xml"}
    assert client.post("/v1/things", content=b"<a/>", headers=xml).status_code == 415
    assert client.post("/v1/things/th_1/end", content=b"<a/>", headers=xml).status_code == 200


@pytest.mark.parametrize("path", ["/v1/other", "/v1/thing", "/v1/thingsandmore", "/v1/", "/things"])
def test_a_room_answers_only_paths_that_begin_as_it_does(client: TestClient, path: str) -> None:
    assert client.post(path).status_code == 404
