"""Direct uploads: parts go to the S3 store by signed addresses, and count once the service has checked the file."""

import asyncio
import hashlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import text
from sqlalchemy.orm import Session, sessionmaker

from app.datasets.uploads import direct, direct_receiving
from app.db.base import uuid7
from app.errors import NotFound, Unavailable
from app.housekeeping.collector import Collector
from app.identity import Role
from app.main import CONNECTIONS
from app.settings import Settings
from app.storage.blobs import BlobStore
from app.storage.incoming import IncomingFiles
from cherish import AsyncClient, Client, Problem
from cherish import direct as directly
from tests.app.conftest import Known

# two parts of S3's smallest size, and a short one
PART = 5 * 1024 * 1024
ROWS = b"note,label\n" + b"".join(b"%06d%s,%s\n" % (i, b"x" * 990, (b"no", b"yes")[i % 2]) for i in range(10_600))
DIGEST = hashlib.sha256(ROWS).hexdigest()
SHORT = ROWS[: ROWS.index(b"\n000008") + 1]


@pytest.fixture(scope="module")
def store() -> Iterator[str]:
    """A real S3 server's address, with a bucket."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    address = f"http://{host}:{port}"
    httpx.put(f"{address}/market", trust_env=False, timeout=60).raise_for_status()
    yield address
    server.stop()


@pytest.fixture
def incoming(app: FastAPI, store: str, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> IncomingFiles:
    """The application over that store."""
    own = {"AWS_ENDPOINT_URL": store, "AWS_ALLOW_HTTP": "true", "AWS_REGION": "eu-north-1"}
    for name, value in (own | {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI"}).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(direct, "PART_BYTES", PART)
    app.state.blobs = BlobStore.from_url("s3://market/blobs")
    app.state.incoming = IncomingFiles.of("s3://market/blobs", store)
    assert isinstance(app.state.incoming, IncomingFiles)
    return app.state.incoming


def draft(owner: Known) -> str:
    made = owner.client.post("/v1/datasets", json={"name": "rows", "target": "label"})
    assert made.status_code == 201, made.text
    return f"/v1/datasets/{made.json()['id']}"


def begin(owner: Known, dataset: str, rows: bytes = ROWS, sha256: str | None = None) -> str:
    body = {"length": len(rows), "sha256": sha256 or hashlib.sha256(rows).hexdigest()}
    made = owner.client.post(f"{dataset}/direct-uploads", json=body)
    assert made.status_code == 201, made.text
    return str(made.headers["location"])


def send_all(owner: Known, upload: str, rows: bytes = ROWS) -> None:
    for part in owner.client.get(f"{upload}/parts").json()["items"]:
        sent = rows[part["offset"] : part["offset"] + part["size"]]
        httpx.put(part["url"], content=sent, trust_env=False, timeout=60).raise_for_status()


def names(incoming: IncomingFiles) -> set[str]:
    return {left.name for left in incoming.left()}


def test_the_parts_go_to_the_store_and_the_file_counts_once_it_is_checked(
    provider: Known, incoming: IncomingFiles, session: Session
) -> None:
    dataset = draft(provider)
    upload = begin(provider, dataset)
    parts = provider.client.get(f"{upload}/parts")
    assert parts.headers["cache-control"] == "no-store"
    assert [part["size"] for part in parts.json()["items"]] == [PART, PART, len(ROWS) - 2 * PART]
    first = parts.json()["items"][0]
    assert "content-length" in httpx.URL(first["url"]).params["X-Amz-SignedHeaders"], "so many bytes, and no others"
    assert provider.token not in first["url"]
    httpx.put(first["url"], content=ROWS[:PART], trust_env=False, timeout=60).raise_for_status()
    early = provider.client.post(f"{upload}/complete")
    assert (early.status_code, "2 are not there (2, 3)" in early.json()["detail"]) == (409, True), early.text
    assert [part["number"] for part in provider.client.get(f"{upload}/parts").json()["items"]] == [2, 3]
    assert provider.client.get(dataset).json()["status"] == "draft"
    send_all(provider, upload)
    done = provider.client.post(f"{upload}/complete", headers={"Idempotency-Key": "once"})
    assert (done.status_code, done.json()["rows"], done.json()["digest"]) == (200, 10_600, DIGEST), done.text
    again = provider.client.post(f"{upload}/complete", headers={"Idempotency-Key": "once"})
    assert (again.json(), again.headers["idempotency-replayed"]) == (done.json(), "true")
    assert provider.client.get(f"{dataset}/content").content == ROWS
    assert provider.client.get(f"{upload}/parts").status_code == 404
    assert names(incoming) == set()
    assert session.scalar(text("SELECT count(*) FROM resumable_uploads")) == 0


def test_what_was_not_declared_or_cannot_be_read_leaves_nothing(provider: Known, incoming: IncomingFiles) -> None:
    for rows, sha256, fact in ((ROWS[:9000], "0" * 64, "was declared"), (b"age\n1\n2\n3", None, "is missing")):
        dataset = draft(provider)
        upload = begin(provider, dataset, rows, sha256)
        send_all(provider, upload, rows)
        refused = provider.client.post(f"{upload}/complete")
        assert (refused.status_code, fact in refused.json()["detail"]) == (422, True), refused.text
        assert provider.client.get(f"{upload}/parts").status_code == 404
        assert provider.client.get(dataset).json()["status"] == "draft"
    assert names(incoming) == set()


def test_a_file_that_was_put_together_before_an_outage_is_completed_after_it(
    provider: Known, incoming: IncomingFiles
) -> None:
    dataset = draft(provider)
    upload = begin(provider, dataset)
    send_all(provider, upload)
    [left] = incoming.left()
    assert left.multipart_id is not None
    incoming.join(left.name, left.multipart_id, incoming.arrived(left.name, left.multipart_id) or [])
    assert provider.client.get(f"{upload}/parts").json()["missing"] == 0
    assert provider.client.post(f"{upload}/complete").json()["rows"] == 10_600


def test_an_upload_that_is_ended_takes_nothing_more(provider: Known, incoming: IncomingFiles) -> None:
    dataset = draft(provider)
    upload = begin(provider, dataset)
    part = provider.client.get(f"{upload}/parts").json()["items"][0]
    assert provider.client.get(f"{dataset}/direct-uploads").json()["items"][0]["parts"] == 3
    assert provider.client.get(f"{dataset}/uploads").json()["items"] == [], "those through the service"
    assert provider.client.delete(upload).status_code == 204
    assert not httpx.put(part["url"], content=ROWS[:PART], trust_env=False, timeout=60).is_success
    assert (provider.client.delete(upload).status_code, names(incoming)) == (404, set())


def test_limits_and_owners_are_those_of_uploads(
    app: FastAPI, provider: Known, known: Callable[..., Known], settings: Settings, incoming: IncomingFiles
) -> None:
    dataset = draft(provider)
    upload = begin(provider, dataset)
    stranger = known(Role.PROVIDER)
    answers = [
        stranger.client.get(f"{upload}/parts"),
        stranger.client.post(f"{upload}/complete"),
        stranger.client.delete(upload),
        stranger.client.get(f"{dataset}/direct-uploads"),
        stranger.client.post(f"{dataset}/direct-uploads", json={"length": 9, "sha256": DIGEST}),
    ]
    assert [answer.status_code for answer in answers] == [404] * 5
    large = {"length": settings.max_upload_bytes + 1, "sha256": DIGEST}
    assert provider.client.post(f"{dataset}/direct-uploads", json=large).status_code == 413
    app.state.settings = settings.model_copy(update={"max_open_uploads": 2})
    headers = {"Tus-Resumable": "1.0.0", "Upload-Length": "9"}
    assert provider.client.post(f"{dataset}/uploads", headers=headers).status_code == 201
    third = provider.client.post(f"{dataset}/direct-uploads", json={"length": 9, "sha256": DIGEST})
    assert (third.status_code, third.json()["errors"][0]["type"]) == (409, "quota")
    app.state.settings = settings.model_copy(update={"max_stored_bytes": len(ROWS) + 9})
    above = provider.client.post(f"{dataset}/direct-uploads", json={"length": 9, "sha256": DIGEST})
    assert (above.status_code, "bytes together" in above.json()["detail"]) == (409, True)
    provider.client.delete(upload)


def test_parts_are_at_most_a_thousand_and_cover_the_file() -> None:
    for length in (1, 16 << 20, (16 << 20) + 1, 2 << 30, 5 << 40):
        size = direct.part_bytes_of(length)
        upload = SimpleNamespace(length=length, part_bytes=size)
        sizes = direct.sizes_of(upload)  # type: ignore[arg-type]
        assert (sum(sizes.values()), len(sizes) <= 1000, list(sizes)[-1]) == (length, True, len(sizes))


def test_a_store_that_is_none_of_s3_offers_nothing(app: FastAPI, provider: Known, tmp_path: Path) -> None:
    assert IncomingFiles.of("file:///blobs", "https://s3.example.org") is None
    assert IncomingFiles.of("s3://market/blobs", "") is None
    app.state.incoming = None
    dataset = draft(provider)
    refused = provider.client.post(f"{dataset}/direct-uploads", json={"length": 9, "sha256": DIGEST})
    assert (refused.status_code, refused.json()["errors"][0]["type"]) == (409, "not_offered")


def test_housekeeping_ends_what_no_upload_waits_for(
    provider: Known, incoming: IncomingFiles, session: Session, settings: Settings, store: str
) -> None:
    waits = begin(provider, draft(provider))
    send_all(provider, begin(provider, draft(provider), SHORT), SHORT)
    session.execute(text("DELETE FROM resumable_uploads WHERE length < 20000"))
    whole = uuid7().hex
    multipart_id = incoming.begin(whole)
    [(_, address)] = incoming.signed(whole, multipart_id, {1: 3}, 60).items()
    httpx.put(address, content=b"abc", trust_env=False, timeout=60).raise_for_status()
    incoming.join(whole, multipart_id, incoming.arrived(whole, multipart_id) or [])
    own = settings.model_copy(update={"blob_url": "s3://market/blobs", "direct_upload_url": store})
    factory = sessionmaker(session.connection(), join_transaction_mode="create_savepoint", expire_on_commit=False)
    collector = Collector(factory, BlobStore.from_url("s3://market/blobs"), own)
    assert (collector.collect_once(), len(names(incoming))) == (0, 3), "young ones are kept"
    assert collector._end_left(datetime.now(UTC) + timedelta(hours=1)) == 2
    assert [name in waits.replace("-", "") for name in names(incoming)] == [True]
    provider.client.delete(waits)


def test_nothing_scarce_is_held_while_the_store_is_asked(
    app: FastAPI, provider: Known, incoming: IncomingFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    free: dict[str, int] = {}

    class Watched(IncomingFiles):
        def __getattribute__(self, name: str) -> Any:
            if name in ("begin", "arrived", "signed", "join", "download", "forget"):
                free[name] = min(free.get(name, 99), app.state.connections.value)
            return super().__getattribute__(name)

    app.state.incoming = Watched("market", "blobs/incoming/", incoming._address)
    dataset = draft(provider)
    upload = begin(provider, dataset, SHORT)
    send_all(provider, upload, SHORT)
    assert provider.client.post(f"{upload}/complete").status_code == 200
    assert provider.client.delete(begin(provider, dataset, SHORT[:4000])).status_code == 204
    assert free == dict.fromkeys(("begin", "arrived", "signed", "join", "download", "forget"), CONNECTIONS)
    assert direct_receiving.DirectPlace.__module__.endswith("direct_receiving")


def test_a_store_that_is_away_or_has_no_such_file_is_said(store: str, incoming: IncomingFiles, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="begin another"):
        incoming.download("f" * 32, tmp_path / "file", 9)
    nowhere = IncomingFiles.of("s3://no-such-bucket/blobs", store)
    assert nowhere is not None
    with pytest.raises(Unavailable, match="NoSuchBucket"):
        nowhere.begin("f" * 32)


def through(provider: Known) -> httpx.MockTransport:
    """To the application in this process."""

    def ask(request: httpx.Request) -> httpx.Response:
        headers = {name: value for name, value in request.headers.items() if name != "host"}
        path = request.url.raw_path.decode()
        answer = provider.client.request(request.method, path, content=request.read(), headers=headers)
        told = {name: value for name, value in answer.headers.items() if not name.startswith("content-")}
        return httpx.Response(answer.status_code, content=answer.content, headers=told)

    return httpx.MockTransport(ask)


def test_the_client_sends_directly_and_goes_on_where_it_broke_off(
    provider: Known, incoming: IncomingFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = draft(provider)
    upload = begin(provider, dataset)
    part = provider.client.get(f"{upload}/parts").json()["items"][1]
    httpx.put(part["url"], content=ROWS[PART : 2 * PART], trust_env=False, timeout=60).raise_for_status()
    seen: list[int] = []
    with Client("http://x", provider.token, transport=through(provider)) as client:
        stored = client.upload(dataset[13:], ROWS, direct=True, on_progress=lambda sent, _: seen.append(sent))
    assert (stored["digest"], seen) == (DIGEST, [0, 2 * PART, len(ROWS)])


def test_the_asynchronous_client_does_the_same(provider: Known, incoming: IncomingFiles) -> None:
    dataset = draft(provider)

    async def send() -> Any:
        async with AsyncClient("http://x", provider.token, transport=through(provider)) as client:
            return await client.upload(dataset[13:], ROWS, direct=True)

    assert asyncio.run(send())["digest"] == DIGEST


def test_the_client_takes_the_other_way_where_this_one_is_not_offered(
    app: FastAPI, provider: Known, monkeypatch: pytest.MonkeyPatch
) -> None:
    app.state.incoming = None
    monkeypatch.setattr(directly, "FROM_BYTES", 4)
    with Client("http://x", provider.token, transport=through(provider)) as client:
        made = client.upload_dataset("rows", b"age,label\n1,yes\n2,no\n", target="label")
        assert made["rows"] == 2
        with pytest.raises(Problem, match="directly"):
            client.upload(made["id"], b"age,label\n1,yes\n2,no\n3,no\n", direct=True)
