"""Reads on a long history while many watch a job and many send files: each beside the same reads alone."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import httpx
import numpy as np

from app.db.limits import Process
from app.db.session import open_engine
from app.embedded.stack import EmbeddedStack
from app.settings import Settings
from benchmarks.api.market import Market, hold
from benchmarks.topology.calls import Callers, reads
from benchmarks.topology.growth import SIZES, api_process, stacked
from benchmarks.topology.histories import History
from cherish import Client

STREAMS, UPLOADS = 200, 50
_SECONDS = 60.0
_WATCHED = ("jobs", "a job", "its values", "catalogue", "catalogue, searched", "own datasets", "statement")
_ROWS = "x,y\n" + "".join(f"{at},{at % 2}\n" for at in range(100_000))


def measure() -> dict[str, Any]:
    """Milliseconds of reads, one after the other, in each circumstance, with the memory of the API's process in MB."""
    with stacked() as (stack, market):
        engine = open_engine(Settings.from_variables(stack.settings_env()), Process.OPERATOR, pool_size=1)
        History(engine).grow(SIZES["long"])
        engine.dispose()
        running = hold(stack, market)
        told = {"alone, beside a job": _phase(stack, market)}
        with _watching(stack, market, running) as watching:
            told[f"{STREAMS} streams"] = _phase(stack, market) | {"streams": watching()}
            with _sending(stack, market) as sent:
                told[f"{STREAMS} streams, {UPLOADS} uploads"] = _phase(stack, market) | {
                    "streams": watching(),
                    "uploads": sent(),
                }
        return told


def _phase(stack: EmbeddedStack, market: Market) -> dict[str, Any]:
    def client(headers: dict[str, str]) -> httpx.Client:
        return httpx.Client(base_url=stack.api_url, headers=headers, trust_env=False, timeout=120)

    callers = Callers(client, {"buyer": market.buyer, "provider": market.provider})
    calls = [each for each in reads(market.ended[0]) if each.name in _WATCHED]
    taken, ends = [], time.monotonic() + _SECONDS
    while time.monotonic() < ends:
        for call in calls:
            begun = time.perf_counter()
            callers.ask(call)
            taken.append(1000 * (time.perf_counter() - begun))
    middle, slow, slowest = np.percentile(taken, [50, 95, 99])
    megabytes = api_process(stack).memory_info().rss / 2**20
    return {"calls": len(taken), "p50": middle, "p95": slow, "p99": slowest, "megabytes": megabytes}


@contextmanager
def _watching(stack: EmbeddedStack, market: Market, job: str) -> Iterator[Callable[[], int]]:
    """So many streams of a job's events; a call says how many are open."""
    headers = {"Authorization": f"Bearer {market.poster}", "Accept": "text/event-stream"}
    ended = threading.Event()
    open_ones: set[int] = set()

    def watch(number: int) -> None:
        with httpx.Client(base_url=stack.api_url, headers=headers, trust_env=False, timeout=60) as client:
            while not ended.is_set():
                try:
                    with client.stream("GET", f"/v1/valuations/{job}/events") as answer:
                        if answer.status_code == 200:
                            open_ones.add(number)
                        for _ in answer.iter_lines():
                            if ended.is_set():
                                break
                except httpx.HTTPError:
                    pass
                open_ones.discard(number)
                ended.wait(1.0)

    threads = [threading.Thread(target=watch, args=(number,), daemon=True) for number in range(STREAMS)]
    for each in threads:
        each.start()
    until = time.monotonic() + 60
    while len(open_ones) < STREAMS and time.monotonic() < until:
        time.sleep(0.2)
    try:
        yield lambda: len(open_ones)
    finally:
        ended.set()


@contextmanager
def _sending(stack: EmbeddedStack, market: Market) -> Iterator[Callable[[], int]]:
    """So many uploads at a time of files of a megabyte; a call says how many have been read."""
    ended, lock, done = threading.Event(), threading.Lock(), [0]

    def send(number: int) -> None:
        with Client(stack.api_url, market.provider, retries=20) as client:
            for time_ in range(10**6):
                if ended.is_set():
                    return
                content = f"{_ROWS}{number},{time_ % 2}\n".encode()
                client.upload_dataset(f"sent {number} {time_}", content, target="y", format="csv")
                with lock:
                    done[0] += 1

    threads = [threading.Thread(target=send, args=(number,), daemon=True) for number in range(UPLOADS)]
    with ExitStack() as close:
        close.callback(ended.set)
        for each in threads:
            each.start()
        yield lambda: done[0]
    for each in threads:
        each.join(timeout=120)
