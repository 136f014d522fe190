"""Money around a job, on a real ledger: reserved, settled once, refunded, held, disputed, released, and told."""

import threading
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from sqlalchemy import Engine, select, text
from sqlalchemy.orm import Session, sessionmaker

from app.db.session import make_session_factory, transaction
from app.errors import Conflict, InvalidInput, NotFound
from app.housekeeping.bookkeeper import Bookkeeper
from app.payouts import ledger, proof, repository, seal_repository, service
from app.payouts.policies import PayoutClaim, PayoutPlan, PayoutTerms, make_plan
from app.payouts.preconditions import JobOutcome
from app.payouts.repository import AccountKey
from app.payouts.tables import AccountKind, LedgerTransfer
from contract.orders.policies import PayoutPolicy

POOL = 1_000_000


@pytest.fixture
def buyer(session: Session) -> uuid.UUID:
    owner = uuid.uuid4()
    service.deposit(session, owner, POOL, "EUR", "bank-1")
    return owner


@pytest.fixture
def job(session: Session, buyer: uuid.UUID) -> uuid.UUID:
    id_ = uuid.uuid4()
    service.reserve(session, id_, buyer, POOL, "EUR")
    return id_


@pytest.fixture(autouse=True)
def _books_stay_true(session: Session) -> Iterator[None]:
    yield
    if session.is_active:
        found = proof.prove(session)
        assert found.ok, found.problems


def claims(*values: float) -> list[PayoutClaim]:
    return [
        PayoutClaim(id_, id_, value, (value - 0.02, value + 0.02), (max(value - 0.05, 0.0), value + 0.05))
        for value in values
        for id_ in [uuid.uuid4()]
    ]


# everybody's data is better than nobody's
GAINED = JobOutcome(empty_worth=0.5, full_worth=0.75)
PROPORTIONAL = PayoutTerms(policy=PayoutPolicy.PROPORTIONAL)


def plan_of(job: uuid.UUID, players: list[PayoutClaim], terms: PayoutTerms | None = None, **more: object) -> PayoutPlan:
    return make_plan(job, "EUR", POOL, terms or PayoutTerms(), players, GAINED, **more)  # type: ignore[arg-type]


def only(session: Session, owner: uuid.UUID, currency: str = "EUR") -> service.Balance:
    (balance,) = [balance for balance in service.balances(session, owner) if balance.currency == currency]
    return balance


def test_a_pool_without_funds_is_refused_with_the_balance_and_what_to_do(session: Session, buyer: uuid.UUID) -> None:
    with pytest.raises(Conflict, match=r"balance is 10000\.00 EUR.*pool is 10000\.01 EUR; deposit 0\.01 EUR more"):
        service.reserve(session, uuid.uuid4(), buyer, POOL + 1, "EUR")
    with pytest.raises(Conflict, match=r"balance is 0\.00 USD"):
        service.reserve(session, uuid.uuid4(), buyer, 5, "USD")
    assert only(session, buyer).available == POOL


def test_reserving_again_for_the_same_job_reserves_once(session: Session, buyer: uuid.UUID, job: uuid.UUID) -> None:
    service.reserve(session, job, buyer, POOL, "EUR")
    assert (only(session, buyer).available, only(session, buyer).reserved) == (0, POOL)
    service.deposit(session, buyer, POOL, "EUR", "bank-2")
    with pytest.raises(Conflict, match="already in the ledger"):
        service.reserve(session, job, buyer, POOL - 1, "EUR")


@pytest.mark.parametrize("amount", [0, -1, 10**15 + 1])
def test_no_deposit_or_pool_is_nothing_or_beyond_the_limit(session: Session, buyer: uuid.UUID, amount: int) -> None:
    with pytest.raises(InvalidInput, match="more than zero"):
        service.deposit(session, buyer, amount, "EUR", "x")
    with pytest.raises(InvalidInput, match="more than zero"):
        service.reserve(session, uuid.uuid4(), buyer, amount, "EUR")
    with pytest.raises(InvalidInput, match="ISO 4217"):
        service.deposit(session, buyer, 5, "EURO", "x")


