"""What a quote says of how worths will be measured: what the baseline is, and on which rows. Pure."""

from contract.baseline import SPLIT_PART, chosen_apart
from contract.game import FrozenGame
from contract.learners import LEARNERS
from contract.metrics import Predicts, metric_of


def measurement(game: FrozenGame, test_rows: int) -> list[str]:
    """For the buyer, before anything is paid."""
    return [_baseline(game, test_rows)]


def _baseline(game: FrozenGame, test_rows: int) -> str:
    what = metric_of(game.metric).constant_is
    if LEARNERS[game.learner.name].predicts is Predicts.NEXT_TOKEN:
        what, chosen = "the base model", ""
    elif game.mode == "partial":
        chosen = ", chosen by the test rows that anchor unlearning"
    elif chosen_apart(test_rows):
        chosen = f", chosen by {SPLIT_PART:.0%} of your test rows, which then measure nothing else"
    else:
        chosen = ", chosen by the same test rows that measure worths"
    if game.mode == "partial":
        what += ", or the model with all providers unlearned, where that is better"
    return f"The baseline, which you have without anybody's data, is {what}{chosen}. No combination counts as less."
