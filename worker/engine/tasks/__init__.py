"""What models answer on test units, by what they predict; ``contract.tasks`` says how worths follow from it."""

from contract.metrics import Predicts
from worker.engine.learners.learner import Learner
from worker.engine.tasks.answering import Answering
from worker.engine.tasks.classes import ClassAnswers
from worker.engine.tasks.numbers import NumberAnswers
from worker.engine.tasks.tokens import TokenAnswers

ANSWERING: dict[Predicts, Answering] = {
    each.prediction.predicts: each for each in (ClassAnswers(), NumberAnswers(), TokenAnswers())
}


def answering_of(learner: Learner) -> Answering:
    """How models of a learner answer."""
    return ANSWERING[learner.predicts]
