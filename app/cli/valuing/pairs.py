"""Which providers are substitutes or complements, for the terminal; the engine finds it in the worths of a result."""

from typing import TYPE_CHECKING

from rich.console import Console

from app.cli.valuing.request import engine_errors
from contract.results.interactions import Interactions

if TYPE_CHECKING:
    from contract.results.result import ValuationResult
    from worker.engine.games.game import FidelityGame

MOST_PAIRS = 10


def said_pairs(game: "FidelityGame", result: "ValuationResult", console: Console) -> Interactions:
    """Which providers are substitutes or complements; those that are so for certain are said."""
    from worker.engine.loop.interactions import interactions

    with engine_errors():
        effects = interactions(game, result)
    names = [player.provider for player in result.players]
    certain = [pair for pair in effects.pairs if pair.interval[0] > 0 or pair.interval[1] < 0]
    for pair in sorted(certain, key=lambda each: -abs(each.value))[:MOST_PAIRS]:
        kind = "substitutes" if pair.value < 0 else "complements"
        console.print(
            f"{names[pair.first]} and {names[pair.second]} are {kind}: together {pair.value:+.5f} "
            f"({pair.interval[0]:.5f} to {pair.interval[1]:.5f}) beyond each alone.",
            soft_wrap=True,
        )
    return effects
