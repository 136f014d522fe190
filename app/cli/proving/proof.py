"""``cherish verify`` of a certificate: what the operator signed, repeated from the evidence that it committed to.

Nothing here trusts the operator's arithmetic: values, intervals, shares and amounts are made again from the worths, and
the worths, with models' answers, hash to the certificate's Merkle root. A provider's proofs are checked against the
same root. Whether the worths are true takes the rows, which only their providers have. The engine is imported inside
functions.
"""

import json
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.cli.proving.verdicts import Verdict
from app.errors import InvalidInput
from contract.document import digest_of
from contract.orders.lot import seed_commitment
from contract.proof.certificate import CertifiedJob, ProofStatement, SignedFile
from contract.proof.division import Division
from contract.proof.evidence import Evidence, InclusionProof, holds, proven

if TYPE_CHECKING:
    from app.storage.blobs import BlobStore
    from contract.results.result import StoredResult

Record = Callable[[str, Verdict], bool]
_NAMED = 3
# what follows from nothing that the evidence holds
_OPERATORS_WORD = (
    "device seconds, the moment of settlement, reserve prices, the agreed fee, digests of files, when the test set "
    "came, who brought which datasets of how many rows and whose part of a player is whose, whose rows stayed at home, "
    "how many worths were computed twice, the edition of the terms, options without effect here, and members of a "
    "result that earlier versions did not write and this one leaves out"
)
# what an order and the spec of its result have in common; budgets grow when a job is topped up
_REQUEST_FIELDS = ("mode", "metric", "fidelity", "unlearning", "estimator", "seed", "confidence")


@dataclass(frozen=True)
class Archive:
    """The buyer's evidence as it was downloaded: the document's bytes, the job's part, files of answers by digest."""

    document: bytes
    evidence: Evidence
    result: dict[str, Any]
    division: Division
    answers: dict[str, bytes]


def is_signed(content: bytes) -> bool:
    """Whether a file is a certificate or a provider's proofs, and no result of ``cherish value``."""
    try:
        body = json.loads(content)
    except ValueError:
        return False
    return isinstance(body, dict) and "signature" in body and ("certificate" in body or "statement" in body)


def check(content: bytes, evidence: Path | None, key: str | None, record: Record) -> list[str]:
    """Record what is found of a certificate (with its ``evidence`` archive) or of a provider's proofs (with the
    certificate); returns what was not checked, in words."""
    file = _read(content, "this file")
    if file.statement is not None:
        return _inclusion(file, file.statement, evidence, key, record)
    if not record("signature", _signature(file, file.certificate, key)):
        return ["everything else, since the signature does not hold"]
    if (seals := _test_seals(file.certificate or {})) is not None:
        record("test set", seals)
    if evidence is None:
        return [
            "values, intervals and amounts, which take the evidence: `cherish valuations evidence` fetches it, and "
            "`cherish verify CERTIFICATE EVIDENCE` repeats them from it"
        ]
    return _repeated(file.certificate or {}, read_archive(evidence), record)


def _read(content: bytes, name: str) -> SignedFile:
    try:
        return SignedFile.model_validate_json(content)
    except ValueError as cause:
        raise InvalidInput(f"{name} is no certificate and no proofs as the service writes them: {cause}") from cause


def read_archive(path: Path) -> Archive:
    """The archive of ``GET /v1/valuations/{id}/evidence``; raises InvalidInput where it is none."""
    from app.valuations.evidence import ANSWERS, DOCUMENT, JOB

    try:
        with zipfile.ZipFile(path) as archive:
            document = archive.read(DOCUMENT)
            job = json.loads(archive.read(JOB))
            answers = {
                name.removeprefix(ANSWERS): archive.read(name)
                for name in archive.namelist()
                if name.startswith(ANSWERS)
            }
        return Archive(
            document,
            Evidence.model_validate_json(document),
            dict(job["result"]),
            Division.read(job["division"]),
            answers,
        )
    except (OSError, zipfile.BadZipFile, KeyError, TypeError, ValueError) as cause:
        raise InvalidInput(f"{path}: this is not the evidence of a job ({cause}); fetch it again") from cause


