"""Bytes from an address: no connection is held while they come, and other bytes than declared are not even read."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import anyio
import pytest
from sqlalchemy.orm import Session

from app.datasets.remote.sources import RemoteSource
from app.datasets.uploads.destinations import DatasetContent
from app.datasets.uploads.receiving import FetchOrder, UploadPlace, fetched, part_received
from app.errors import InvalidData, NotFound
from app.http.ids import parse_id
from app.http.lending import Lent
from app.http.uploads import Upload
from app.identity import Caller, Role
from app.settings import Settings
from app.storage.blobs import BlobStore
from contract.rows.files import AS_IT_IS
from tests.app.conftest import Known

ROWS = b"age,label\n1,a\n2,b\n3,a\n"
DIGEST = "ab" * 32


def test_what_is_not_what_was_declared_is_refused_before_it_is_read(
    session: Session, settings: Settings, provider: Known
) -> None:
    steps: list[str] = []

    @asynccontextmanager
    async def waiting() -> AsyncIterator[None]:
        steps.append("gives its connection up")
        yield
        steps.append("has one again")

    async def work(act: Any) -> Any:
        return act()

    async def refuse(_act: Any) -> Any:
        raise AssertionError("it was read")

    def fetch(_source: RemoteSource, path: Path) -> Upload:
        assert steps == ["gives its connection up"]
        path.write_bytes(ROWS)
        return Upload(path, DIGEST, len(ROWS))

    async def unclaimed() -> None:
        raise AssertionError("no call of this test has a key")

    lent = Lent(
        waiting=waiting,
        body=None,  # type: ignore[arg-type]  # nothing is sent
        read=refuse,
        fetch=work,
        fetcher=SimpleNamespace(fetch=fetch),
        claimed_again=unclaimed,
        file=None,  # type: ignore[arg-type]
    )
    caller = Caller(provider.account.id, Role.PROVIDER, frozenset(), None)
    made = provider.client.post("/v1/datasets", json={"name": "rows", "target": "label"}).json()["id"]
    order = FetchOrder(parse_id("ds", made), RemoteSource("http://x", "http://x"), AS_IT_IS, "00" * 32)
    blobs = BlobStore.from_url(settings.blob_url)

    async def act() -> None:
        with pytest.raises(InvalidData, match="another file"):
            await fetched(lent, session, settings, blobs, caller, order)
        place = UploadPlace(DatasetContent(order.dataset_id), order.dataset_id)
        with pytest.raises(NotFound):
            await part_received(lent, session, settings, blobs, caller, place, 0)

    anyio.run(act)
    assert steps == ["gives its connection up"]
