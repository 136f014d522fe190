"""Jobs made of rows alone: accounts, a game, a job with players, and rounds of shards, written straight to the tables.

Nothing is uploaded and nothing can be computed from them; they are what the dispatch benchmarks dispatch.
"""

import hashlib
import uuid

import numpy as np
from sqlalchemy import insert
from sqlalchemy.orm import Session, sessionmaker

from app.accounts.tables import Account
from app.db.base import uuid7
from app.db.session import transaction
from app.http.ids import public_id
from app.identity import Role
from app.settings import Settings
from app.valuations import repository
from app.valuations.schemas import NewValuation
from app.valuations.states import ShardKind, ShardStatus, ValuationStatus
from app.valuations.tables import BuyerGame, Evaluation, Valuation, ValuationPlayer
from app.valuations.work import protocol, shards
from contract.orders.game import FrozenGame, LearnerChoice, TableEncoding
from contract.orders.job import AgreedTerms, GameFacts, InputFile, JobInputs, PayeePart, SourceCost
from worker.jobs.replay import pack

SOURCE = "retrain"
_FACTS = GameFacts(sources=(SourceCost(name=SOURCE, cost=1.0),), seconds=0.0)


def add_job(factory: sessionmaker[Session], players: int) -> uuid.UUID:
    """A running job of that many players, one dataset each; nothing is asked of it yet."""
    digests = sorted(hashlib.sha256(f"{uuid.uuid4()}".encode()).hexdigest() for _ in range(players))
    with transaction(factory) as session:
        buyer = Account(name=f"buyer {uuid.uuid4().hex}", role=Role.BUYER)
        providers = [Account(name=f"provider {uuid.uuid4().hex}", role=Role.PROVIDER) for _ in range(players)]
        session.add_all([buyer, *providers])
        session.flush()
        frozen = _game(digests).plain()
        game = BuyerGame(
            buyer_id=buyer.id, digest=uuid.uuid4().hex * 2, frozen=frozen, prepared="0" * 64, facts=_FACTS.plain()
        )
        session.add(game)
        session.flush()
        inputs = _inputs([f"acc_{each.id.hex}" for each in providers]).model_dump(mode="json")
        order = {"datasets": [public_id("ds", uuid7()) for _ in range(players)], "pool": "1000.00"}
        order = NewValuation.model_validate(order | {"test_dataset": public_id("ds", uuid7()), "players": "provider"})
        job = Valuation(
            buyer_id=buyer.id, game_id=game.id, status=ValuationStatus.RUNNING,
            spec=order.model_dump(mode="json", exclude_unset=True),
            inputs=inputs, labels={}, pool_minor=1000_00, currency="EUR", queue="cpu",
        )  # fmt: skip
        session.add(job)
        session.flush()
        rows = [
            {
                "valuation_id": job.id, "position": position, "provider_id": provider.id, "name": provider.name,
                "datasets": [str(uuid7())], "digest": digest, "rows": 100,
            }
            for position, (provider, digest) in enumerate(zip(providers, digests, strict=True))
        ]  # fmt: skip
        session.execute(insert(ValuationPlayer), rows)
        return job.id


def _game(digests: list[str]) -> FrozenGame:
    return FrozenGame(
        players=tuple(digests), test="0" * 64, encoding=TableEncoding(columns={"classes": ["no", "yes"]}),
        learner=LearnerChoice(name="logistic", hyper={}), checkpoint=None, metric="accuracy", mode="full",
        unlearning={}, seed=0, device="cpu",
    )  # fmt: skip


def _inputs(names: list[str]) -> JobInputs:
    file = InputFile(name="file", digest="0" * 64, format="npz", target="y")
    return JobInputs(
        names=tuple(names), players=((file,),) * len(names), rows=(100,) * len(names),
        seating=tuple(PayeePart(at, 1, 1) for at in range(len(names))), notes=(), test=file, checkpoint=None,
        terms=AgreedTerms(fee_basis_points=0, reserves=(0,) * len(names)),
    )  # fmt: skip


def drawn(players: int, count: int, seed: int) -> list[bytes]:
    """``count`` different coalitions, packed."""
    rng = np.random.default_rng(seed)
    found: dict[bytes, None] = {}
    while len(found) < count:
        found |= dict.fromkeys(pack(rng.random((count, players)) < 0.5))
    return list(found)[:count]


def add_worths(factory: sessionmaker[Session], job_id: uuid.UUID, coalitions: list[bytes]) -> None:
    """Stored worths of a job, one for each coalition."""
    with transaction(factory) as session:
        job = session.get_one(Valuation, job_id)
        rows = [
            {
                "game_id": job.game_id, "source": SOURCE, "coalition": each, "worth": 0.5, "seconds": 0.1,
                "valuation_id": job.id, "shard_id": uuid7(), "fence": 1,
            }
            for each in coalitions
        ]  # fmt: skip
        session.execute(insert(Evaluation), rows)


def add_round(
    factory: sessionmaker[Session], settings: Settings, job_id: uuid.UUID, coalitions: list[bytes], size: int
) -> int:
    """A round of shards of ``size`` worths, dispatched as far as the job's window allows; its number."""
    chunks = [coalitions[start : start + size] for start in range(0, len(coalitions), size)]
    with transaction(factory) as session:
        job = repository.lock(session, job_id)
        job.round += 1
        counts = {"worths": len(coalitions), "shards": len(chunks), "open": len(chunks)}
        shards.add_round(session, {"valuation_id": job.id, "number": job.round, "source": SOURCE, **counts})
        rows = [
            {
                "id": uuid7(), "valuation_id": job.id, "round": job.round, "kind": ShardKind.EVALUATE,
                "ordinal": ordinal, "status": ShardStatus.QUEUED, "queue": "cpu", "source": SOURCE,
                "coalitions": b"".join(chunk), "count": len(chunk),
            }
            for ordinal, chunk in enumerate(chunks)
        ]  # fmt: skip
        shards.add_shards(session, rows)
        session.flush()
        protocol.fill_window(session, settings, job.id, job.queue)
        return job.round
