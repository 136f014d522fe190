"""Adding answers instead of weights: a coalition's outputs are the base's plus row-weighted shifts of its players'.

z_S = z_base + sum over kept players of (n_i / n_S) (z_i - z_base), with z_i the outputs of the model trained on player
i alone: a product of experts beside the base (Liu et al. 2021, arXiv 2105.03023, for two of them). Costs one training
and one pass over the rows that measure per provider; a coalition is then a sum, and no pass through a model.
"""

from torch import Tensor

from worker.engine.game import Coalitions
from worker.engine.learners.language import LanguageModel
from worker.engine.unlearning.context import Context
from worker.engine.unlearning.method import Method
from worker.engine.unlearning.vectors import provider_vectors, row_shares, training_cost

_KEPT_BYTES = 1 << 30  # of outputs that are kept between coalitions; beyond, they are computed again


def outputs(context: Context, coalitions: Coalitions, X: Tensor) -> Tensor:
    """Outputs [K, m, ...] on rows X [m, ...]: of a language model's blocks [K, m, L, V], of others [K, m, C]."""
    base, shifts = _answers(context, X)
    ones = [1] * base.dim()
    weights = row_shares(context, coalitions, of_kept=True)
    result = base.unsqueeze(0).repeat(len(coalitions), *ones)
    for i, player in enumerate(context.problem.players):  # one at a time: a stack's size changes no bit
        result += weights[:, i].view(-1, *ones) * shifts[player.digest]
    return result


Answers = tuple[Tensor, dict[str, Tensor]]


def _answers(context: Context, X: Tensor) -> Answers:
    """The base's outputs [m, ...] on some rows, and players' shifts by digest."""
    places = X.shape[1] - 1 if isinstance(context.learner, LanguageModel) else 1
    size = 4 * len(context.held_out[0]) * places * context.learner.classes
    if size * (len(context.problem.players) + 1) > _KEPT_BYTES:
        return _ask(context, X)
    # the rows are held with their answers, so that no others can come to lie where they do
    name = f"answers {X.data_ptr()} {tuple(X.shape)}"
    return context.once(name, lambda: (X, _ask(context, X)))[1]


def _ask(context: Context, X: Tensor) -> Answers:
    by_digest: dict[str, Tensor] = {}

    def answers(model: Tensor) -> Tensor:
        context.check()
        return context.learner.logits(model.unsqueeze(0), X)[0]

    base = answers(context.base)
    for player, vector in zip(context.problem.players, provider_vectors(context), strict=True):
        if player.digest not in by_digest:
            by_digest[player.digest] = answers(context.base + vector) - base
    return base, by_digest


METHOD = Method(
    name="logit_sum",
    family="unlearn",
    source="unlearn:logit_sum",
    about="the base's outputs plus the row-weighted shifts of models trained on one provider each",
    cost=training_cost,
    outputs=outputs,
    prepare=provider_vectors,
)
