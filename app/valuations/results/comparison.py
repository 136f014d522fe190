"""Two jobs beside each other: who was in which, with what share, and where the two say something else. Pure."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from app.valuations.results.schemas import PlayerValue, Values
from app.valuations.results.wording import names


@dataclass(frozen=True)
class Pairing:
    """One player of either job or of both. ``apart``: the share intervals have no share in common; None where one of
    them is not known or the player is in one job only."""

    name: str
    first: PlayerValue | None
    second: PlayerValue | None
    apart: bool | None

    @property
    def moved(self) -> float | None:
        """By how much the share is larger in the second job."""
        if self.first is None or self.second is None or self.first.share is None or self.second.share is None:
            return None
        return self.second.share - self.first.share


def compare(first: Values, second: Values) -> list[Pairing]:
    """Players matched by provider, and by datasets where a provider is several players; the first job's order by share,
    then those of the second alone."""
    ones, others = _keyed(first.players), _keyed(second.players)
    called = {**_called(second.players, others), **_called(first.players, ones)}
    order = sorted(ones, key=lambda key: -(ones[key].share or 0.0))
    order += sorted((key for key in others if key not in ones), key=lambda key: -(others[key].share or 0.0))
    return [_pair(called[key], ones.get(key), others.get(key)) for key in order]


def _keyed(players: Sequence[PlayerValue]) -> dict[tuple[str, ...], PlayerValue]:
    """Players by provider; by provider and datasets where a provider is several players."""
    counts = Counter(player.provider_id for player in players)
    return {
        (
            (player.provider_id.hex,)
            if counts[player.provider_id] == 1
            else (player.provider_id.hex, *sorted(dataset.hex for dataset in player.datasets))
        ): player
        for player in players
    }


def _called(players: Sequence[PlayerValue], keyed: dict[tuple[str, ...], PlayerValue]) -> dict[tuple[str, ...], str]:
    by_position = names(players)
    return {key: by_position[player.position] for key, player in keyed.items()}


def _pair(name: str, first: PlayerValue | None, second: PlayerValue | None) -> Pairing:
    apart = None
    if first is not None and second is not None and first.share_ci is not None and second.share_ci is not None:
        apart = first.share_ci[1] < second.share_ci[0] or second.share_ci[1] < first.share_ci[0]
    return Pairing(name, first, second, apart)