def test_a_settlement_pays_each_provider_its_amount_and_the_pool_is_gone(
    session: Session, buyer: uuid.UUID, job: uuid.UUID
) -> None:
    players = claims(0.3, 0.1, -0.2)
    plan = plan_of(job, players)
    settlement = service.settle(session, job, plan)
    assert [only(session, claim.provider_id).available for claim in players] == [750_000, 250_000, 0]
    assert (only(session, buyer).available, only(session, buyer).reserved) == (0, 0)
    assert settlement.plan == plan.to_json()
    assert service.settlement_of(session, job) is settlement


def test_settling_twice_pays_once(session: Session, job: uuid.UUID) -> None:
    players = claims(0.3, 0.1)
    plan = plan_of(job, players)
    first = service.settle(session, job, plan)
    before = session.scalars(select(LedgerTransfer.id)).all()
    assert service.settle(session, job, plan) is first
    assert session.scalars(select(LedgerTransfer.id)).all() == before


def test_a_settled_job_is_not_settled_otherwise_nor_refunded(session: Session, job: uuid.UUID) -> None:
    players = claims(0.3, 0.1)
    service.settle(session, job, plan_of(job, players))
    with pytest.raises(Conflict, match="settled by another plan"):
        service.settle(session, job, plan_of(job, players[:1]))
    with pytest.raises(Conflict, match="cannot be refunded"):
        service.refund(session, job)


def test_a_refund_gives_all_back_once_and_then_nothing_can_be_settled(
    session: Session, buyer: uuid.UUID, job: uuid.UUID
) -> None:
    first = service.refund(session, job)
    assert service.refund(session, job).id == first.id
    assert (only(session, buyer).available, only(session, buyer).reserved) == (POOL, 0)
    with pytest.raises(Conflict, match="went back to its buyer"):
        service.settle(session, job, plan_of(job, claims(1.0)))


def test_a_job_without_a_reservation_cannot_be_settled_or_refunded(session: Session) -> None:
    job = uuid.uuid4()
    with pytest.raises(NotFound, match="no pool reserved"):
        service.settle(session, job, plan_of(job, claims(1.0)))
    with pytest.raises(NotFound, match="no pool reserved"):
        service.refund(session, job)
    with pytest.raises(NotFound, match="not settled"):
        service.release_holdback(session, job)


def test_a_plan_of_another_job_pool_or_currency_is_refused(session: Session, job: uuid.UUID) -> None:
    good = plan_of(job, claims(1.0))
    for bad in (
        replace(good, job_id=uuid.uuid4()),
        replace(good, currency="USD"),
        make_plan(job, "EUR", POOL - 1, PayoutTerms(), claims(1.0), GAINED),
    ):
        with pytest.raises(Conflict, match="make the plan from the job's own pool"):
            service.settle(session, job, bad)


def test_when_nobody_has_a_claim_the_whole_pool_goes_back(session: Session, buyer: uuid.UUID, job: uuid.UUID) -> None:
    service.settle(session, job, plan_of(job, claims(-1.0, 0.0)))
    assert (only(session, buyer).available, only(session, buyer).reserved) == (POOL, 0)


def test_what_the_performance_clause_does_not_earn_returns_to_the_wallet(
    session: Session, buyer: uuid.UUID, job: uuid.UUID
) -> None:
    plan = plan_of(job, claims(0.1), PayoutTerms(performance_target=0.5))
    service.settle(session, job, plan)
    assert only(session, buyer).available == POOL // 2


def test_fee_and_compute_reach_their_accounts(session: Session, job: uuid.UUID) -> None:
    keys = [AccountKey.of(kind, "EUR") for kind in (AccountKind.PLATFORM_FEE, AccountKind.COMPUTE_COST)]
    before = [repository.open_accounts(session, keys)[key].available for key in keys]
    terms = PayoutTerms(fee_basis_points=250, compute_quote=700)
    service.settle(session, job, plan_of(job, claims(1.0), terms, metered_compute=900))
    after = [repository.open_accounts(session, keys)[key].available for key in keys]
    assert [b - a for a, b in zip(before, after, strict=True)] == [25_000, 700]


WINDOW = PayoutTerms(policy=PayoutPolicy.INTERVAL_AWARE, dispute_window_seconds=3600)


