"""What two sketches are of is compared by their digests."""

import hashlib

import numpy as np

from app.datasets.profiles.copies import content_of
from app.datasets.tables import DatasetSignature


def test_the_content_of_a_sketch_is_a_digest_of_its_hashes_and_of_nothing_else() -> None:
    one, again = (DatasetSignature(number=at, kind="rows", hashes=[3, 5, 8], distinct=3) for at in (1, 2))
    other = DatasetSignature(number=1, kind="rows", hashes=[3, 5, 9], distinct=3)
    assert content_of(one) == content_of(again) != content_of(other)
    assert content_of(one) == hashlib.sha256(np.array([3, 5, 8], dtype="<i8").tobytes()).hexdigest()
