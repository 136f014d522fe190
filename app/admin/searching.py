"""One box for an administrator: organisations, datasets and jobs by name, by address, or by their id."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from app.accounts.tables import Account
from app.admin import repository
from app.datasets.tables import Dataset
from app.errors import InvalidInput
from app.valuations.tables import Valuation

MOST = 20
_KINDS = ("acc", "ds", "val", "exp", "usr")


@dataclass(frozen=True)
class Hits:
    """What was found, newest first, ``MOST`` of each kind at most; ``names`` are the organisations' concerned."""

    accounts: Sequence[Account]
    datasets: Sequence[Dataset]
    jobs: Sequence[Valuation]
    names: dict[uuid.UUID, str]


def search(session: Session, text: str) -> Hits:
    """Look for a text; ids may be whole, or their end as pages show it (eight hex digits at least)."""
    words = text.strip()
    if not 2 <= len(words) <= 200:
        raise InvalidInput("look for 2 to 200 characters: a name, an email address, or an id")
    digits = id_digits(words)
    accounts = repository.accounts_like(session, words, digits, MOST)
    datasets = repository.datasets_like(session, words, digits, MOST)
    jobs = repository.jobs_like(session, words, digits, MOST)
    concerned = {each.provider_id for each in datasets} | {each.buyer_id for each in jobs}
    return Hits(accounts, datasets, jobs, repository.account_names(session, concerned))


def id_digits(words: str) -> str | None:
    """The hex digits of an id, or of its end; None for a text that is neither."""
    kind, _, rest = words.partition("_")
    digits = (rest if kind in _KINDS else words).lstrip("….").lower()
    return digits if 8 <= len(digits) <= 32 and set(digits) <= set("0123456789abcdef") else None
