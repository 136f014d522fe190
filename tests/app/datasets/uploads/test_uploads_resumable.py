"""A file that comes in parts (tus 1.0): what came stays, the last part makes the dataset, limits are as of uploads."""

import base64
import hashlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
import uvicorn
from fastapi import FastAPI
from sqlalchemy import text
from sqlalchemy.orm import Session

from app.datasets import repository
from app.datasets.uploads import resumable
from app.errors import InvalidData
from app.identity import Role
from app.settings import Settings
from app.storage.blobs import BlobStore
from cherish import Client
from tests.app.conftest import Known

ROWS = b"age,label\n" + b"".join(b"%d,%s\n" % (i, b"yes" if i % 2 else b"no") for i in range(400))
TUS = {"Tus-Resumable": "1.0.0"}
PART = {"Content-Type": "application/offset+octet-stream", **TUS}


def draft(owner: Known) -> str:
    made = owner.client.post("/v1/datasets", json={"name": "rows", "target": "label"})
    assert made.status_code == 201, made.text
    return f"/v1/datasets/{made.json()['id']}"


def begin(owner: Known, dataset: str, length: int = len(ROWS), sha256: str | None = None) -> Any:
    headers = {**TUS, "Upload-Length": str(length)}
    if sha256 is not None:
        headers["Upload-Metadata"] = f"filename eA==,sha256 {base64.b64encode(sha256.encode()).decode()}"
    return owner.client.post(f"{dataset}/uploads", headers=headers)


def send(owner: Known, address: str, offset: int, part: bytes, **headers: str) -> Any:
    return owner.client.patch(address, content=part, headers={**PART, "Upload-Offset": str(offset), **headers})


def test_parts_follow_one_another_and_the_last_makes_the_dataset(provider: Known, session: Session) -> None:
    dataset = draft(provider)
    begun = begin(provider, dataset, sha256=hashlib.sha256(ROWS).hexdigest())
    assert (begun.status_code, begun.headers["upload-offset"]) == (201, "0"), begun.text
    address = begun.headers["location"]
    assert send(provider, address, 0, ROWS[:100]).headers["upload-offset"] == "100"
    wrong = send(provider, address, 50, ROWS[50:])
    assert (wrong.status_code, "100 bytes are here" in wrong.json()["detail"]) == (409, True)
    known = provider.client.head(address)
    assert (known.headers["upload-offset"], known.headers["upload-length"]) == ("100", str(len(ROWS)))
    assert known.headers["cache-control"] == "no-store"
    assert [each["offset"] for each in provider.client.get(f"{dataset}/uploads").json()["items"]] == [100]
    assert provider.client.get(dataset).json()["status"] == "draft"
    done = send(provider, address, 100, ROWS[100:])
    assert (done.status_code, done.headers["tus-resumable"]) == (204, "1.0.0"), done.text
    stored = provider.client.get(dataset).json()
    assert (stored["status"], stored["rows"], stored["digest"]) == ("ready", 400, hashlib.sha256(ROWS).hexdigest())
    assert provider.client.get(f"{dataset}/content").content == ROWS
    assert provider.client.head(address).status_code == 404
    assert session.scalar(text("SELECT count(*) FROM upload_parts")) == 0


def test_what_is_not_what_was_declared_or_cannot_be_read_ends_the_upload(provider: Known) -> None:
    dataset = draft(provider)
    address = begin(provider, dataset, sha256="0" * 64).headers["location"]
    refused = send(provider, address, 0, ROWS)
    assert (refused.status_code, "was declared" in refused.json()["detail"]) == (422, True)
    assert provider.client.head(address).status_code == 404
    other = begin(provider, dataset, 9).headers["location"]
    assert send(provider, other, 0, b"age\n1\n2\n3").status_code == 422, "it has no column label"
    assert provider.client.get(dataset).json()["status"] == "draft"
    assert begin(provider, dataset, sha256="no digest").status_code == 422
    longer = begin(provider, dataset, 5).headers["location"]
    assert send(provider, longer, 0, ROWS).status_code == 413
    form = send(provider, longer, 0, b"x", **{"Content-Type": "text/csv"})
    assert form.status_code == 415


def test_an_upload_is_ended_and_one_whose_time_is_over_is_forgotten(provider: Known, session: Session) -> None:
    dataset = draft(provider)
    address = begin(provider, dataset).headers["location"]
    send(provider, address, 0, ROWS[:9])
    assert provider.client.delete(address).status_code == 204
    assert provider.client.delete(address).status_code == 404
    late = begin(provider, dataset).headers["location"]
    session.execute(text("UPDATE resumable_uploads SET expires_at = now() - interval '1 s'"))
    session.commit()
    assert send(provider, late, 0, ROWS).status_code == 404
    assert repository.end_expired_uploads(session) == 1
    assert repository.end_expired_uploads(session) == 0


