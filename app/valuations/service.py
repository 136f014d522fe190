"""The rules of jobs for people: who may post, see and stop one. Never commits; never computes a worth.

Posting is one transaction: job, players, escrow and the first message exist together or not at all. Somebody else's
job is answered like one that does not exist; an administrator sees every job.
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from app.accounts import pseudonyms
from app.accounts import service as accounts
from app.checkpoints import repository as checkpoints
from app.errors import Conflict, FieldError, NotFound
from app.http.pages import PageRequest
from app.identity import Caller, Role
from app.payouts import money
from app.payouts import service as payouts
from app.payouts.policies import fee_of
from app.settings import Settings
from app.storage.blobs import BlobStore
from app.valuations import repository
from app.valuations.delivery import releases
from app.valuations.job_schemas import (
    AgentsEffort,
    LicenceProblem,
    MyValuation,
    Quote,
    ValuationAnswer,
    ValuationSummary,
)
from app.valuations.orders.admission import Admission, shard_rows
from app.valuations.orders.admitted import Admitted
from app.valuations.orders.agents_effort import agents_effort
from app.valuations.orders.deliverables import consent_limit
from app.valuations.orders.device_time_price import DeviceTimePrice
from app.valuations.orders.disclosures import quoted_findings
from app.valuations.orders.measurement import measurement, rule
from app.valuations.orders.quotes import (
    DeviceTimeEstimate,
    distinct_coalitions,
    estimate,
    expected_evaluations,
    shard_count,
    with_method,
)
from app.valuations.orders.refusals import refused
from app.valuations.orders.terms import sentences, warnings, with_dispute_window
from app.valuations.repository import KeptResult
from app.valuations.results import answers, certificates, evidence
from app.valuations.results import what_if as scenarios
from app.valuations.results.answers import shown_findings
from app.valuations.results.evidence import Pair, SizeMean
from app.valuations.results.payout_schemas import Payouts, WhatIf
from app.valuations.results.reports import Report
from app.valuations.results.schemas import Values
from app.valuations.schemas import NewValuation
from app.valuations.states import TERMINAL, Reason, ValuationStatus
from app.valuations.tables import Valuation, ValuationEvent
from app.valuations.work import consents, lifecycle, worths
from app.webhooks import service as webhooks
from app.webhooks.events import EventType
from contract.document import digest_of
from contract.orders.job import EDITION, AgreedTerms, JobInputs
from contract.orders.policies import PayoutPolicy


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


@dataclass(frozen=True)
class AdminView:
    """What only an administrator sees of a job that failed."""

    valuation_id: uuid.UUID
    buyer_id: uuid.UUID
    traceback: str | None


def post(session: Session, blobs: BlobStore, settings: Settings, caller: Caller, order: NewValuation) -> Valuation:
    """Admit an order, hold its pool in escrow and start the job; raises InvalidInput or what the ledger raises."""
    order = with_dispute_window(order, settings)
    admitted = Admission(session, blobs, settings, caller).admit(order)
    compute = _effort(session, settings, admitted, order).compute if order.currency in settings.compute_prices else None
    order = with_method(order, admitted.game.learner.name)
    game = repository.add_game(session, caller.account_id, admitted.game.digest, admitted.game.plain())
    by_request = _by_request(caller, admitted)
    valuation = repository.new_valuation(
        order,
        buyer_id=caller.account_id,
        game_id=game.id,
        inputs=_inputs(admitted, settings, compute),
        pool_minor=admitted.pool_minor,
        status=ValuationStatus.AWAITING_CONSENT if by_request else ValuationStatus.QUEUED,
        deadline=order.deadline,
    )
    repository.add_valuation(session, valuation, admitted.player_rows, admitted.named_datasets)
    if order.checkpoint is not None and admitted.trained:
        # these weights are the model trained on everything, so they have seen every dataset of the job
        checkpoints.add_lineage(session, order.checkpoint, admitted.contents)
    payouts.reserve(session, valuation.id, caller.account_id, admitted.pool_minor, order.currency)
    about: dict[str, Any] = {"players": len(admitted.payees)}
    if by_request:
        until = consents.request(session, valuation.id, by_request, consent_limit(order, settings))
        about |= {"consents": len(by_request), "consent_until": until.isoformat()}
    repository.add_event(session, valuation, f"valuation.{valuation.status}", about)
    _tell_providers(session, caller, valuation.id, admitted)
    lifecycle.start_next(session, settings, caller.account_id)
    session.refresh(valuation)
    return valuation


def admit_anew(
    session: Session,
    blobs: BlobStore,
    settings: Settings,
    caller: Caller,
    valuation: Valuation,
    order: NewValuation,
    note: str,
) -> None:
    """Put fewer datasets into a locked job that has not begun: its game, players and terms become those of ``order``.
    Raises what ``post`` raises, and Deferred where files are to be read."""
    admitted = Admission(session, blobs, settings, caller, defer=True).admit(order)
    compute = _effort(session, settings, admitted, order).compute if order.currency in settings.compute_prices else None
    game = repository.add_game(session, caller.account_id, admitted.game.digest, admitted.game.plain())
    inputs = _inputs(admitted, settings, compute)
    valuation.game_id = game.id
    valuation.spec = order.model_dump(mode="json", exclude={"metadata"})
    valuation.inputs = inputs.model_copy(update={"notes": (note, *inputs.notes)}).plain()
    repository.replace_players(session, valuation.id, admitted.player_rows, admitted.named_datasets)


def _by_request(caller: Caller, admitted: Admitted) -> dict[uuid.UUID, list[uuid.UUID]]:
    """Each provider's datasets whose licence demands its approval of each job; one's own data needs none."""
    datasets: dict[uuid.UUID, list[uuid.UUID]] = {}
    for payee in admitted.payees:
        if payee.by_request and payee.provider_id != caller.account_id:
            datasets.setdefault(payee.provider_id, []).extend(payee.by_request)
    return datasets


def read_files(
    session: Session, blobs: BlobStore, settings: Settings, caller: Caller, order: NewValuation, *, quoted: bool
) -> None:
    """Charge for what an order (or its quote) asks of others' rows, and have its files read if they have not been.

    To be committed before the order is looked at: what was asked is paid for, whatever comes of it. Raises Deferred
    where files are to be read, and what ``post`` raises.
    """
    licences: list[FieldError] | None = [] if quoted else None
    Admission(session, blobs, settings, caller, defer=True).read(with_dispute_window(order, settings), licences)


def quote(session: Session, blobs: BlobStore, settings: Settings, caller: Caller, order: NewValuation) -> Quote:
    """What an order would take, checked as far as posting checks it; it stores nothing and holds no money."""
    licences: list[FieldError] = []
    order = with_dispute_window(order, settings)
    admitted = Admission(session, blobs, settings, caller).admit(order, licences)
    effort = _effort(session, settings, admitted, order)
    counts, digests, compute = effort.evaluations, effort.digests, effort.compute
    most = 0 if compute is None else compute.most
    fee = fee_of(admitted.pool_minor, settings.platform_fee_basis_points)
    wallet = {balance.currency: balance.available for balance in payouts.balances(session, caller.account_id)}
    balance = wallet.get(order.currency, 0)
    reserves = any(payee.reserve for payee in admitted.payees)
    agents = asked_of_agents(admitted, counts)
    return Quote(
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


def asked_of_agents(admitted: Admitted, counts: Mapping[str, int]) -> AgentsEffort | None:
    """What agents beside data at home will be asked; None where all rows are here."""
    if not admitted.agents:
        return None
    size = admitted.size
    return agents_effort(admitted.game.learner.name, size.width, size.classes, counts, admitted.agents)


def _quote_notes(order: NewValuation, admitted: Admitted, effort: "Effort") -> list[str]:
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


def _effort(session: Session, settings: Settings, admitted: Admitted, order: NewValuation) -> Effort:
    """What an admitted order is expected to take at most; raises InvalidInput where it would leave nothing to divide.

    It rests on what the catalogue shows, rows and digests of files: copies that are found among rows make a job
    smaller, and a quote that followed them would count them for its asker.
    """
    digests = players_of(order, admitted)
    learner = admitted.game.learner.name
    counts = expected_evaluations(order, digests, learner, admitted.size)
    past = worths.measured(session, learner, admitted.game.base)
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


def _tell_providers(session: Session, caller: Caller, valuation_id: uuid.UUID, admitted: Admitted) -> None:
    """Tell each provider that a job names data of its own; for whom, what for and on which terms it asks the API."""
    named: dict[uuid.UUID, list[uuid.UUID]] = {}
    for payee in admitted.payees:
        if payee.provider_id != caller.account_id:
            named.setdefault(payee.provider_id, []).extend(payee.datasets)
    for provider_id, datasets in sorted(named.items()):
        webhooks.emit(session, provider_id, EventType.DATASET_NAMED, {"ids": datasets, "valuation_id": valuation_id})


def _inputs(admitted: Admitted, settings: Settings, compute: DeviceTimePrice | None) -> JobInputs:
    return JobInputs(
        names=tuple(player.name for player in admitted.players),
        players=tuple(player.files for player in admitted.players),
        rows=tuple(player.rows for player in admitted.players),
        seating=tuple(payee.part for payee in admitted.payees),
        notes=admitted.notes,
        test=admitted.test,
        measured=admitted.measured,
        checkpoint=admitted.game.checkpoint,
        base=admitted.game.base,
        findings=admitted.findings,
        away=admitted.away,
        segments=admitted.segments,
        lot=admitted.lot,
        terms=AgreedTerms(
            fee_basis_points=settings.platform_fee_basis_points,
            reserves=tuple(payee.reserve for payee in admitted.payees),
            compute=None if compute is None else compute.terms(),
            edition=EDITION,
            grants=tuple(payee.grants for payee in admitted.payees),
            rows=tuple(offer for payee in admitted.payees for offer in payee.rows_offers),
        ),
    )


def get(session: Session, caller: Caller, valuation_id: uuid.UUID) -> Valuation:
    """The caller's job (an administrator's: any); raises NotFound."""
    if caller.role is Role.ADMIN:
        valuation = repository.any_valuation(session, valuation_id)
    else:
        valuation = repository.of_buyer(session, caller.account_id, valuation_id)
    if valuation is None:
        raise NotFound(f"no valuation val_{valuation_id.hex}; list yours with GET /v1/valuations")
    return valuation


def describe(session: Session, valuation: Valuation) -> ValuationAnswer:
    """The job and how far it is."""
    waits = valuation.status is ValuationStatus.AWAITING_CONSENT
    until = consents.until(session, valuation.id) if waits else None
    return answers.full(valuation, repository.job_state(session, valuation)).model_copy(update={"consent_until": until})


def list_valuations(
    session: Session, caller: Caller, statuses: Sequence[ValuationStatus], page: PageRequest
) -> tuple[list[ValuationSummary], str | None]:
    """The caller's jobs (an administrator's: all), newest first."""
    buyer_id = None if caller.role is Role.ADMIN else caller.account_id
    rows, cursor = repository.page_of_buyer(session, buyer_id, statuses, page)
    return summaries(session, rows), cursor


def summaries(session: Session, rows: Sequence[Valuation]) -> list[ValuationSummary]:
    """Jobs as a list shows them, each with whose it is."""
    names = repository.account_names(session, {row.buyer_id for row in rows})
    return [answers.summary(row, names[row.buyer_id]) for row in rows]


def list_mine(session: Session, caller: Caller, page: PageRequest) -> tuple[list[MyValuation], str | None]:
    """The jobs in which the calling provider's data is valued, with its own part of each."""
    rows, cursor = repository.page_of_provider(session, caller.account_id, page)
    shown = pseudonyms.shown_to(session, caller.account_id, {job.buyer_id for job, _ in rows})
    return [answers.mine(job, players, shown[job.buyer_id].name) for job, players in rows], cursor


