"""Datasets over HTTP: life cycle, ownership, and that nothing is ever half-stored."""

import base64
import hashlib
import socket
import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
import uvicorn
from fastapi import FastAPI
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.datasets.tables import Dataset, DatasetStatus
from app.identity import Role
from app.storage import scratch

CSV = b"age,city,label\n61,Oslo,yes\n34,Bergen,no\n"
MISSING = f"ds_{uuid.uuid4().hex}"


def blobs_in(folder: Path) -> list[Path]:
    return [path for path in (folder / "blobs").rglob("*") if path.is_file()]


def draft(owner: Any, **body: Any) -> str:
    answer = owner.client.post("/v1/datasets", json={"name": "ward 3", "target": "label", **body})
    assert answer.status_code == 201, answer.text
    assert answer.headers["Location"] == f"/v1/datasets/{answer.json()['id']}"
    identifier: str = answer.json()["id"]
    return identifier


def test_a_dataset_goes_from_draft_to_ready_to_withdrawn(provider: Any, tmp_path: Path) -> None:
    identifier = draft(provider)
    before = provider.client.get(f"/v1/datasets/{identifier}").json()
    assert before["status"] == "draft"
    assert before["kind"] == "train"
    assert before["digest"] is None
    stored = provider.client.put(f"/v1/datasets/{identifier}/content", content=CSV)
    assert stored.status_code == 200, stored.text
    assert stored.json() == provider.client.get(f"/v1/datasets/{identifier}").json()
    assert stored.json() | {"created_at": None} == {
        "id": identifier,
        "name": "ward 3",
        "description": "",
        "kind": "train",
        "status": "ready",
        "target": "label",
        "modality": "tabular",
        "format": "csv",
        "version": 1,
        "digest": hashlib.sha256(CSV).hexdigest(),
        "size_bytes": len(CSV),
        "rows": 2,
        "findings": [],
        "columns": [
            {"name": "age", "type": "integer"},
            {"name": "city", "type": "text"},
            {"name": "label", "type": "text"},
        ],
        "licence": None,
        "asking": None,
        "reserve_price": None,
        "reserve_currency": None,
        "preview_rows": 0,
        "published_at": None,
        "taken_down": None,
        "created_at": None,
    }
    assert [path.read_bytes() for path in blobs_in(tmp_path)] == [CSV]
    for _ in range(2):
        withdrawn = provider.client.post(f"/v1/datasets/{identifier}/withdraw")
        assert withdrawn.json()["status"] == "withdrawn"
    assert provider.client.put(f"/v1/datasets/{identifier}/content", content=CSV).status_code == 409


def test_the_same_bytes_change_nothing_and_others_are_the_next_version(
    provider: Any, upload: Callable[..., Any], tmp_path: Path
) -> None:
    dataset = upload(provider, CSV)
    path = f"/v1/datasets/{dataset['id']}"
    again = provider.client.put(f"{path}/content", content=CSV)
    assert (again.status_code, again.json()) == (200, dataset)
    other = provider.client.put(f"{path}/content", content=CSV + b"5,Oslo,no\n")
    assert (other.status_code, other.json()["version"], other.json()["rows"]) == (200, 2, 3)
    found = provider.client.get(f"{path}/versions").json()["items"]
    assert [(each["number"], each["rows"]) for each in found] == [(2, 3), (1, 2)]
    assert found[1]["digest"] == dataset["digest"]
    assert len(blobs_in(tmp_path)) == 2
    back = provider.client.put(f"{path}/content", content=CSV).json()
    assert (back["version"], back["digest"]) == (1, dataset["digest"])
    assert len(provider.client.get(f"{path}/versions").json()["items"]) == 2
    assert provider.client.delete(path).status_code == 204
    assert blobs_in(tmp_path) == []


def test_a_draft_cannot_be_withdrawn_but_deleted(provider: Any) -> None:
    identifier = draft(provider)
    assert provider.client.post(f"/v1/datasets/{identifier}/withdraw").status_code == 409
    assert provider.client.delete(f"/v1/datasets/{identifier}").status_code == 204
    assert provider.client.get(f"/v1/datasets/{identifier}").status_code == 404


def test_the_bytes_go_with_the_last_dataset_that_has_them(
    provider: Any, upload: Callable[..., Any], tmp_path: Path
) -> None:
    first, second = upload(provider, CSV), upload(provider, CSV)
    assert provider.client.delete(f"/v1/datasets/{first['id']}").status_code == 204
    assert len(blobs_in(tmp_path)) == 1
    assert provider.client.delete(f"/v1/datasets/{second['id']}").status_code == 204
    assert blobs_in(tmp_path) == []


