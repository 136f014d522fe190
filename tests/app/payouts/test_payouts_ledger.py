"""The ledger's rules hold in the database itself, whatever the application does: real Postgres, real triggers."""

import re
import uuid
from collections.abc import Callable

import pytest
from sqlalchemy import text, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from app.errors import Conflict
from app.payouts import ledger, ledger_ddl, proof, repository, seal_repository, service
from app.payouts.policies import PayoutClaim, PayoutTerms, make_plan
from app.payouts.preconditions import JobOutcome
from app.payouts.repository import AccountKey
from app.payouts.tables import AccountKind, LedgerAccount, LedgerTransfer, TransferState
from contract.orders.policies import PayoutPolicy

GAINED = JobOutcome(empty_worth=0.5, full_worth=0.75)
PROPORTIONAL = PayoutTerms(policy=PayoutPolicy.PROPORTIONAL)

CLEARING = AccountKey.of(AccountKind.PAYMENT_CLEARING, "EUR")


def wallet(owner: uuid.UUID, currency: str = "EUR") -> AccountKey:
    return AccountKey.of(AccountKind.BUYER_WALLET, currency, owner=owner)


def available(session: Session, key: AccountKey) -> int:
    return repository.open_accounts(session, [key])[key].available


@pytest.fixture
def buyer(session: Session) -> uuid.UUID:
    owner = uuid.uuid4()
    service.deposit(session, owner, 10_000, "EUR", "bank-1")
    return owner


@pytest.fixture
def held(session: Session, buyer: uuid.UUID) -> LedgerTransfer:
    return service.reserve(session, uuid.uuid4(), buyer, 4_000, "EUR")


def settle(session: Session, held: LedgerTransfer) -> None:
    assert held.job_id is not None
    claims = [PayoutClaim(uuid.uuid4(), uuid.uuid4(), 1.0)]
    service.settle(session, held.job_id, make_plan(held.job_id, "EUR", held.amount, PROPORTIONAL, claims, GAINED))


def refused(session: Session, words: str, act: Callable[[], object]) -> None:
    with pytest.raises(DBAPIError, match=words), session.begin_nested():
        act()


def disarmed(session: Session, statement: str) -> None:
    """Do what only a database superuser can: change rows with all triggers asleep."""
    session.execute(text("SET LOCAL session_replication_role = replica"))
    session.execute(text(statement))
    session.execute(text("SET LOCAL session_replication_role = origin"))
    session.expire_all()


@pytest.mark.parametrize("table", ["ledger_transfers", "ledger_seals", "payout_settlements", "ledger_accounts"])
@pytest.mark.parametrize("statement", ["DELETE FROM {}", "TRUNCATE {} CASCADE"])
def test_no_row_of_the_books_is_ever_deleted(
    session: Session, held: LedgerTransfer, table: str, statement: str
) -> None:
    settle(session, held)
    proof.seal(session)
    refused(session, "append-only", lambda: session.execute(text(statement.format(table))))


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE ledger_transfers SET amount = amount + 1",
        "UPDATE ledger_transfers SET code = 'x'",
        "UPDATE payout_settlements SET currency = 'USD'",
        "UPDATE ledger_seals SET digest = sha256('x')",
        "UPDATE ledger_accounts SET credits_posted = credits_posted + 1",
        "UPDATE ledger_accounts SET may_overdraw = true",
        "UPDATE ledger_accounts SET owner_id = gen_random_uuid()",
    ],
)
def test_no_row_of_the_books_is_ever_changed(session: Session, held: LedgerTransfer, statement: str) -> None:
    settle(session, held)
    proof.seal(session)
    refused(session, "append-only|changes by transfers only", lambda: session.execute(text(statement)))


