"""The datasets that an order names: whether each may be used by it, and who offers which. It reads no file."""

import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from app.datasets.licences import Licence
from app.datasets.tables import Dataset, DatasetKind, DatasetStatus
from app.errors import FieldError, InvalidInput
from app.identity import Caller
from app.valuations.orders.asking import currency_fault
from app.valuations.orders.deliverables import by_request
from app.valuations.orders.fitted_files import unfit_for_items, unfit_for_texts
from app.valuations.orders.refusals import refused
from app.valuations.schemas import NewValuation
from contract.learning.learners import Architecture


def offered(
    rows: Mapping[uuid.UUID, Dataset],
    order: NewValuation,
    licence_problems: list[FieldError] | None,
    reads: Architecture | None,
) -> list[Dataset]:
    """The datasets in the order's order; one refusal lists every fault of theirs."""
    faults: list[FieldError] = []
    for index, dataset_id in enumerate(order.datasets):
        dataset = rows.get(dataset_id)
        fault = _fault(order, dataset, dataset_id, reads)
        if fault is not None:
            faults.append(FieldError(f"/datasets/{index}", fault, "dataset"))
        elif dataset is not None and (problem := _licence_problem(order, dataset)) is not None:
            refusal = FieldError(f"/datasets/{index}", problem, "licence")
            (faults if licence_problems is None else licence_problems).append(refusal)
    if faults:
        raise InvalidInput(faults[0].detail, errors=faults)
    return [rows[dataset_id] for dataset_id in order.datasets]


def _fault(
    order: NewValuation, dataset: Dataset | None, dataset_id: uuid.UUID, reads: Architecture | None
) -> str | None:
    name = f"dataset ds_{dataset_id.hex}"
    if dataset is not None and dataset.status is DatasetStatus.WITHDRAWN:
        return f"{name} was withdrawn by its provider and no new job may use it; leave it out"
    if dataset is not None and dataset.kind is not DatasetKind.TRAIN:
        return f"{name} is a test set and cannot be valued; give it as test_dataset"
    # a stranger must not learn that an unpublished dataset exists
    if dataset is None or dataset.status is not DatasetStatus.PUBLISHED or dataset.licence is None:
        return f"{name} does not exist or is not published; name published datasets"
    if (unfit := _unfit(dataset, reads)) is not None:
        return f"{name} {unfit}"
    if (fault := currency_fault(dataset, order)) is not None:
        return f"{name} {fault}"
    return None


def check_unasked(datasets: Sequence[Dataset]) -> None:
    """An exploration waits for nobody, so it leaves out what is used by request only; raises InvalidInput."""
    for index, dataset in enumerate(datasets):
        if by_request(dataset):
            raise refused(
                f"/datasets/{index}",
                f"dataset ds_{dataset.id.hex}: its provider approves each job by itself, and an exploration waits for "
                "nobody; leave it out, or order a job",
            )


def _licence_problem(order: NewValuation, dataset: Dataset) -> str | None:
    """Why the licence forbids this job, if it does."""
    licence = Licence.from_json(dataset.licence or {})
    problems = licence.problems(purpose=order.purpose, territory=order.territory, at=datetime.now(UTC))
    return f"dataset ds_{dataset.id.hex} {problems[0]}" if problems else None


def _unfit(dataset: Dataset, reads: Architecture | None) -> str | None:
    """Why the job's model cannot read a dataset; the rest of a sentence that begins with it."""
    if reads is Architecture.LM:
        return unfit_for_texts(dataset)
    if reads is not None:
        return unfit_for_items(dataset, reads)
    if dataset.target is None:
        return "holds documents without a target, which only lm reads; name datasets with columns or images"
    return None


def test_set(
    rows: Mapping[uuid.UUID, Dataset], caller: Caller, order: NewValuation, reads: Architecture | None
) -> Dataset:
    dataset = rows.get(order.test_dataset)
    name = f"dataset ds_{order.test_dataset.hex}"
    if dataset is None or dataset.provider_id != caller.account_id or dataset.status is DatasetStatus.DRAFT:
        raise refused("/test_dataset", f"{name} is not a test set of yours with content; upload one of kind test")
    if dataset.kind is not DatasetKind.TEST:
        raise refused("/test_dataset", f"{name} is of kind {dataset.kind.value}; upload the test set with kind test")
    if dataset.status is DatasetStatus.WITHDRAWN:
        raise refused("/test_dataset", f"{name} was withdrawn; upload another test set")
    if (unfit := _unfit(dataset, reads)) is not None:
        raise refused("/test_dataset", f"{name} {unfit}")
    return dataset


def of_payees(order: NewValuation, datasets: Sequence[Dataset]) -> list[list[Dataset]]:
    """The datasets of each player."""
    groups: dict[uuid.UUID, list[Dataset]] = {}
    for dataset in datasets:
        groups.setdefault(dataset.provider_id if order.players == "provider" else dataset.id, []).append(dataset)
    return list(groups.values())
