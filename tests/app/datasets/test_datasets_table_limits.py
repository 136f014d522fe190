"""A deployment's limits of tables are those of its settings, and what is larger is refused by them."""

import pytest

from app.datasets.table_limits import limits_of
from app.errors import InvalidData
from app.settings import Settings


def test_the_limits_are_the_settings() -> None:
    limits = limits_of(Settings(max_rows=10, max_columns=3, max_table_bytes=1_000_000))
    assert (limits.max_rows, limits.max_columns, limits.max_bytes) == (10, 3, 1_000_000)
    of_packed = {"max_image_pixels": 4, "max_pixels": 6, "max_members": 7, "max_tokens": 8}
    packed = limits_of(Settings(**of_packed))  # type: ignore[arg-type]  # numbers all
    assert {name: getattr(packed, name) for name in of_packed} == of_packed
    limits.check_rows(10, "it")
    with pytest.raises(InvalidData, match="11 rows, and 10 are allowed"):
        limits.check_rows(11, "it")