def _signature(file: SignedFile, signed: Mapping[str, Any] | None, key: str | None) -> Verdict:
    """Whether the key signed exactly this; without a key that is trusted, whether the file's own did."""
    from app.valuations.results.certificates import is_genuine

    own = file.public_key
    if not is_genuine({"certificate": signed, "signature": file.signature}, own if key is None else key):
        whose = "the key in the file" if key is None else "this key"
        return Verdict(False, f"{whose} did not sign this; it was altered, or is another service's")
    if key is None:
        return Verdict(True, f"by the key that the file names ({own}); pass --key to trust one from elsewhere")
    return Verdict(True, "by the key that you trust")


def _test_seals(signed: Mapping[str, Any]) -> Verdict | None:
    """Whether what was committed to before the job, the test set and what drew rows by lot, is what was opened after
    it; None where a certificate commits to no test set."""
    from app.valuations.orders.test_commitment import commitment

    try:
        certificate = CertifiedJob.read(signed)
    except ValueError:
        return None  # the root's verdict says that it cannot be read
    digests, lot = certificate.digests, certificate.test_lot
    if digests.test_salt is None and digests.test_commitment is None:
        return None
    if digests.test is None or digests.test_salt is None or digests.test_commitment is None:
        return Verdict(False, "the test set was committed to, and digest, salt and commitment are not all there")
    try:
        opened = commitment(digests.test_salt, digests.test)
    except ValueError as cause:
        return Verdict(
            False, f"the digest and the salt that open the commitment to the test set cannot be read: {cause}"
        )
    if opened != digests.test_commitment:
        return Verdict(False, "the commitment to the test set is not of the digest and the salt that it is opened with")
    if lot is None:
        return Verdict(True, "its commitment opens")
    if seed_commitment(lot.seed) != lot.commitment:
        return Verdict(False, "the commitment to the lot is not of the seed that it is opened with")
    return Verdict(True, f"its commitment opens, and so does that to the lot of {lot.rows} rows")


def _repeated(signed: Mapping[str, Any], archive: Archive, record: Record) -> list[str]:
    from app.valuations.results.recomputed import order_of
    from contract.results.result import StoredResult

    try:
        certificate = CertifiedJob.read(signed)
    except ValueError as cause:
        record("root", Verdict(False, f"the certificate is signed, and none that this version can read: {cause}"))
        return ["everything else"]
    record("root", _root(certificate, archive))
    try:
        order_of(certificate)
    except ValueError as cause:
        record("request", Verdict(False, f"the order in the certificate is none that can be placed: {cause}"))
        return ["everything else"]
    try:
        result = StoredResult.from_dict(archive.result)
    except ValueError as cause:
        record("values", Verdict(False, f"the evidence holds no result: {cause}"))
        return []
    record("request", _request(certificate, archive, result))
    answers = _answer_store(archive)
    if isinstance(answers, Verdict):
        record("answers", answers)
        return []
    if answers is not None:
        record("answers", _worths_of_answers(archive, answers))
    record("values", _values(certificate, archive, result, answers))
    record("amounts", _amounts(signed, certificate, archive, result))
    unproven = ["whether the worths are those of models trained on the providers' rows, which takes the rows"]
    if answers is None:
        unproven.append(
            "the test of the gain and what other test rows would change, which take models' answers: they are handed "
            "over where every licence grants the model"
        )
    return [
        *unproven,
        _OPERATORS_WORD,
    ]


def _root(certificate: CertifiedJob, archive: Archive) -> Verdict:
    """Whether the evidence is what the certificate commits to."""
    sealed, recomputed = certificate.evidence, archive.evidence.seal()
    if sealed is None:
        return Verdict(False, "the certificate names no evidence: it is of a job from before evidence was kept")
    pairs = [(name, str(value), str(getattr(recomputed, name))) for name, value in sealed.plain().items()]
    named = ", ".join(f"{name} {a[:12]} is certified, {b[:12]} found" for name, a, b in pairs if a != b)
    if named:
        return Verdict(False, f"the evidence is not what the certificate commits to: {named}")
    if archive.evidence.content != archive.document:
        return Verdict(False, "the document is not spelled as it was sealed")
    return Verdict(True, f"{recomputed.leaves} worths and files of answers are under the certificate's Merkle root")


