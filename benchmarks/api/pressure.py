"""Reads and posts under load, beside a job at work: what each kind of call takes, and whose processor it was.

Two phases on one stack: reads alone with nothing else at work, and reads and posts beside a running job. The calls are
what a dashboard and an integration ask: one's jobs, a job (half of the time with its ETag), events, values, payouts,
datasets, the catalogue with a search, balance, statement.
"""

import asyncio
import contextlib
import json
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import psutil

from app.demo.digits import TARGET, digits_market
from app.embedded.stack import EmbeddedStack
from benchmarks.api.load import Call, Connections, Taken, drive, request_of
from benchmarks.api.market import Market, hold, settle
from cherish import Client

POSTS_PER_SECOND = 2.0
UNREAD = 12


def measure(rate: float, seconds: float) -> dict[str, Any]:
    """The two phases; each with its quantiles by call and the processor seconds by process."""
    home = Path(tempfile.gettempdir()) / f"cherish-load-{uuid.uuid4().hex[:10]}"
    # as `cherish up --servers 2` has it
    stack = EmbeddedStack(home, workers=2, servers=2, env={"CHERISH_WORKER_NICE": "10"})
    try:
        stack.start()
        market = settle(stack)
        reads, posts = reading(market, _etag(stack, market)), posting(market)
        asyncio.run(drive(stack.api_url, reads, rate, 5))  # fills caches and connections
        phases = {"reads, nothing else at work": _phase(stack, market, reads, [], rate, seconds)}
        running = hold(stack, market)
        phases["reads and posts, beside a running job"] = _phase(stack, market, reads, posts, rate, seconds)
        unread = asyncio.run(_unread(stack, market))
        with Client(stack.api_url, market.poster) as client:
            job = client.get(f"/v1/valuations/{running}")
        assert job["status"] == "running", "the job ended before the measurement did"
        return {"rate": rate, "seconds": seconds, "posts": POSTS_PER_SECOND, "phases": phases, "unread": unread}
    finally:
        stack.destroy()


def reading(market: Market, etag: str) -> list[Call]:
    """The mix of reads, with how often each comes among the others."""
    job, data = market.ended, market.datasets

    def each(paths: list[str]) -> Any:
        turn = iter(range(10**9))
        return lambda: paths[next(turn) % len(paths)]

    def of_jobs(rest: str) -> Any:
        return each([f"/v1/valuations/{one}{rest}" for one in job])

    buyer, provider = market.buyer, market.provider
    return [
        Call("GET valuation", of_jobs(""), buyer, 4),
        Call("GET valuation, 304", lambda: f"/v1/valuations/{job[0]}", buyer, 4, headers=(("If-None-Match", etag),)),
        Call("GET valuations", lambda: "/v1/valuations?limit=20", buyer, 3),
        Call("GET valuation values", of_jobs("/values"), buyer, 2),
        Call("GET valuation payouts", of_jobs("/payouts"), buyer, 2),
        Call("GET valuation events", of_jobs("/events"), buyer, 2),
        Call("GET dataset", lambda: f"/v1/datasets/{data[0]}", provider, 2),
        Call("GET datasets", lambda: "/v1/datasets?limit=20", provider, 2),
        Call("GET catalog", lambda: "/v1/catalog?limit=20", buyer, 2),
        Call("GET catalog, searched", lambda: "/v1/catalog?q=handwritten+cedar&limit=20", buyer, 1),
        Call("GET listing", each([f"/v1/catalog/{one}" for one in data]), buyer, 2),
        Call("GET me", lambda: "/v1/me", buyer, 1),
        Call("GET balance", lambda: "/v1/me/balance", buyer, 2),
        Call("GET statement", lambda: "/v1/me/statement?limit=20", buyer, 1),
        Call("GET my valuations", lambda: "/v1/me/valuations?limit=20", provider, 1),
    ]


