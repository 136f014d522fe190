"""Datasets that cannot be read with the others of a job: refused, or left out one by one where the order says so."""

from collections.abc import Callable
from typing import TypeVar

from app.errors import FieldError, InvalidData
from contract.orders.fit import DatasetRefusal, FitQuestion, FitRequest, RefusalReason, UnfitDataset
from contract.rows.findings import FileFinding, Finding, Severity

T = TypeVar("T")


class DatasetRefused(InvalidData):
    """A job's files do not fit together because of one dataset (its id in hex)."""

    def __init__(self, refusal: DatasetRefusal) -> None:
        faults = [FieldError(fault.pointer, fault.detail, fault.type) for fault in refusal.faults]
        super().__init__(refusal.detail, errors=faults)
        self.document = refusal


class DatasetUnfit(Exception):
    """A dataset (by its id in hex) cannot be read with the others; ``refusal`` says why."""

    def __init__(self, dataset: str, refusal: InvalidData) -> None:
        super().__init__(str(refusal))
        self.dataset = dataset
        self.refusal = refusal


def without_unfit(request: FitRequest, read: Callable[[FitRequest], T]) -> tuple[T, tuple[UnfitDataset, ...]]:
    """What ``read`` makes of the files. Where the question allows it, datasets that do not fit are left out one by one;
    they are named beside it. Raises InvalidData."""
    unfit: list[UnfitDataset] = []
    while True:
        try:
            return read(request), tuple(unfit)
        except DatasetUnfit as error:
            question = request.question
            offered = {dataset for offer in question.members for dataset in offer.datasets}
            if not question.drop_unfit or error.dataset not in offered or len(offered) == 1:
                raise DatasetRefused(_document(error)) from None
            unfit.append(UnfitDataset(dataset=error.dataset, detail=str(error.refusal)))
            request = request.model_copy(update={"question": _without(question, error.dataset)})


def _document(unfit: DatasetUnfit) -> DatasetRefusal:
    faults = [RefusalReason(pointer=each.pointer, detail=each.detail, type=each.type) for each in unfit.refusal.errors]
    return DatasetRefusal(dataset=unfit.dataset, detail=unfit.refusal.detail, faults=tuple(faults))


def left_out(unfit: UnfitDataset) -> FileFinding:
    """What is said of a dataset that was left out."""
    finding = Finding(
        code="unreadable_for_order",
        severity=Severity.WARN,
        detail=f"left out of this order, which says drop_unfit: {unfit.detail}",
    )
    return FileFinding(dataset=unfit.dataset, finding=finding)


def _without(question: FitQuestion, dataset: str) -> FitQuestion:
    """The question without a dataset, and without a payee that has no other."""
    offers = [
        offer.model_copy(update={"datasets": tuple(each for each in offer.datasets if each != dataset)})
        for offer in question.members
    ]
    return question.model_copy(
        update={
            "files": {key: file for key, file in question.files.items() if key != dataset},
            "uploaded": {key: moment for key, moment in question.uploaded.items() if key != dataset},
            "members": tuple(offer for offer in offers if offer.datasets),
        }
    )
