"""What calls take on a history that grows: the same market at three sizes, over HTTP, on an API process of its own.

The market is a real one (benchmarks/api/market.py); its history is copied until it is long. Between two sizes nothing
else changes, so that on a busy machine the ratio says more than the milliseconds.
"""

import json
import statistics
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
from sqlalchemy import text

from app.db.limits import Process
from app.db.session import make_session_factory, open_engine
from app.embedded.stack import EmbeddedStack
from app.settings import Settings
from benchmarks.api.market import Market, settle
from benchmarks.topology.calls import Asked, Callers, reads, regular
from benchmarks.topology.histories import History, Size

SIZES = {
    "short": Size(datasets=0, jobs=0, worths=0, transfers=0),
    "tenth": Size(datasets=500, jobs=200, worths=100_000, transfers=10_000),
    "long": Size(datasets=5_000, jobs=2_000, worths=1_000_000, transfers=100_000),
}
TIMES, DEEP = 40, 5
_QUOTES = 8


@contextmanager
def stacked() -> Iterator[tuple[EmbeddedStack, Market]]:
    """A stack with a real market on it; nothing of it is left afterwards."""
    home = Path(tempfile.gettempdir()) / f"cherish-long-{uuid.uuid4().hex[:10]}"
    limits = ("CHERISH_READS_PER_MINUTE", "CHERISH_WRITES_PER_MINUTE", "CHERISH_DISCLOSURE_POINTS")
    many = dict.fromkeys(limits, "1000000")
    stack = EmbeddedStack(home, workers=1, servers=1, env={"CHERISH_WORKER_NICE": "10", **many})
    try:
        stack.start()
        yield stack, settle(stack)
    finally:
        stack.destroy()


def measure() -> dict[str, Any]:
    """Of each size the milliseconds of each call, medians and the slowest of twenty, and what Postgres holds."""
    with stacked() as (stack, market):
        settings = Settings.from_variables(stack.settings_env())
        engine = open_engine(settings, Process.OPERATOR, pool_size=1)
        history, told = History(engine), {}
        for name, size in SIZES.items():
            history.grow(size)
            with engine.connect() as connection:
                tables = ("datasets", "valuations", "evaluations", "ledger_transfers")
                held = {each: connection.scalar(text(f"SELECT count(*) FROM {each}")) for each in tables}  # noqa: S608
            told[name] = {"rows": held, "calls": _calls(stack, market), "regular": _regular(engine)}
            print(f"topology: {name} history, {held}", flush=True)
        engine.dispose()
        return told


def _calls(stack: EmbeddedStack, market: Market) -> dict[str, dict[str, float]]:
    def client(headers: dict[str, str]) -> httpx.Client:
        return httpx.Client(base_url=stack.api_url, headers=headers, trust_env=False, timeout=120)

    callers = Callers(client, {"buyer": market.buyer, "provider": market.provider})
    asked: list[Asked] = []
    for call in reads(market.ended[0]):
        asked.append(call)
        if call.path.endswith("limit=50") and not call.page:
            deep = callers.pages_on(call, DEEP)
            asked.append(Asked(f"{call.name}, some pages on", deep.who, deep.path))
    told = {}
    for call in asked:
        told[call.name] = _timed(lambda call=call: callers.ask(call), TIMES)  # type: ignore[misc]
    admin = client({"Authorization": f"Bearer {market.admin}"})
    buyer = client({"Authorization": f"Bearer {market.poster}"})
    orders = iter(range(10**6))

    def post(path: str) -> None:
        order = market.order() | {"seed": next(orders) + time.time_ns() % 10**6}
        answer = buyer.post(path, content=json.dumps(order), headers={"Content-Type": "application/json"})
        answer.raise_for_status()
        if "id" in answer.json():
            buyer.post(f"/v1/valuations/{answer.json()['id']}/cancel").raise_for_status()

    told["quote"] = _timed(lambda: post("/v1/valuations/quote"), _QUOTES)
    told["post a job, and cancel it"] = _timed(lambda: post("/v1/valuations"), _QUOTES)
    told["proof of the whole ledger"] = _timed(lambda: admin.get("/v1/ledger/proof").raise_for_status(), 3)
    return told


def _regular(engine: Any) -> dict[str, float]:
    factory = make_session_factory(engine)

    def look() -> None:
        with factory() as session:
            for ask in regular(session).values():
                ask()

    return _timed(look, 10)


def _timed(act: Callable[[], object], times: int) -> dict[str, float]:
    act()
    taken = []
    for _ in range(times):
        begun = time.perf_counter()
        act()
        taken.append(1000 * (time.perf_counter() - begun))
    taken.sort()
    return {"median": statistics.median(taken), "slow": taken[-max(1, times // 20)]}


def memory(requests: int) -> dict[str, Any]:
    """Megabytes of the API's process while ``requests`` calls are answered, ten times on the way."""
    with stacked() as (stack, market):
        process = api_process(stack)
        paths = [call.path for call in reads(market.ended[0]) if call.who == "buyer" and not call.page]
        headers = {"Authorization": f"Bearer {market.buyer}"}
        seen = []
        with httpx.Client(base_url=stack.api_url, headers=headers, trust_env=False) as client:
            for number in range(requests + 1):
                if number % max(1, requests // 10) == 0:
                    seen.append((number, process.memory_info().rss / 2**20))
                client.get(paths[number % len(paths)]).raise_for_status()
        return {"requests": requests, "megabytes": seen}


def api_process(stack: EmbeddedStack) -> psutil.Process:
    port = int(stack.api_url.rsplit(":", 1)[1])
    for process in psutil.process_iter():
        try:
            if any(each.laddr.port == port and each.status == "LISTEN" for each in process.net_connections()):
                return process
        except psutil.Error:
            continue
    raise RuntimeError(f"nobody listens on port {port}")
