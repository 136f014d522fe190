"""``cherish demo``: the whole market once, on this machine, with real parts and as a client over HTTP.

It starts the embedded stack, makes a buyer and ten providers with keys, uploads ten files in three formats, posts one
valuation job, follows it, prints who is paid what, writes ``.cherish/demo.json`` and shuts everything down. It never
reaches into the service: after the keys are made, every step is an HTTP request.
"""

import json
import time
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import BaseModel, Field
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from app.cli.answers import JobAnswer, JobValues, PaidPlayer, WorthCounts
from app.cli.demonstration.agents import demo_agents
from app.cli.demonstration.people import Person, new_buyer, people, upload
from app.cli.demonstration.text import demo_text
from app.cli.valuing.formats import percent
from app.demo.digits import File, digits_market
from app.embedded.stack import EmbeddedStack
from app.settings import Settings
from cherish import Client

POOL, CURRENCY = "10000.00", "EUR"
RETRAININGS = 60
_SPEC: dict[str, Any] = {
    "pool": POOL,
    "currency": CURRENCY,
    "model": {"name": "mlp", "hyper": {"hidden": 64}},
    "metric": "clipped_log_loss",
    # narrower than the audit can reach, so that the demonstration always spends the whole of it
    "share_ci": 0.1,
    "max_retrains": RETRAININGS,
    "seed": 7,
}
_Home = Annotated[Path, typer.Option(help="Where the demonstration keeps its database, blobs and logs.")]
_Text = Annotated[
    Path | None,
    typer.Option(help="A folder of text files: value their authors for a language model, no server."),
]
_Agents = Annotated[
    bool, typer.Option("--agents", help="Three providers who keep their rows, valued by agents and as if uploaded.")
]
_Workers = Annotated[int, typer.Option(min=1, help="Worker processes.")]


def register(app: typer.Typer) -> None:
    app.command()(demo)


def demo(
    home: _Home = Path(".cherish/demo"), workers: _Workers = 2, text: _Text = None, agents: _Agents = False
) -> None:
    """Run the market once, end to end, and print who is paid what."""
    if text is not None:
        demo_text(text, home.resolve() / "text")
        return
    if agents:
        if not demo_agents(home.resolve(), workers):
            raise typer.Exit(1)
        return
    console = Console()
    started = time.monotonic()
    buyer = new_buyer()
    with EmbeddedStack(
        home.resolve(),
        workers=workers,
        env={"CHERISH_SHOWN_BUYER": buyer},
        say=lambda line: console.print(f"[dim]{line}[/dim]"),
    ) as stack:
        result = run_market(stack, buyer, console)
        result.seconds = round(time.monotonic() - started, 1)
    path = home.resolve().parent / "demo.json"
    path.write_text(json.dumps(result.model_dump(), indent=2) + "\n")
    show(result, console)
    console.print(f"Written to {path}", soft_wrap=True)
    if not result.succeeded:
        raise typer.Exit(1)


class DemoOutcome(BaseModel):
    """What ``demo.json`` holds: how the job ended, and who is paid what, in the order of names."""

    valuation_id: str
    status: str
    pool: str = POOL
    currency: str = CURRENCY
    seconds: float = 0.0
    evaluations: WorthCounts
    players: list[PaidPlayer] = Field(default_factory=list)

    @property
    def succeeded(self) -> bool:
        """Whether the job ended with a result."""
        return self.status == "succeeded"


def run_market(stack: EmbeddedStack, buyer_name: str, console: Console) -> DemoOutcome:
    """The market once, on a stack that runs: people, uploads, one job to its end."""
    files, test_file = digits_market()
    admin, buyer, providers = people(Settings.from_variables(stack.settings_env()), buyer_name, files)
    console.print(f"Watch it at {stack.api_url}/ ; the API's documentation is at {stack.api_url}/docs", soft_wrap=True)
    with Client(stack.api_url, admin.token) as client:
        deposit = {"account_id": buyer.id, "amount": POOL, "currency": CURRENCY, "reference": f"demo {buyer.name}"}
        client.post("/v1/ledger/deposits", deposit)
    datasets = _upload_all(stack.api_url, providers, files, console)
    with Client(stack.api_url, buyer.token) as client:
        return _value(client, datasets, test_file, console)


