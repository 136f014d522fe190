"""Weights that come in parts: as files of datasets do, by the same limits, and as weights that are sent at once."""

import asyncio
import base64
import hashlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from fastapi import FastAPI
from safetensors.numpy import save
from sqlalchemy import text
from sqlalchemy.orm import Session
from typer.testing import CliRunner

from app.checkpoints.destination import CheckpointContent
from app.cli import app as cli
from app.datasets import repository
from app.datasets.uploads.destinations import DatasetContent, Destination
from app.errors import NotFound
from app.http.ids import parse_id
from app.identity import Caller, Role
from app.settings import Settings
from cherish import AsyncClient, Client
from tests.app.conftest import Known
from tests.serving import serving

WEIGHTS = save({"weight": np.ones((3, 40), np.float32), "bias": np.zeros(3, np.float32)})
OTHER = save({"weight": np.zeros((3, 40), np.float32), "bias": np.zeros(3, np.float32)})
TUS = {"Tus-Resumable": "1.0.0"}
PART = {"Content-Type": "application/offset+octet-stream", **TUS}


def made(buyer: Known) -> str:
    answer = buyer.client.post("/v1/checkpoints", json={"name": "triage", "architecture": "logistic"})
    assert answer.status_code == 201, answer.text
    return f"/v1/checkpoints/{answer.json()['id']}"


def begin(buyer: Known, checkpoint: str, length: int = len(WEIGHTS), sha256: str | None = None) -> Any:
    headers = {**TUS, "Upload-Length": str(length)}
    if sha256 is not None:
        headers["Upload-Metadata"] = f"sha256 {base64.b64encode(sha256.encode()).decode()}"
    return buyer.client.post(f"{checkpoint}/uploads", headers=headers)


def send(buyer: Known, address: str, offset: int, part: bytes) -> Any:
    return buyer.client.patch(address, content=part, headers={**PART, "Upload-Offset": str(offset)})


def test_parts_follow_one_another_and_the_last_makes_the_weights(buyer: Known, session: Session) -> None:
    checkpoint = made(buyer)
    begun = begin(buyer, checkpoint, sha256=hashlib.sha256(WEIGHTS).hexdigest())
    address = begun.headers["location"]
    assert (begun.status_code, begun.json()["checkpoint_id"]) == (201, checkpoint.rsplit("/", 1)[1]), begun.text
    assert send(buyer, address, 0, WEIGHTS[:100]).headers["upload-offset"] == "100"
    assert send(buyer, address, 50, WEIGHTS[50:]).status_code == 409
    known = buyer.client.head(address)
    assert (known.headers["upload-offset"], known.headers["upload-length"]) == ("100", str(len(WEIGHTS)))
    assert [each["offset"] for each in buyer.client.get(f"{checkpoint}/uploads").json()["items"]] == [100]
    assert buyer.client.get(checkpoint).json()["digest"] is None
    done = send(buyer, address, 100, WEIGHTS[100:])
    assert (done.status_code, done.headers["tus-resumable"]) == (204, "1.0.0"), done.text
    assert buyer.client.get(checkpoint).json()["digest"] == hashlib.sha256(WEIGHTS).hexdigest()
    assert buyer.client.get(f"{checkpoint}/content").content == WEIGHTS
    assert buyer.client.head(address).status_code == 404
    assert session.scalar(text("SELECT count(*) FROM upload_parts")) == 0
    other = begin(buyer, checkpoint, len(OTHER)).headers["location"]
    assert send(buyer, other, 0, OTHER).status_code == 409, "weights never change"
    assert buyer.client.head(other).status_code == 404


def test_either_destination_is_its_owners(buyer: Known, known: Callable[..., Known], session: Session) -> None:
    draft = buyer.client.post("/v1/datasets", json={"name": "test", "target": "label", "kind": "test"}).json()["id"]
    places: list[Destination] = [
        CheckpointContent(parse_id("ck", made(buyer).rsplit("/", 1)[1])),
        DatasetContent(parse_id("ds", draft)),
    ]
    own, stranger = (
        Caller(each.account.id, Role.BUYER, frozenset(), each.account.id) for each in (buyer, known(Role.BUYER))
    )
    for place in places:
        place.check_own(session, own)
        with pytest.raises(NotFound):
            place.check_own(session, stranger)
    assert [place.column for place in places] == ["checkpoint_id", "dataset_id"]


def test_what_is_no_model_ends_its_upload(buyer: Known) -> None:
    checkpoint = made(buyer)
    address = begin(buyer, checkpoint, 3).headers["location"]
    refused = send(buyer, address, 0, b"abc")
    assert (refused.status_code, "safetensors" in refused.json()["detail"]) == (422, True)
    assert buyer.client.head(address).status_code == 404
    ended = begin(buyer, checkpoint).headers["location"]
    assert [buyer.client.delete(ended).status_code, buyer.client.delete(ended).status_code] == [204, 404]


