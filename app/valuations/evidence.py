"""What a job's values rest on, for those who want to check them: the buyer gets all of it, providers get proofs.

The buyer's archive holds every worth, what the pool was divided by, and models' answers on the buyer's own test rows
where every licence of the job grants the model, which tells as much of the rows. A provider is shown that the
coalitions its data is in are under the certificate's root, by commitments: no worth, and nobody else's name. After a
withdrawal the evidence is gone with the worths; certificates stay. Never commits.
"""

import hashlib
import uuid
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import IO, Any

from sqlalchemy.orm import Session

from app.errors import Conflict, NotFound
from app.http.headers import make_etag
from app.http.ids import public_id
from app.identity import Caller
from app.payouts import service as payouts
from app.settings import Settings
from app.storage.blobs import BlobStore
from app.valuations import repository, service
from app.valuations.results import certificates
from app.valuations.results.division import left_for_reserve
from app.valuations.results.payee_parts import players_paid
from app.valuations.results.settlement import division_of
from app.valuations.states import TERMINAL, ValuationStatus
from app.valuations.tables import Valuation, ValuationPlayer
from app.valuations.work import evidence as evidence_repository
from contract.document import canonical_json
from contract.orders.grants import Grant
from contract.proof.evidence import AnswersLeaf, Evidence, EvidenceSeal, InclusionProof, proofs
from contract.results.result import StoredResult

MEDIA_TYPE = "application/zip"
DOCUMENT, JOB, ANSWERS = "evidence.json", "job.json", "answers/"
INCLUSION = "cherish-inclusion-1"


@dataclass(frozen=True)
class JobEvidence:
    """A job's evidence: the blob of the document, ``job`` (result and division, canonical JSON), the files of answers
    that are handed over."""

    document: str
    job: bytes
    answers: tuple[AnswersLeaf, ...]

    @property
    def tag(self) -> str:
        """The ETag of the archive."""
        return make_etag(self.document, hashlib.sha256(self.job).hexdigest(), len(self.answers))


@dataclass(frozen=True)
class Inclusion:
    """The signed statement of root and seats, and proofs from a place on; ``following`` is where more begin."""

    signed: dict[str, Any]
    items: tuple[InclusionProof, ...]
    following: int | None


def of_job(session: Session, blobs: BlobStore, caller: Caller, valuation_id: uuid.UUID) -> JobEvidence:
    """The evidence of the caller's job; raises NotFound for anybody else's, Conflict where there is none (any more)."""
    valuation = service.get(session, caller, valuation_id)
    result, seal = _sealed(session, valuation)
    document = read(blobs, seal)
    settlement = payouts.settlement_of(session, valuation_id)
    if settlement is None:
        raise AssertionError(f"valuation {valuation_id} has succeeded without a settlement")
    players = repository.players(session, valuation_id)
    division = division_of(valuation, players, settlement.settled.compute)
    paid_on, payout = players_paid(result), valuation.order.payout
    left = left_for_reserve(valuation.id, division, payout, result, paid_on)
    job = {"result": valuation.result, "division": division.masked(left).plain()}
    return JobEvidence(seal.document, canonical_json(job), document.answers if _answers_granted(valuation) else ())


def write(path: Path | IO[bytes], blobs: BlobStore, evidence: JobEvidence) -> None:
    """The archive: the document, the job's part, and each file of answers under its digest."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo(DOCUMENT), blobs.get(evidence.document), zipfile.ZIP_DEFLATED)
        archive.writestr(zipfile.ZipInfo(JOB), evidence.job, zipfile.ZIP_DEFLATED)
        for digest in sorted({file.digest for file in evidence.answers}):
            # compressed already
            archive.writestr(zipfile.ZipInfo(ANSWERS + digest), blobs.get(digest))


def packed(blobs: BlobStore, evidence: JobEvidence) -> bytes:
    """The archive as bytes."""
    buffer = BytesIO()
    write(buffer, blobs, evidence)
    return buffer.getvalue()


def inclusion(
    session: Session,
    blobs: BlobStore,
    settings: Settings,
    caller: Caller,
    valuation_id: uuid.UUID,
    after: int,
    limit: int | None,
) -> Inclusion:
    """Proofs that the coalitions with the calling provider's data are under the root: ``limit`` of them at most (None:
    all), from the leaf after ``after``. Raises NotFound where none of its data is in the job, Conflict where there is
    no evidence."""
    mine = repository.players_of_provider(session, valuation_id, caller.account_id)
    if not mine:
        raise NotFound(
            f"no valuation {public_id('val', valuation_id)} of your data; list them with GET /v1/me/valuations"
        )
    valuation = repository.of_id(session, valuation_id)
    _, seal = _sealed(session, valuation)
    document = read(blobs, seal)
    players = _own_players(valuation, mine, document)
    own = [(index, leaf) for index, leaf in proofs(document, players) if index > after]
    tree = document.tree()
    items = tuple(InclusionProof(index=index, leaf=leaf, path=tree.path(index)) for index, leaf in own[:limit])
    statement = {
        "format": INCLUSION,
        "valuation": public_id("val", valuation_id),
        "game": document.game,
        "root": seal.root,
        "leaves": seal.leaves,
        "seats": players,
        "digests": [document.players[player].digest for player in players],
    }
    following = items[-1].index if len(items) < len(own) else None
    return Inclusion(certificates.sign(settings, statement), items, following)


def read(blobs: BlobStore, seal: EvidenceSeal) -> Evidence:
    """The document that a result is sealed by."""
    return Evidence.model_validate_json(blobs.get(seal.document))


def _sealed(session: Session, valuation: Valuation) -> tuple[StoredResult, EvidenceSeal]:
    name = public_id("val", valuation.id)
    if valuation.status is not ValuationStatus.SUCCEEDED:
        ends = " and has none" if valuation.status in TERMINAL else "; there is evidence once it has settled"
        raise Conflict(f"valuation {name} is {valuation.status.value}{ends}")
    kept = repository.result_of(session, valuation.id)
    if kept is None:
        raise AssertionError(f"valuation {name} has succeeded without a result")
    seal = kept.document.evidence
    if seal is None:
        raise Conflict(f"valuation {name} was valued before evidence was kept; order it again to have some")
    if not evidence_repository.kept(session, valuation.game_id, seal.document):
        raise Conflict(
            f"the evidence of valuation {name} was erased with its worths, because a dataset of it was withdrawn; its "
            "certificate still names the root"
        )
    return kept.document, seal


def _answers_granted(valuation: Valuation) -> bool:
    """Whether every licence of the job's data grants the model."""
    grants = valuation.job_inputs.terms.grants
    return bool(grants) and all(Grant.MODEL in each for each in grants)


def _own_players(valuation: Valuation, mine: Sequence[ValuationPlayer], document: Evidence) -> list[int]:
    """The positions, among those that play, of the payees' players, or of their shards."""
    parts = [valuation.job_inputs.seating[player.position].player for player in mine]
    own = sorted({part for part in parts if part is not None})
    if not document.owners:
        return own
    names = {document.owners[index].name for index in own}
    return [at for at, player in enumerate(document.players) if player.owner in names]
