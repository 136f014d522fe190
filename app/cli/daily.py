"""What each role does every day, over HTTP: find data, look after jobs, see and withdraw money, run a market.

Lists are lines with tabs between their fields, newest first, or with ``--json`` the service's own answers. While the
service is waited for, standard error says so; standard output holds the answer alone.
"""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from app.cli import checkpoints, exploring, market
from app.cli.market import URL, ApiOption, KeyOption, say
from app.cli.output import waiting
from app.cli.valuing.formats import percent
from app.errors import InvalidInput
from cherish.client import Client

if TYPE_CHECKING:
    from cherish import models
    from cherish.operations import Operations
    from cherish.records import Record

Listed = TypeVar("Listed", bound="Record")

money = typer.Typer(help="Your money: balance, withdraw, withdrawals.", no_args_is_help=True)
admin = typer.Typer(help="For administrators: organisations, deposits, withdrawals, workers.", no_args_is_help=True)

_LOOK_SECONDS = 0.5
_Json = Annotated[bool, typer.Option("--json", help="The service's answers as JSON.")]
_Most = Annotated[int, typer.Option("--limit", min=1, help="How many at most.")]
_Amount = Annotated[str, typer.Argument(help="Such as 25.00.")]
_Currency = Annotated[str, typer.Argument(help="Such as EUR.")]


class Decision(StrEnum):
    """What becomes of a withdrawal."""

    APPROVE = "approve"
    REJECT = "reject"


def register(app: typer.Typer) -> None:
    market.register(app)
    checkpoints.register(app)
    exploring.register()
    app.add_typer(money, name="money")
    app.add_typer(admin, name="admin")


@contextmanager
def asked(api: str, key: str, what: str = "Asking ...") -> Iterator["Operations"]:
    """The service's operations; while they take long, standard error says ``what``."""
    with Client(api, key) as client, waiting(what):
        yield client.api


@market.datasets.command("search")
def search(
    words: Annotated[str, typer.Argument(help="Words of names, descriptions, columns; all where left out.")] = "",
    key: KeyOption = "",
    modality: Annotated[str | None, typer.Option(help="tabular, array, text or image.")] = None,
    licence: Annotated[str | None, typer.Option(help="An SPDX licence.")] = None,
    min_rows: Annotated[int | None, typer.Option(min=1, help="At least so many rows.")] = None,
    limit: _Most = 50,
    as_json: _Json = False,
    api: ApiOption = URL,
) -> None:
    """Search the catalogue of published datasets."""
    filters = {"q": words or None, "modality": modality, "licence": licence, "min_rows": min_rows}
    with asked(api, key) as operations:
        found = _listed(lambda cursor: operations.search_catalog(cursor=cursor, **filters), limit)  # type: ignore[arg-type]
    _tell(found, _of_listing, as_json)


@market.datasets.command("pause")
def pause(dataset_id: str, key: KeyOption, api: ApiOption = URL) -> None:
    """Take a dataset out of the catalogue until it is published again."""
    with asked(api, key) as operations:
        done = operations.pause_dataset(dataset_id)
    say(f"{done.id}\t{done.status}")


@market.datasets.command("withdraw")
def withdraw_dataset(
    dataset_id: str,
    key: KeyOption,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask: it is final, and its rows are erased.")] = False,
    api: ApiOption = URL,
) -> None:
    """Withdraw a dataset: no new job may use it, models forget it, it is erased. Final."""
    if not yes:
        typer.confirm(f"Withdraw {dataset_id}, and have it forgotten and erased? This is final.", abort=True, err=True)
    with asked(api, key) as operations:
        done = operations.withdraw_dataset(dataset_id)
    say(f"{done.id}\t{done.status}")


@market.valuations.command("list")
def list_valuations(
    key: KeyOption,
    status: Annotated[list[str] | None, typer.Option(help="Only these; may be repeated.")] = None,
    limit: _Most = 50,
    as_json: _Json = False,
    api: ApiOption = URL,
) -> None:
    """List jobs, newest first: your own, or for an administrator everybody's."""
    with asked(api, key) as operations:
        found = _listed(lambda cursor: operations.list_valuations(status=status, cursor=cursor), limit)
    _tell(found, _of_job, as_json)


@market.valuations.command("mine")
def mine(key: KeyOption, limit: _Most = 50, as_json: _Json = False, api: ApiOption = URL) -> None:
    """For providers: the jobs that your data is valued in, your share and amount, and why."""
    with asked(api, key) as operations:
        found = _listed(lambda cursor: operations.list_my_valuations(cursor=cursor), limit)
    _tell(found, _of_part, as_json)


@market.valuations.command("cancel")
def cancel(valuation_id: str, key: KeyOption, api: ApiOption = URL) -> None:
    """Stop a running job; its pool returns to your balance."""
    with asked(api, key) as operations:
        done = operations.cancel_valuation(valuation_id)
    say(f"{done.id}\t{done.status}")