def _request(certificate: CertifiedJob, archive: Archive, result: "StoredResult") -> Verdict:
    """Whether what was ordered is what was valued, and the evidence is of that game."""
    from app.valuations.results.recomputed import order_of

    ordered, spec, evidence = order_of(certificate).spec(), result.spec, archive.evidence
    wrong = [
        f"{name} {getattr(ordered, name)!r} was ordered and {getattr(spec, name)!r} valued"
        for name in _REQUEST_FIELDS
        if getattr(ordered, name) != getattr(spec, name)
    ]
    if evidence.game != certificate.digests.game:
        wrong.append("the evidence is of another game")
    if (evidence.metric, evidence.partial) != (spec.metric, spec.mode == "partial"):
        wrong.append("the evidence is of another metric or mode")
    if wrong:
        return Verdict(False, "; ".join(wrong))
    return Verdict(True, f"{spec.metric}, {spec.mode} mode, estimator {spec.estimator}, seed {spec.seed}, as ordered")


def _answer_store(archive: Archive) -> "BlobStore | Verdict | None":
    """The files of answers by digest; None where none were handed over, a verdict where they are not those named."""
    from app.storage.blobs import BlobStore

    if not archive.answers:
        return None
    store = BlobStore.from_url("memory:///")
    for content in archive.answers.values():
        store.put_bytes(content)
    missing = [leaf.digest for leaf in archive.evidence.answers if not store.exists(leaf.digest)]
    if missing:
        return Verdict(False, f"{len(missing)} files of answers are missing or altered, the first {missing[0]}")
    return store


def _worths_of_answers(archive: Archive, answers: "BlobStore") -> Verdict:
    """Whether every worth is the metric of what its model answered."""
    import numpy as np

    from app.cli.proving.verdicts import TOLERANCE
    from contract.metrics import metric_of
    from worker.jobs.evidence import game_of
    from worker.jobs.kept_answers import KeptAnswers

    kept, metric, furthest = game_of(archive.evidence, answers).kept, metric_of(archive.evidence.metric), 0.0
    if not isinstance(kept, KeptAnswers):
        raise AssertionError("a game with answers has none")
    for part in archive.evidence.worths:
        try:
            again = kept.worths(metric, part.source, [bytes.fromhex(each) for each in part.coalitions])
        except (KeyError, ValueError) as cause:
            return Verdict(False, f"no answers are there for a worth of {part.source}: {cause}")
        gaps = np.abs(again - np.array(part.worths))
        furthest = max(furthest, float(gaps.max(initial=0.0)))
        if not furthest <= TOLERANCE:
            row = int(np.argmax(gaps))
            return Verdict(False, f"the {part.source} worth of {part.coalitions[row]} is not that of its answers")
    count = sum(len(part.worths) for part in archive.evidence.worths)
    return Verdict(True, f"{count} worths follow from the models' answers on the test rows")


def _values(
    certificate: CertifiedJob, archive: Archive, result: "StoredResult", answers: "BlobStore | None"
) -> Verdict:
    """Whether the result is the certified one and comes out of the worths again."""
    from app.valuations.results.recomputed import order_of
    from worker.engine.games.game import EvaluationFailed, NeedWorths
    from worker.engine.proof.differences import differences
    from worker.engine.valuation import Impossible
    from worker.jobs.evidence import repeated

    if digest_of(archive.result) != certificate.digests.result:
        return Verdict(False, "the evidence's result is not the one that the certificate names")
    revalue = order_of(certificate).payout.revalue_without_harm
    try:
        again = repeated(archive.evidence, answers, result, revalue=revalue)
    except (EvaluationFailed, Impossible, NeedWorths, KeyError, ValueError) as cause:
        return Verdict(False, f"they cannot be repeated from the evidence: {cause}")
    wrong = list(differences(*again))
    if wrong:
        more = f", and {len(wrong) - _NAMED} more" if len(wrong) > _NAMED else ""
        return Verdict(False, f"they do not follow from the evidence: {'; '.join(map(str, wrong[:_NAMED]))}{more}")
    count = sum(len(part.worths) for part in archive.evidence.worths)
    return Verdict(True, f"values, intervals and shares repeated from {count} worths")


