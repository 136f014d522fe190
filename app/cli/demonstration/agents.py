"""``cherish demo --agents``: three providers who keep their rows, each with an agent of its own, valued as if uploaded.

The same three files are valued twice: uploaded, and at home, where three agents (processes, each with a folder of its
own) answer for them. It prints both values of each, how far they are apart, and how many bytes each agent sent, which
is what its journal holds. It exits with 1 where they are further apart than logistic regression's tolerance explains.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from rich.console import Console
from rich.table import Table

from app.cli.answers import JobAnswer, JobValues, ListedDataset
from app.cli.demonstration.people import Person, new_buyer, people, upload
from app.demo.digits import TARGET, File
from app.demo.digits_at_home import AtHome, digits_at_home
from app.embedded.stack import EmbeddedStack
from app.errors import Unavailable
from app.settings import Settings
from cherish import Client

CLOSE = 1e-6
_POOL, CURRENCY = "1000.00", "EUR"
_SPEC: dict[str, Any] = {
    "pool": _POOL,
    "currency": CURRENCY,
    "model": {"name": "logistic", "hyper": {"l2": 0.01, "tol": 1e-9}},
    "metric": "clipped_log_loss",
    "target_is": "classes",
    "purpose": "research",
    "seed": 7,
}
_REGISTER_SECONDS = 120.0


class AgentsOutcome(BaseModel):
    """What ``demo-agents.json`` holds: each provider's two values, the bytes its agent sent, and how long it took."""

    uploaded: dict[str, float]
    at_home: dict[str, float]
    sent: dict[str, int]
    requests: dict[str, int]
    seconds: dict[str, float]

    @property
    def apart(self) -> float:
        """The largest difference between the two values of a provider."""
        return max(abs(self.uploaded[name] - self.at_home[name]) for name in self.uploaded)


def demo_agents(home: Path, workers: int) -> bool:
    """Value three providers' files twice; returns whether the values agree."""
    console, market = Console(), digits_at_home()
    with EmbeddedStack(home, workers=workers, say=lambda line: console.print(f"[dim]{line}[/dim]")) as stack:
        buyer_name = new_buyer()
        admin, buyer, providers = people(Settings.from_variables(stack.settings_env()), buyer_name, market.files)
        with Client(stack.api_url, admin.token) as client:
            deposit = {"account_id": buyer.id, "amount": "2000.00", "currency": CURRENCY, "reference": buyer_name}
            client.post("/v1/ledger/deposits", deposit)
        outcome = _both(stack.api_url, buyer, providers, market, home, console)
    path = home.parent / "demo-agents.json"
    path.write_text(json.dumps(outcome.model_dump(), indent=2) + "\n")
    _show(outcome, console)
    console.print(f"Written to {path}", soft_wrap=True)
    return outcome.apart <= CLOSE


def _both(
    api: str, buyer: Person, providers: list[Person], market: AtHome, home: Path, console: Console
) -> AgentsOutcome:
    with Client(api, buyer.token) as client:
        test = upload(client, "digits test set", market.test, "test").id
        uploaded = [_uploaded(api, person, file) for person, file in zip(providers, market.files, strict=True)]
        central, first = _valued(client, uploaded, test, market, console)
        folders = [home / "agents" / file.owner.split()[0].lower() for file in market.files]
        with _agents(api, providers, market.files, folders, console) as datasets:
            remote, second = _valued(client, datasets, test, market, console)
    journals = {file.owner: _journal(folder) for file, folder in zip(market.files, folders, strict=True)}
    return AgentsOutcome(
        uploaded=central,
        at_home=remote,
        sent={name: sum(lines) for name, lines in journals.items()},
        requests={name: len(lines) for name, lines in journals.items()},
        seconds={"uploaded": round(first, 1), "at_home": round(second, 1)},
    )


