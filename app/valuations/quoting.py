"""What an order takes and costs, before it is posted: a quote, and by what effort a job is charged. Never commits."""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy.orm import Session

from app.errors import FieldError, InvalidInput
from app.identity import Caller
from app.payouts import money
from app.payouts import service as payouts
from app.payouts.policies import fee_of
from app.settings import Settings
from app.storage.blobs import BlobStore
from app.valuations.job_schemas import (
    AgentsEffort,
    LicenceProblem,
    Quote,
    QuotedBudget,
)
from app.valuations.orders.admission import Admission, shard_rows
from app.valuations.orders.admitted import Admitted
from app.valuations.orders.agents_effort import agents_effort
from app.valuations.orders.device_time_price import DeviceTimePrice
from app.valuations.orders.disclosures import quoted_findings
from app.valuations.orders.measurement import measurement, rule
from app.valuations.orders.quotes import (
    DeviceTimeEstimate,
    MeasuredSeconds,
    distinct_coalitions,
    estimate,
    expected_evaluations,
    shard_count,
    with_method,
)
from app.valuations.orders.refusals import refused
from app.valuations.orders.terms import sentences, warnings, with_dispute_window
from app.valuations.results import earlier_widths
from app.valuations.results.answers import shown_findings
from app.valuations.schemas import NewValuation
from app.valuations.work import worths
from contract.orders.estimators import LEAST_TO_CORRECT


@dataclass(frozen=True)
class Effort:
    """What an order is expected to take: worths by fidelity, names of all players' or shards' content, device seconds
    with those of checks, and what they cost at most (None: nothing is charged)."""

    evaluations: dict[str, int]
    digests: list[str]
    estimate: DeviceTimeEstimate
    seconds: float
    compute: DeviceTimePrice | None

    def sentence(self, currency: str) -> str:
        """What it takes at most, for people."""
        words = f"{self.evaluations.get('retrain', 0)} retrainings, about {self.seconds:.0f} device seconds"
        return words if self.compute is None else f"{words}, {money.plain(self.compute.most, currency)} {currency}"


def quote(session: Session, blobs: BlobStore, settings: Settings, caller: Caller, order: NewValuation) -> Quote:
    """What an order would take, checked as far as posting checks it; it stores nothing and holds no money."""
    licences: list[FieldError] = []
    order = with_dispute_window(order, settings)
    admitted = Admission(session, blobs, settings, caller).admit(order, licences)
    past = _past(session, admitted)
    effort = effort_of(settings, admitted, order, past)
    counts, digests, compute = effort.evaluations, effort.digests, effort.compute
    most = 0 if compute is None else compute.most
    fee = fee_of(admitted.pool_minor, settings.platform_fee_basis_points)
    wallet = {balance.currency: balance.available for balance in payouts.balances(session, caller.account_id)}
    balance = wallet.get(order.currency, 0)
    reserves = any(payee.reserve for payee in admitted.payees)
    agents = _asked_of_agents(order, admitted, counts)
    earlier = earlier_widths.newest(session, caller.account_id, order, len(admitted.payees))
    return Quote(
        budgets=_budgets(settings, admitted, order, past, effort, earlier),
        widths_of=None if earlier is None else earlier.valuation_id,
        players=len(admitted.payees),
        shards=len(digests) if admitted.game.shard_rows or order.segments is not None else None,
        distinct_coalitions=distinct_coalitions(digests),
        evaluations=counts,
        device_seconds=effort.seconds,
        device_seconds_basis="measured" if effort.estimate.basis == "measured" else "model",
        device_seconds_note=effort.estimate.sentence,
        pool=money.plain(admitted.pool_minor, order.currency),
        currency=order.currency,
        fee=money.plain(fee, order.currency),
        compute=money.plain(most, order.currency),
        distributable=money.plain(admitted.pool_minor - fee - most, order.currency),
        balance=money.plain(balance, order.currency),
        sufficient=balance >= admitted.pool_minor,
        licence_problems=[LicenceProblem(pointer=fault.pointer, detail=fault.detail) for fault in licences],
        findings=shown_findings(quoted_findings(admitted.findings)),
        notes=[*_quote_notes(order, admitted, effort), *([] if agents is None else [agents.sentence])],
        agents=agents,
        terms=sentences(
            order.payout,
            order.currency,
            settings.platform_fee_basis_points,
            reserves,
            order.class_weights,
            compute,
            deliver=order.delivered,
            segments=None if order.segments is None else order.segments.column,
            test_first=order.test_first,
            lot=order.test_lot,
        ),
    )


