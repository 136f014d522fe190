"""Numbers of the terminal's tables."""

import pytest

from app.cli.valuing.formats import percent


@pytest.mark.parametrize(
    ("share", "shown"),
    [(None, ""), (0.0, "0.00 %"), (1.0, "100.00 %"), (0.12345, "12.35 %"), (-0.001, "-0.10 %")],
)
def test_a_share_has_two_places_and_none_is_blank(share: float | None, shown: str) -> None:
    assert percent(share) == shown