def end_of_window(session: Session, job: uuid.UUID) -> None:
    """Let the window end: in one transaction the database's clock stands still, so the settlement is made older."""
    session.execute(text("SET LOCAL session_replication_role = replica"))
    session.execute(text("UPDATE payout_settlements SET dispute_until = now() WHERE valuation_id = :job"), {"job": job})
    session.execute(text("SET LOCAL session_replication_role = origin"))
    session.expire_all()


def test_what_is_uncertain_is_held_until_the_window_ends_and_then_paid_once(session: Session, job: uuid.UUID) -> None:
    players = claims(0.75, 0.25)
    service.settle(session, job, plan_of(job, players, WINDOW))
    assert [(b.available, b.held) for c in players for b in [only(session, c.provider_id)]] == [
        (700_000, 50_000),
        (200_000, 50_000),
    ]
    with pytest.raises(Conflict, match="can be disputed until"):
        service.release_holdback(session, job)
    end_of_window(session, job)
    assert len(service.release_holdback(session, job)) == 2
    assert service.release_holdback(session, job) == []
    assert [(b.available, b.held) for c in players for b in [only(session, c.provider_id)]] == [
        (750_000, 0),
        (250_000, 0),
    ]


def test_a_dispute_takes_what_is_held_and_its_resolution_divides_it(
    session: Session, buyer: uuid.UUID, job: uuid.UUID
) -> None:
    players = claims(0.75, 0.25)
    loser, winner = (claim.provider_id for claim in players)
    service.settle(session, job, plan_of(job, players, WINDOW))
    assert service.open_dispute(session, job, buyer, "labels are wrong") == 100_000
    assert service.open_dispute(session, job, buyer, "labels are wrong") == 100_000
    with pytest.raises(InvalidInput, match=r"500\.00 EUR of it is in dispute"):
        service.resolve_dispute(session, job, {loser: 50_001})
    resolved = service.resolve_dispute(session, job, {loser: 30_000})
    assert service.resolve_dispute(session, job, {loser: 30_000}) == resolved
    assert only(session, buyer).available == 30_000
    assert only(session, loser).available == 720_000
    assert only(session, winner).available == 250_000
    for other in ({}, {loser: 50_000}, {loser: 30_000, winner: 50_000}):
        with pytest.raises(Conflict):
            service.resolve_dispute(session, job, other)


def test_only_the_buyer_disputes_and_only_in_the_window(session: Session, buyer: uuid.UUID, job: uuid.UUID) -> None:
    service.settle(session, job, plan_of(job, claims(0.75, 0.25), WINDOW))
    with pytest.raises(NotFound):
        service.open_dispute(session, job, uuid.uuid4(), "not mine")
    with pytest.raises(Conflict, match="no open dispute"):
        service.resolve_dispute(session, job, {})
    end_of_window(session, job)
    with pytest.raises(Conflict, match=r"window of job .* ended"):
        service.open_dispute(session, job, buyer, "too late")


def test_small_amounts_accrue_until_together_they_reach_the_minimum(session: Session) -> None:
    owner, provider, other = uuid.uuid4(), uuid.uuid4(), uuid.uuid4()
    service.deposit(session, owner, 3 * POOL, "EUR", "b")
    seen = []
    for _ in range(3):
        job = uuid.uuid4()
        service.reserve(session, job, owner, POOL, "EUR")
        players = [PayoutClaim(provider, provider, 0.001), PayoutClaim(other, other, 0.999)]
        service.settle(session, job, plan_of(job, players, replace(PROPORTIONAL, minimum_payout=2_000)))
        seen.append((only(session, provider).available, only(session, provider).accrued))
    assert seen == [(0, 1_000), (2_000, 0), (2_000, 1_000)]


def test_two_players_of_one_provider_are_both_paid(session: Session, job: uuid.UUID) -> None:
    provider = uuid.uuid4()
    players = [replace(claim, provider_id=provider) for claim in claims(0.5, 0.5)]
    service.settle(session, job, plan_of(job, players, WINDOW))
    assert (only(session, provider).available, only(session, provider).held) == (900_000, 100_000)


