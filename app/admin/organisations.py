"""What administrators see of organisations beside their names: balances, jobs and people. Never commits."""

import uuid
from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy.orm import Session

from app.admin import repository
from app.payouts import service as payouts
from app.payouts.service import Balance


@dataclass(frozen=True)
class OrganisationLine:
    """``balances`` by currency; ``jobs`` that it posted, or that its data is valued in, ``at_work`` of them not ended;
    ``people`` who can log in for it."""

    balances: list[Balance]
    jobs: int
    at_work: int
    people: int


def lines(session: Session, account_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, OrganisationLine]:
    """The line of each organisation."""
    balances, people = payouts.balances_of(session, account_ids), repository.people_of(session, account_ids)
    posted, valued = repository.jobs_of_buyers(session, account_ids), repository.jobs_of_providers(session, account_ids)
    found = {}
    for account_id in account_ids:
        jobs, at_work = (
            a + b for a, b in zip(posted.get(account_id, (0, 0)), valued.get(account_id, (0, 0)), strict=True)
        )
        found[account_id] = OrganisationLine(balances.get(account_id, []), jobs, at_work, people.get(account_id, 0))
    return found
