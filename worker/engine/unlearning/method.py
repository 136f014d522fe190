"""The description of an unlearning method: its name, what it needs, what it costs, and its one function.

A method either returns models ("params": (context, coalitions bool[K, n]) -> [K, P]) or, where it has no models,
outputs ("outputs": (context, coalitions, X [T, ...]) -> [K, T, C]). Where it can compute the likelihoods of a text's
next tokens without all outputs, it has that too ("likelihoods": (context, coalitions, X [m, L + 1]) -> [K, m, L]).
Nothing here runs anything.
"""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from contract.learning.costs import ModelCost
from contract.learning.methods import UnlearningMethod
from worker.engine.games.game import Coalitions
from worker.engine.unlearning.context import Context


@dataclass(frozen=True)
class Method:
    """One way to get from M_full to a model that never saw some players: what the vocabulary says of it, and its code.

    ``cost``: one mean-size coalition in row-gradients, taken in ``steps`` of training; where ``seconds`` is given it
    says instead what a coalition takes, on one core. ``once``: seconds of what is prepared for all coalitions. What
    models take to answer the test rows is added where a method gives ``params``. ``places``: how many coalitions are
    computed together however few there are, so that smaller stacks cost as much. ``shape``: the number that coalitions
    stacked together must share ("kept" or "forgotten" padded rows, or "fixed"). ``level``: in partial mode its worths
    are moved by what it errs where nobody is forgotten, which is known there.
    """

    kind: UnlearningMethod
    cost: Callable[[Context], float]
    params: Callable[[Context, Coalitions], Tensor] | None = None
    outputs: Callable[[Context, Coalitions, Tensor], Tensor] | None = None
    likelihoods: Callable[[Context, Coalitions, Tensor], Tensor] | None = None
    prepare: Callable[[Context], object] | None = None
    steps: Callable[[Context], float] = lambda _context: 0.0
    seconds: Callable[[Context], float] | None = None
    once: Callable[[Context, ModelCost], float] | None = None
    places: int = 1
    shape: str = "fixed"
    level: bool = False

    @property
    def name(self) -> str:
        return self.kind.name

    @property
    def source(self) -> str:
        """How worths by it are named ("unlearn:tangent", "repair")."""
        return self.kind.source

    @property
    def partial(self) -> bool:
        """Whether it can be used in partial mode."""
        return self.kind.partial

    @property
    def full(self) -> bool:
        """Whether it can be used in full mode."""
        return self.kind.full
