"""What is told of a test set: its size, its mix of labels next to the providers', and a seal that can be opened."""

import numpy as np

from app.datasets.rows.encoding import EncodedRows
from app.valuations.orders.test_commitment import commit, commitment, far_apart, label_mix
from contract.orders.job import TestCommitment


def rows(*labels: int) -> EncodedRows:
    y = np.array(labels, dtype=np.int64)
    return EncodedRows(np.arange(len(y), dtype=np.float32)[:, None], y)


def measure(classes: list[str], test: EncodedRows, players: list[EncodedRows], count: int) -> TestCommitment:
    return commit(label_mix(classes, test, players, count), test.digest)


def test_labels_of_the_test_set_stand_beside_those_of_all_providers() -> None:
    told = measure(["no", "yes"], rows(0, 0, 0, 1), [rows(0, 1), rows(1, 1), rows(0, 0)], 3)
    assert (told.rows, told.labels, told.pooled, told.distance) == (
        4, {"no": 0.75, "yes": 0.25}, {"no": 0.5, "yes": 0.5}, 0.25
    )  # fmt: skip
    assert "far from that of the providers' rows" in far_apart(told)[0]


def test_of_two_players_nothing_is_pooled_because_each_would_know_the_other() -> None:
    told = measure(["no", "yes"], rows(0, 1), [rows(0, 1), rows(1, 1)], 2)
    assert (told.pooled, told.distance, far_apart(told)) == (None, None, ())


def test_the_seal_opens_for_this_test_set_only_and_tells_nothing_before() -> None:
    test = rows(0, 1, 1)
    told = measure(["no", "yes"], test, [rows(0, 1)] * 3, 3)
    assert commitment(told.salt, test.digest) == told.commitment
    assert commitment(told.salt, rows(0, 1, 0).digest) != told.commitment
    assert measure(["no", "yes"], test, [rows(0, 1)] * 3, 3).commitment != told.commitment


def test_of_texts_only_the_number_of_blocks_is_told() -> None:
    told = measure([], rows(0, 0, 1), [rows(0, 0)] * 3, 3)
    assert (told.rows, told.labels, told.pooled, far_apart(told)) == (3, {}, None, ())
