"""The states of a dataset and the moves between them, as data; pure, and it never touches a database.

    draft ──upload──> ready ──publish──> published ──withdraw──> withdrawn
                       │  ▲ ▲ upload       │ │  ▲ upload, publish     ▲
                       │  │ └───┘          │ └──┘                     │
                       │  └─────pause──────┘                          │
                       └──────────────────withdraw────────────────────┘

``ready`` bytes are valid and stored, and nobody but their owner knows of them. ``published`` ones are in the catalogue
and may be named in jobs; content that comes later is a new version, publishing again changes the terms. ``withdrawn``
is final; ``pause`` takes a dataset out of the catalogue, and publishing puts it back. Test sets are never published:
their owner uses them as they are.
"""

from enum import StrEnum


class DatasetStatus(StrEnum):
    """Where a dataset stands."""

    DRAFT = "draft"
    READY = "ready"
    PUBLISHED = "published"
    WITHDRAWN = "withdrawn"


class Move(StrEnum):
    """What an owner does to a dataset."""

    UPLOAD = "upload"
    PUBLISH = "publish"
    PAUSE = "pause"
    WITHDRAW = "withdraw"


MOVES: dict[tuple[DatasetStatus, Move], DatasetStatus] = {
    (DatasetStatus.DRAFT, Move.UPLOAD): DatasetStatus.READY,
    (DatasetStatus.READY, Move.UPLOAD): DatasetStatus.READY,
    (DatasetStatus.READY, Move.PUBLISH): DatasetStatus.PUBLISHED,
    (DatasetStatus.READY, Move.WITHDRAW): DatasetStatus.WITHDRAWN,
    (DatasetStatus.PUBLISHED, Move.UPLOAD): DatasetStatus.PUBLISHED,
    (DatasetStatus.PUBLISHED, Move.PUBLISH): DatasetStatus.PUBLISHED,
    (DatasetStatus.READY, Move.PAUSE): DatasetStatus.READY,
    (DatasetStatus.PUBLISHED, Move.PAUSE): DatasetStatus.READY,
    (DatasetStatus.PUBLISHED, Move.WITHDRAW): DatasetStatus.WITHDRAWN,
    (DatasetStatus.WITHDRAWN, Move.WITHDRAW): DatasetStatus.WITHDRAWN,
}
"""(state, move) -> state. A pair that is not here is refused."""

_WHY_NOT: dict[tuple[DatasetStatus, Move], str] = {
    (DatasetStatus.DRAFT, Move.PUBLISH): "has no content yet; upload it first",
    (DatasetStatus.DRAFT, Move.WITHDRAW): "is a draft; delete it instead of withdrawing it",
    (DatasetStatus.DRAFT, Move.PAUSE): "is a draft, which nobody can order",
    (DatasetStatus.WITHDRAWN, Move.PAUSE): "was withdrawn, and nobody can order it",
    (DatasetStatus.WITHDRAWN, Move.UPLOAD): "was withdrawn; create a new one",
    (DatasetStatus.WITHDRAWN, Move.PUBLISH): "was withdrawn; create a new one",
}


def after(status: DatasetStatus, move: Move) -> DatasetStatus | None:
    """The state that a move leads to; None where it is refused, see ``why_not``."""
    return MOVES.get((status, move))


def why_not(status: DatasetStatus, move: Move) -> str:
    """The rest of a sentence that begins with the dataset: why a move is refused, and the mend."""
    return _WHY_NOT[(status, move)]
