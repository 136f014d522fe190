"""The result of an exploration that compares: two models of everybody, and nobody's value.

The earlier job's model is not trained again: what it answered on the test units is kept.
"""

from contract.orders.job import Job
from contract.results.result import Audit, PlayerResult, StoredResult
from contract.results.selection import Selection
from worker.engine.games.game import FAMILIES, Player
from worker.engine.games.measured import Ends
from worker.engine.loop.differences import difference, paired
from worker.engine.loop.gain import tested

_NOBODY = "the difference alone was asked for"
_FORGOTTEN = "what the earlier job's model of everybody answered is not kept (any more)"
_UNPAIRED = (
    "with this data the test rows are read otherwise than the earlier job read them (another scale of the target, say, "
    "or other labels), so the two models cannot be compared row by row"
)


def selection_of(before: Ends | None, after: Ends | None) -> Selection:
    """What is told of two models; a reason, where they cannot be compared."""
    if before is None or after is None:
        return Selection("", _FORGOTTEN)
    if not paired(before, after):
        return Selection("", _UNPAIRED)
    return Selection("", _NOBODY, difference=difference(before, after))


def compared(job: Job, players: list[Player], before: Ends | None, after: Ends | None) -> StoredResult:
    """The result: no worth was computed, so no player has a value or a share."""
    none = (0.0, 0.0)
    return StoredResult(
        players=tuple(
            PlayerResult(each.name, each.rows, each.digest, 0.0, 0.0, none, None, None, none, None) for each in players
        ),
        covariance=(),
        empty_worth=0.0 if after is None else after.baseline,
        full_worth=0.0 if after is None else after.full,
        estimator="none",
        source="",
        evaluations=dict.fromkeys(FAMILIES, 0),
        audit=Audit("unaudited", "no worth was computed"),
        bake_off=(),
        stopped_by="compared",
        notes=(),
        shares_note=f"nobody was valued: {_NOBODY}",
        seconds=0.0,
        seconds_by_source={},
        retrain_seconds_estimate=None,
        costs={},
        spec=job.spec,
        digests={"game": job.game_digest},
        trace=(),
        gain=None if after is None else tested(after, job.spec.confidence),
        selection=selection_of(before, after),
    )