def test_limits_and_owners_are_those_of_datasets_uploads(
    app: FastAPI, buyer: Known, known: Callable[..., Known], settings: Settings, session: Session
) -> None:
    checkpoint = made(buyer)
    address = begin(buyer, checkpoint).headers["location"]
    stranger = known(Role.BUYER)
    assert begin(stranger, checkpoint).status_code == 404
    assert [stranger.client.head(address).status_code, send(stranger, address, 0, b"x").status_code] == [404, 404]
    elsewhere = f"{made(buyer)}/uploads/{address.rsplit('/', 1)[1]}"
    assert buyer.client.head(elsewhere).status_code == 404, "it is another checkpoint's"
    assert begin(buyer, checkpoint, settings.max_upload_bytes + 1).status_code == 413
    # what is to come of a test set waits in the same line, and counts towards another quota
    draft = buyer.client.post("/v1/datasets", json={"name": "test", "target": "label", "kind": "test"}).json()["id"]
    app.state.settings = settings.model_copy(update={"max_stored_bytes": 3 * len(WEIGHTS)})
    rows = buyer.client.post(f"/v1/datasets/{draft}/uploads", headers={**TUS, "Upload-Length": str(len(WEIGHTS))})
    assert rows.status_code == 201, rows.text
    assert begin(buyer, checkpoint, 2 * len(WEIGHTS)).status_code == 201
    above = begin(buyer, checkpoint)
    assert (above.status_code, "checkpoints may have" in above.json()["detail"]) == (409, True)
    app.state.settings = settings.model_copy(update={"max_open_uploads": 3})
    fourth = begin(buyer, checkpoint)
    assert (fourth.status_code, fourth.json()["errors"][0]["type"]) == (409, "quota")
    session.execute(text("UPDATE resumable_uploads SET expires_at = now() - interval '1 s'"))
    session.commit()
    assert repository.end_expired_uploads(session) == 3


def weights_sent(
    kind: type[Client | AsyncClient],
    token: str,
    through: Callable[[httpx.Request], httpx.Response],
    *what: Any,
    **how: Any,
) -> Any:
    """What a call of ``upload_weights`` by either client returns."""
    transport = httpx.MockTransport(through)
    if issubclass(kind, Client):
        with kind("http://x", token, transport=transport) as client:
            return client.upload_weights(*what, **how)

    async def awaited() -> Any:
        async with AsyncClient("http://x", token, transport=transport) as client:
            return await client.upload_weights(*what, **how)

    return asyncio.run(awaited())


@pytest.mark.parametrize("kind", [Client, AsyncClient])
def test_the_client_goes_on_where_its_connection_broke(buyer: Known, kind: type[Client | AsyncClient]) -> None:
    checkpoint, broken, sent = made(buyer), [2], list[int]()

    def through(request: httpx.Request) -> httpx.Response:
        """To the application, but for the second part, whose connection breaks for good."""
        headers = {name: value for name, value in request.headers.items() if name != "host"}
        if request.method == "PATCH":
            sent.append(len(request.read()))
            if len(sent) == broken[0]:
                return httpx.Response(500, json={"title": "broken", "detail": "the machine went away"})
        answer = buyer.client.request(request.method, request.url.path, content=request.read(), headers=headers)
        return httpx.Response(answer.status_code, content=answer.content, headers=dict(answer.headers))

    identifier = checkpoint.rsplit("/", 1)[1]
    in_parts = partial(weights_sent, kind, buyer.token, through, identifier, WEIGHTS, in_parts=True, part_bytes=200)
    with pytest.raises(Exception, match="the machine went away"):
        in_parts()
    broken[0] = 0
    stored = in_parts()
    assert weights_sent(kind, buyer.token, through, identifier, WEIGHTS) == stored, "small files go at once"
    assert stored["digest"] == hashlib.sha256(WEIGHTS).hexdigest()
    assert sum(sent) == len(WEIGHTS) + 200, "the part that broke came twice, and no other"


def test_weights_from_the_terminal(app: FastAPI, buyer: Known, tmp_path: Path) -> None:
    file = tmp_path / "weights.safetensors"
    file.write_bytes(WEIGHTS)
    with serving(app) as url:

        def run(*words: str) -> Any:
            return CliRunner().invoke(cli, ["checkpoints", *words, "--api", url, "--key", buyer.token])

        pushed = run("push", str(file), "--name", "m", "--architecture", "logistic", "--hyper", "l2=0.1")
        assert pushed.exit_code == 0, pushed.output
        identifier, architecture, size = pushed.stdout.strip().split("\t")
        assert (architecture, size) == ("logistic", f"{len(WEIGHTS)} bytes")
        assert buyer.client.get(f"/v1/checkpoints/{identifier}").json()["hyper"] == {"l2": 0.1}
        empty = made(buyer).rsplit("/", 1)[1]
        assert run("resume", empty, str(file)).stdout.startswith(empty)
        assert run("resume", empty, str(tmp_path / "none")).exit_code != 0
        assert run("push", str(file), "--name", "m", "--architecture", "mlp", "--hyper", "l2").exit_code != 0