def _amounts(signed: Mapping[str, Any], certificate: CertifiedJob, archive: Archive, result: "StoredResult") -> Verdict:
    """Whether the certificate says what follows from the result and the agreed terms, to the cent."""
    from app.payouts import money
    from app.valuations.results.recomputed import certified_again, order_of, plan_again
    from worker.engine.proof.differences import differences

    order = order_of(certificate)
    try:
        digest = plan_again(certificate, archive.division, result).digest
        again = json.loads(json.dumps(certified_again(signed, archive.division, archive.result)))
    except (InvalidInput, KeyError, IndexError, TypeError, ValueError) as cause:
        return Verdict(False, f"they cannot be divided again: {cause}")
    other = digest != certificate.digests.plan
    wrong = ["the payout plan is another"] if other else []
    if archive.division.valuation != certificate.valuation:
        wrong.append(f"the division is that of {archive.division.valuation}")
    own_pool = not archive.division.explores and archive.division.tops_up is None
    if own_pool and archive.division.pool_minor != money.parse(order.pool, order.currency, name="pool"):
        wrong.append(f"the pool that was divided is not the {order.pool} {order.currency} that were ordered")
    if archive.division.explores != (result.selection is not None):
        wrong.append("the division and the result disagree on whether this is an exploration, which pays nobody")
    wrong += [str(each) for each in differences(dict(signed), again)]
    if wrong:
        return Verdict(False, f"the certificate does not follow from the result: {'; '.join(wrong[:_NAMED])}")
    told = certificate.money
    return Verdict(True, f"{told.divided} of {told.pool} {told.currency} divided again, to the cent")


def _inclusion(
    file: SignedFile, signed: Mapping[str, Any], certificate: Path | None, key: str | None, record: Record
) -> list[str]:
    """A provider's proofs: signed root, and every listed coalition under it."""
    if not record("signature", _signature(file, signed, key)):
        return ["everything else, since the signature does not hold"]
    try:
        statement = ProofStatement.read(signed)
    except ValueError as cause:
        record("proofs", Verdict(False, f"they cannot be read: {cause}"))
        return []
    record("proofs", _proofs(statement, file.items))
    if certificate is None:
        return [
            "whether the buyer's certificate has this root: compare evidence.root in it, or name its file after this"
        ]
    other = _read(certificate.read_bytes(), str(certificate))
    if record("certificate", _signature(other, other.certificate, key)):
        record("root", _same_root(statement, other.certificate or {}))
    return []


def _proofs(statement: ProofStatement, proofs: Sequence[InclusionProof]) -> Verdict:
    """Whether every proof leads to the stated root, is of a coalition with the provider's data, and is listed once."""
    root, leaves, players = statement.root, statement.leaves, statement.seats
    places = [proof.index for proof in proofs]
    if len(set(places)) < len(places):
        return Verdict(False, "a leaf is listed twice")
    for proof in proofs:
        if not any(holds(proof.leaf.coalition, player) for player in players):
            return Verdict(False, f"leaf {proof.index} is of a coalition without your data")
        if not proven(proof, root, leaves):
            return Verdict(False, f"leaf {proof.index} is not under the root {root}")
    sources = {proof.leaf.source for proof in proofs}
    kinds = ", ".join(f"{sum(p.leaf.source == s for p in proofs)} by {s}" for s in sorted(sources))
    return Verdict(
        True, f"{len(proofs)} of {leaves} leaves are worths of coalitions with your data ({kinds}), under {root}"
    )


def _same_root(statement: ProofStatement, signed: Mapping[str, Any]) -> Verdict:
    try:
        certificate = CertifiedJob.read(signed)
    except ValueError as cause:
        return Verdict(False, f"the certificate cannot be read: {cause}")
    if statement.valuation != certificate.valuation:
        return Verdict(False, "the certificate is of another job")
    sealed = certificate.evidence
    if sealed is None or (sealed.root, sealed.leaves) != (statement.root, statement.leaves):
        return Verdict(False, f"the certificate commits to another root, {None if sealed is None else sealed.root}")
    digests = {player.digest for player in certificate.players}
    seen = "your players are in it" if set(statement.digests) <= digests else "shards played"
    return Verdict(True, f"it is the certificate's; {seen}")