def test_a_statement_adds_up_to_the_balance(session: Session, buyer: uuid.UUID, job: uuid.UUID) -> None:
    terms = replace(WINDOW, performance_target=0.5, minimum_payout=150_000)
    players = claims(0.75, 0.25)
    service.settle(session, job, plan_of(job, players, terms))
    for owner in (buyer, *(claim.provider_id for claim in players)):
        entries = service.statement(session, owner)
        balance = only(session, owner)
        assert sum(e.amount for e in entries) == balance.available + balance.held + balance.accrued
        assert [e.position for e in entries] == sorted((e.position for e in entries), reverse=True)
    assert [e.code for e in service.statement(session, buyer)] == ["settle", "reserve", "deposit"]
    assert [e.amount for e in service.statement(session, buyer)] == [POOL // 2, -POOL, POOL]


def test_a_statement_s_pages_neither_repeat_nor_skip(session: Session, buyer: uuid.UUID, job: uuid.UUID) -> None:
    # the sweep of small earnings touches two accounts of one owner: two entries at one position
    provider = uuid.uuid4()
    service.settle(
        session, job, plan_of(job, [PayoutClaim(provider, provider, 1.0)], replace(PROPORTIONAL, minimum_payout=1))
    )
    service.deposit(session, provider, 5, "EUR", "x")
    service.deposit(session, provider, 5, "USD", "y")
    whole = service.statement(session, provider)
    paged, before = [], None
    while page := service.statement(session, provider, before=before, limit=1):
        paged += page
        before = (page[-1].position, page[-1].account_id)
    assert paged == whole
    assert {e.currency for e in service.statement(session, provider, currency="USD")} == {"USD"}
    assert service.statement(session, uuid.uuid4()) == []


def test_an_overdue_reservation_is_given_back_by_the_sweeper(session: Session, buyer: uuid.UUID) -> None:
    job = uuid.uuid4()
    service.reserve(session, job, buyer, 500, "EUR", expires_at=repository.now(session))
    assert job in service.expire_reservations(session)
    assert job not in service.expire_reservations(session)
    assert only(session, buyer).available == POOL
    with pytest.raises(Conflict, match=r"went back to its buyer \(expired\)"):
        service.settle(session, job, make_plan(job, "EUR", 500, PayoutTerms(), claims(1.0), GAINED))


def test_the_bookkeeper_releases_what_is_due_expires_what_is_overdue_and_seals(
    session: Session, buyer: uuid.UUID, job: uuid.UUID
) -> None:
    factory = sessionmaker(session.connection(), join_transaction_mode="create_savepoint", expire_on_commit=False)
    players = claims(0.75, 0.25)
    service.settle(session, job, plan_of(job, players, WINDOW))
    service.deposit(session, buyer, 500, "EUR", "bank-2")
    late = uuid.uuid4()
    service.reserve(session, late, buyer, 500, "EUR", expires_at=repository.now(session))
    session.commit()
    Bookkeeper(factory).once()
    assert [only(session, claim.provider_id).held for claim in players] == [50_000, 50_000]
    assert only(session, buyer).available == 500
    end_of_window(session, job)
    session.commit()
    Bookkeeper(factory).once()
    assert [only(session, claim.provider_id).held for claim in players] == [0, 0]
    assert seal_repository.unsealed(session, 10) == []
    assert Bookkeeper(factory).once() == 0


def at_once(count: int, engine: Engine, act: Callable[[Session, int], object]) -> list[object]:
    """``act`` in ``count`` transactions at the same moment; what each returned or raised."""
    factory = make_session_factory(engine)
    gate = threading.Barrier(count)
    answers: list[object] = [None] * count

    def one(number: int) -> None:
        gate.wait(timeout=60)
        try:
            with transaction(factory) as session:
                answers[number] = act(session, number)
        except Exception as error:
            answers[number] = error

    threads = [threading.Thread(target=one, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
    return answers


def test_fifty_settling_at_once_pay_once(engine: Engine) -> None:
    owner, job = uuid.uuid4(), uuid.uuid4()
    players = claims(0.3, 0.1, 0.1)
    plan = plan_of(
        job, players, PayoutTerms(policy=PayoutPolicy.INTERVAL_AWARE, dispute_window_seconds=60, fee_basis_points=100)
    )
    with transaction(make_session_factory(engine)) as session:
        service.deposit(session, owner, POOL, "EUR", "b")
        service.reserve(session, job, owner, POOL, "EUR")
    answers = at_once(50, engine, lambda session, _: service.settle(session, job, plan).plan_digest)
    assert answers == [plan.digest] * 50
    with transaction(make_session_factory(engine)) as session:
        got = [only(session, claim.provider_id) for claim in players]
        assert [b.available + b.held for b in got] == [line.amount for line in plan.lines]
        assert only(session, owner).available == 0
        assert proof.prove(session).ok


def test_fifty_jobs_of_several_buyers_settling_at_once_do_not_lock_each_other_up(engine: Engine) -> None:
    buyers = [uuid.uuid4() for _ in range(5)]
    jobs = [uuid.uuid4() for _ in range(50)]
    players = claims(0.3, 0.1, 0.2, 0.4)
    with transaction(make_session_factory(engine)) as session:
        for owner in buyers:
            service.deposit(session, owner, 10 * POOL, "EUR", "b")
        for number, job in enumerate(jobs):
            service.reserve(session, job, buyers[number % 5], POOL, "EUR")

    def settle(session: Session, number: int) -> object:
        ordered = players if number % 2 else players[::-1]
        return service.settle(session, jobs[number], plan_of(jobs[number], ordered)).valuation_id

    assert at_once(50, engine, settle) == jobs
    with transaction(make_session_factory(engine)) as session:
        assert sum(only(session, claim.provider_id).available for claim in players) == 50 * POOL


def test_fifty_reserving_at_once_never_overdraw_the_wallet(engine: Engine) -> None:
    owner = uuid.uuid4()
    with transaction(make_session_factory(engine)) as session:
        service.deposit(session, owner, 1_000, "EUR", "b")
    answers = at_once(50, engine, lambda s, _: service.reserve(s, uuid.uuid4(), owner, 300, "EUR").amount)
    assert [a for a in answers if a == 300] == [300] * 3
    assert all(isinstance(a, Conflict) for a in answers if a != 300)
    with transaction(make_session_factory(engine)) as session:
        assert (only(session, owner).available, only(session, owner).reserved) == (100, 900)


def test_settling_and_refunding_at_once_do_one_of_the_two(engine: Engine) -> None:
    owner, job = uuid.uuid4(), uuid.uuid4()
    players = claims(1.0)
    with transaction(make_session_factory(engine)) as session:
        service.deposit(session, owner, POOL, "EUR", "b")
        service.reserve(session, job, owner, POOL, "EUR")

    def race(session: Session, number: int) -> str:
        if number % 2:
            service.settle(session, job, plan_of(job, players))
            return "settled"
        service.refund(session, job)
        return "refunded"

    answers = at_once(20, engine, race)
    done = {a for a in answers if isinstance(a, str)}
    assert len(done) == 1
    assert all(isinstance(a, Conflict) for a in answers if not isinstance(a, str))


def test_the_trigger_s_own_locks_never_deadlock_transfers_that_cross(engine: Engine) -> None:
    """Even for a writer who does not lock the accounts first, as the service does."""
    keys = [AccountKey.of(AccountKind.BUYER_WALLET, "EUR", owner=uuid.uuid4()) for _ in range(2)]
    with transaction(make_session_factory(engine)) as session:
        for key in keys:
            service.deposit(session, uuid.UUID(key.owner), 1_000, "EUR", "b")
        accounts = repository.open_accounts(session, keys)

    def cross(session: Session, number: int) -> int:
        source, target = keys if number % 2 else keys[::-1]
        repository.add_transfers(session, [ledger.posted(accounts, uuid.uuid4(), source, target, 1, "cross")])
        return 1

    assert at_once(40, engine, cross) == [1] * 40


def test_fifty_deposits_told_at_once_are_one(engine: Engine) -> None:
    owner = uuid.uuid4()
    answers = at_once(50, engine, lambda s, _: service.deposit(s, owner, 700, "JPY", "transfer 7").amount)
    assert answers == [700] * 50
    with transaction(make_session_factory(engine)) as session:
        assert only(session, owner, "JPY").available == 700
