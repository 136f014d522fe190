"""Which rows are worth a second look."""

import numpy as np

from contract.results.row_values import ABOUT, PlayerRowValues, RowFinding


def found() -> PlayerRowValues:
    return PlayerRowValues(
        provider="alder",
        value=1.0,
        values=np.array([-0.5, 0.1, 0.9, 0.5]),
        stderr=np.array([0.1, 0.1, 0.1, 0.1]),
        labels=np.array([0, 0, 1, 1]),
        suggested=np.array([1, 1, 1, 0]),
        agreement=np.array([0.9, 0.6, 1.0, 0.9]),
        own=np.array([0.0, 0.4, 1.0, 0.1]),
        copy_of=np.array([-1, -1, -1, 2]),
        by="statistics",
    )


def test_a_label_is_likely_wrong_where_neighbours_agree_on_another_and_the_value_is_low() -> None:
    assert found().wrong_label.tolist() == [True, False, False, False]


def test_rows_that_harm_and_help_are_clear_of_their_errors() -> None:
    told = found().findings()
    assert told[RowFinding.HARM].tolist() == [True, False, False, False]
    assert told[RowFinding.USE].tolist() == [False, False, True, True]
    assert told[RowFinding.NEAR_COPY].tolist() == [False, False, False, True]


def test_every_finding_is_explained() -> None:
    assert set(ABOUT) == set(RowFinding)


def test_documents_sum_their_rows_and_are_copies_where_all_of_these_are() -> None:
    summed, first = found().by_document(np.array([7, 3, 3, 7]))
    assert first.tolist() == [1, 0]
    np.testing.assert_allclose(summed.values, [1.0, 0.0])
    np.testing.assert_allclose(summed.stderr, [0.2, 0.2])
    assert summed.copy_of.tolist() == [-1, -1]
    assert summed.labels.tolist() == [0, 0]
    assert not summed.wrong_label.any()
    alone, _ = found().by_document(np.array([0, 1, 2, 3]))
    assert alone.copy_of.tolist() == [-1, -1, -1, 2]
