"""What rows of a frozen model are to tell: numbers by the test set's scale, or classes; what is said and refused."""

import numpy as np
import pytest

from app.datasets.rows.items import StandIns
from app.errors import InvalidData
from app.valuations.orders import item_targets
from contract.orders.fit import FitQuestion
from contract.rows.files import InputFile


def question(**options: object) -> FitQuestion:
    files = {key: InputFile(name=key, digest=key, format="jsonl", target="y") for key in ("test", "near", "far")}
    test = files.pop("test")
    return FitQuestion.model_validate(
        {"kind": "text", "test": test, "files": files, "members": (), "copies": "", "uploaded": {}, "limits": {}}
        | options
    )


def of_numbers(*values: float) -> StandIns:
    numbers = np.array(values)
    places = np.arange(1, len(values) + 1)
    return StandIns(
        np.zeros((len(values), 8), np.float32), [repr(value) for value in values], (), places, None, numbers
    )


TEST = of_numbers(1.0, 2.0, 3.0, 6.0)
FILES = {"near": of_numbers(2.5, 1.5), "far": of_numbers(2500.0, 1500.0)}


def test_a_numbers_scale_is_the_test_sets_and_a_far_file_is_told_of() -> None:
    read = item_targets.read(question(target_is="number"), TEST, FILES)
    assert read.scale is not None
    assert (read.scale.center, read.classes) == (3.0, ())
    assert read.scale.spread == pytest.approx(np.std([1, 2, 3, 6]))
    assert read.files["far"].tolist() == [2500.0, 1500.0], "targets stay in their unit"
    assert [[finding.code for finding in own] for own in read.said.players] == [[], ["target_range"]]


def test_classes_are_those_of_the_test_set_by_the_map() -> None:
    test = StandIns(np.zeros((2, 8), np.float32), ["no", "yes"], (), np.arange(1, 3))
    files = {"near": StandIns(np.zeros((3, 8), np.float32), ["y", "no", "yes"], (), np.arange(1, 4))}
    read = item_targets.read(question(label_map={"y": "yes"}), test, files)
    assert (read.classes, read.scale) == (("no", "yes"), None)
    assert (read.test.tolist(), read.files["near"].tolist()) == ([0, 1], [1, 0, 1])


@pytest.mark.parametrize(
    ("options", "test", "words"),
    [
        ({"label_map": {"1": "2"}}, TEST, "label_map is of classes; leave it out"),
        ({}, of_numbers(4.0, 4.0), "every row of the test set is 4"),
        ({}, of_numbers(1e200, -1e200), "too large to be squared"),
    ],
)
def test_what_gives_no_scale_is_refused(options: dict[str, object], test: StandIns, words: str) -> None:
    with pytest.raises(InvalidData, match=words):
        item_targets.read(question(target_is="number", **options), test, FILES)
