"""What pages and reports say of a result in sentences, so that all of them say the same. Pure.

Each is for people, and true beside everything else that is shown: what unlearning saved is not claimed for a job whose
values rest on retrainings alone, and no interval is claimed where none could be said.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from contract.results.result import IntervalParts

if TYPE_CHECKING:
    from app.valuations.results.schemas import PlayerValue, PrecisionAnswer, Values

# shares are computed once in floats and once in exact fractions
_ALIKE = 1e-9
_NO_FASTER = 1.05
# an estimate beyond this is not of anything that anybody would run: ten years
LONGEST_SECONDS = 10 * 365.25 * 86_400


def paid_share(player: "PlayerValue") -> float | None:
    """The player's part of what was divided; of jobs that were settled before it was told, its share is that."""
    return player.share if player.paid_share is None else player.paid_share


def ranked(players: "Sequence[PlayerValue]") -> "list[PlayerValue]":
    """The players, the largest share first; among equal ones by value, then by name."""
    return sorted(players, key=lambda player: (-(player.share or 0.0), -player.value, player.provider, player.position))


def names(players: "Sequence[PlayerValue]") -> dict[int, str]:
    """What each player is called, by its position: its provider, and where one provider is several players its
    datasets' ids too, shortened as pages do."""
    counts = Counter(player.provider for player in players)
    called = {}
    for player in players:
        ids = ", ".join(f"ds …{each.hex[-8:]}" for each in player.datasets)
        called[player.position] = (
            f"{player.provider} ({ids})" if counts[player.provider] > 1 and ids else player.provider
        )
    return called


def value_shown(values: "Values", player: "PlayerValue") -> tuple[float | None, tuple[float, float] | None]:
    """The value that belongs beside the player's share, and its interval: of the valuation that is paid on. None for
    whoever was left out of that one."""
    if values.without_harm is None or player.seat is None:
        return player.value, player.value_ci
    return player.paid_value, player.paid_value_ci


def differences(players: "Sequence[PlayerValue]") -> dict[str, list[str]]:
    """Why some are paid another part than their share, and who: reason -> providers, in the players' order."""
    by_reason: dict[str, list[str]] = {}
    for player in players:
        if player.reason is not None and abs((player.paid_share or 0.0) - (player.share or 0.0)) > _ALIKE:
            by_reason.setdefault(player.reason, []).append(player.provider)
    return by_reason


def cost(values: "Values", say: Callable[[float], str]) -> str:
    """What the job took, and beside what; ``say`` writes seconds."""
    spent, whole = values.seconds, whole_cost(values)
    taken = f"{say(spent)} on the device"
    if whole is None and values.retrain_seconds_estimate is not None:
        return f"{taken}. Training a model for every combination is not computable: 2^{_player_count(values)} models."
    if whole is None:
        return f"{taken}. What exact retraining would have cost is not known for this job."
    if not _unlearned(values):
        rest = "all of them" if values.stopped_by == "enumerated" else "a sample of them"
        return (
            f"{taken}. The values rest on retrainings alone ({rest}), so unlearning saved nothing; training a model "
            f"for every combination is estimated at {say(whole)}."
        )
    ratio = whole / spent if spent else 0.0
    often = f", {ratio:.1f} times as long" if ratio >= _NO_FASTER else ", so unlearning saved nothing"
    return f"{taken}; training a model for every combination would have taken about {say(whole)}{often}."


def any_unlearned(values: "Values") -> bool:
    """Whether any worth of the job came by unlearning, so that there is something to hold against retraining."""
    return any(values.evaluations.get(kind) for kind in ("unlearn", "repair"))


def whole_cost(values: "Values") -> float | None:
    """Seconds that training a model for every combination would take; None where not known or not computable."""
    whole = values.retrain_seconds_estimate
    return whole if whole is not None and whole <= LONGEST_SECONDS else None


def _player_count(values: "Values") -> int:
    return len({player.seat for player in values.players if player.seat is not None}) or len(values.players)


def _unlearned(values: "Values") -> bool:
    """Whether the values rest on worths that were not trained anew."""
    if values.bake_off:
        return any(candidate["kept"] for candidate in values.bake_off)
    return values.source != "retrain"


def widest_parts(players: "Sequence[PlayerValue]") -> str | None:
    """What makes the widest share interval wide, and what would mend it; None where it is not known."""
    known = [player for player in players if player.parts is not None and player.share_ci is not None]
    if not known:
        return None
    widest = max(known, key=lambda player: _width(player.share_ci))
    assert widest.parts is not None  # noqa: S101 - only those are looked at
    parts = IntervalParts(**widest.parts.model_dump())
    words = f"What makes the widest share interval wide, in points: {parts.sentence()}."
    others = max(parts.unlearning or 0.0, parts.seeds or 0.0)
    if parts.test_rows is not None and parts.test_rows > others:
        words += " More test rows are what makes it narrower: four times as many halve that part."
    return words


def _width(interval: tuple[float, float] | None) -> float:
    return 0.0 if interval is None else interval[1] - interval[0]


def precision(reached: "PrecisionAnswer", audited: bool) -> str:
    """Whether the width that was asked for was reached."""
    ordered = f"intervals of at most {reached.asked:g} points"
    forecast = f" {reached.forecast}" if reached.forecast else ""
    if reached.met:
        return f"Asked for {ordered}; the widest is {reached.reached:.2f}."
    if reached.reached is not None:
        return f"Asked for {ordered}; that was not reached: the widest is {reached.reached:.2f}.{forecast}"
    why = "nothing uncertain was counted" if audited else "the job is not audited"
    return f"Asked for {ordered}; how wide they are cannot be said, because {why}.{forecast}"
