"""The examples of docs/payouts.md are run, so that its numbers stay what the code does."""

import doctest
from pathlib import Path

PAGE = Path(__file__).parents[3] / "docs" / "payouts.md"


def test_every_number_in_the_page_on_payouts_is_what_the_code_computes() -> None:
    found = doctest.testfile(str(PAGE), module_relative=False, optionflags=doctest.REPORT_NDIFF)
    assert found.attempted >= 15
    assert found.failed == 0
