"""Whether a job's test set was there before the data that it measures. Pure.

Whoever knows rows when it picks test rows can pick such that suit somebody's. A test set that was uploaded before a
dataset cannot have been picked knowing what that dataset shows in this market. It may still be if its owner showed the
rows elsewhere, so an early test set is no proof; a later one is told to both sides, and refused where the order, a
licence or the operator asks for early ones.
"""

import uuid
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from app.datasets.licences import Licence, late_test_problem
from app.datasets.tables import Dataset
from app.errors import FieldError
from app.settings import Settings
from app.valuations.orders.refusals import refused
from app.valuations.schemas import NewValuation
from contract.orders.job import LateTest

_NAMED = 3


def late_test(
    test: Dataset, datasets: Sequence[Dataset], uploaded: Mapping[uuid.UUID, datetime], handed: Collection[uuid.UUID]
) -> LateTest:
    """For which datasets the test set is late; ``handed`` are those whose rows its owner was given before it."""
    moment = uploaded[test.id]
    late = [dataset for dataset in datasets if uploaded[dataset.id] < moment]
    seen = [dataset for dataset in late if dataset.id in handed or _shown(dataset, test.provider_id, moment)]
    return LateTest(datasets=_hex(late), seen=_hex(seen))


def _shown(dataset: Dataset, buyer_id: uuid.UUID, moment: datetime) -> bool:
    """Whether a buyer could see rows before a moment, without having been handed any: its own, or a preview."""
    previewed = dataset.preview_rows > 0 and dataset.published_at is not None and dataset.published_at < moment
    return dataset.provider_id == buyer_id or previewed


def _hex(datasets: Sequence[Dataset]) -> tuple[str, ...]:
    return tuple(sorted(dataset.id.hex for dataset in datasets))


def check(order: NewValuation, settings: Settings, late: LateTest) -> None:
    """Raise InvalidInput where the order or the market wants a test set that is earlier than all of the data."""
    if not late.datasets or not (order.test_first or not settings.late_test_sets):
        return
    names = ", ".join(f"ds_{dataset}" for dataset in late.datasets[:_NAMED])
    more = f" and {len(late.datasets) - _NAMED} more" if len(late.datasets) > _NAMED else ""
    who = "this order refuses that (test_first)" if order.test_first else "this market refuses that"
    raise refused(
        "/test_dataset",
        f"the test set was uploaded after {names}{more}, so that its rows could have been picked knowing them, and "
        f"{who}; name a test set that was there before, or leave those datasets out",
    )


def licence_problems(order: NewValuation, datasets: Sequence[Dataset], late: LateTest) -> list[FieldError]:
    """The datasets whose licence wants an earlier test set."""
    problems = []
    for dataset in datasets:
        licence = Licence.from_json(dataset.licence or {})
        problem = late_test_problem(licence, late=dataset.id.hex in late.datasets)
        if problem is not None:
            pointer = f"/datasets/{order.datasets.index(dataset.id)}"
            problems.append(FieldError(pointer, f"dataset ds_{dataset.id.hex} {problem}", "licence"))
    return problems


def note(late: LateTest, count: int) -> tuple[str, ...]:
    """A sentence for a job of ``count`` datasets whose test set is late for some."""
    if not late.datasets:
        return ()
    which = "all datasets" if len(late.datasets) == count else f"{len(late.datasets)} of {count} datasets"
    seen = f"; of {len(late.seen)} the buyer could see rows then" if late.seen else ""
    return (
        f"Late test set: it was uploaded after {which}, so its rows could have been picked knowing them{seen}. "
        "An order with test_first refuses that, and test rows by lot (test_lot) leave less to pick.",
    )
