"""What an order asks to be delivered beside values, against what the licences of its datasets grant. Pure.

A licence that grants less than the order asks for does not refuse the job: the data is valued, and what is delivered is
made without it. The quote and the job's notes say so by name. An order that nobody's licence serves is refused.
"""

from collections.abc import Sequence
from datetime import timedelta

from app.datasets.licences import Licence
from app.datasets.tables import Dataset
from app.settings import Settings
from app.valuations.orders.refusals import refused
from app.valuations.schemas import NewValuation
from contract.orders.grants import Approval, Grant

_WITHOUT = {
    Grant.MODEL: "the model that you get will be trained without it",
    Grant.DATA: "you will not get its rows",
}
_MOST_NAMED = 20


def granted_by(datasets: Sequence[Dataset]) -> tuple[Grant, ...]:
    """What the licences of all of a payee's datasets grant."""
    licences = [Licence.from_json(dataset.licence or {"spdx": ""}) for dataset in datasets]
    return tuple(grant for grant in Grant if all(grant in licence.grants for licence in licences))


def by_request(dataset: Dataset) -> bool:
    """Whether its provider approves each job by itself."""
    return Licence.from_json(dataset.licence or {"spdx": ""}).approval is Approval.BY_REQUEST


def consent_limit(order: NewValuation, settings: Settings) -> timedelta:
    """How long providers may take to approve this job."""
    return timedelta(seconds=order.consent_seconds or settings.consent_hours * 3600)


def consent_notes(order: NewValuation, settings: Settings, shown: Sequence[str]) -> list[str]:
    """Whose consent the job waits for, in a sentence for the buyer."""
    if not shown:
        return []
    hours = consent_limit(order, settings).total_seconds() / 3600
    names = ", ".join(shown[:_MOST_NAMED]) + (f" and {more} more" if (more := len(shown) - _MOST_NAMED) > 0 else "")
    otherwise = "the job goes on without its data" if order.drop_refused else "the job ends and the pool goes back"
    return [f"The job waits up to {hours:.4g} hours for the consent of {names}; if one refuses, {otherwise}."]


def check_deliveries(
    order: NewValuation, payees: Sequence[tuple[str, Sequence[Grant]]], *, trained: bool = False
) -> None:
    """Raises InvalidInput where what is to be delivered cannot be. ``payees`` are names with grants; ``trained``: the
    order brings the model that was trained on everybody."""
    for grant in order.delivered:
        if not any(grant in grants for _, grants in payees):
            raise refused(
                "/deliver",
                f"no licence of these datasets grants `{grant.value}`; leave it out of deliver, or name datasets whose "
                f"licence does (the catalogue shows it)",
            )
    if Grant.MODEL in order.delivered and order.mode == "partial":
        raise refused(
            "/deliver",
            "in partial mode the model is the checkpoint that you brought, and none can be trained without the rows "
            "that are not here; leave `model` out of deliver",
        )
    if Grant.MODEL in order.delivered and trained:
        raise refused(
            "/deliver",
            "the model of this order is the checkpoint that you brought, which you have; leave `model` out of deliver, "
            "or order the learner itself",
        )


def delivery_notes(order: NewValuation, payees: Sequence[tuple[str, Sequence[Grant]]]) -> list[str]:
    """Whose licence keeps what back, in sentences for the buyer."""
    notes = []
    for grant in order.delivered:
        without = [name for name, grants in payees if grant not in grants]
        for name in without[:_MOST_NAMED]:
            notes.append(f"{name}: its licence does not grant `{grant.value}`; {_WITHOUT[grant]}.")
        if len(without) > _MOST_NAMED:
            more = len(without) - _MOST_NAMED
            notes.append(f"{more} further licences do not grant `{grant.value}`; it is made without them as well.")
    return notes
