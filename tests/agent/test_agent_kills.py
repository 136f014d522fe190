"""kill -9 of an agent, of the service and of the worker in the middle of a job whose rows stay at home."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app.accounts import service as accounts
from app.accounts.tables import Account
from app.db.session import transaction
from cherish import Client
from tests.agent_market import table
from tests.market import ROOT, Market, Processes

pytestmark = [pytest.mark.faults, pytest.mark.long, pytest.mark.timeout(600)]

ORDER: dict[str, Any] = {
    "pool": "100.00", "currency": "EUR", "seed": 3, "metric": "clipped_log_loss", "features": {"leave_out": ["stay"]},
}  # fmt: skip
MODELS = [
    {"name": "logistic", "hyper": {"l2": 0.01, "tol": 1e-9}},
    {"name": "mlp", "hyper": {"hidden": 8, "steps": 20, "double": 1}},
]


def until(what: Callable[[], Any], seconds: float = 180.0) -> Any:
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        if found := what():
            return found
        time.sleep(0.1)
    raise AssertionError(f"not within {seconds} s")


def agent(url: str, key: str, folder: Path) -> "subprocess.Popen[bytes]":
    (folder / "policy.toml").write_text('learners = ["logistic", "mlp"]\n')
    words = ["agent", str(folder / "rows.csv"), "--target", "ill", "--folder", str(folder / "state")]
    words += ["--policy", str(folder / "policy.toml")]
    env = os.environ | {"CHERISH_API": url, "CHERISH_API_KEY": key, "OMP_NUM_THREADS": "1"}
    with (folder / "agent.log").open("ab") as log:
        command = [sys.executable, "-m", "app.cli", *words]
        return subprocess.Popen(command, cwd=ROOT, env=env, stdout=log, stderr=log)


def values(
    client: Client, datasets: list[str], test: str, model: dict[str, Any], disturb: Callable[[], None]
) -> dict[str, float]:
    job = client.create_valuation(datasets=datasets, test_dataset=test, **ORDER, model=model)["id"]
    disturb()
    ended = client.wait(job, timeout=400)
    assert ended["status"] == "succeeded", ended
    return {player["provider"]: player["value"] for player in client.values(job)["players"]}


@pytest.mark.parametrize("model", MODELS, ids=["logistic", "mlp"])
def test_a_job_ends_as_if_nothing_had_been_killed(
    market: Market, processes: Processes, tmp_path: Path, model: dict[str, Any]
) -> None:
    with transaction(market.factory) as session:
        owners = (market.buyer.account_id, *market.providers[:2])
        keys = [
            accounts.issue_key(session, market.settings, session.get_one(Account, owner), "test")[1] for owner in owners
        ]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    serve = ("app.cli", "serve", f"--port={port}")
    waits = {"CHERISH_AGENT_ANSWER_SECONDS": "3", "CHERISH_AGENT_PATIENCE_SECONDS": "300"}
    api, _, worker = processes.start(*serve), processes.housekeeping(), processes.worker(**waits)
    agents: list[subprocess.Popen[bytes]] = []
    folders = [tmp_path / name for name in ("one", "two")]
    with Client(url, keys[0], retries=30) as buyer:
        test = buyer.upload_dataset("test", table(9, 120).encode(), target="ill", format="csv", kind="test")["id"]
        uploaded = []
        for place, (key, folder) in enumerate(zip(keys[1:], folders, strict=True), start=1):
            folder.mkdir()
            (folder / "rows.csv").write_text(table(place, 120))
            with Client(url, key) as client:
                made = client.upload_dataset("rows", table(place, 120).encode(), target="ill", format="csv")
                client.publish_dataset(made["id"], "CC0-1.0")
                uploaded.append(made["id"])
        central = values(buyer, uploaded, test, model, lambda: None)
        agents = [agent(url, key, folder) for key, folder in zip(keys[1:], folders, strict=True)]
        home = "SELECT array_agg(id ORDER BY id) FROM datasets WHERE format = 'agent' AND status = 'published'"
        ids = until(lambda: (found := market.scalar(home)) and len(found) == 2 and found)

        def kill_all() -> None:
            nonlocal api, worker
            answered = "SELECT count(*) FROM agent_questions WHERE status = 'answered'"
            until(lambda: market.scalar(answered) >= 6)
            agents[0].kill()
            processes.kill(api)
            processes.kill(worker)
            agents[0].wait()
            api, worker = processes.start(*serve), processes.worker(**waits)
            agents[0] = agent(url, keys[1], folders[0])

        try:
            remote = values(buyer, [f"ds_{each.hex}" for each in ids], test, model, kill_all)
        finally:
            for each in agents:
                each.kill()
                each.wait()
    assert remote == pytest.approx(central, rel=0, abs=1e-6), processes.logs()
    paid = market.rows("SELECT valuation_id, sum(amount_minor) FROM valuation_players GROUP BY 1 ORDER BY 1")
    assert paid[0][1] == paid[1][1], "the same pool is divided once in each job"
