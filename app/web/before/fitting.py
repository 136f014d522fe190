"""Whether the licences of what a new valuation offers fit the order as its form is filled in. Pure.

What a quote and a posting say is what counts; this is the same rule asked of each dataset before it is ticked.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from app.datasets.licences import Licence
from app.datasets.tables import Dataset
from app.web.orders import OrderForm
from contract.orders.grants import Approval, Grant


@dataclass(frozen=True)
class LicenceFit:
    """``problem``: why the licence forbids the order, "" where it does not. ``lacks``: what the order asks to be
    delivered and the licence does not grant. ``asks``: its provider approves each job by itself."""

    problem: str
    lacks: tuple[str, ...]
    asks: bool

    @property
    def fits(self) -> bool:
        return not self.problem


def fits(offers: Sequence[tuple[Dataset, str]], form: OrderForm, at: datetime) -> dict[uuid.UUID, LicenceFit]:
    """How each dataset's licence fits the form's purpose, territory and what is to be delivered."""
    wanted = [grant for grant, said in ((Grant.MODEL, form.deliver_model), (Grant.DATA, form.deliver_data)) if said]
    found = {}
    for dataset, _ in offers:
        licence = Licence.from_json(dataset.licence or {})
        problems = licence.problems(purpose=form.purpose or None, territory=form.territory.upper() or None, at=at)
        found[dataset.id] = LicenceFit(
            problem=problems[0] if problems else "",
            lacks=tuple(grant.value for grant in wanted if grant not in licence.grants),
            asks=licence.approval is Approval.BY_REQUEST,
        )
    return found