def test_a_dataset_in_use_cannot_be_deleted(
    provider: Any, upload: Callable[..., Any], session: Session, tmp_path: Path
) -> None:
    dataset = upload(provider, CSV)
    # any room may refer to datasets; the foreign key is the only thing that this room knows of it
    session.connection().exec_driver_sql("CREATE TABLE users_of (id uuid REFERENCES datasets (id) ON DELETE RESTRICT)")
    session.connection().exec_driver_sql("INSERT INTO users_of SELECT id FROM datasets")
    refused = provider.client.delete(f"/v1/datasets/{dataset['id']}")
    assert refused.status_code == 409
    assert "withdraw it instead" in refused.json()["detail"]
    assert len(blobs_in(tmp_path)) == 1


def test_anothers_dataset_does_not_exist(provider: Any, known: Callable[..., Any], upload: Callable[..., Any]) -> None:
    dataset = upload(provider, CSV)
    stranger = known(Role.PROVIDER)
    for method, path in [
        ("GET", ""),
        ("DELETE", ""),
        ("PUT", "/content"),
        ("POST", "/withdraw"),
        ("POST", "/publish"),
        ("GET", "/versions"),
    ]:
        body = {"json": {"licence": {"spdx": "CC0-1.0"}}} if path == "/publish" else {}
        own = stranger.client.request(method, f"/v1/datasets/{dataset['id']}{path}", **body)
        none = stranger.client.request(method, f"/v1/datasets/{MISSING}{path}", **body)
        assert own.status_code == none.status_code == 404
        assert own.json()["detail"].replace(dataset["id"], MISSING) == none.json()["detail"]
    assert stranger.client.get("/v1/datasets").json() == {"items": [], "next_cursor": None}
    assert provider.client.get(f"/v1/datasets/{dataset['id']}").json() == dataset


def test_buyers_bring_test_sets_and_providers_train_data(provider: Any, buyer: Any, admin: Any) -> None:
    assert buyer.client.get(f"/v1/datasets/{draft(buyer)}").json()["kind"] == "test"
    for caller, kind in ((provider, "test"), (buyer, "train"), (admin, "train")):
        refused = caller.client.post("/v1/datasets", json={"name": "x", "target": "y", "kind": kind})
        assert refused.status_code == 403, refused.text


def test_unknown_fields_are_refused_by_name(provider: Any, session: Session) -> None:
    refused = provider.client.post("/v1/datasets", json={"name": "x", "target": "y", "tarjet": "z"})
    assert refused.status_code == 422
    assert refused.json()["errors"] == [
        {
            "pointer": "/tarjet",
            "detail": "this field is not known here; remove it or check its spelling",
            "type": "extra_forbidden",
        }
    ]
    assert session.scalar(select(func.count()).select_from(Dataset)) == 0


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "the file is empty"),
        (b"age,label\n1,x\n2\n", "row 2 has 1 fields"),
        (b"age,label\n1,caf\xe9\n", "not UTF-8"),
        (b"age,other\n1,x\n", "column `label`: the target column is missing"),
        (b"age,label\n1,x\ninf,y\n", "column `age`: row 2 is inf"),
        (b"PAR1....", "not a whole Parquet file"),
    ],
)
def test_bad_content_is_a_problem_and_nothing_is_stored(
    provider: Any, tmp_path: Path, content: bytes, says: str
) -> None:
    identifier = draft(provider)
    refused = provider.client.put(f"/v1/datasets/{identifier}/content", content=content)
    assert refused.status_code == 422
    assert refused.json()["type"].endswith("/problems/invalid-data")
    assert refused.json()["detail"].startswith(f"dataset {identifier}: ")
    assert says in refused.json()["detail"]
    assert provider.client.get(f"/v1/datasets/{identifier}").json()["status"] == "draft"
    assert blobs_in(tmp_path) == []


def test_a_test_set_of_one_class_is_refused(buyer: Any) -> None:
    refused = buyer.client.put(f"/v1/datasets/{draft(buyer)}/content", content=b"age,label\n1,x\n2,x\n")
    assert refused.status_code == 422
    assert "every row of this test set is 'x'" in refused.json()["detail"]


def test_declared_digests_are_checked(provider: Any, tmp_path: Path) -> None:
    identifier = draft(provider)
    path = f"/v1/datasets/{identifier}/content"
    good = hashlib.sha256(CSV)
    wrong = base64.b64encode(hashlib.sha256(b"other").digest()).decode()
    for refused in (
        provider.client.put(path, content=CSV, params={"sha256": "0" * 64}),
        provider.client.put(path, content=CSV, params={"sha256": "short"}),
        provider.client.put(path, content=CSV, headers={"Content-Digest": f"sha-256=:{wrong}:"}),
    ):
        assert refused.status_code == 422, refused.text
    assert blobs_in(tmp_path) == []
    right = base64.b64encode(good.digest()).decode()
    headers = {"Content-Digest": f"sha-512=:abc=:, sha-256=:{right}:"}
    assert provider.client.put(path, content=CSV, headers=headers).status_code == 200


