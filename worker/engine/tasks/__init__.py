"""What models answer on test units, by what they predict; ``contract.tasks`` says how worths follow from it."""

from contract.learners import LEARNERS
from contract.metrics import Predicts
from worker.engine.tasks.answering import Answering
from worker.engine.tasks.classes import ClassAnswers
from worker.engine.tasks.tokens import TokenAnswers

ANSWERING: dict[Predicts, Answering] = {each.prediction.predicts: each for each in (ClassAnswers(), TokenAnswers())}


def answering_of(learner: str) -> Answering:
    """How models of a learner answer."""
    return ANSWERING[LEARNERS[learner].predicts]
