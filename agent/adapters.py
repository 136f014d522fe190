"""The model of the owner's documents: the learner's own adapter on a base, trained as the service would train it.

The draws of a training are named by what the documents are (``contract.rows.row_order`` of their blocks' fingerprints),
as the service names an upload's, so both train the same model to the last bit. That name does not leave.
"""

import numpy as np
import torch
from numpy.typing import NDArray

from agent.bases import BaseFolder
from agent.errors import NotAllowed
from contract.agent_adapters import AdapterQuestion
from contract.rows.row_order import rows_digest
from contract.rows.token_blocks import fingerprints
from worker.engine.games.problem import FROZEN, LearnerSpec, PlayerData, Problem, Rows
from worker.engine.learners import make_learner
from worker.engine.tensors.batching import Pool, single_threaded
from worker.engine.tensors.seeds import derive


def trained(question: AdapterQuestion, base: BaseFolder, texts: tuple[str, ...]) -> dict[str, NDArray[np.float32]]:
    """The arrays of the adapter; raises NotAllowed where the base, or the number of blocks, is another than is said."""
    X = base.blocks(texts, question.context)
    if len(X) != question.blocks:
        raise NotAllowed(f"the documents make {len(X)} blocks of {question.context} tokens, not {question.blocks}")
    y = np.zeros(len(X), dtype=np.int64)
    own = PlayerData("the documents", X, y, rows_digest(fingerprints(X), y))
    weights = base.weights(question.hyper, question.vocabulary)
    spec = LearnerSpec(question.learner, question.hyper)
    learner = make_learner(spec, X.shape[1:], question.vocabulary, weights)
    problem = Problem(
        players=[own],
        test=Rows(X[:1], y[:1]),
        classes=question.vocabulary,
        learner=spec,
        metric="log_loss",
        seed=question.seed,
        checkpoint={f"{FROZEN}{name}": array for name, array in weights.items()},
    )
    with single_threaded():
        pool = Pool(problem, torch.device("cpu"), learner.dtype)
        everything = np.ones((1, 1), dtype=bool)
        start, seed = learner.start(question.seed), derive(question.seed, "retrain")
        (model,) = learner.train(start, pool, everything, seed, lambda: None)
    return learner.layout.unpack(model)
