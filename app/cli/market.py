"""``cherish datasets``, ``valuations``, ``statements``, ``certificate``: the market from a terminal, over HTTP alone.

Everything goes through ``cherish.client``; address and key come from options, or from CHERISH_API and CHERISH_API_KEY.
Nothing here knows the service from within, but for the check of a certificate's signature.
"""

import json
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from app.cli.answers import (
    ConsentLine,
    ContributionCell,
    DatasetDisclosures,
    JobAnswer,
    JobByClass,
    JobValues,
    LedgerLine,
    ListedDataset,
    SignedDigest,
)
from app.cli.output import waiting
from app.cli.tables import print_table
from app.cli.valuing.formats import percent
from app.errors import InvalidInput
from cherish.client import Client
from contract.orders.grants import Approval, Grant

ApiOption = Annotated[str, typer.Option(envvar="CHERISH_API", help="The service's address.")]
KeyOption = Annotated[str, typer.Option(envvar="CHERISH_API_KEY", help="An API key.", show_default=False)]
URL = "http://127.0.0.1:8000"
_KEY_PARTS = ("access_key_id", "secret_access_key", "session_token")

datasets = typer.Typer(help="Your datasets: push a file, list what there is.", no_args_is_help=True)
consents = typer.Typer(help="Jobs that need your consent: list, approve, refuse.", no_args_is_help=True)
valuations = typer.Typer(help="Your jobs: create, watch, read the result.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    app.add_typer(datasets, name="datasets")
    app.add_typer(valuations, name="valuations")
    app.add_typer(consents, name="consents")
    app.command()(statements)
    app.command()(certificate)


@datasets.command("push")
def push(
    file: Annotated[Path, typer.Argument(help="The file to upload.")],
    target: Annotated[str, typer.Option(help="The column to predict.")],
    key: KeyOption,
    name: Annotated[str | None, typer.Option(help="Its name; by default the file's.")] = None,
    kind: Annotated[str, typer.Option(help="train (providers) or test (buyers).")] = "train",
    licence: Annotated[str | None, typer.Option(help="Publish it under this SPDX licence.")] = None,
    grant: Annotated[
        list[Grant] | None, typer.Option(help="What buyers may have beside its value: model, data; may be repeated.")
    ] = None,
    test_first: Annotated[
        bool, typer.Option("--test-first", help="Only jobs whose test set was uploaded before this data.")
    ] = False,
    by_request: Annotated[
        bool, typer.Option("--by-request", help="Each job waits until you approve it (cherish consents).")
    ] = False,
    model_price: Annotated[str | None, typer.Option(help="The least of a job that delivers its model, in EUR.")] = None,
    data_price: Annotated[str | None, typer.Option(help="What its rows cost after a job, in EUR.")] = None,
    data_share: Annotated[
        float | None, typer.Option(help="From which part of what a job divides on (0 to 1) rows come with it.")
    ] = None,
    direct: Annotated[
        bool | None,
        typer.Option(help="Send the file to the service's S3 store itself; by default from 64 MiB on where offered."),
    ] = None,
    api: ApiOption = URL,
) -> None:
    """Upload a file as a dataset, and publish it if a licence is given."""
    if not file.is_file():
        raise InvalidInput(f"{file}: there is no such file; check the path")
    terms = (grant, by_request, test_first, model_price, data_price, data_share)
    if any(terms) and licence is None:
        raise InvalidInput("--grant, --by-request, prices and the like are of a licence; give --licence as well")
    with Client(api, key) as client, waiting("Uploading ...") as status:
        draft = ListedDataset.read(
            client.post("/v1/datasets", {"name": name or file.stem, "target": target, "kind": kind})
        )
        body = client.upload(
            draft.id,
            file,
            on_progress=lambda sent, total: status.update(f"Uploading: {100 * sent / max(total, 1):.0f} %"),
            direct=direct,
        )
        if licence is not None:
            grants = [each.value for each in (Grant.VALUE, *(grant or ()))]
            approval = (Approval.BY_REQUEST if by_request else Approval.AUTOMATIC).value
            said = {
                "spdx": licence,
                "grants": list(dict.fromkeys(grants)),
                "approval": approval,
                "test_first": test_first,
            }
            asked = {"model": model_price, "data": data_price, "data_share": data_share}
            asking = asked if any(each is not None for each in asked.values()) else None
            body = client.publish_dataset(draft.id, said, asking=asking)
    dataset = ListedDataset.read(body)
    say(f"{dataset.id}\t{dataset.status}\t{dataset.rows} rows")


@datasets.command("resume")
def resume(
    dataset_id: Annotated[str, typer.Argument(help="The dataset whose content it is, such as one that push began.")],
    file: Annotated[Path, typer.Argument(help="The file to upload.")],
    key: KeyOption,
    api: ApiOption = URL,
) -> None:
    """Upload a file in parts; run it again after a broken connection, and it goes on where it stopped."""
    if not file.is_file():
        raise InvalidInput(f"{file}: there is no such file; check the path")
    with Client(api, key) as client, waiting("Uploading ...") as status:
        body = client.upload_in_parts(
            dataset_id,
            file,
            on_progress=lambda sent, total: status.update(f"Uploading: {100 * sent / max(total, 1):.0f} %"),
        )
    dataset = ListedDataset.read(body)
    say(f"{dataset.id}\t{dataset.status}\t{dataset.rows} rows")


@datasets.command("fetch")
def fetch(
    dataset_id: Annotated[str, typer.Argument(help="The dataset whose next version it becomes.")],
    url: Annotated[str, typer.Argument(help="https://…, s3://BUCKET/KEY or hf://datasets/OWNER/NAME/PATH.")],
    key: KeyOption,
    sha256: Annotated[str | None, typer.Option(help="Refuse the file unless this is its SHA-256.")] = None,
    token: Annotated[
        str | None, typer.Option(envvar="CHERISH_FETCH_TOKEN", help="For the address's own server.", show_default=False)
    ] = None,
    region: Annotated[str | None, typer.Option(envvar="AWS_REGION", help="Of an s3:// bucket.")] = None,
    endpoint: Annotated[str | None, typer.Option(help="Of a store that is not AWS's.")] = None,
    with_key: Annotated[
        bool, typer.Option("--with-key", help="Send AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN.")
    ] = False,
    api: ApiOption = URL,
) -> None:
    """Have the service fetch a file from an address, as a dataset's content or next version."""
    s3 = {"region": region, "endpoint": endpoint} if url.startswith("s3://") else {}
    if with_key:
        s3 |= {each: os.environ.get(f"AWS_{each.upper()}") for each in _KEY_PARTS}
        if not (s3["access_key_id"] and s3["secret_access_key"]):
            raise InvalidInput("--with-key: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set; set both")
    bucket = {name: value for name, value in s3.items() if value}
    said: dict[str, Any] = {"sha256": sha256, "token": token, "s3": bucket or None}
    with Client(api, key) as client, waiting("Fetching ..."):
        body = client.fetch_dataset(dataset_id, url, **{name: value for name, value in said.items() if value})
    dataset = ListedDataset.read(body)
    say(f"{dataset.id}\t{dataset.status}\t{dataset.rows} rows")


@datasets.command("trace")
def trace(dataset_id: str, file: Path, key: KeyOption, api: ApiOption = URL) -> None:
    """Whose copy of one of your datasets a file is, by the order of its rows."""
    if not file.is_file():
        raise InvalidInput(f"{file}: there is no such file; check the path")
    with Client(api, key) as client, waiting("Tracing ..."):
        traced = client.api.trace_copy(dataset_id, file)
    say(f"{traced.rows_found} rows found, {traced.copies} copies looked at. {traced.sentence}")
    for line in traced.items[:5]:
        alike = f"{100 * line.in_order:.1f} % in order\tby chance {line.chance:.1g}"
        say(f"{line.buyer}\t{line.made_at}\t{alike}")


@datasets.command("list")
def list_datasets(key: KeyOption, api: ApiOption = URL) -> None:
    """List your own datasets, newest first."""
    with Client(api, key) as client, waiting("Asking ..."):
        listed = [ListedDataset.read(each) for each in client.datasets()]
    for dataset in listed:
        say(f"{dataset.id}\t{dataset.status}\t{dataset.rows or 0} rows\t{dataset.name}")


@datasets.command("asked")
def show_askers(dataset_id: str, key: KeyOption, api: ApiOption = URL) -> None:
    """Who asked what depends on the rows of one of your datasets, latest first."""
    with Client(api, key) as client, waiting("Asking ..."):
        disclosures = DatasetDisclosures.read(client.get(f"/v1/datasets/{dataset_id}/disclosures"))
    for line in disclosures.askers:
        say(f"{line.asker}\t{line.spent} of {disclosures.points} points\t{line.questions} questions\t{line.last_at}")


@consents.command("list")
def list_consents(
    key: KeyOption,
    pending: Annotated[bool, typer.Option("--pending", help="Only those without answer.")] = False,
    api: ApiOption = URL,
) -> None:
    """List the jobs that need or needed your consent, newest first."""
    with Client(api, key) as client, waiting("Asking ..."):
        lines = [ConsentLine.read(each) for each in client.consents(status="pending" if pending else None)]
    for line in lines:
        about = f"{line.buyer}\tfor {line.purpose or 'no stated purpose'}\t{line.pool} {line.currency}"
        say(f"{line.valuation_id}\t{line.status}\t{about}\tuntil {line.answer_until}")


_Note = Annotated[str | None, typer.Option(help="A word to the buyer.")]


@consents.command("approve")
def approve(valuation_id: str, key: KeyOption, note: _Note = None, api: ApiOption = URL) -> None:
    """Let a job use your data; final."""
    with Client(api, key) as client, waiting("Asking ..."):
        answer = ConsentLine.read(client.approve(valuation_id, note))
    say(answer.status)


@consents.command("refuse")
def refuse(valuation_id: str, key: KeyOption, note: _Note = None, api: ApiOption = URL) -> None:
    """Keep your data out of a job; final."""
    with Client(api, key) as client, waiting("Asking ..."):
        answer = ConsentLine.read(client.refuse(valuation_id, note))
    say(answer.status)


@valuations.command("create")
def create(
    order: Annotated[Path, typer.Argument(help="The order as JSON, as POST /v1/valuations takes it.")],
    key: KeyOption,
    quote: Annotated[bool, typer.Option("--quote", help="Only say what it would take and cost.")] = False,
    api: ApiOption = URL,
) -> None:
    """Post a job, or ask what it would cost."""
    body = as_object(order)
    with Client(api, key) as client, waiting("The files are being read ..."):
        answer = client.quote_valuation(**body) if quote else client.create_valuation(**body)
    say(json.dumps(answer, indent=2) if quote else JobAnswer.read(answer).id)


@valuations.command("watch")
def watch(valuation_id: str, key: KeyOption, api: ApiOption = URL) -> None:
    """Follow a job to its end; exit code 1 where it has no result."""
    said = ""

    def follow(body: dict[str, Any]) -> None:
        nonlocal said
        job = JobAnswer.read(body)
        counts = ", ".join(f"{count} {kind}" for kind, count in job.progress.evaluations.plain().items() if count)
        line = f"{job.status}\t{counts}"
        if line != said:
            said = line
            waited.stop()
            say(line)
            waited.start()

    with Client(api, key) as client, waiting("Waiting for the service ...") as waited:
        job = JobAnswer.read(client.wait(valuation_id, on_progress=follow))
    if not job.succeeded:
        raise InvalidInput(job.error or f"the job is {job.status}")
    if job.precision_met is False:
        say("It is less sure than was asked for; `cherish valuations result` says by how much and what would help.")


@valuations.command("top-up")
def top_up(
    valuation_id: str,
    key: KeyOption,
    max_retrains: Annotated[int | None, typer.Option(help="Retrainings, those of the earlier job included.")] = None,
    max_evaluations: Annotated[int | None, typer.Option(help="Worths of all kinds, the earlier included.")] = None,
    share_ci: Annotated[float | None, typer.Option(help="The widest interval that is asked for, in points.")] = None,
    ruled_by: Annotated[str | None, typer.Option(help="budget or precision.")] = None,
    quote: Annotated[bool, typer.Option("--quote", help="Only say what it would take and cost.")] = False,
    api: ApiOption = URL,
) -> None:
    """Go on with a job that has ended; you pay for what is computed besides."""
    limits = {"max_retrains": max_retrains, "max_evaluations": max_evaluations, "share_ci": share_ci}
    budgets = {name: value for name, value in (limits | {"ruled_by": ruled_by}).items() if value is not None}
    with Client(api, key) as client, waiting("Asking ..."):
        answer = client.quote_top_up(valuation_id, **budgets) if quote else client.top_up(valuation_id, **budgets)
    say(json.dumps(answer, indent=2) if quote else JobAnswer.read(answer).id)


@valuations.command("result")
def result(
    valuation_id: str,
    key: KeyOption,
    as_json: Annotated[bool, typer.Option("--json", help="The whole result as JSON.")] = False,
    metric: Annotated[
        str | None, typer.Option(help="Another metric, from what is stored; what was paid stays as ordered.")
    ] = None,
    api: ApiOption = URL,
) -> None:
    """Show who is worth what and is paid how much."""
    with Client(api, key) as client, waiting("Asking ..."):
        body = client.values(valuation_id, metric=metric)
    if as_json:
        say(json.dumps(body, indent=2))
        return
    values = JobValues.read(body)
    rows = []
    for player in values.players:
        shares = (percent(player.share), percent(player.paid_share))
        amount = f"{player.amount} {values.currency}"
        cells = (str(player.rows), f"{player.value:.5f}", *shares, amount, player.reason or "")
        rows.append((player.provider, *cells))
    headings = ("provider", "rows", "value", "share", "paid share", "amount", "why")
    print_table(Console(), headings, rows, names=("provider", "why"))
    if values.metric != values.ordered_metric:
        say(f"Values and shares are by {values.metric}; what is paid stays as ordered, by {values.ordered_metric}.")
    if values.precision is not None and not values.precision.met:
        reached = "it cannot be said" if values.precision.reached is None else f"{values.precision.reached:.2f}"
        say(f"The precision asked for was not reached: {values.precision.asked:g} points; {reached}.")
        if values.precision.forecast:
            say(values.precision.forecast)


def _by_class(cell: ContributionCell) -> str:
    """A contribution with its interval; a question mark where it is not apart from 0."""
    between = "" if cell.low is None or cell.high is None else f" ({cell.low:+.2f} to {cell.high:+.2f})"
    return f"{cell.value:+.2f}{between}{'' if cell.sure else ' ?'}"


@valuations.command("classes")
def classes(
    valuation_id: str,
    key: KeyOption,
    as_json: Annotated[bool, typer.Option("--json", help="The whole answer as JSON.")] = False,
    api: ApiOption = URL,
) -> None:
    """Show what each player did for each class of the test set; it counts against your budget for the datasets."""
    with Client(api, key) as client, waiting("Asking ..."):
        body = client.classes(valuation_id)
    if as_json:
        say(json.dumps(body, indent=2))
        return
    contributions = JobByClass.read(body)
    headings = ("provider", *(f"{each.name} ({each.rows})" for each in contributions.classes))
    rows = [(" and ".join(player.providers), *map(_by_class, player.cells)) for player in contributions.players]
    rows.append(("everybody", *(f"{each.everybody:.2f}" for each in contributions.classes)))
    print_table(Console(), headings, rows)
    say(f"Recall by models of {contributions.source}; a question mark: 95 % intervals that hold 0.")
    if contributions.untold:
        say(f"Not told, for too few test rows: {', '.join(contributions.untold)}")


@valuations.command("model")
def model(
    valuation_id: str,
    key: KeyOption,
    out: Annotated[Path, typer.Option("--out", "-o", help="Where to write the zip.")] = Path("model.zip"),
    api: ApiOption = URL,
) -> None:
    """Fetch the model that a job delivers; predict with it by `cherish predict`."""
    with Client(api, key) as client, waiting("Asking ..."):
        content = client.model(valuation_id)
    out.write_bytes(content)
    say(f"{out}\t{len(content)} bytes")


@valuations.command("rows")
def rows(
    valuation_id: str,
    dataset_id: str,
    key: KeyOption,
    out: Annotated[Path, typer.Option("--out", "-o", help="Where to write them.")],
    buy: Annotated[bool, typer.Option("--buy", help="Pay the price that is asked for them.")] = False,
    api: ApiOption = URL,
) -> None:
    """Fetch the rows of a dataset that a job delivers; each access is shown to their provider."""
    with Client(api, key) as client, waiting("Fetching ..."):
        bought = client.api.buy_delivered_data(valuation_id, dataset_id) if buy else None
        content = client.api.get_delivered_data(valuation_id, dataset_id)
    if bought is not None:
        say(f"bought\t{bought.amount} {bought.currency}")
    out.write_bytes(content)
    say(f"{out}\t{len(content)} bytes")


@valuations.command("evidence")
def evidence(
    valuation_id: str,
    key: KeyOption,
    out: Annotated[Path, typer.Option("--out", "-o", help="Where to write the zip.")] = Path("evidence.zip"),
    api: ApiOption = URL,
) -> None:
    """Fetch what a job's values rest on; `cherish verify CERTIFICATE EVIDENCE` repeats the job from it."""
    with Client(api, key) as client, waiting("Asking ..."):
        content = client.evidence(valuation_id)
    out.write_bytes(content)
    say(f"{out}\t{len(content)} bytes")


@valuations.command("proofs")
def proofs(
    valuation_id: str,
    key: KeyOption,
    out: Annotated[Path, typer.Option("--out", "-o", help="Where to write them.")] = Path("proofs.json"),
    api: ApiOption = URL,
) -> None:
    """Fetch the proofs that a job counted the coalitions your data is in; check them with `cherish verify`."""
    with Client(api, key) as client, waiting("Asking ..."):
        body = client.inclusion(valuation_id)
    out.write_text(json.dumps(body, indent=1) + "\n")
    say(f"{out}\t{len(body['items'])} proofs")


def statements(
    key: KeyOption, currency: Annotated[str | None, typer.Option(help="Only this one.")] = None, api: ApiOption = URL
) -> None:
    """Your ledger entries, newest first."""
    with Client(api, key) as client, waiting("Asking ..."):
        lines = [LedgerLine.read(each) for each in client.statement(currency)]
    for line in lines:
        why = f"\t{line.reference}" if line.reference else ""
        say(f"{line.created_at}\t{line.code}\t{line.state}\t{line.amount} {line.currency}" + why)


def certificate(
    file: Annotated[Path, typer.Argument(help="A certificate as the service answered it.")],
    key: Annotated[str, typer.Option(help="The service's public key, from where you trust it.")],
) -> None:
    """Check a certificate's signature; exit code 1 where the key did not sign it."""
    from app.valuations.results.certificates import is_genuine

    try:
        body: Any = json.loads(file.read_text())
    except (OSError, ValueError) as cause:
        raise InvalidInput(f"{file}: this is not a JSON file ({cause})") from cause
    if not isinstance(body, dict) or not is_genuine(body, key):
        raise InvalidInput(f"{file}: this key did not sign this certificate; it was altered, or is another service's")
    say(f"Genuine. Digest {SignedDigest.read(body).digest}")


def as_object(path: Path) -> dict[str, Any]:
    """What a file asks for; raises InvalidInput where it is no JSON object."""
    try:
        body: Any = json.loads(path.read_text())
    except (OSError, ValueError) as cause:
        raise InvalidInput(f"{path}: this is not a JSON file ({cause}); write the order as JSON") from cause
    if not isinstance(body, dict):
        raise InvalidInput(f"{path}: an order is a JSON object")
    return body


def say(line: str) -> None:
    """A line of a command's answer."""
    sys.stdout.write(line + "\n")