@market.valuations.command("training-data")
def training_data(
    model: Annotated[str, typer.Argument(help="A checkpoint (ck_…), or a job that delivered a model (val_…).")],
    key: KeyOption,
    api: ApiOption = URL,
) -> None:
    """What a model was trained on, in the EU's template for public summaries (AI Act, Article 53), as JSON."""
    if not model.startswith(("ck_", "val_")):
        raise InvalidInput(f"{model}: this is no model; name a checkpoint (ck_…), or a job that delivered one (val_…)")
    with asked(api, key) as operations:
        if model.startswith("val_"):
            delivered = operations.get_delivery(model).model
            if delivered is None or delivered.checkpoint_id is None:
                why = "it was ordered without its model" if delivered is None else delivered.reason
                raise InvalidInput(f"{model} delivers no model: {why}")
            model = delivered.checkpoint_id
        said = operations.get_training_data(model)
    say(json.dumps(said.plain(), indent=2, ensure_ascii=False))


@market.valuations.command("attributions")
def attributions(
    valuation_id: str,
    answers: Annotated[
        Path, typer.Argument(help='JSON lines, each {"prompt": "...", "answer": "..."}; a prompt may be missing.')
    ],
    key: KeyOption,
    as_json: _Json = False,
    api: ApiOption = URL,
) -> None:
    """Which providers answers of a delivered language model leaned on; it counts against your budget for the data."""
    from app.cli.royalties import read_answers

    body = {"answers": [{"prompt": prompt, "answer": said} for prompt, said in read_answers(answers)]}
    with asked(api, key, "Looking ...") as operations:
        found = operations.create_attribution(valuation_id, body)
        while found.status == "queued":
            time.sleep(_LOOK_SECONDS)
            found = operations.get_attribution(valuation_id, found.id)
    if found.status == "refused" or found.together is None:
        raise InvalidInput(f"{found.id}: {found.reason}")
    if as_json:
        say(json.dumps(found.plain(), indent=2, ensure_ascii=False))
        return
    told = zip(found.providers or (), found.together.values, found.together.shares, strict=True)
    for provider, value, share in told:
        say(f"{provider.provider}\t{value:.2f} nats a token\t{percent(share)}")
    count, together = len(found.answers or ()), found.together
    say(f"{count} answers\t{together.tokens} tokens\tgain {together.gain:.2f} nats a token")


@money.command("balance")
def balance(
    key: KeyOption,
    account: Annotated[str | None, typer.Option(help="For administrators: whose (acc_…).")] = None,
    as_json: _Json = False,
    api: ApiOption = URL,
) -> None:
    """What you have, by currency: what can be spent, what is set aside, held or still below the minimum."""
    with asked(api, key) as operations:
        said = operations.get_balance() if account is None else operations.get_balance_of(account)
    _tell(said.balances, _of_balance, as_json)


@money.command("withdraw")
def withdraw(amount: _Amount, currency: _Currency, key: KeyOption, api: ApiOption = URL) -> None:
    """Ask for money that is payable to you; an administrator decides."""
    with asked(api, key) as operations:
        done = operations.request_withdrawal({"amount": amount, "currency": currency})
    say(_of_withdrawal(done))


@money.command("withdrawals")
def withdrawals(key: KeyOption, limit: _Most = 50, as_json: _Json = False, api: ApiOption = URL) -> None:
    """Your withdrawals, newest first, and what became of each."""
    with asked(api, key) as operations:
        found = _listed(lambda cursor: operations.list_own_withdrawals(cursor=cursor), limit)
    _tell(found, _of_withdrawal, as_json)


@admin.command("accounts")
def accounts(
    key: KeyOption,
    status: Annotated[str | None, typer.Option(help="pending, active or suspended.")] = None,
    limit: _Most = 50,
    as_json: _Json = False,
    api: ApiOption = URL,
) -> None:
    """List organisations, newest first."""
    with asked(api, key) as operations:
        found = _listed(lambda cursor: operations.list_accounts(status=status, cursor=cursor), limit)
    _tell(found, _of_account, as_json)


@admin.command("approve")
def approve(account_id: str, key: KeyOption, api: ApiOption = URL) -> None:
    """Let an organisation in that has registered."""
    with asked(api, key) as operations:
        done = operations.approve_account(account_id)
    say(_of_account(done))


@admin.command("suspend")
def suspend(
    account_id: str,
    reason: Annotated[str, typer.Option(help="What the organisation is told.")],
    key: KeyOption,
    api: ApiOption = URL,
) -> None:
    """Refuse an organisation's keys and people from now on; jobs under way go on."""
    with asked(api, key) as operations:
        done = operations.suspend_account(account_id, {"reason": reason})
    say(_of_account(done))


