"""What a new version, or one more dataset, changes for a finished job: everybody's model with it beside the job's own.

The job's model is known by what it answered, so one model is trained; that is only honest where nothing else differs.
"""

import uuid
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy.orm import Session

from app.errors import Conflict
from app.http.ids import public_id
from app.valuations import repository
from app.valuations.orders.refusals import refused
from app.valuations.schemas import NewValuation
from app.valuations.tables import Valuation
from app.valuations.work import answers
from contract.orders.game import FrozenGame
from contract.results.answers import ANCHORS

# what has to be the same of both games, with the words for it
_SAME = {
    "test": "the test rows", "groups": "the groups of test rows",
    "learner": "the model", "checkpoint": "the checkpoint", "base": "the model below", "metric": "the metric",
    "seed": "the seed", "device": "the device", "class_weights": "the weights of classes",
}  # fmt: skip


def of_job(order: NewValuation) -> dict[str, Any]:
    """Beside what every exploration takes over of a job's order: what decides which rows everybody's model sees."""
    return {
        "players": order.players,
        "payout": {"copies": order.payout.copies},
        "test_group": order.test_group,
        "device": order.device,
    }


def check_job(
    session: Session, job: Valuation, chosen: Sequence[uuid.UUID], newer: Mapping[uuid.UUID, str], left: Collection[str]
) -> None:
    """Raises Conflict or InvalidInput where a job has no model to compare with, or more would differ than is asked.
    ``left``: the job's datasets that it left out."""
    name = public_id("val", job.id)
    if job.job_inputs.measured is not None and job.job_inputs.measured.lot is not None:
        raise Conflict(f"valuation {name} was measured on rows drawn by lot, which another order would not draw")
    if not any(each.source == ANCHORS for each in answers.of_game(session, job.game_id)):
        raise Conflict(f"what the models of valuation {name} answered is not kept (any more); post the job anew")
    kept = repository.result_of(session, job.id)
    if kept is None or kept.document.full_worth <= kept.document.empty_worth:
        raise Conflict(f"valuation {name} gained nothing over its baseline, and differences are told as parts of that")
    others = [each for each in newer if each not in chosen]
    if others:
        named = ", ".join(public_id("ds", each) for each in others)
        raise refused("/datasets", f"{named}: another version than that job valued would change the model too; name it")
    if left:
        named = ", ".join(f"ds_{each}" for each in sorted(left))
        raise Conflict(f"valuation {name} left {named} out, so its model is of fewer datasets than it names")


def check_game(session: Session, job: Valuation, after: FrozenGame) -> None:
    """Raises Conflict where the models would differ by more than the data."""
    game = repository.get_game(session, job.game_id)
    if game.frozen.get("rules", after.rules) != after.rules:
        raise Conflict(
            f"valuation {public_id('val', job.id)} was computed by other rules of the engine; post the job anew"
        )
    before = game.document
    changed = [words for field, words in _SAME.items() if getattr(before, field) != getattr(after, field)]
    if changed:
        name = public_id("val", job.id)
        raise Conflict(
            f"beside the data {', '.join(changed)} would differ from valuation {name}, so no difference would be the "
            "data's; post the job anew"
        )
