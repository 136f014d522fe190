"""Rows of a void payout that are opened once more, because its provider disputes what was found the first time."""

import uuid

import structlog
from sqlalchemy.orm import Session, sessionmaker

from app.db.session import transaction
from app.settings import Settings
from app.valuations.results import rechecks
from app.valuations.work.protocol import OtherRules
from contract.results.openings import OpenedRows, OpenedStatus
from worker.loading.away import AgentAway
from worker.loading.openings import Opener

log = structlog.get_logger(__name__)


def recheck(factory: sessionmaker[Session], opener: Opener, settings: Settings, transfer_id: uuid.UUID) -> None:
    """Ask the agent again and decide by what it shows; nothing where that is done. An agent that is away is asked again
    later, for as long as a job would wait for it."""
    try:
        with transaction(factory) as session:
            asked = rechecks.begin(session, transfer_id)
    except OtherRules as other:
        log.warning("worker.other_rules", detail=str(other))
        return
    if asked is None:
        return
    try:
        found = opener.once_more(asked.job, asked.game_id, asked.player)
    except AgentAway as away:
        log.warning("worker.agent_away", detail=str(away))
        if asked.waited < settings.agent_patience_seconds:
            return
        found = OpenedRows(asked.player, 0, OpenedStatus.AWAY, str(away))
    with transaction(factory) as session:
        rechecks.finish(session, transfer_id, found)
