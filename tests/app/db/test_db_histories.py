"""Lists stay what they are however long their history is: nothing reads a table that grows from end to end."""

from typing import Any

from fastapi.testclient import TestClient

from app.db.limits import Process
from app.db.session import open_engine
from app.payouts import repository as payouts
from benchmarks.topology.calls import Callers, reads
from benchmarks.topology.histories import History, Size
from benchmarks.topology.plans import read_whole


def test_no_list_page_or_regular_task_reads_a_growing_table_from_end_to_end(hand: Any, place: Any) -> None:
    market = hand.market
    # a short one, of which the others are copies
    job = market.post(max_retrains=16)
    assert hand.finish(job).error is None
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
        now = payouts.now(session)
        regular = {
            "reservations that expire": lambda: payouts.overdue(session, "reserve", now, 100),
            "holdbacks that are due": lambda: payouts.due_holdbacks(session, now, 100),
            "withdrawals that wait": lambda: payouts.pending_with_code(session, "withdrawal", 100),
        }
        for name, act in regular.items():
            if found := read_whole(market.factory.kw["bind"], act):
                whole[name] = found
    assert not whole, "\n".join(f"{name}: {said}" for name, said in whole.items())
    engine.dispose()
