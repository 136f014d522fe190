"""Which providers answers of a delivered language model leaned on, from the stored models of single providers.

Nothing is trained. The models stand on the frozen base that games of this process share; all answers of a request pass
through all of them, stacked. What is found is told in steps (``contract.results.attributions``).
"""

import uuid

import numpy as np
import safetensors.numpy
import structlog
import torch
from sqlalchemy.orm import Session, sessionmaker

from app.datasets.rows.corpora import blocks_of
from app.db.session import transaction
from app.errors import NotFound
from app.storage.blobs import BlobStore
from app.valuations.work import attributions
from app.valuations.work.attributions import AttributionWork
from contract.errors import InvalidProblem
from contract.orders.game import TokenBlocks
from contract.results.attributions import AloneModel, Attribution, TokenisedAnswer
from worker.engine.learners.causal_lm import LanguageModel
from worker.engine.royalties import AloneModels, TokenAnswer, royalties_of
from worker.loading.games import LoadedGames, read_blob

log = structlog.get_logger(__name__)


def attribute(factory: sessionmaker[Session], blobs: BlobStore, games: LoadedGames, attribution_id: uuid.UUID) -> None:
    """Compute what was asked and keep it, or why it cannot be; nothing where it is done."""
    with transaction(factory) as session:
        work = attributions.begin(session, attribution_id)
    if work is None:
        return
    result, refusal = None, ""
    try:
        result = found(work, blobs, games)
    except NotFound:
        refusal = "the answers cannot be attributed: the base model, or a model of a provider, is not there any more"
    except InvalidProblem as cause:
        refusal = f"the answers cannot be attributed: {cause}"
    with transaction(factory) as session:
        attributions.finish(session, attribution_id, work.models, result, refusal)
    log.info("worker.attributed", answers=len(work.asked.answers), refusal=refusal or None)


def found(work: AttributionWork, blobs: BlobStore, games: LoadedGames) -> Attribution:
    """Each answer's values among the players whose models there are; raises InvalidProblem, and NotFound where a blob
    is gone."""
    blocks = work.game.encoding
    if not isinstance(blocks, TokenBlocks):
        raise InvalidProblem(f"answers are of language models, and this job's learner is {work.game.learner.name}")
    base = games.language_model(work.base)
    shape, device = (blocks.context + 1,), torch.device(games.device)
    learner = LanguageModel(work.game.learner.hyper, shape, base.vocabulary, base.weights)
    alone = _models(work.models, learner, blobs, device)
    told = royalties_of(alone, [in_blocks(each, blocks.context) for each in work.asked.answers], work.game.seed)
    return Attribution.of(
        [model.player for model in work.models],
        [each.tokens for each in told],
        np.array([each.values for each in told]),
    )


def _models(
    models: tuple[AloneModel, ...], learner: LanguageModel, blobs: BlobStore, device: torch.device
) -> AloneModels:
    digests = list(dict.fromkeys(model.digest for model in models))
    arrays = [safetensors.numpy.load(read_blob(lambda each=digest: blobs.get(each))) for digest in digests]  # type: ignore[misc]
    packed = [learner.layout.pack(each, learner.dtype) for each in arrays]
    return AloneModels(
        learner=learner,
        base=learner.start(0).to(device),  # B is zero: the base itself
        models=torch.stack(packed).to(device),
        of_player=[digests.index(model.digest) for model in models],
        rows=np.array([model.rows for model in models], dtype=np.float64),
    )


def in_blocks(answer: TokenisedAnswer, context: int) -> TokenAnswer:
    """An answer in the blocks that the model reads. A first token that nothing precedes counts for nobody."""
    (X,) = blocks_of([np.array(answer.tokens, dtype=np.int64)], context, "an answer")
    following = np.arange(X.shape[0] * context) + 1
    said = (following >= answer.before) & (following < len(answer.tokens))
    return TokenAnswer(X, said.reshape(len(X), context))