def test_limits_and_owners_are_those_of_uploads(
    app: FastAPI, provider: Known, known: Callable[..., Known], settings: Settings
) -> None:
    dataset = draft(provider)
    address = begin(provider, dataset).headers["location"]
    stranger = known(Role.PROVIDER)
    assert begin(stranger, dataset).status_code == 404
    assert [stranger.client.head(address).status_code, send(stranger, address, 0, b"x").status_code] == [404, 404]
    assert begin(provider, dataset, settings.max_upload_bytes + 1).status_code == 413
    app.state.settings = settings.model_copy(update={"max_open_uploads": 2, "max_stored_bytes": 3 * len(ROWS)})
    assert begin(provider, dataset, 2 * len(ROWS)).status_code == 201
    third = begin(provider, dataset)
    assert (third.status_code, third.json()["errors"][0]["type"]) == (409, "quota")
    app.state.settings = settings.model_copy(update={"max_stored_bytes": 3 * len(ROWS)})
    above = begin(provider, dataset)
    assert (above.status_code, "bytes together" in above.json()["detail"]) == (409, True)


def test_a_blob_that_is_a_part_is_in_use(provider: Known, session: Session) -> None:
    dataset = draft(provider)
    address = begin(provider, dataset).headers["location"]
    part = ROWS[:64]
    send(provider, address, 0, part)
    assert repository.digest_in_use(session, hashlib.sha256(part).hexdigest())
    provider.client.delete(address)
    session.expire_all()
    assert not repository.digest_in_use(session, hashlib.sha256(part).hexdigest())


def test_parts_are_put_together_as_they_follow(settings: Settings, tmp_path: Any) -> None:
    blobs = BlobStore.from_url(settings.blob_url)
    digests = [blobs.put_bytes(each).digest for each in (b"one ", b"two ", b"one ")]
    whole = resumable.put_together(blobs, digests, None, tmp_path / "whole")
    assert ((tmp_path / "whole").read_bytes(), whole.size) == (b"one two one ", 12)
    with pytest.raises(InvalidData, match="was declared"):
        resumable.put_together(blobs, digests, "1" * 64, tmp_path / "whole")


@pytest.fixture
def server(app: FastAPI) -> Iterator[uvicorn.Server]:
    """A server of its own, whose connections can break."""
    running = uvicorn.Server(uvicorn.Config(app, port=0, lifespan="off", log_level="warning"))
    thread = threading.Thread(target=running.run, daemon=True)
    thread.start()
    while not running.started:
        assert thread.is_alive()
        time.sleep(0.01)
    yield running
    running.should_exit = True
    thread.join()


def test_what_came_before_the_connection_broke_is_there(provider: Known, server: uvicorn.Server) -> None:
    dataset = draft(provider)
    address = begin(provider, dataset).headers["location"]
    head = {**PART, "Upload-Offset": "0", "Host": "x", "Content-Length": str(len(ROWS))}
    lines = [f"PATCH {address} HTTP/1.1", f"Authorization: Bearer {provider.token}"]
    lines += [f"{name}: {value}" for name, value in head.items()]
    with socket.create_connection(server.servers[0].sockets[0].getsockname()) as line:
        line.sendall("\r\n".join([*lines, "", ""]).encode() + ROWS[:700])
        time.sleep(0.5)
    ends = time.monotonic() + 30
    # both servers share the test's transaction: one is asked when the other has ended
    while server.server_state.tasks:
        assert time.monotonic() < ends
        time.sleep(0.1)
    assert provider.client.head(address).headers["upload-offset"] == "700"
    assert send(provider, address, 700, ROWS[700:]).status_code == 204
    assert provider.client.get(dataset).json()["rows"] == 400


def test_the_client_goes_on_where_its_connection_broke(app: FastAPI, provider: Known) -> None:
    dataset = draft(provider)
    broken, sent = [3], list[int]()

    def through(request: httpx.Request) -> httpx.Response:
        """To the application, but for the third part, whose connection breaks for good."""
        headers = {name: value for name, value in request.headers.items() if name != "host"}
        if request.method == "PATCH":
            sent.append(len(request.read()))
            if len(sent) == broken[0]:
                return httpx.Response(500, json={"title": "broken", "detail": "the machine went away"})
        answer = provider.client.request(
            request.method, request.url.path,
            content=request.read(), headers=headers,
        )  # fmt: skip
        return httpx.Response(answer.status_code, content=answer.content, headers=dict(answer.headers))

    with Client("http://x", provider.token, transport=httpx.MockTransport(through)) as client:
        seen: list[int] = []
        with pytest.raises(Exception, match="the machine went away"):
            client.upload_in_parts(dataset.rsplit("/", 1)[1], ROWS, part_bytes=1000)
        broken[0] = 0
        stored = client.upload_in_parts(
            dataset.rsplit("/", 1)[1], ROWS, part_bytes=1000, on_progress=lambda had, _: seen.append(had)
        )
    assert stored["rows"] == 400
    assert seen[0] == 2000, "two parts were there"
    assert sum(sent) == len(ROWS) + 900, "the part that broke came twice, and no other"
