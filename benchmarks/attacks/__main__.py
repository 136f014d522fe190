"""``python -m benchmarks.attacks``: the attacker's gain under each policy, and the table of docs/attacks.md.

Every market is valued by the engine as a job would be; the service's own rules for copies make players of its files,
and its own policies divide the pool. A gain is what all accounts of the attacker get beyond what the honest attacker
got in the same market under the same policy, in percent of the pool.
"""

import argparse
import json
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from app.datasets.rows.encoding import EncodedRows
from app.datasets.rows.raw_rows import RawRows
from app.payouts.policies import PayoutClaim, PayoutTerms, make_plan
from app.payouts.preconditions import JobOutcome
from app.valuations.players.files import drop_mask, join_rows, used_rows
from app.valuations.players.grouping import Payee, group
from app.valuations.schemas import PROTECTED_SHARDS
from benchmarks import marks
from benchmarks.attacks.plays import ATTACKER, ATTACKS, KINDS, Play, honest
from contract.orders.lot import LotDraw
from contract.orders.policies import PayoutPolicy
from contract.orders.spec import ValuationSpec
from contract.rows.files import InputFile
from worker.engine.evaluation.evaluator import Evaluator
from worker.engine.games.problem import LearnerSpec, PlayerData, Problem, Rows
from worker.engine.games.shards import cut
from worker.engine.valuation import ValuationResult, value
from worker.engine.without_harm import Revaluation, without_harm

Gains = dict[str, dict[str, list[float]]]

POOL = 1_000_000
# shards are valued by unlearned worths alone, which an order pays for only if it says so
POLICIES = {
    "proportional": PayoutTerms(policy=PayoutPolicy.PROPORTIONAL, pay_unaudited=True),
    "significant": PayoutTerms(policy=PayoutPolicy.SIGNIFICANT, pay_unaudited=True),
    "interval_aware": PayoutTerms(
        policy=PayoutPolicy.INTERVAL_AWARE, dispute_window_seconds=86_400, pay_unaudited=True
    ),
}


@dataclass(frozen=True)
class Rules:
    """What an order chooses besides the policy: rule for copies, shards (0: files are players), class weights, and test
    rows by lot."""

    copies: str
    shards: int = 0
    class_weights: str = "uniform"
    policies: tuple[str, ...] = tuple(POLICIES)
    lot: LotDraw | None = None


_LOT = LotDraw(part=0.2, beside=True, seed="5e" * 32)
# the first is an order that says nothing, the last what one with ``protected`` chooses
RULES = {
    "default": Rules("separate", policies=("significant",)),
    "separate": Rules("separate"),
    "group": Rules("group"),
    "first": Rules("first"),
    "first, balanced": Rules("first", 0, "balanced", ("significant",)),
    "first, balanced, lot": Rules("first", 0, "balanced", ("significant",), _LOT),
    "first, balanced, lot alone": Rules(
        "first", 0, "balanced", ("significant",), _LOT.model_copy(update={"beside": False})
    ),
    "protected": Rules("first", PROTECTED_SHARDS, "balanced", ("significant",)),
}
# shards are valued by unlearned worths alone, so many of them: the suite values hundreds of markets
_SHARDS_SPEC = ValuationSpec(
    fidelity="unlearn", estimator="regression", max_evaluations=12_000, max_retrains=0, share_ci=0.1
)  # the same rows are the same game, whatever the rule for copies; valued once
_VALUED: dict[tuple[Any, ...], tuple[ValuationResult, Revaluation | None]] = {}
_START = datetime(2026, 1, 1, tzinfo=UTC)
PAGE = Path(__file__).parents[2] / "docs" / "attacks.md"


def _signed(points: float) -> str:
    """One decimal with its sign; what rounds to nothing has no minus."""
    return f"{round(float(points), 1) + 0.0:+.1f}"


def members_of(play: Play) -> tuple[list[Payee], dict[uuid.UUID, datetime]]:
    """The files as the admission of a job sees them, uploaded one minute after the other."""
    members, uploaded = [], {}
    for index, file in enumerate(play.files):
        name = uuid.UUID(int=index + 1)
        rows = EncodedRows(np.asarray(file.X, dtype=np.float32), np.asarray(file.y, dtype=np.int64))
        inputs = (InputFile(name=file.owner, digest=str(index), format="npz", target="y"),)
        raw = RawRows.of_arrays(rows.X, rows.y)
        members.append(Payee(name.hex, file.owner, (name,), inputs, (rows,), (raw,)))
        uploaded[name] = _START + timedelta(minutes=index)
    return members, uploaded


def payouts_of(play: Play, rules: Rules) -> dict[str, dict[str, float]]:
    """Each owner's part of the pool, by policy, under one set of rules."""
    members, uploaded = members_of(play)
    test = EncodedRows(np.asarray(play.test_X, dtype=np.float32), np.asarray(play.test_y, dtype=np.int64))
    grouping = group(members, rules.copies, RawRows.of_arrays(test.X, test.y), uploaded, lot=rules.lot)
    if rules.lot is not None and grouping.lot is not None:
        pairs = zip(members, grouping.lot.test, strict=True)
        drawn = [used_rows(member.encoded[0], drop_mask(masks[0])) for member, masks in pairs]
        test = join_rows([test, *drawn] if rules.lot.beside else drawn)
    by_file = {member.files[0].digest: member.encoded[0] for member in members}
    players = []
    for each in grouping.players:
        parts = [used_rows(by_file[file.digest], file.drop) for file in each.files]
        X, y = np.concatenate([p.X for p in parts]), np.concatenate([p.y for p in parts])
        players.append(PlayerData(each.name, X, y, each.digest))
    key = (rules.shards, rules.class_weights, test.digest, *(each.digest for each in grouping.players))
    if key not in _VALUED:
        _VALUED[key] = _valued(play, players, test, rules)
    found, again = _VALUED[key]
    paid = list(found.players)
    if again is not None:
        for column, player in zip(again.kept, again.valuation.players, strict=True):
            paid[column] = player
    ends = found if again is None else again.valuation
    outcome = JobOutcome(ends.empty_worth, ends.full_worth, found.gain, audited=found.audit.status != "unaudited")
    result = {}
    for policy in rules.policies:
        claims = [_claim(member, grouping, index, paid, again) for index, member in enumerate(members)]
        plan = make_plan(uuid.UUID(int=99), "EUR", POOL, POLICIES[policy], claims, outcome)
        sums: dict[str, float] = {}
        for member, line in zip(members, plan.lines, strict=True):
            sums[member.shown] = sums.get(member.shown, 0.0) + line.amount / POOL
        result[policy] = sums
    return result


