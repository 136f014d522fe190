"""A deployment of several hosts over TCP, as an operator has it: faults between hosts change no number, a rolling
restart fails no call, pgbouncer lends connections to one of the API's hosts, and the edge speaks TLS.

``make test`` has a short seeded sample of the faults, ``make test-long`` those that wait for timeouts of tens of
seconds, ``make topology`` all of them.
"""

import os
import shutil
import threading
import time
from collections.abc import Iterator

import httpx
import numpy as np
import pytest

from app.identity import Role
from tests.faults.market import StormyMarket
from tests.faults.storm import brave, calm_answer
from tests.topology.faults import FAULTS
from tests.topology.topology import Topology

SEED = int(os.environ.get("CHERISH_FAULTS_SEED", "0"))
pytestmark = [
    pytest.mark.faults,
    pytest.mark.timeout(0),
    pytest.mark.skipif(not (shutil.which("nginx") or os.path.exists("/usr/sbin/nginx")), reason="nginx is absent"),
]


@pytest.fixture(scope="module")
def place() -> Iterator[Topology]:
    with Topology() as found:
        yield found


@pytest.fixture(scope="module")
def market(place: Topology) -> Iterator[StormyMarket]:
    found = StormyMarket.on(place)
    yield found
    found.close()


@pytest.fixture(scope="module")
def calm(market: StormyMarket) -> str:
    return calm_answer(market)


def test_faults_between_hosts_change_no_number(market: StormyMarket, calm: str) -> None:
    rng = np.random.default_rng(SEED)
    drawn = [str(name) for name in rng.permutation(sorted(set(FAULTS) - _SLOW))]
    names = sorted(FAULTS) if os.environ.get("CHERISH_TOPOLOGY_WHOLE") else drawn[:3]
    assert brave(market, calm, names, rng, FAULTS)[1] == []


# each waits for a timeout of tens of seconds; two have a test of their own, the others come with `make topology`
_SLOW = {"a_worker_host_is_lost_in_a_transaction", "postgres_freezes", "the_store_refuses", "the_store_is_silent"}


@pytest.mark.long
def test_a_host_that_is_lost_in_the_middle_of_a_transaction_freezes_no_job(market: StormyMarket, calm: str) -> None:
    rng = np.random.default_rng(SEED)
    assert brave(market, calm, ["a_worker_host_is_lost_in_a_transaction"], rng, FAULTS)[1] == []


@pytest.mark.long
def test_a_postgres_that_freezes_blocks_no_caller_and_changes_no_number(
    place: Topology, market: StormyMarket, calm: str
) -> None:
    _, key = market.key("a patient buyer", Role.BUYER, deposit=10_00)
    ended, answered, ready = threading.Event(), [], []

    def ask(url: str, path: str) -> None:
        with httpx.Client(base_url=url, trust_env=False, timeout=60, verify=False) as client:  # noqa: S501  our own edge
            while not ended.wait(0.5):
                begun = time.monotonic()
                answer = client.get(path, headers={"Authorization": f"Bearer {key}"})
                kept = ready if path == "/readyz" else answered
                retry = answer.headers.get("Retry-After", "0")
                kept.append((answer.status_code, int(retry), begun, time.monotonic() - begun))

    hosts = [place.address("api"), place.address("api-2")]
    asked = [(url, "/v1/me") for url in [*hosts * 12, place.edge_url]] + [(url, "/readyz") for url in hosts]
    threads = [threading.Thread(target=ask, args=each) for each in asked]
    for each in threads:
        each.start()
    try:
        assert brave(market, calm, ["postgres_freezes"], np.random.default_rng(SEED), FAULTS)[1] == []
    finally:
        ended.set()
        for each in threads:
            each.join()
    refused = [each for each in answered if each[0] != 200]
    longest = max(took for *_, took in answered)
    assert {status for status, *_ in refused} == {503}
    assert all(retry > 0 for _, retry, *_ in refused)
    assert longest < 20, f"{longest:.1f} s of {len(answered)} calls, {len(refused)} of them refused"
    assert {status for status, *_ in ready} == {200, 503}
    assert max(took for *_, took in ready) < 8
    assert {status for status, *_ in answered[-5:]} == {200}


def test_a_rolling_restart_of_the_api_under_load_fails_no_call(place: Topology, market: StormyMarket) -> None:
    _, key = market.key("a buyer in a hurry", Role.BUYER, deposit=1000_00)
    ended, wrong, calls = threading.Event(), [], [0]

    def load() -> None:
        with place.client() as client:
            while not ended.is_set():
                for path in ("/v1/me", "/v1/catalog", "/v1/valuations"):
                    try:
                        answer = client.get(path, headers={"Authorization": f"Bearer {key}"})
                    except httpx.HTTPError as error:
                        wrong.append(f"{path}: {error!r}")
                        continue
                    calls[0] += 1
                    if answer.status_code != 200:
                        wrong.append(f"{path}: {answer.status_code} {answer.text[:200]}")
                time.sleep(0.02)

    threads = [threading.Thread(target=load) for _ in range(3)]
    for each in threads:
        each.start()
    try:
        for name in ("api", "api-2"):
            place.replace(name)
            _wait_ready(place, name)
    finally:
        ended.set()
        for each in threads:
            each.join()
    assert wrong == []
    assert calls[0] > 20


def _wait_ready(place: Topology, name: str) -> None:
    ends = time.monotonic() + 120
    while not place.is_ready(name):
        assert time.monotonic() < ends, place.tail(name)
        time.sleep(0.2)


def test_the_edge_speaks_tls_and_callers_addresses_and_its_own_name_arrive(place: Topology) -> None:
    with place.client() as client:
        page = client.get("/login")
        assert page.status_code == 200
        assert page.headers["strict-transport-security"].startswith("max-age=")
        assert all("secure" in each.lower() for each in page.headers.get_list("set-cookie"))
        refused = client.post("/v1/datasets", content=b"{", headers={"Content-Type": "application/json"})
        assert refused.headers["content-type"] == "application/problem+json"
        assert refused.json()["type"].startswith(place.edge_url)
    assert "address=127.0.0.1" in place.tail("api", 400) + place.tail("api-2", 400)


def test_an_api_host_behind_a_transaction_pooler_serves_many_callers_at_once(
    place: Topology, market: StormyMarket
) -> None:
    if place.servers.pooler is None:
        pytest.skip("pgbouncer is absent")
    _, key = market.key("one of many", Role.BUYER, deposit=10_00)
    url = place.address("api-2")
    found: list[int] = []

    def ask() -> None:
        with httpx.Client(base_url=url, trust_env=False, timeout=60) as client:
            for _ in range(25):
                for path in ("/v1/me", "/v1/me/balance", "/v1/catalog"):
                    found.append(client.get(path, headers={"Authorization": f"Bearer {key}"}).status_code)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert set(found) <= {200, 429}
    assert found.count(200) > 100
