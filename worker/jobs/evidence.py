"""What a job's result rests on, as a document that its certificate commits to, and a game made of it again.

The document holds every worth that the valuation used, in the order of source and coalition, and names the files of the
models' answers. Nothing here computes a worth, and no row is in it.
"""

import hashlib
import hmac
import uuid
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from app.settings import Settings
from app.storage.blobs import BlobStore
from app.valuations.work.answers import AnswerBlob
from contract.learning.learners import predicted
from contract.orders.job import Job, SourceCost
from contract.proof.evidence import AnswersLeaf, Evidence, EvidencePlayer, SourceWorths
from contract.results.answers import ANCHORS
from contract.results.removal import RemovalCurves
from contract.results.result import StoredResult, ValuationResult, WorthRow
from contract.tasks import PREDICTIONS
from worker.engine.games.game import Player, family
from worker.engine.valuation import recompute
from worker.jobs.kept_answers import KeptAnswers
from worker.jobs.replay import StoredGame, replayed, unpack

_SALT = b"cherish-evidence-1 "
# members of a stored result that cannot be made again without models' answers
_FROM_ANSWERS = ("without_harm", "removal", "interactions", "domains", "evidence", "selection", "openings")


def salt_of(settings: Settings, game_id: uuid.UUID) -> str:
    """The salt of a game's commitments, hex: the same after a crash, and nobody's to guess."""
    secret = settings.signing_secret.get_secret_value().encode()
    return hmac.digest(secret, _SALT + game_id.bytes, hashlib.sha256).hex()


def evidence_of(game: StoredGame, job: Job, salt: str) -> Evidence:
    """The document of the worths that a replay of ``game`` used."""
    used = {source: sorted(worths) for source, worths in sorted(game.used.items()) if worths}
    # sums that are kept in the place of answers tell no single answer, and are no part of it
    kept = game.kept if isinstance(game.kept, KeptAnswers) else None
    files = () if kept is None else kept.files
    return Evidence(
        game=job.game_digest,
        salt=salt,
        players=_players(game.players),
        owners=_players(game.owners),
        costs=tuple(SourceCost(name=name, cost=cost) for name, cost in game.costs.items()),
        unit_seconds=game.unit_seconds,
        metric=game.metric,
        predicts=predicted(job.game.learner.name, job.game.metric),
        partial=game.partial,
        moved=() if kept is None else tuple(kept.moved),
        worths=tuple(
            SourceWorths(
                source=source,
                coalitions=tuple(each.hex() for each in coalitions),
                worths=tuple(game.stored[source][each][0] for each in coalitions),
                seconds=tuple(game.stored[source][each][1] for each in coalitions),
            )
            for source, coalitions in used.items()
        ),
        answers_kept=kept is not None,
        answers=tuple(
            AnswersLeaf(
                source=file.source, coalitions=tuple(each.hex() for each in file.coalitions), digest=file.digest
            )
            for file in files
            if file.source == ANCHORS or file.source in used
        ),
    )


def game_of(evidence: Evidence, answers: BlobStore | None) -> StoredGame:
    """The game that a document's worths make; ``answers`` holds its files, where they are here."""
    kept = None
    if answers is not None:
        blobs = [
            AnswerBlob(each.source, each.digest, tuple(map(bytes.fromhex, each.coalitions)))
            for each in evidence.answers
        ]
        kept = KeptAnswers(answers, blobs, PREDICTIONS[evidence.predicts], evidence.moved)
    return StoredGame(
        players=_engine_players(evidence.players),
        owners=_engine_players(evidence.owners),
        costs={source.name: source.cost for source in evidence.costs},
        unit_seconds=evidence.unit_seconds,
        stored={
            part.source: dict(
                zip(map(bytes.fromhex, part.coalitions), zip(part.worths, part.seconds, strict=True), strict=True)
            )
            for part in evidence.worths
        },
        digests={"game": evidence.game},
        kept=kept,
        metric=evidence.metric,
        partial=evidence.partial,
    )


def _players(players: Sequence[Player]) -> tuple[EvidencePlayer, ...]:
    return tuple(EvidencePlayer(name=p.name, rows=p.rows, digest=p.digest, owner=p.owner) for p in players)


def _engine_players(players: Sequence[EvidencePlayer]) -> list[Player]:
    return [Player(p.name, p.rows, p.digest, p.owner) for p in players]


def repeated(
    evidence: Evidence, answers: BlobStore | None, stored: StoredResult, *, revalue: bool
) -> tuple[dict[str, Any], dict[str, Any]]:
    """What a stored result says and what comes out of its evidence again, as plain documents to compare.

    Without files of answers the gain and the chance of the test rows are taken as stored, and what rests on them
    (the valuation without whoever does harm) is left out of both.
    """
    game = game_of(evidence, answers)
    if answers is not None:
        again = replayed(game, stored.spec, stored.domains, revalue=revalue).stored.plain()
        before = stored.plain()
        beside = ("evidence", "selection", "openings", *(("interactions",) if stored.interactions is None else ()))
        for name in beside:
            before.pop(name, None)
            again.pop(name, None)
        return before, again
    names = [player.name for player in game.players]
    rows = tuple(
        WorthRow(source, family(source), _named(names, packed), *worth)
        for source, worths in game.stored.items()
        for packed, worth in worths.items()
    )
    own = {each.name: getattr(stored, each.name) for each in fields(ValuationResult) if each.name != "worths"}
    own["costs"] = dict(game.costs)
    result = recompute(ValuationResult(**own, worths=rows))
    again = StoredResult.of(result, None, RemovalCurves(None, None), ()).plain()
    shown = {name: value for name, value in stored.plain().items() if name not in _FROM_ANSWERS}
    return shown, {name: value for name, value in again.items() if name not in _FROM_ANSWERS}


def _named(names: Sequence[str], packed: bytes) -> tuple[str, ...]:
    kept = unpack(packed, 1, len(names))[0]
    return tuple(name for name, inside in zip(names, kept.tolist(), strict=True) if inside)