def test_an_account_cannot_be_born_with_money(session: Session) -> None:
    rich = LedgerAccount(kind=AccountKind.BUYER_WALLET, owner_id=uuid.uuid4(), currency="EUR", credits_posted=5)

    def insert() -> None:
        session.add(rich)
        session.flush()

    refused(session, "starts empty", insert)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"amount": 0}, "ck_ledger_transfers_amount"),
        ({"amount": -5}, "ck_ledger_transfers_amount"),
        ({"amount": 10_001}, "ck_ledger_accounts_funded"),
        ({"currency": "USD"}, "its accounts are not both"),
        ({"state": TransferState.POST}, "ck_ledger_transfers_resolves"),
        ({"pending_id": "self"}, "ck_ledger_transfers_resolves"),
        ({"credit_id": "debit"}, "two_accounts|are not both"),
        ({"credit_id": "nobody"}, "are not both|foreign key"),
    ],
)
def test_a_transfer_that_breaks_a_rule_is_refused_by_the_database(
    session: Session, buyer: uuid.UUID, change: dict[str, object], words: str
) -> None:
    source, target = wallet(buyer), wallet(uuid.uuid4())
    accounts = repository.open_accounts(session, [source, target])
    transfer = ledger.posted(accounts, uuid.uuid4(), source, target, 100, "test")
    known = {"self": transfer.id, "debit": transfer.debit_id, "nobody": uuid.uuid4()}
    for name, value in change.items():
        setattr(transfer, name, known.get(value, value) if isinstance(value, str) else value)
    refused(session, words, lambda: repository.add_transfers(session, [transfer]))
    assert available(session, source) == 10_000


def test_money_set_aside_cannot_be_spent_twice(session: Session, buyer: uuid.UUID, held: LedgerTransfer) -> None:
    source = wallet(buyer)
    accounts = repository.open_accounts(session, [source, CLEARING])
    assert accounts[source].available == 6_000
    out = ledger.posted(accounts, uuid.uuid4(), source, CLEARING, 6_001, "out")
    refused(session, "ck_ledger_accounts_funded", lambda: repository.add_transfers(session, [out]))


def test_what_is_pending_has_not_reached_the_escrow(session: Session, held: LedgerTransfer) -> None:
    assert available(session, AccountKey.of(AccountKind.ESCROW, "EUR", job=held.job_id)) == 0


def test_a_pending_transfer_is_resolved_once(session: Session, held: LedgerTransfer) -> None:
    ledger.record(session, [ledger.resolve(held, TransferState.POST, "settle", 1_000)])
    again = ledger.resolve(held, TransferState.VOID, "refund")
    again.id = uuid.uuid4()
    refused(session, "uq_ledger_transfers_pending_id", lambda: repository.add_transfers(session, [again]))


def test_posting_a_part_returns_the_rest(session: Session, buyer: uuid.UUID, held: LedgerTransfer) -> None:
    ledger.record(session, [ledger.resolve(held, TransferState.POST, "settle", 1_500)])
    assert available(session, wallet(buyer)) == 8_500
    assert available(session, AccountKey.of(AccountKind.ESCROW, "EUR", job=held.job_id)) == 1_500


@pytest.mark.parametrize(
    ("state", "amount", "words"),
    [
        (TransferState.POST, 4_001, "set aside 4000"),
        (TransferState.VOID, 3_999, "set aside 4000"),
        (TransferState.EXPIRE, 4_000, "whose time has not come"),
    ],
)
def test_a_resolution_beyond_what_was_set_aside_or_before_its_time_is_refused(
    session: Session, held: LedgerTransfer, state: TransferState, amount: int, words: str
) -> None:
    bad = ledger.resolve(held, state, "x", amount)
    refused(session, words, lambda: repository.add_transfers(session, [bad]))


def test_only_a_pending_transfer_between_the_same_accounts_can_be_resolved(
    session: Session, buyer: uuid.UUID, held: LedgerTransfer
) -> None:
    other = service.reserve(session, uuid.uuid4(), buyer, 4_000, "EUR")
    crossed = ledger.resolve(held, TransferState.POST, "x")
    crossed.pending_id = other.id
    refused(session, "no pending transfer", lambda: repository.add_transfers(session, [crossed]))


def test_linked_transfers_happen_all_or_none(session: Session, buyer: uuid.UUID) -> None:
    source, target = wallet(buyer), wallet(uuid.uuid4())
    accounts = repository.open_accounts(session, [source, target])
    linked = [ledger.posted(accounts, uuid.uuid4(), source, target, amount, "x") for amount in (9_000, 1_001)]
    refused(session, "ck_ledger_accounts_funded", lambda: ledger.record(session, linked))
    assert available(session, source) == 10_000
    assert available(session, target) == 0


