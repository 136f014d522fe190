"""A quota's refusal names what is kept, what is too much, and what to do."""

import pytest

from app.datasets.quotas import check_bytes
from app.errors import Conflict


def test_bytes_up_to_the_quota_may_be_kept_and_one_more_is_refused() -> None:
    check_bytes(kept=60, more=40, most=100, what="datasets")
    with pytest.raises(Conflict, match="may have 100 bytes together, and yours have 60 without these 41") as refused:
        check_bytes(kept=60, more=41, most=100, what="datasets")
    assert [fault.type for fault in refused.value.errors] == ["quota"]