def cancel(session: Session, settings: Settings, caller: Caller, valuation_id: uuid.UUID) -> Valuation:
    """Stop a job. One that is cancelling or cancelled stays so; one that settles or has ended raises Conflict."""
    get(session, caller, valuation_id)
    reason = Reason.ADMIN if caller.role is Role.ADMIN else Reason.BUYER
    return lifecycle.cancel(session, settings, valuation_id, reason, f"valuation val_{valuation_id.hex}")


def values(session: Session, caller: Caller, valuation_id: uuid.UUID) -> Values:
    """The result; raises Conflict before there is one."""
    valuation = succeeded(session, caller, valuation_id)
    kept = repository.result_of(session, valuation_id)
    if kept is None:
        raise AssertionError(f"valuation {valuation_id} has succeeded without a result")
    return values_of(session, valuation, kept)


def values_of(session: Session, valuation: Valuation, kept: KeptResult) -> Values:
    """A result of a job that has succeeded, its own or the one by another metric, as it is shown."""
    valuation_id = valuation.id
    game_digest, inputs = repository.game_digest(session, valuation.game_id), valuation.job_inputs
    digests = {"game": game_digest, "result": kept.digest, "spec": digest_of(valuation.spec)}
    if (measured := inputs.measured) is not None:
        # the commitment to the test set, opened: SHA-256(test_salt, test) is what providers saw
        digests |= {"test": measured.digest, "test_salt": measured.salt, "test_commitment": measured.commitment}
    if inputs.topped_up is not None:
        digests["topped_up_result"] = inputs.topped_up
    if (release := releases.of_job(session, valuation_id)) is not None and release.package is not None:
        digests["model"] = release.package
    # the models that it rests on, where it rests on any
    digests |= {name: digest for name, digest in (("base", inputs.base), ("checkpoint", inputs.checkpoint)) if digest}
    return answers.values(valuation, game_digest, repository.players(session, valuation_id), kept.document, digests)


