"""Labels of strangers: spellings nearly alike are proposed, foreign ones are counted, and nothing is merged."""

import pytest

from app.datasets.rows.labels import label_findings, plain_label
from contract.rows.findings import Severity


@pytest.mark.parametrize("label", ["Yes", " yes.", "'YES'", "“yes”", "\u00a0yes\t", "ｙｅｓ"])
def test_case_marks_around_it_and_unicode_s_forms_do_not_tell_labels_apart(label: str) -> None:
    assert plain_label(label) == "yes"


def test_labels_that_are_the_test_set_s_own_are_nothing_to_say() -> None:
    found = label_findings("y", {"yes": 3, "no": 2}, [{"yes": 5}, {"no": 1, "yes": 1}])
    assert found.test == ()
    assert found.players == ((), ())


def test_a_spelling_that_is_nearly_the_test_set_s_is_proposed_as_its_and_counted() -> None:
    found = label_findings("y", {"yes": 3, "no": 2}, [{"Yes": 3, "no": 1}])
    codes = {finding.code: finding for finding in found.players[0]}
    spelling = codes["label_spelling"]
    assert (spelling.rows, spelling.share, spelling.column) == (3, 0.75, "y")
    assert 'label_map {"Yes": "yes"}' in spelling.mend
    assert 'label_map {"Yes": "yes"}' in codes["foreign_labels"].mend


@pytest.mark.parametrize(
    ("counts", "how_many", "severity"),
    [
        ({"cat": 4}, "none", Severity.WARN),
        ({"cat": 3, "yes": 1}, "few", Severity.WARN),
        ({"cat": 1, "yes": 3}, "not all", Severity.NOTE),
    ],
)
def test_rows_whose_label_the_test_set_lacks_are_counted(
    counts: dict[str, int], how_many: str, severity: Severity
) -> None:
    (finding,) = label_findings("y", {"yes": 3, "no": 2}, [counts]).players[0]
    assert (finding.code, finding.severity) == ("foreign_labels", severity)
    assert finding.detail.startswith(f"{how_many} of the rows have a label")
    assert "cat" not in finding.detail + finding.mend, "no other label of the file is named"


def test_two_answers_in_other_words_are_proposed_in_the_test_set_s() -> None:
    (finding,) = label_findings("y", {"yes": 3, "no": 2}, [{"1": 4, "0": 1}]).players[0]
    assert '"0": "no", "1": "yes"' in finding.mend


def test_of_a_test_set_s_own_spellings_the_most_frequent_is_proposed() -> None:
    (finding,) = label_findings("y", {"Yes": 1, "yes": 9}, [{"yes": 1}]).test
    assert 'label_map {"Yes": "yes"}' in finding.mend
