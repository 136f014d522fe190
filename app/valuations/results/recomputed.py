"""A certificate made again from a job's evidence, so that nothing shown in it goes uncompared. Pure; no database.

What only the service can know is taken as certified: when the job ended, how many worths were computed twice, whose
rows stayed at home, when the test set came and which lot drew rows for it, and the digests of files. Values, intervals,
shares, amounts and sentences are made by the functions that made them first.
"""

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from app.http.ids import parse_id
from app.payouts.policies import PayoutPlan
from app.payouts.tables import Settlement
from app.valuations.results import answers, certificates
from app.valuations.results.division import divide
from app.valuations.results.payee_parts import known_intervals, players_paid
from app.valuations.results.settlement import written
from app.valuations.schemas import NewValuation
from app.valuations.states import ValuationStatus
from app.valuations.tables import Valuation, ValuationPlayer
from contract.agents import AGENT_FORMAT
from contract.document import digest_of
from contract.orders.job import AgreedTerms, JobInputs, JobProgress
from contract.proof.certificate import CertifiedJob
from contract.proof.division import Division
from contract.results.result import StoredResult
from contract.rows.files import InputFile

# what of a certificate follows from nothing that its evidence holds
_OF_TEST_ROWS = ("late_test", "test_lot")
AS_CERTIFIED = ("finished_at", "checked", *_OF_TEST_ROWS)
_UNREAD = InputFile(name="", digest="", format="", target="")
_AT_HOME = InputFile(name="", digest="", format=AGENT_FORMAT, target="")


def order_of(certificate: CertifiedJob) -> NewValuation:
    """The order that a certificate names."""
    return NewValuation.stored(certificate.spec)


def plan_again(certificate: CertifiedJob, division: Division, result: StoredResult) -> PayoutPlan:
    """The payout plan of a result under the certificate's order."""
    job_id = parse_id("val", certificate.valuation)
    return divide(job_id, division, order_of(certificate).payout, result, players_paid(result))


def certified_again(signed: Mapping[str, Any], division: Division, result: Mapping[str, Any]) -> dict[str, Any]:
    """What the certificate (as it was ``signed``) of this result (as plain JSON) and division has to say."""
    certificate, stored = CertifiedJob.read(signed), StoredResult.from_dict(result)
    plan, paid_on = plan_again(certificate, division, stored), players_paid(stored)
    valuation = _job(certificate, division)
    players = []
    for payee, line in zip(division.payees, plan.lines, strict=True):
        player = ValuationPlayer(
            position=payee.position,
            provider_id=uuid.UUID(payee.provider_id),
            name="",
            datasets=list(payee.datasets),
            digest=payee.digest,
            rows=payee.rows,
        )
        written(player, known_intervals(payee.part, stored.players), known_intervals(payee.part, paid_on), line)
        players.append(player)
    made = {"result": digest_of(dict(result)), "spec": digest_of(certificate.spec)}
    digests = {name: digest for name, digest in signed["digests"].items() if name != "plan"} | made
    values = answers.values(valuation, str(certificate.digests.game), players, stored, digests)
    settlement = Settlement(plan=plan.to_json(), plan_digest=plan.digest, dispute_until=datetime.now(UTC))
    content = certificates.content(
        values, answers.payouts(valuation, players, settlement), certificate.spec, certificate.finished_at
    )
    return content | {name: signed[name] for name in _OF_TEST_ROWS if name in signed}


def _files(certificate: CertifiedJob, division: Division) -> tuple[tuple[InputFile, ...], ...]:
    """The players' files, of which a certificate shows only whether they stayed with their owners."""
    players = {payee.part.player for payee in division.payees if payee.part.player is not None}
    away = {payee.part.player for payee, said in zip(division.payees, certificate.players, strict=True) if said.at_home}
    return tuple((_AT_HOME,) if player in away else () for player in range(max(players, default=-1) + 1))


def _job(certificate: CertifiedJob, division: Division) -> Valuation:
    """The job as far as a certificate shows it; of its files it has none."""
    inputs = JobInputs(
        names=(),
        players=_files(certificate, division),
        rows=(),
        seating=tuple(payee.part for payee in division.payees),
        notes=(),
        test=_UNREAD,
        checkpoint=None,
        terms=AgreedTerms(
            fee_basis_points=division.fee_basis_points,
            reserves=(int(division.reserves),),
            compute=division.compute,
            edition=division.edition,
        ),
    )
    return Valuation(
        id=parse_id("val", certificate.valuation),
        status=ValuationStatus.SUCCEEDED,
        spec=certificate.spec,
        inputs=inputs.plain(),
        progress=JobProgress(checked=certificate.checked).plain(),
        labels={},
        pool_minor=division.pool_minor,
        currency=division.currency,
        tops_up=None if division.tops_up is None else parse_id("val", division.tops_up),
    )