def payout_lines(session: Session, caller: Caller, valuation_id: uuid.UUID) -> Payouts:
    """Who gets how much; raises Conflict before the job has settled."""
    valuation = succeeded(session, caller, valuation_id)
    settlement = payouts.settlement_of(session, valuation_id)
    if settlement is None:
        raise AssertionError(f"valuation {valuation_id} has succeeded without a settlement")
    return answers.payouts(valuation, repository.players(session, valuation_id), settlement)


def what_if(
    session: Session, caller: Caller, valuation_id: uuid.UUID, pool: str | None, policy: PayoutPolicy | None
) -> WhatIf:
    """What another pool or policy would have paid; raises Conflict before the job has settled."""
    return scenarios.what_if(session, succeeded(session, caller, valuation_id), pool, policy)


def audited_pairs(session: Session, caller: Caller, valuation_id: uuid.UUID) -> list[Pair]:
    """The coalitions of a job whose worth was both unlearned and computed by training anew, smallest first."""
    return evidence.audited_pairs(session, get(session, caller, valuation_id))


def means_by_size(session: Session, caller: Caller, valuation_id: uuid.UUID) -> tuple[str, list[SizeMean]]:
    """By which source, and how the score grows with the players that a model is trained on."""
    return evidence.means_by_size(session, get(session, caller, valuation_id))


