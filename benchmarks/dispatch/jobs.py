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
from app.identity import Role
from app.settings import Settings
from app.valuations import repository
from app.valuations.states import ShardKind, ShardStatus, ValuationStatus
from app.valuations.tables import BuyerGame, Evaluation, Valuation, ValuationPlayer
from app.valuations.work import protocol, shards
from worker.jobs.replay import pack

SOURCE = "retrain"


def add_job(factory: sessionmaker[Session], players: int) -> uuid.UUID:
    """A running job of that many players, one dataset each; nothing is asked of it yet."""
    digests = sorted(hashlib.sha256(f"{uuid.uuid4()}".encode()).hexdigest() for _ in range(players))
    with transaction(factory) as session:
        buyer = Account(name=f"buyer {uuid.uuid4().hex}", role=Role.BUYER)
        providers = [Account(name=f"provider {uuid.uuid4().hex}", role=Role.PROVIDER) for _ in range(players)]
        session.add_all([buyer, *providers])
        session.flush()
        frozen = {"players": digests, "device": "cpu", "learner": {"name": "sleeping", "hyper": {}}}
        game = BuyerGame(buyer_id=buyer.id, digest=uuid.uuid4().hex * 2, frozen=frozen, prepared="0" * 64, facts={})
        session.add(game)
        session.flush()
        blob = {"name": "dataset", "digest": "0" * 64, "format": "npz", "target": "y"}
        names = [f"acc_{each.id.hex}" for each in providers]
        inputs = {"names": names, "rows": [100] * players, "players": [[blob]] * players, "test": blob}
        job = Valuation(
            buyer_id=buyer.id, game_id=game.id, status=ValuationStatus.RUNNING, spec={"players": "provider"},
            inputs=inputs | {"checkpoint": None}, labels={}, pool_minor=1000_00, currency="EUR", queue="cpu",
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