def _upload_all(api_url: str, providers: list[Person], files: list[File], console: Console) -> list[str]:
    """Every provider uploads and publishes its own file; returns the datasets' ids."""
    ids = []
    for person, file in zip(providers, files, strict=True):
        with Client(api_url, person.token) as client:
            dataset = upload(client, f"digits of {file.owner}", file, "train")
            client.publish_dataset(dataset.id, "CC0-1.0")
        ids.append(dataset.id)
    formats = ", ".join(sorted({file.format for file in files}))
    console.print(f"Ten providers uploaded {sum(file.rows for file in files)} rows ({formats}).")
    return ids


def _value(client: Client, datasets: list[str], test_file: File, console: Console) -> DemoOutcome:
    """Post the job, follow it to its end, and collect what ``demo.json`` holds."""
    test = upload(client, "digits test set", test_file, "test")
    started = time.monotonic()
    job = JobAnswer.read(client.create_valuation(datasets=datasets, test_dataset=test.id, **_SPEC))
    console.print(f"The buyer posted {job.id} with a pool of {POOL} {CURRENCY}.", soft_wrap=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[note]}"), TimeElapsedColumn())
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("queued", total=2 ** len(datasets) + RETRAININGS, note="")
        job = JobAnswer.read(
            client.wait(job.id, timeout=600, on_progress=lambda seen: _draw(bar, task, JobAnswer.read(seen)))
        )
    if not job.succeeded:
        console.print(f"[red]The job ended as {job.status}: {job.error or job.reason}[/red]")
        return DemoOutcome(valuation_id=job.id, status=job.status, evaluations=job.progress.evaluations)
    values = JobValues.read(client.values(job.id))
    console.print(f"Valued in {time.monotonic() - started:.1f} s; stopped by {values.stopped_by}.")
    if values.audit is not None and values.audit.sentence:
        console.print(values.audit.sentence)
    players = sorted(values.players, key=lambda player: player.provider)
    return DemoOutcome(valuation_id=job.id, status=job.status, evaluations=values.evaluations, players=players)


def _draw(bar: Progress, task: TaskID, job: JobAnswer) -> None:
    done, widest = job.progress.evaluations.total(), job.progress.widest_share_interval
    note = f"{done} worths" + (f", widest share interval {widest:.1f} points" if widest is not None else "")
    total = max(bar.tasks[task].total or 0, done)
    bar.update(task, description=job.status, note=note, total=total, completed=done)
    if job.succeeded:
        bar.update(task, total=done, completed=done)


def show(outcome: DemoOutcome, console: Console) -> None:
    """Who is paid what, as a table that fits into 80 columns: with what makes each share's interval wide or, where
    somebody is not paid by its share, with what is paid in its place."""
    by_share = all(percent(player.share) == percent(player.paid_share) for player in outcome.players)
    table = Table(title=f"{outcome.valuation_id}: {outcome.status}")
    last = "± from" if by_share else "paid share"
    for heading in ("provider", "rows", "value", "share", last, outcome.currency):
        first = heading == "provider"
        table.add_column(heading, justify="left" if first else "right", no_wrap=first)
    for player in sorted(outcome.players, key=lambda player: -player.value):
        parts = "" if player.parts is None else player.parts.compact()
        shares = (percent(player.share), parts if by_share else percent(player.paid_share))
        table.add_row(player.provider, str(player.rows), f"{player.value:.4f}", *shares, player.amount)
    console.print(table)
    if by_share:
        console.print(
            "± from: points that the share's 95 % interval would be wide by test rows, unlearning, seeds alone.",
            soft_wrap=True,
        )
    reasons: dict[str, list[str]] = {}
    for player in outcome.players:
        reasons.setdefault(player.reason or "", []).append(player.provider)
    for reason, providers in reasons.items():
        if reason.startswith("nothing"):
            console.print(f"{', '.join(providers)}: {reason}.", soft_wrap=True)
    counts = outcome.evaluations
    console.print(f"{counts.unlearn} worths by unlearning, {counts.repair} by repair, {counts.retrain} by retraining.")