def report(session: Session, caller: Caller, valuation_id: uuid.UUID) -> Report:
    """What the report of a job shows; raises Conflict before the job has settled."""
    return report_of(session, caller, values(session, caller, valuation_id))


def report_of(session: Session, caller: Caller, result: Values) -> Report:
    """The report of a job's values by a metric. Audited pairs of worths are those of the ordered one, or none."""
    paid = payout_lines(session, caller, result.valuation_id)
    job = get(session, caller, result.valuation_id)
    buyer = accounts.get_account(session, job.buyer_id).name
    pairs = evidence.audited_pairs(session, job) if result.metric == result.ordered_metric else []
    return Report(result, paid, result.metric, pairs, buyer, job.finished_at)


def certificate(session: Session, settings: Settings, caller: Caller, valuation_id: uuid.UUID) -> dict[str, Any]:
    """The signed certificate of a job; raises Conflict before the job has settled."""
    result = values(session, caller, valuation_id)
    paid = payout_lines(session, caller, valuation_id)
    job = get(session, caller, valuation_id)
    finished = job.finished_at.isoformat() if job.finished_at else ""
    return certificates.sign(settings, certificates.content(result, paid, job.spec, finished))


def events(
    session: Session, caller: Caller, valuation_id: uuid.UUID, after: int, limit: int
) -> Sequence[ValuationEvent]:
    """A job's events after a number, oldest first."""
    get(session, caller, valuation_id)
    return repository.events(session, valuation_id, after, limit)


def admin_view(session: Session, valuation_id: uuid.UUID) -> AdminView:
    """The traceback behind a failure, for administrators."""
    valuation = repository.any_valuation(session, valuation_id)
    if valuation is None:
        raise NotFound(f"no valuation val_{valuation_id.hex}")
    return AdminView(
        valuation_id, valuation.buyer_id, valuation.traceback or repository.last_error(session, valuation_id)
    )


def succeeded(session: Session, caller: Caller, valuation_id: uuid.UUID) -> Valuation:
    """The caller's job, which has a result; raises Conflict where it has none, or none yet."""
    valuation = get(session, caller, valuation_id)
    if valuation.status is not ValuationStatus.SUCCEEDED:
        rest = (
            "and has no result"
            if valuation.status in TERMINAL
            else "; wait for it with Prefer: wait=30 on the job itself"
        )
        raise Conflict(f"valuation val_{valuation_id.hex} is {valuation.status.value} {rest}")
    return valuation