def test_forms_are_not_uploads(provider: Any) -> None:
    refused = provider.client.put(f"/v1/datasets/{draft(provider)}/content", files={"file": CSV})
    assert refused.status_code == 415
    assert "not a form" in refused.json()["detail"]


def test_a_body_over_the_limit_is_refused_declared_or_not(app: FastAPI, provider: Any, tmp_path: Path) -> None:
    app.state.settings = app.state.settings.model_copy(update={"max_upload_bytes": 1000})
    path = f"/v1/datasets/{draft(provider)}/content"
    for content in (b"x" * 1001, iter([b"x" * 600, b"x" * 600])):
        refused = provider.client.put(path, content=content)
        assert refused.status_code == 413
        assert refused.headers["content-type"] == "application/problem+json"
        assert "1000 bytes" in refused.json()["detail"]
    assert blobs_in(tmp_path) == []
    assert provider.client.put(path, content=CSV).status_code == 200


def test_lists_are_newest_first_by_cursor_and_filtered(provider: Any, upload: Callable[..., Any]) -> None:
    made = [upload(provider, CSV, name=f"n{i}")["id"] for i in range(5)]
    left = draft(provider)
    page = provider.client.get("/v1/datasets", params={"limit": 2}).json()
    assert [item["id"] for item in page["items"]] == [left, made[4]]
    seen = [item["id"] for item in page["items"]]
    draft(provider)
    while page["next_cursor"]:
        page = provider.client.get("/v1/datasets", params={"limit": 2, "cursor": page["next_cursor"]}).json()
        seen += [item["id"] for item in page["items"]]
    assert seen == [left, *reversed(made)]
    ready = provider.client.get("/v1/datasets", params={"status": "ready"}).json()
    assert {item["status"] for item in ready["items"]} == {"ready"}
    assert len(ready["items"]) == 5


def test_a_dataset_that_the_client_already_has_is_not_sent_again(provider: Any, upload: Callable[..., Any]) -> None:
    dataset = upload(provider, CSV)
    first = provider.client.get(f"/v1/datasets/{dataset['id']}")
    again = provider.client.get(f"/v1/datasets/{dataset['id']}", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    provider.client.post(f"/v1/datasets/{dataset['id']}/withdraw")
    changed = provider.client.get(f"/v1/datasets/{dataset['id']}", headers={"If-None-Match": first.headers["ETag"]})
    assert changed.status_code == 200


@pytest.fixture
def port(app: FastAPI) -> Any:
    """The application behind a real server, for clients that hang up."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, lifespan="off"))
    listener = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield listener.getsockname()[1]
    server.should_exit = True
    thread.join()


def test_an_upload_that_is_cut_off_stores_nothing(port: int, provider: Any, session: Session, tmp_path: Path) -> None:
    others = set(scratch.folder().iterdir())

    def spooled(wanted: bool) -> bool:
        deadline = time.monotonic() + 10
        while bool(set(scratch.folder().iterdir()) - others) is not wanted and time.monotonic() < deadline:
            time.sleep(0.01)
        return bool(set(scratch.folder().iterdir()) - others)

    identifier = draft(provider)
    with socket.create_connection(("127.0.0.1", port)) as connection:
        head = (
            f"PUT /v1/datasets/{identifier}/content HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {provider.token}\r\n"
            "Content-Length: 1000000\r\n\r\n"
        )
        connection.sendall(head.encode() + CSV)
        assert spooled(True), "the upload never began"
    assert not spooled(False), "what had come was not removed"
    assert blobs_in(tmp_path) == []
    assert session.scalar(select(Dataset.status)) is DatasetStatus.DRAFT


def test_a_slow_upload_holds_no_connection(port: int, app: FastAPI, provider: Any) -> None:
    app.state.connections = anyio.Semaphore(1)
    identifier = draft(provider)
    with socket.create_connection(("127.0.0.1", port)) as connection:
        head = (
            f"PUT /v1/datasets/{identifier}/content HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {provider.token}\r\n"
            f"Expect: 100-continue\r\nConnection: close\r\nContent-Length: {len(CSV)}\r\n\r\n"
        )
        connection.sendall(head.encode())
        # the server asks for the body: from here on the upload waits for its client
        assert b"100 Continue" in connection.recv(1000)
        answer = httpx.get(
            f"http://127.0.0.1:{port}/v1/me", headers={"Authorization": f"Bearer {provider.token}"}, timeout=60
        )
        assert answer.status_code == 200
        connection.sendall(CSV)
        assert connection.recv(1000).startswith(b"HTTP/1.1 200")