def _uploaded(api: str, person: Person, file: File) -> str:
    with Client(api, person.token) as client:
        dataset = upload(client, f"digits of {file.owner}", file, "train")
        client.publish_dataset(dataset.id, "CC0-1.0")
    return dataset.id


def _valued(
    client: Client, datasets: list[str], test: str, market: AtHome, console: Console
) -> tuple[dict[str, float], float]:
    """Each provider's value, and the seconds from the order to the result."""
    begun = time.monotonic()
    order = {**_SPEC, "features": {"leave_out": list(market.sparse)}}
    job = JobAnswer.read(client.create_valuation(datasets=datasets, test_dataset=test, **order))
    console.print(f"The buyer posted {job.id} with a pool of {_POOL} {CURRENCY}.", soft_wrap=True)
    job = JobAnswer.read(client.wait(job.id, timeout=600))
    if not job.succeeded:
        raise Unavailable(f"job {job.id} ended as {job.status}: {job.error or job.reason}")
    values = JobValues.read(client.values(job.id))
    return {player.provider: player.value for player in values.players}, time.monotonic() - begun


@contextmanager
def _agents(
    api: str, providers: list[Person], files: tuple[File, ...], folders: list[Path], console: Console
) -> Iterator[list[str]]:
    """Three agents at work, as processes; the datasets that they registered."""
    running = []
    try:
        for person, file, folder in zip(providers, files, folders, strict=True):
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "rows.csv").write_bytes(file.content)
            running.append(start_agent(api, person.token, folder))
        yield [_registered(api, person, agent) for person, agent in zip(providers, running, strict=True)]
        console.print("The agents have answered; what each sent is in its journal.")
    finally:
        for agent in running:
            agent.terminate()
        for agent in running:
            agent.wait(timeout=30)


def start_agent(api: str, token: str, folder: Path) -> "subprocess.Popen[bytes]":
    """An agent for ``rows.csv`` of a folder, where its memory and its journal are too."""
    words = ["agent", str(folder / "rows.csv"), "--target", TARGET, "--folder", str(folder / "state")]
    env = os.environ | {"CHERISH_API": api, "CHERISH_API_KEY": token, "OMP_NUM_THREADS": "1"}
    with (folder / "agent.log").open("ab") as log:
        command = [sys.executable, "-m", "app.cli", *words]
        return subprocess.Popen(command, env=env, stdout=log, stderr=log)  # noqa: S603  our own program


def _registered(api: str, person: Person, agent: "subprocess.Popen[bytes]") -> str:
    """The dataset that an agent has published; raises Unavailable where it does not."""
    ends = time.monotonic() + _REGISTER_SECONDS
    with Client(api, person.token) as client:
        while time.monotonic() < ends and agent.poll() is None:
            for plain in client.datasets(status="published"):
                if plain["format"] == "agent":
                    return ListedDataset.read(plain).id
            time.sleep(0.2)
    raise Unavailable(f"the agent of {person.name} has not registered its table; see agent.log in its folder")


def _journal(folder: Path) -> list[int]:
    """The bytes of each request that an agent sent."""
    lines = (folder / "state" / "journal" / "journal.jsonl").read_text().splitlines()
    return [int(json.loads(line)["bytes"]) for line in lines]


def _show(outcome: AgentsOutcome, console: Console) -> None:
    table = Table(title="Valued twice: uploaded, and at home")
    for heading in ("provider", "value uploaded", "value at home", "requests", "bytes sent"):
        table.add_column(heading, justify="left" if heading == "provider" else "right")
    for name in sorted(outcome.uploaded):
        numbers = (outcome.uploaded[name], outcome.at_home[name])
        table.add_row(name, *(f"{n:.9f}" for n in numbers), str(outcome.requests[name]), f"{outcome.sent[name]:,}")
    console.print(table)
    console.print(
        f"At most {outcome.apart:.1e} apart; {outcome.seconds['uploaded']} s uploaded, {outcome.seconds['at_home']} s "
        "at home.",
        soft_wrap=True,
    )