@admin.command("reinstate")
def reinstate(account_id: str, key: KeyOption, api: ApiOption = URL) -> None:
    """Lift a suspension."""
    with asked(api, key) as operations:
        done = operations.reinstate_account(account_id)
    say(_of_account(done))


@admin.command("deposit")
def deposit(
    account_id: str,
    amount: _Amount,
    currency: _Currency,
    reference: Annotated[str, typer.Option(help="Of the payment; one reference is one deposit.")],
    key: KeyOption,
    api: ApiOption = URL,
) -> None:
    """Record money that has come in for a buyer."""
    body = {"account_id": account_id, "amount": amount, "currency": currency, "reference": reference}
    with asked(api, key) as operations:
        done = operations.record_deposit(body)
    say(f"{done.id}\t{done.amount} {done.currency}\t{done.account_id}\t{done.reference}")


@admin.command("withdrawals")
def pending_withdrawals(key: KeyOption, as_json: _Json = False, api: ApiOption = URL) -> None:
    """Withdrawals that wait for a decision, oldest first."""
    with asked(api, key) as operations:
        found = operations.list_withdrawals().items
    _tell(found, _of_withdrawal, as_json)


@admin.command("decide")
def decide(withdrawal_id: str, decision: Decision, key: KeyOption, api: ApiOption = URL) -> None:
    """Approve a withdrawal whose money has left, or reject it."""
    with asked(api, key) as operations:
        act = operations.approve_withdrawal if decision is Decision.APPROVE else operations.reject_withdrawal
        done = act(withdrawal_id)
    say(_of_withdrawal(done))


@admin.command("workers")
def workers(key: KeyOption, as_json: _Json = False, api: ApiOption = URL) -> None:
    """The worker processes: where they run, what they hold, their last heartbeat."""
    with asked(api, key) as operations:
        found = operations.list_workers().items
    _tell(found, _of_worker, as_json)


@admin.command("failures")
def failures(key: KeyOption, limit: _Most = 20, as_json: _Json = False, api: ApiOption = URL) -> None:
    """Jobs that failed, newest first, and why."""
    with asked(api, key) as operations:
        found = _listed(lambda cursor: operations.list_failures(cursor=cursor), limit)
    _tell(found, _of_failure, as_json)


def _listed(page: Callable[[str | None], Any], most: int) -> list[Any]:
    """The first ``most`` items of pages."""

    def every() -> Iterator[Any]:
        cursor = None
        while True:
            said = page(cursor)
            yield from said.items
            cursor = said.next_cursor
            if cursor is None:
                return

    return list(islice(every(), most))


def _tell(found: Sequence[Listed], line: Callable[[Listed], str], as_json: bool) -> None:
    if as_json:
        say(json.dumps([each.plain() for each in found], indent=2, ensure_ascii=False))
        return
    for each in found:
        say(line(each))


def _of_listing(each: "models.Listing") -> str:
    price = f"\tfrom {each.reserve_price} {each.reserve_currency}" if each.reserve_price else ""
    return f"{each.id}\t{each.rows} rows\t{each.licence.spdx}\t{each.provider}\t{each.name}{price}"


def _of_job(each: "models.ValuationSummary") -> str:
    name = each.metadata.get("order") or each.metadata.get("name", "")
    return (
        f"{each.id}\t{each.status}\t{each.pool} {each.currency}\t{each.created_at:%Y-%m-%d %H:%M}\t{each.buyer}\t{name}"
    )


def _of_part(each: "models.MyValuation") -> str:
    parts = [
        f"{percent(player.paid_share)}\t{player.amount or '-'} {each.currency}\t{player.reason or ''}"
        for player in each.players
        if player.paid_share is not None
    ]
    return "\t".join([each.id, str(each.status), each.metric, *parts])


def _of_balance(each: "models.BalanceAnswer") -> str:
    rest = f"{each.reserved} reserved\t{each.held} held\t{each.accrued} accrued"
    return f"{each.currency}\t{each.available} available\t{rest}"


def _of_withdrawal(each: "models.WithdrawalAnswer") -> str:
    return (
        f"{each.id}\t{each.status}\t{each.amount} {each.currency}\t{each.created_at:%Y-%m-%d %H:%M}\t{each.account_id}"
    )


def _of_account(each: "models.AccountAnswer") -> str:
    why = f"\t{each.status_reason}" if each.status_reason else ""
    return f"{each.id}\t{each.role}\t{each.status}\t{each.name}{why}"


def _of_worker(each: "models.WorkerAnswer") -> str:
    state = "alive" if each.alive else f"last seen {each.seen_at:%Y-%m-%d %H:%M:%S}"
    return f"{each.name}\t{each.device}\t{each.queue}\t{state}\t{each.shard_id or 'idle'}"


def _of_failure(each: "models.FailureAnswer") -> str:
    return f"{each.valuation_id}\t{each.created_at:%Y-%m-%d %H:%M}\t{each.reason or ''}\t{each.error or ''}"
