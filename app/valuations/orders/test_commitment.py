"""What providers see of a job's test set before their data is measured on it: its size, its labels, a commitment.

The buyer chooses the test set and may choose it to favour somebody's data. So the service commits to the test set when
the job is posted (``commitment``: SHA-256 of a salt and of the rows' digest, opened in the certificate), and shows its
mix of labels next to that of all providers' rows. The rows themselves are shown to nobody. Pure.
"""

import hashlib
import secrets
from collections.abc import Sequence
from datetime import datetime

import numpy as np

from app.datasets.rows.encoding import EncodedRows
from contract.orders.job import LabelMix, LateTest, TestCommitment

# with fewer players than this, one could read another's labels off the sum of all
LEAST_TO_POOL = 3
_FAR = 0.2
_MOST_CLASSES = 100


def far_apart(mix: LabelMix) -> tuple[str, ...]:
    """A sentence where the mixes of labels are far apart."""
    if mix.distance is None or mix.distance < _FAR:
        return ()
    return (
        "The test set's mix of labels is far from that of the providers' rows; "
        "class_weights balanced or pooled makes that mix count for nothing.",
    )


def label_mix(classes: Sequence[str], test: EncodedRows, players: Sequence[EncodedRows], count: int) -> LabelMix:
    """Describe the test set of a job of ``count`` players, who hold these rows; without classes only its size."""
    if not classes:
        return LabelMix(rows=len(test.y), labels={}, pooled=None, distance=None)
    labels = _shares(classes, [test])
    pooled = _shares(classes, players) if count >= LEAST_TO_POOL else None
    distance = None if pooled is None else sum(abs(labels[label] - pooled[label]) for label in labels) / 2
    few = len(classes) <= _MOST_CLASSES
    return LabelMix(
        rows=len(test.y),
        labels=_rounded(labels) if few else {},
        pooled=_rounded(pooled) if few and pooled is not None else None,
        distance=None if distance is None else round(distance, 4),
    )


def commit(
    mix: LabelMix, digest: str, uploaded_at: datetime | None = None, late: LateTest | None = None
) -> TestCommitment:
    """The commitment to the test set of this digest, with a salt of its own, when it was uploaded, and for which data
    that was late."""
    salt, sealed = secrets.token_hex(32), dict(mix)
    return TestCommitment(
        **sealed, commitment=commitment(salt, digest), salt=salt, digest=digest, uploaded_at=uploaded_at, late=late
    )


def commitment(salt: str, digest: str) -> str:
    """The commitment to a test set of this digest under this salt."""
    return hashlib.sha256(bytes.fromhex(salt) + bytes.fromhex(digest)).hexdigest()


def _shares(classes: Sequence[str], rows: Sequence[EncodedRows]) -> dict[str, float]:
    counts = sum(np.bincount(encoded.y, minlength=len(classes)) for encoded in rows)
    total = int(np.sum(counts))
    return {name: float(count) / total for name, count in zip(classes, np.atleast_1d(counts), strict=True)}


def _rounded(shares: dict[str, float]) -> dict[str, float]:
    return {name: round(share, 2) for name, share in shares.items()}