def _budgets(
    settings: Settings,
    admitted: Admitted,
    order: NewValuation,
    past: MeasuredSeconds,
    effort: Effort,
    earlier: earlier_widths.EarlierWidth | None,
) -> list[QuotedBudget]:
    """Precision against cost, for fewer and more retrainings than are quoted; empty where no number of them rules."""
    quoted, all_of_them = effort.evaluations.get("retrain", 0), distinct_coalitions(effort.digests)
    if not quoted or order.fidelity not in ("auto", "retrain"):
        return []
    numbers = sorted({min(max(LEAST_TO_CORRECT, round(quoted * factor)), all_of_them) for factor in (0.5, 1, 2, 4)})
    lines = []
    for number in numbers:
        try:
            other = effort_of(settings, admitted, order.model_copy(update={"max_retrains": number}), past)
        except InvalidInput:
            # device time would leave nothing of the pool to divide
            break
        compute = 0 if other.compute is None else other.compute.most
        lines.append(
            QuotedBudget(
                max_retrains=number,
                device_seconds=other.seconds,
                compute=money.plain(compute, order.currency),
                widest=None if earlier is None else round(earlier.with_retrains(number), 2),
            )
        )
    return lines


def _asked_of_agents(order: NewValuation, admitted: Admitted, counts: Mapping[str, int]) -> AgentsEffort | None:
    """What agents beside data at home will be asked; None where all rows are here."""
    if not admitted.agents:
        return None
    size, learner, open_rows = admitted.size, admitted.game.learner, order.payout.open_rows
    return agents_effort(learner.name, learner.hyper, size.width, size.classes, counts, admitted.agents, open_rows)


def _quote_notes(order: NewValuation, admitted: Admitted, effort: Effort) -> list[str]:
    """What an order is told before it is posted: what its test set can measure, what ends it, what to look out for."""
    size = admitted.size
    return [
        *admitted.notes,
        *measurement(admitted.game, size.test_rows, admitted.measured.labels, size.test_groups),
        rule(order, admitted.game, size.test_rows, effort.sentence(order.currency), size.test_groups),
        *warnings(order),
    ]


def players_of(order: NewValuation, admitted: Admitted) -> list[str]:
    """Names of what plays, by content: the payees' files, or their shards or segments, of which hardly ever two are
    alike."""
    payees = admitted.payees
    if order.segments is not None:
        return [
            f"{'/'.join(sorted(admitted.contents[dataset] for dataset in payee.datasets))}/{number}"
            for payee in payees
            for number in payee.segments
        ]
    rows = shard_rows(order, sum(payee.rows for payee in payees))
    return [
        f"{'/'.join(sorted(admitted.contents[dataset] for dataset in payee.datasets))}/{number}"
        for payee in payees
        for number in range(shard_count(payee.rows, rows) if rows else 1)
    ]


def effort_of(settings: Settings, admitted: Admitted, order: NewValuation, past: MeasuredSeconds) -> Effort:
    """What an admitted order is expected to take at most; raises InvalidInput where it would leave nothing to divide.

    It rests on what the catalogue shows, rows and digests of files: copies that are found among rows make a job
    smaller, and a quote that followed them would count them for its asker.
    """
    digests = players_of(order, admitted)
    learner = admitted.game.learner.name
    counts = expected_evaluations(order, digests, learner, admitted.size)
    taken = estimate(with_method(order, learner), learner, admitted.size, counts, past, players=len(set(digests)))
    # what is computed again as a check takes as long again
    seconds = taken.seconds * (1.0 + order.checked_part)
    compute = None
    if (hourly := settings.compute_prices.get(order.currency)) is not None:
        compute = DeviceTimePrice.quoted(hourly, order.currency, seconds)
        fee = fee_of(admitted.pool_minor, settings.platform_fee_basis_points)
        if fee + compute.most >= admitted.pool_minor:
            raise refused(
                "/pool",
                f"the fee ({money.plain(fee, order.currency)} {order.currency}) and device time (at most "
                f"{money.plain(compute.most, order.currency)} {order.currency}, {seconds:.0f} s) leave nothing of the "
                "pool to divide; post a larger pool, or ask for fewer evaluations",
            )
    return Effort(counts, digests, taken, seconds, compute)


def charge_of(session: Session, settings: Settings, admitted: Admitted, order: NewValuation) -> DeviceTimePrice | None:
    """What device time costs an admitted order at most; None where its currency is charged nothing for it."""
    priced = order.currency in settings.compute_prices
    return effort_of(settings, admitted, order, _past(session, admitted)).compute if priced else None


def _past(session: Session, admitted: Admitted) -> MeasuredSeconds:
    """What worths of the order's model took lately."""
    return worths.measured(session, admitted.game.learner.name, admitted.game.base)
