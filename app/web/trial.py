"""The trial on the first page: a stored game of six providers, divided exactly. Pure; it needs no account and no job.

The game was made once: a logistic regression on scikit-learn's handwritten digits, trained anew for each of the 64
combinations, its accuracy on 597 other digits. With scripts the page divides again in the browser (static/trial.js)
when the pool changes or a provider is left out, by the same rules as here.
"""

from dataclasses import dataclass
from functools import cache
from itertools import combinations
from math import comb
from pathlib import Path

from markupsafe import Markup

from app.drawings.bars import Bar, bars
from app.web import localisation
from contract.document import Document

_GAME = Path(__file__).parent / "static" / "game.json"
POOL = 1000


@dataclass(frozen=True)
class TrialGame:
    """Providers' names and rows, and the worth of each combination: of those whose bits are set in its index."""

    providers: list[tuple[str, int]]
    worths: list[float]


class _StoredProvider(Document):
    name: str
    rows: int


class _StoredGame(Document):
    """What the file says."""

    providers: list[_StoredProvider]
    worths: list[float]


@dataclass(frozen=True)
class TrialPart:
    """One provider's part of the pool; ``cents`` of all parts add up to the pool unless nobody is worth anything."""

    name: str
    rows: int
    value: float
    share: float
    cents: int


@cache
def game() -> TrialGame:
    """The stored game."""
    stored = _StoredGame.model_validate_json(_GAME.read_bytes())
    return TrialGame([(each.name, each.rows) for each in stored.providers], stored.worths)


def shapley(worths: list[float], among: list[int]) -> list[float]:
    """Each player's Shapley value in the game of the players ``among`` alone, in their order."""
    count = len(among)
    values = []
    for player in among:
        others = [each for each in among if each != player]
        value = 0.0
        for size in range(count):
            gains = [_gain(worths, player, chosen) for chosen in combinations(others, size)]
            value += sum(gains) / (count * comb(count - 1, size))
        values.append(value)
    return values


def _gain(worths: list[float], player: int, others: tuple[int, ...]) -> float:
    without = sum(1 << each for each in others)
    return worths[without | 1 << player] - worths[without]


def divided(played: TrialGame, among: list[int], pool_cents: int) -> list[TrialPart]:
    """The pool in proportion to values above zero; whole cents, the left-over ones to the largest remainders."""
    values = shapley(played.worths, among)
    positive = [max(value, 0.0) for value in values]
    total = sum(positive)
    shares = [value / total if total else 0.0 for value in positive]
    cents = [int(share * pool_cents) for share in shares]
    left = (pool_cents if total else 0) - sum(cents)
    order = sorted(range(len(among)), key=lambda at: (cents[at] - shares[at] * pool_cents, at))
    for at in order[:left]:
        cents[at] += 1
    return [
        TrialPart(*played.providers[player], value, share, cent)
        for player, value, share, cent in zip(among, values, shares, cents, strict=True)
    ]


def drawn(parts: list[TrialPart]) -> Markup:
    """The parts as bars, in the order of the providers."""
    rows = []
    for part in parts:
        amount = f"{localisation.number(part.cents / 100, 2)} EUR"
        says = f"{part.name}: {localisation.number(100 * part.share, 1)} %, {amount}"
        rows.append(Bar(part.name, part.share, None, says, amount))
    return bars(rows)
