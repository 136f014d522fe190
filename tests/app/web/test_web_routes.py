"""What a page changes is recorded with its change: who, what, to which object, and no secret of the form."""

import uuid
from collections.abc import Mapping
from typing import Any

import pytest
from fastapi import FastAPI, Request, Response
from fastapi.testclient import TestClient

from app.http import problems
from app.http.routes import Change, affects
from app.identity import SCOPES, Caller, Role
from app.settings import Settings
from app.web.rendering import see_other
from app.web.routes import page_router
from app.web.visitors import Visitor

CALLER = Caller(uuid.uuid4(), Role.BUYER, SCOPES[Role.BUYER], uuid.uuid4())
OTHER = uuid.uuid4()


@pytest.fixture
def changes() -> list[Change]:
    return []


@pytest.fixture
def client(changes: list[Change]) -> TestClient:
    pages = page_router("/jobs")

    def opened(request: Request, visitor: Visitor | None) -> None:
        request.state.session, request.state.visitor = object(), visitor

    @pages.post("/new")
    async def create_job(request: Request) -> Response:
        opened(request, Visitor(CALLER, "Harbour"))
        return see_other("/jobs/val_7")

    @pages.post("/{valuation_id}/cancel")
    async def cancel_job(request: Request, valuation_id: str) -> Response:
        opened(request, Visitor(CALLER, "Harbour"))
        affects(request, OTHER)
        return see_other("/jobs")

    @pages.post("/register")
    async def register(request: Request) -> Response:
        opened(request, None)
        return see_other("/jobs")

    @pages.post("/estimate")
    async def estimate(request: Request) -> Response:
        opened(request, Visitor(CALLER, "Harbour"))
        return Response()

    @pages.post("/refused")
    async def refused(request: Request) -> Response:
        opened(request, Visitor(CALLER, "Harbour"))
        return Response(status_code=422)

    @pages.get("/{valuation_id}")
    async def see_job(request: Request, valuation_id: str) -> Response:
        opened(request, Visitor(CALLER, "Harbour"))
        return Response()

    def keep(
        session: object,
        caller: Caller | None,
        action: str,
        object_: str | None,
        detail: Mapping[str, Any],
        *,
        subject: uuid.UUID | None = None,
    ) -> None:
        changes.append(Change(caller, action, object_, dict(detail), subject))

    app = FastAPI()
    app.state.settings, app.state.record_change = Settings(), keep
    problems.register(app)
    app.include_router(pages)
    assert "/jobs/new" not in app.openapi()["paths"]
    return TestClient(app, follow_redirects=False)


def test_a_new_object_is_named_by_the_page_that_the_browser_is_sent_to(
    client: TestClient, changes: list[Change]
) -> None:
    form = {"name": "a", "datasets": ["ds_1", "", "ds_2"], "blank": "", "csrf": "t", "password": "p", "next": "/x"}
    client.post("/jobs/new", data=form)
    assert changes == [Change(CALLER, "create_job", "val_7", {"name": "a", "datasets": "ds_1, ds_2"})]


def test_an_object_in_the_path_comes_first_and_whom_it_concerns_is_told(
    client: TestClient, changes: list[Change]
) -> None:
    client.post("/jobs/val_3/cancel")
    assert changes == [Change(CALLER, "cancel_job", "val_3", {}, OTHER)]


def test_a_page_that_is_no_object_names_none_and_nobody_may_have_done_it(
    client: TestClient, changes: list[Change]
) -> None:
    client.post("/jobs/register", data={"key": "k", "token": "t", "understood": "yes"})
    assert changes == [Change(None, "register", None, {})]


def test_looking_estimating_and_what_was_refused_changes_nothing(client: TestClient, changes: list[Change]) -> None:
    assert client.get("/jobs/val_1").status_code == 200
    assert client.post("/jobs/estimate", data={"pool": "1"}).status_code == 200
    assert client.post("/jobs/refused", data={"pool": "1"}).status_code == 422
    assert changes == []
