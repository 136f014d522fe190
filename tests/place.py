"""A market with an API in front: clients of a buyer and of providers, and what they upload and order."""

import io
import zipfile
from pathlib import Path
from typing import Any

from fastapi.testclient import TestClient

from app.http.ids import parse_id
from app.valuations.states import ValuationStatus

PROVIDERS = ("tides", "sums", "third")


def zipped(folder: Path, top: str = "") -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.iterdir(), reverse=True):
            archive.write(path, f"{top}{path.name}")
    return buffer.getvalue()


class Place:
    """A market with an API in front: a buyer's client, a provider's client for each text, and what was uploaded."""

    def __init__(self, market: Any, app: Any, clients: dict[str, TestClient]) -> None:
        self.market, self.app, self.clients = market, app, clients

    def client(self, name: str) -> TestClient:
        return self.clients[name]

    def dataset(self, name: str, content: bytes, **said: Any) -> str:
        client = self.client(name)
        made = client.post("/v1/datasets", json={"name": name, "modality": "text", "target": None, **said})
        assert made.status_code == 201, made.text
        path = f"/v1/datasets/{made.json()['id']}"
        stored = client.put(f"{path}/content", content=content)
        assert stored.status_code == 200, stored.text
        if name != "buyer":
            told = client.post(f"{path}/publish", json={"licence": {"spdx": "CC0-1.0"}})
            assert told.status_code == 200, told.text
        return str(made.json()["id"])

    def checkpoint(self, content: bytes | None, **said: Any) -> str:
        client = self.client("buyer")
        made = client.post("/v1/checkpoints", json={"name": "model", "architecture": "lm", **said})
        assert made.status_code == 201, made.text
        if content is not None:
            stored = client.put(f"/v1/checkpoints/{made.json()['id']}/content", content=content)
            assert stored.status_code == 200, stored.text
        return str(made.json()["id"])


def order(read: dict[str, Any], **more: Any) -> dict[str, Any]:
    return read | {"pool": "100.00", "metric": "log_loss", "seed": 3} | more


def finished(place: Place, hand: Any, body: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    posted = place.client("buyer").post("/v1/valuations", json=body)
    assert posted.status_code == 202, posted.text
    job = hand.finish(parse_id("val", posted.json()["id"]))
    assert job.status is ValuationStatus.SUCCEEDED, f"{job.error}\n{job.traceback}"
    path = f"/v1/valuations/{posted.json()['id']}"
    return path, place.client("buyer").get(f"{path}/values").json()