def test_one_id_is_one_transfer_and_another_use_of_it_is_a_conflict(session: Session, buyer: uuid.UUID) -> None:
    first = service.deposit(session, buyer, 10_000, "EUR", "bank-1")
    assert available(session, wallet(buyer)) == 10_000
    with pytest.raises(Conflict, match=r"already in the ledger as 100\.00 EUR"):
        service.deposit(session, buyer, 10_001, "EUR", "bank-1")
    assert service.deposit(session, buyer, 10_000, "EUR", "bank-1").id == first.id


def test_an_account_is_unique_though_its_job_or_owner_is_empty(session: Session) -> None:
    accounts = repository.open_accounts(session, [CLEARING])
    twin = LedgerAccount(kind=AccountKind.PAYMENT_CLEARING, currency="EUR", may_overdraw=True)

    def insert() -> None:
        session.add(twin)
        session.flush()

    refused(session, "uq_ledger_accounts_kind", insert)
    assert accounts[CLEARING].may_overdraw


def test_what_the_caller_changed_survives_a_transfer(session: Session, buyer: uuid.UUID) -> None:
    with session.no_autoflush:
        loaded = repository.get_transfer(session, service.deposit(session, buyer, 1, "EUR", "a").id)
        assert loaded is not None
        loaded.code = "not yet flushed"
        service.deposit(session, buyer, 1, "EUR", "b")
        assert loaded.code == "not yet flushed"
        session.expire(loaded)


def test_the_proof_finds_a_whole_ledger_whole(session: Session, held: LedgerTransfer) -> None:
    settle(session, held)
    found = proof.prove(session)
    assert found.ok, found.problems
    assert found.unsealed == 0
    assert set(found.sums.values()) == {0}
    assert found.transfers >= 4
    assert proof.prove(session) == found


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("UPDATE ledger_transfers SET amount = amount + 1 WHERE id = '{id}'", "does not fit transfer"),
        ("UPDATE ledger_transfers SET reference = 'else' WHERE id = '{id}'", "does not fit transfer"),
        ("UPDATE ledger_accounts SET credits_posted = credits_posted + 1 WHERE id = '{debit}'", "kept totals"),
        ("DELETE FROM ledger_seals WHERE transfer_id = '{id}'", "a link is missing|does not fit"),
        ("DELETE FROM ledger_transfers WHERE id = '{id}'", "kept totals|missing"),
    ],
)
def test_the_proof_finds_what_a_superuser_changed(
    session: Session, held: LedgerTransfer, statement: str, words: str
) -> None:
    settle(session, held)
    proof.seal(session)
    disarmed(session, statement.format(id=held.id, debit=held.debit_id))
    found = proof.prove(session)
    assert any(re.search(words, problem) for problem in found.problems), found.problems


def test_a_day_s_chain_follows_the_day_before(session: Session, buyer: uuid.UUID) -> None:
    proof.seal(session)
    first = seal_repository.last_seal(session)
    assert first is not None
    today = first.day
    # as if everything so far had been sealed a day earlier
    disarmed(session, "UPDATE ledger_seals SET day = day - 1")
    service.deposit(session, buyer, 5, "EUR", "next day")
    proof.seal(session)
    last = seal_repository.last_seal(session)
    assert last is not None
    assert (last.number, last.day) == (1, today)
    found = proof.prove(session)
    assert found.ok, found.problems
    assert len(found.heads) >= 2


def test_orm_updates_of_the_books_are_refused_too(session: Session, held: LedgerTransfer) -> None:
    refused(session, "append-only", lambda: session.execute(update(LedgerTransfer).values(amount=1)))


def test_the_migrated_database_has_the_rules_that_the_code_shows(session: Session) -> None:
    written = "\n".join(ledger_ddl.UPGRADE)
    stored = session.execute(text("SELECT proname, prosrc FROM pg_proc WHERE proname LIKE 'ledger\\_%'")).all()
    assert {name for name, _ in stored} == set(re.findall(r"FUNCTION (ledger_\w+)\(\) RETURNS", written))
    for name, source in stored:
        assert f"$${source}$$" in written, f"{name} differs from ledger_ddl.py; write a migration that replaces it"
    triggers = session.scalars(
        text("SELECT tgname FROM pg_trigger WHERE NOT tgisinternal AND tgname ~ '^(ledger|payout)_'")
    )
    assert set(triggers) == set(re.findall(r"CREATE TRIGGER (\w+)", written))
