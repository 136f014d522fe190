"""What a job that has succeeded leaves: its report and its certificate, made of stored rows. Never commits."""

import uuid
from typing import Any

from sqlalchemy.orm import Session

from app.identity import Caller
from app.settings import Settings
from app.valuations import service
from app.valuations.results import certificates, evidence
from app.valuations.results.reports import Report


def report(session: Session, caller: Caller, valuation_id: uuid.UUID) -> Report:
    """What the report of a job shows; raises Conflict before the job has settled."""
    found = service.values(session, caller, valuation_id)
    paid = service.payout_lines(session, caller, valuation_id)
    spec = service.get(session, caller, valuation_id).spec
    return Report(found, paid, spec, evidence.audited_pairs(session, caller, valuation_id))


def certificate(session: Session, settings: Settings, caller: Caller, valuation_id: uuid.UUID) -> dict[str, Any]:
    """The signed certificate of a job; raises Conflict before the job has settled."""
    found = service.values(session, caller, valuation_id)
    paid = service.payout_lines(session, caller, valuation_id)
    job = service.get(session, caller, valuation_id)
    finished = job.finished_at.isoformat() if job.finished_at else ""
    return certificates.sign(settings, certificates.content(found, paid, job.spec, finished))