def _valued(
    play: Play, players: list[PlayerData], test: EncodedRows, rules: Rules
) -> tuple[ValuationResult, Revaluation | None]:
    kind = KINDS[play.kind]
    playing, owners = sorted(players, key=lambda each: (each.digest, each.name)), ()
    if rules.shards:
        playing, owners = cut(playing, -(-sum(map(len, playing)) // rules.shards), 0)
    learner = LearnerSpec("logistic", {"l2": kind.l2})
    measured = Rows(test.X, test.y)
    problem = Problem(
        playing, measured, kind.classes, learner, kind.metric, class_weights=rules.class_weights, owners=owners
    )
    game, spec = Evaluator(problem, threads=1), _SHARDS_SPEC if rules.shards else ValuationSpec(seed=0)
    game.prepare()
    found = value(game, spec)
    return found, without_harm(game, spec, found)


def _claim(member: Payee, grouping: Any, index: int, paid: list[Any], again: Any) -> PayoutClaim:
    at, part = grouping.player_of[index], float(grouping.parts[index])
    # a file of these markets is a dataset of a provider of its own
    (whose,) = member.datasets
    if at is None:
        return PayoutClaim(whose, whose, 0.0, (0.0, 0.0), (0.0, 0.0))
    player, harmful = paid[at], again is not None and at in again.excluded
    band = (-1.0, -1e-9) if harmful else tuple(end * part for end in player.value_band)
    share = tuple(end * part for end in player.share_band)
    amount = min(player.value, 0.0) if harmful else player.value * part
    return PayoutClaim(whose, whose, amount, band, share)  # type: ignore[arg-type]  # pairs


def attackers_part(amounts: dict[str, float]) -> float:
    return sum(part for owner, part in amounts.items() if owner.startswith(ATTACKER))


def measure(kind: str, seeds: list[int], titles: list[str], folder: Path | None, attacks: list[str]) -> Gains:
    """Gains of some attacks in percent of the pool in one kind of market, one for each seed; told, and kept in
    ``folder``, as they come."""
    gains: Gains = {}
    for seed in seeds:
        start = honest(kind, seed)
        for title in titles:
            rules = RULES[title]
            before = payouts_of(start, rules)
            for name in attacks:
                after = payouts_of(ATTACKS[name](start, np.random.default_rng([seed, 5])), rules)
                for policy in rules.policies:
                    gain = 100.0 * (attackers_part(after[policy]) - attackers_part(before[policy]))
                    gains.setdefault(name, {}).setdefault(f"{title} / {policy}", []).append(gain)
                    print(f"{kind}, seed {seed}, {title} / {policy}, {name}: {gain:+.2f}", flush=True)
                if folder:
                    folder.mkdir(parents=True, exist_ok=True)
                    (folder / f"{kind}.json").write_text(json.dumps(gains, indent=1) + "\n")
    return gains


def table(kind: str, gains: Gains) -> str:
    """Mean gain and, in brackets, the smallest and the largest over seeds, by rules; the payout policies hardly differ
    where all values are known, so each rule is shown with one."""
    shown: dict[str, str] = {}
    for column in dict.fromkeys(column for row in gains.values() for column in row):
        shown.setdefault(column.partition(" / ")[0], column)
    head = [f"{title} ({max(len(row.get(column, [])) for row in gains.values())})" for title, column in shown.items()]
    lines = [f"| {kind}: attack | " + " | ".join(head) + " |", "|---|" + "---|" * len(head)]
    for name, row in gains.items():
        found = [row.get(column, []) for column in shown.values()]
        cells = [
            f"{_signed(np.mean(each))} ({_signed(min(each))}, {_signed(max(each))})" if each else "" for each in found
        ]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--rules", nargs="+", default=list(RULES), choices=list(RULES))
    parser.add_argument("--kinds", nargs="+", default=list(KINDS), choices=list(KINDS))
    parser.add_argument("--attacks", nargs="+", default=list(ATTACKS), choices=list(ATTACKS))
    parser.add_argument("--folder", type=Path, help="where gains are kept, a file for each kind of market")
    parser.add_argument("--kept", action="store_true", help="take the gains from the folder, measure nothing")
    parser.add_argument("--write", action="store_true", help="put the tables into docs/attacks.md")
    asked = parser.parse_args()
    tables = []
    for kind in asked.kinds:
        if asked.kept:
            gains = json.loads((asked.folder / f"{kind}.json").read_text())
        else:
            gains = measure(kind, asked.seeds, asked.rules, asked.folder, asked.attacks)
        tables.append(table(kind, gains))
        print(tables[-1])
    if asked.write:
        marks.fill(PAGE, "gains", "\n\n".join(tables))


if __name__ == "__main__":
    main()
