"""Lists stay what they are however long their history is: nothing reads a table that grows from end to end."""

from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select

from app.datasets.tables import Dataset, DatasetVersion
from app.db.limits import Process
from app.db.session import open_engine, transaction
from app.valuations.work import worths
from benchmarks.topology.calls import Callers, reads, regular
from benchmarks.topology.histories import History, Size
from benchmarks.topology.plans import read_whole


def test_no_list_page_or_regular_task_reads_a_growing_table_from_end_to_end(
    hand: Any, place: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    market = hand.market
    # a short one, of which the others are copies
    job = market.post(max_retrains=16)
    assert hand.finish(job).error is None
    with transaction(market.factory) as session:
        for dataset in session.scalars(select(Dataset)):
            session.add(
                DatasetVersion(
                    dataset_id=dataset.id, number=1, digest=dataset.digest, format=dataset.format,
                    modality=dataset.modality, size_bytes=dataset.size_bytes, rows=dataset.rows, columns=[],
                )
            )  # fmt: skip
    engine = open_engine(market.settings, Process.OPERATOR, pool_size=1)
    size = Size(datasets=2_000, jobs=800, worths=20_000, transfers=4_000)
    History(engine).grow(size)
    for table, wanted in (("datasets", size.datasets), ("valuations", size.jobs), ("ledger_transfers", size.transfers)):
        assert abs(market.scalar(f"SELECT count(*) FROM {table}") - wanted) < 0.1 * wanted  # noqa: S608  our own words

    def client(headers: dict[str, str]) -> TestClient:
        return TestClient(place.app, headers=headers, base_url="https://testserver")

    keys = {"buyer": "buyer", "provider": "tides"}
    keys = {who: place.client(name).headers["authorization"].split()[1] for who, name in keys.items()}
    callers = Callers(client, keys)
    whole = {}
    for call in reads(f"val_{job.hex}"):
        if call.path.endswith("limit=50") and not call.page:
            call = callers.pages_on(call, 2)
        if found := read_whole(place.app.state.engine, lambda call=call: callers.ask(call)):
            whole[call.name] = found
    with market.factory() as session:
        for name, act in regular(session).items():
            if found := read_whole(market.factory.kw["bind"], act):
                whole[name] = found
    order = market.order(max_retrains=16).model_dump(mode="json", exclude_unset=True)

    # of these 800 jobs as few in a hundred as of a market's ten thousand
    monkeypatch.setattr(worths, "_LATEST_JOBS", 20)

    def quote() -> None:
        assert place.client("buyer").post("/v1/valuations/quote", json=order).status_code == 200

    if found := read_whole(place.app.state.engine, quote):
        whole["a quote"] = found
    assert not whole, "\n".join(f"{name}: {said}" for name, said in whole.items())
    engine.dispose()
