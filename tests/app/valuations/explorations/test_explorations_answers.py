"""What is said of a set of datasets."""

from app.valuations.explorations.answers import COARSE, NOT_AUDITED, _between


def test_an_interval_is_said_in_percent_and_none_is_not() -> None:
    assert _between(0.9, 1.02) == " (90% to 102%)"
    assert _between(None, None) == ""
    assert "5 points" in COARSE
    assert "not the error of unlearning" in NOT_AUDITED
