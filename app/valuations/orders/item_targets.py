"""What a frozen model's rows are to tell: classes by the labels of all files, or a number by the test set's scale."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.datasets.rows import numeric_target
from app.datasets.rows.encoding import fit_classes
from app.datasets.rows.items import StandIns, number_labels
from app.datasets.rows.labels import LabelFindings, label_findings
from app.datasets.rows.rules import class_order, clean_map
from app.errors import FieldError, InvalidData
from contract.orders.fit import FitQuestion
from contract.tasks import TargetScale


@dataclass(frozen=True)
class ItemTargets:
    """The classes, or the scale of a number; the targets of the test set and of each file, by its key, and what is said
    of them."""

    classes: tuple[str, ...]
    test: NDArray[Any]
    files: Mapping[str, NDArray[Any]]
    said: LabelFindings
    scale: TargetScale | None = None


def read(question: FitQuestion, test: StandIns, files: Mapping[str, StandIns]) -> ItemTargets:
    """The targets of the files of a job; raises InvalidData where they do not fit together."""
    return _numbers(question, test, files) if question.target_is == "number" else _classes(question, test, files)


def _classes(question: FitQuestion, test: StandIns, files: Mapping[str, StandIns]) -> ItemTargets:
    mapped, target, name = clean_map(question.label_map), question.test.target, question.test.name
    counts = [Counter(mapped.get(label, label) for label in each.labels) for each in files.values()]
    of_test = Counter(mapped.get(label, label) for label in test.labels)
    offered = {label for own in counts for label in own}
    classes = fit_classes(target, name, sorted(of_test, key=class_order), offered)
    return ItemTargets(
        classes,
        number_labels(test.labels, classes, name, mapped),
        {key: number_labels(each.labels, classes, question.files[key].name, mapped) for key, each in files.items()},
        label_findings(target, of_test, counts),
    )


def _numbers(question: FitQuestion, test: StandIns, files: Mapping[str, StandIns]) -> ItemTargets:
    target = question.test.target
    if question.label_map:
        what = f"`{target}` is predicted as a number, and label_map is of classes; leave it out"
        raise InvalidData(what, errors=[FieldError(target, what, "schema")])
    numbers, of_test = {key: _read(each) for key, each in files.items()}, _read(test)
    scale = numeric_target.scale_of(of_test, question.test.name, target)
    said = tuple(numeric_target.far_off(own, target, of_test) for own in numbers.values())
    return ItemTargets((), of_test, numbers, LabelFindings((), said), scale)


def _read(items: StandIns) -> NDArray[np.float64]:
    if items.numbers is None:
        raise AssertionError("the targets were not read as numbers")
    return items.numbers