def posting(market: Market) -> list[Call]:
    """Half of the posts are jobs, which a full queue keeps waiting."""

    def keyed(name: str, path: str, token: str, body: Any) -> Call:
        return Call(name, lambda: path, token, method="POST", body=body)

    return [
        keyed("POST valuation", "/v1/valuations", market.poster, market.order),
        keyed("POST dataset", "/v1/datasets", market.provider, lambda: {"name": "draft", "target": "y"}),
    ]


def _phase(
    stack: EmbeddedStack, market: Market, reads: list[Call], posts: list[Call], rate: float, seconds: float
) -> dict[str, Any]:
    before, began = used(stack), time.perf_counter()

    async def both() -> tuple[dict[str, Taken], dict[str, Taken], list[bytes]]:
        reading = drive(stack.api_url, reads, rate, seconds, seed=1)
        if not posts:
            return (await reading)[0], {}, []
        (read, _), (posted, made) = await asyncio.gather(
            reading, drive(stack.api_url, posts, POSTS_PER_SECOND, seconds, seed=2)
        )
        return read, posted, made

    read, posted, made = asyncio.run(both())
    lasted = time.perf_counter() - began
    processor = {name: round(after - before.get(name, 0.0), 2) for name, after in used(stack).items()}
    _cancel(stack, market, made)
    return {
        "calls": {name: _told(taken) for name, taken in {**read, **posted}.items()},
        "reads": _told(_together(read)),
        "posts": _told(_together(posted)) if posted else None,
        "seconds": round(lasted, 2),
        "processor": processor,
    }


async def _unread(stack: EmbeddedStack, market: Market) -> dict[str, Any]:
    """Orders about which nobody has asked, one after the other, beside the running job: each has a test set of its own,
    a row shorter than the one before."""
    taken, connections = Taken(), Connections(stack.api_url)
    test, orders = digits_market()[1], []
    rows = test.content.splitlines(keepends=True)
    with Client(stack.api_url, market.poster) as client:
        for number in range(1, UNREAD + 1):
            content = b"".join(rows[:-number])
            made = client.upload_dataset("test", content, target=TARGET, format=test.format, kind="test")
            orders.append(market.order() | {"test_dataset": made["id"]})
    for order in orders:
        call = Call("", lambda: "/v1/valuations", market.poster, method="POST", body=lambda order=order: order)
        began = time.perf_counter()
        status, _ = await connections.send(request_of(call, urlsplit(stack.api_url).netloc))
        taken.add(status, 1000 * (time.perf_counter() - began))
    await connections.close()
    return _told(taken)


def _told(taken: Taken) -> dict[str, Any]:
    quantiles = {f"p{round(100 * part)}": round(taken.quantile(part), 2) for part in (0.5, 0.9, 0.99)}
    worst = round(max(taken.milliseconds), 2)
    return {"count": len(taken.milliseconds), **quantiles, "max": worst, "statuses": taken.statuses}


def _together(kinds: dict[str, Taken]) -> Taken:
    every = Taken()
    for taken in kinds.values():
        every.milliseconds += taken.milliseconds
        for status, count in taken.statuses.items():
            every.statuses[status] = every.statuses.get(status, 0) + count
    return every


def _cancel(stack: EmbeddedStack, market: Market, made: list[bytes]) -> None:
    with Client(stack.api_url, market.poster) as client:
        for body in made:
            posted = json.loads(body)["id"]
            if posted.startswith("val_"):
                client.post(f"/v1/valuations/{posted}/cancel")


def _etag(stack: EmbeddedStack, market: Market) -> str:
    headers = {"Authorization": f"Bearer {market.buyer}"}
    answer = httpx.get(f"{stack.api_url}/v1/valuations/{market.ended[0]}", headers=headers, trust_env=False)
    return str(answer.headers["etag"])


def used(stack: EmbeddedStack) -> dict[str, float]:
    """Processor seconds so far of each part of the stack, and of this process, which is the client."""
    found: dict[str, float] = {}
    for name in stack.children:
        for pid in stack.processes(name):
            with contextlib.suppress(psutil.NoSuchProcess):
                times = psutil.Process(pid).cpu_times()
                found[name] = found.get(name, 0.0) + times.user + times.system
    own = psutil.Process().cpu_times()
    return found | {"client": own.user + own.system}
