"""Jobs under fault injection on the whole embedded stack: the same values and payouts, whatever breaks meanwhile.

The storm is seeded (CHERISH_FAULTS_SEED) and as long as asked (CHERISH_FAULTS, the number of faults; a short sample by
default). Each fault meets a job under way; the job must end as the undisturbed one did, to the last bit.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from app.accounts.roles import Role
from app.embedded.stack import Stack, running_stack
from cherish import Client, Problem
from tests.faults import injections
from tests.faults.market import SHORT, Seen, StormyMarket, leftovers, orphans, rows

pytestmark = [pytest.mark.faults, pytest.mark.timeout(0)]

FAULTS = int(os.environ.get("CHERISH_FAULTS", "6"))
SEED = int(os.environ.get("CHERISH_FAULTS_SEED", "0"))
_PER_JOB = 3


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    path = Path("/tmp") / f"cherish-faults-{uuid.uuid4().hex[:8]}"  # noqa: S108  a socket's path must be short
    yield path
    left = orphans(path)
    assert not left, left


@pytest.fixture(scope="module")
def market(home: Path) -> Iterator[StormyMarket]:
    stack = Stack(home, workers=2, env=SHORT)
    with stack, contextlib.closing(StormyMarket.on(stack)) as found:
        yield found
    stack.destroy()


@pytest.fixture(scope="module")
def calm(market: StormyMarket) -> str:
    """The answer of the undisturbed job; a second undisturbed one must give the same."""
    first, second = market.post(), market.post()
    assert first.end(120)["status"] == second.end(120)["status"] == "succeeded"
    assert first.answer() == second.answer()
    return first.answer()


def storm(seed: int, faults: int) -> list[list[str]]:
    """Names of faults, job by job, drawn without replacement until all have been used, then again."""
    rng = np.random.default_rng(seed)
    names: list[str] = []
    while len(names) < faults:
        names += [str(name) for name in rng.permutation(sorted(injections.ANY_TIME))]
    return [names[start : start + _PER_JOB] for start in range(0, faults, _PER_JOB)]


@pytest.mark.parametrize(("number", "faults"), list(enumerate(storm(SEED, FAULTS))))
def test_a_storm_changes_no_number(market: StormyMarket, calm: str, number: int, faults: list[str]) -> None:
    rng = np.random.default_rng([SEED, number])
    job = market.post()
    for position, name in enumerate(faults):
        market.under_way(job, int(rng.integers(1 + 8 * position, 8 + 8 * position)))
        injections.ANY_TIME[name](market, rng)
    assert market.verdict(job, calm) == []


def test_an_api_killed_between_commit_and_dispatch_loses_no_job(market: StormyMarket, calm: str) -> None:
    market.stack.take_down("relay")
    market.stack.take_down("sweeper")
    job = market.post()
    market.stack.kill("api")
    market.stack.bring_up("relay")
    market.stack.bring_up("sweeper")
    assert market.verdict(job, calm) == []


@pytest.mark.parametrize("disease", ["late", "forgetful", "crammed"])
def test_an_ill_worker_changes_no_number(market: StormyMarket, calm: str, disease: str) -> None:
    with injections.only_worker(market, disease):
        job = market.post()
        assert market.verdict(job, calm) == []


def test_a_full_disk_refuses_an_upload_and_stores_nothing(market: StormyMarket) -> None:
    _, key = market.key(f"provider {uuid.uuid4().hex[:6]}", Role.PROVIDER)
    content = rows(np.random.default_rng(5), 60_000)
    with Client(market.stack.api_url, key, retries=0) as client:
        draft = client.post("/v1/datasets", {"name": "large", "target": "y", "format": "npz"})
        path = f"/v1/datasets/{draft['id']}"
        with contextlib.ExitStack() as limits:
            for pid in market.stack.processes("api"):
                limits.enter_context(injections.full_disk(pid, len(content) // 2))
            with pytest.raises(Problem) as refused:
                client.put(f"{path}/content", content)
        assert refused.value.status >= 500
        assert client.get(path)["status"] == "draft"
        assert leftovers(market.stack.home / "blobs") == []
        assert client.put(f"{path}/content", content)["status"] != "draft"


def test_a_killed_supervisor_leaves_no_process_and_the_job_goes_on_at_the_next_start(calm: str) -> None:
    home = Path("/tmp") / f"cherish-faults-{uuid.uuid4().hex[:8]}"  # noqa: S108  as above
    env = os.environ | SHORT | {"CHERISH_HOME": str(home)}
    up = [sys.executable, "-m", "app.cli", "up", "--port", "0"]

    def start() -> subprocess.Popen[bytes]:
        with (Path("/tmp") / f"{home.name}.log").open("ab") as log:  # noqa: S108
            return subprocess.Popen(up, env=env, cwd=injections.SOURCE, stdout=log, stderr=log, start_new_session=True)

    def ready(process: subprocess.Popen[bytes]) -> Seen:
        ends = time.monotonic() + 120
        while time.monotonic() < ends and process.poll() is None:
            if (state := running_stack(home)) is not None:
                return Seen(home, state.api_url, state.env)
            time.sleep(0.2)
        raise AssertionError(f"`cherish up` is not ready; see /tmp/{home.name}.log")

    second = first = start()
    try:
        market = StormyMarket.on(ready(first))
        job = market.post()
        market.under_way(job, 4)
        os.kill(first.pid, signal.SIGKILL)
        first.wait()
        ends = time.monotonic() + 20
        while orphans(home) and time.monotonic() < ends:
            time.sleep(0.2)
        assert orphans(home) == []
        market.close()
        second = start()
        market.place = ready(second)
        job.client = market.client(job.key)
        assert market.verdict(job, calm) == []
        market.close()
        os.kill(second.pid, signal.SIGTERM)
        assert second.wait(timeout=60) == 0
        assert orphans(home) == []
    finally:
        for process in (first, second):
            if process.poll() is None:
                process.kill()
                process.wait()
        stack = Stack(home, workers=0)
        stack.start()
        stack.destroy()
        (Path("/tmp") / f"{home.name}.log").unlink(missing_ok=True)  # noqa: S108
