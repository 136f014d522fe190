"""A player whose documents stay with its owner, as the engine sees it: the question for its model, and the adapter.

One question a job; its answer lies in the database like those of sums (``away``), so a worker that loads the game anew
asks nobody.
"""

import uuid
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.datasets.rows.registered import read_registration
from app.errors import InvalidData
from contract.agent_adapters import AdapterQuestion, unpacked_adapter
from contract.orders.game import TokenBlocks
from contract.orders.job import Job
from contract.rows.files import InputFile
from worker.loading.away import Check, Questions, game_of

Adapter = dict[str, NDArray[np.float32]]


@dataclass(frozen=True, eq=False)
class AskedModel:
    """``worker.engine.games.away.TrainedAlone`` by one question."""

    desk: Questions
    question: AdapterQuestion

    @property
    def rows(self) -> int:
        """Its blocks, as it registered them."""
        return self.question.blocks

    def model(self, check: Check) -> Callable[[], Adapter]:
        dataset = uuid.UUID(self.question.dataset)
        self.desk.ask(dataset, self.question, b"")
        # what lies in the database is checked again where it is counted with
        return lambda: unpacked_adapter(self.question, self.desk.answer(dataset, self.question, b"", check))


def model_of_agent(desk: Questions, job: Job, file: InputFile, content: bytes) -> AskedModel:
    """The player behind a file that is a registration (``content``); raises InvalidData where it does not fit."""
    registration, terms, blocks = read_registration(content, file.name), job.inputs.away, job.game.encoding
    if terms is None or not isinstance(blocks, TokenBlocks) or job.game.base is None:
        raise AssertionError(f"game {job.game_id} has documents that stay with their owner, and no terms or no base")
    counted = None if registration.texts is None else registration.texts.blocks(job.game.base, blocks.context)
    if counted is None:
        raise InvalidData(f"{file.name}: its agent registered no blocks of {blocks.context} tokens for this base")
    question = AdapterQuestion(
        dataset=file.name.rpartition("_")[2],
        registration=file.digest,
        commitment=registration.commitment,
        rows=registration.rows,
        game=game_of(job, terms),
        buyer=terms.buyer,
        purpose=terms.purpose,
        base=job.game.base,
        vocabulary=blocks.vocabulary,
        context=blocks.context,
        blocks=counted,
        hyper=dict(job.game.learner.hyper),
        seed=job.game.seed,
    )
    return AskedModel(desk, question)
