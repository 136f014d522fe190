"""The best few players: every size, found where it is, measured apart from how it was chosen, nothing drawn anew."""

from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from contract.results.selection import Selection
from tests.worker.engine.loop.test_loop_run import market
from worker.engine.games.game import Coalitions, NeedWorths, Player, TableFidelityGame
from worker.engine.games.measured import Ends
from worker.engine.loop.best_sets import best_sets
from worker.engine.valuation import ValuationResult, ValuationSpec, value

UNITS = 400


def valued(game: TableFidelityGame, **asked: object) -> ValuationResult:
    spec = replace(ValuationSpec(fidelity="unlearn", max_retrains=0), **asked)  # type: ignore[arg-type]  # by name
    return value(game, spec)


def test_of_each_size_the_best_set_that_is_known_is_named() -> None:
    game = market(n=6)
    found = valued(game)
    assert not [row for row in found.worths if row.fidelity == "retrain"]
    chosen = best_sets(game, found)
    assert [each.size for each in chosen.sets] == [1, 2, 3, 4, 5, 6]
    table = game.tables[found.source]
    sizes = np.array([bin(mask).count("1") for mask in range(len(table))])
    for each in chosen.sets:
        assert len(each.players) == each.size
        mask = sum(1 << player for player in each.players)
        assert table[mask] == table[sizes == each.size].max()
        assert each.part == pytest.approx((table[mask] - found.empty_worth) / (found.full_worth - found.empty_worth))
        assert each.interval is None, "this game has no test units"
    assert chosen.sets[-1].part == pytest.approx(1.0)


def test_what_a_player_adds_is_trained_anew_and_asked_for_where_it_is_not_known() -> None:
    game = market(n=6)
    found = valued(game)
    chosen = best_sets(game, found, [2])
    table = game.tables["retrain"]
    everybody = len(table) - 1
    (added,) = chosen.additions
    gain = found.full_worth - found.empty_worth
    assert added.part == pytest.approx((found.full_worth - table[everybody - (1 << 2)]) / gain)

    class Lacking(TableFidelityGame):
        def worth(self, source: str, coalitions: Coalitions) -> np.ndarray:
            if source == "retrain":
                raise NeedWorths(source, coalitions)
            return super().worth(source, coalitions)

    lacking = Lacking(game.players, game.tables, game.costs)
    with pytest.raises(NeedWorths) as needed:
        best_sets(lacking, found, [2])
    assert needed.value.coalitions.tolist() == [[True, True, False, True, True, True]]


def test_nothing_is_ranked_where_nothing_was_gained() -> None:
    game = market(n=4)
    found = valued(game)
    chosen = best_sets(game, replace(found, full_worth=found.empty_worth))
    assert chosen == Selection(found.source, "everybody's model scores no more than the baseline")


@dataclass
class Noisy:
    """Players that are all worth the same, each set measured on its own draw of test units: every best is luck."""

    seed: int
    n: int = 8
    players: list[Player] = field(init=False)
    sources = ("unlearn:tangent", "retrain")

    def __post_init__(self) -> None:
        self.players = [Player(str(i), 10, f"{i:064d}") for i in range(self.n)]
        rng = np.random.default_rng(self.seed)
        sizes = np.array([bin(mask).count("1") for mask in range(1 << self.n)])
        drawn = rng.normal(size=(1 << self.n, UNITS))
        # each unit's own score: half of the gain is there from the first player on
        scores = 0.5 + 0.25 * (sizes > 0)[:, None] * (1 + sizes / self.n)[:, None] + drawn
        scores[0] = 0.5
        self.table = scores.mean(axis=1)
        self.moved = (scores - scores.mean(axis=1, keepdims=True)) / UNITS

    def worth(self, source: str, coalitions: Coalitions) -> np.ndarray:
        return self.table[coalitions @ (1 << np.arange(self.n))]

    def cost(self, source: str) -> float:
        return 0.5 if source == "retrain" else 0.001

    def seconds(self, source: str) -> float:
        return 0.0

    def influences(self, source: str, coalitions: Coalitions) -> np.ndarray:
        return self.moved[coalitions @ (1 << np.arange(self.n))]

    def ends(self, source: str) -> Ends:
        both = np.stack([self.moved[0], self.moved[-1]])
        return Ends(float(self.table[0]), float(self.table[-1]), both, "simulated", 1.0)


def test_the_luck_of_the_best_of_many_is_not_counted_as_gain() -> None:
    """Of 70 sets of four that are alike the luckiest is well above the truth on its own rows; crosswise it is not."""
    crosswise, naive, covered = [], [], 0
    for seed in range(40):
        game = Noisy(seed)
        found = valued(game)  # type: ignore[arg-type]  # a fidelity game with test units
        if found.full_worth <= found.empty_worth:
            continue
        gain = found.full_worth - found.empty_worth
        four = best_sets(game, found).sets[3]
        mask = sum(1 << player for player in four.players)
        naive.append(float(game.table[mask]) - found.empty_worth)
        crosswise.append(four.part * gain)
        truth = 0.375 / 0.5
        covered += four.interval is not None and four.interval[0] <= truth <= four.interval[1]
    assert np.mean(naive) > 0.375 + 0.08
    assert abs(np.mean(crosswise) - 0.375) < 0.02
    assert covered >= 0.85 * len(naive)
