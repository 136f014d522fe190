"""``python -m benchmarks.attacks``: the attacker's gain under each policy, and the table of docs/attacks.md.

Every market is valued by the engine as a job would be, its files seated by the service's own rule for copies, and the
pool divided by the service's own policies. A gain is what all accounts of the attacker get more than the honest
attacker did in the same market under the same policy, in percent of the pool.
"""

import argparse
import json
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from app.datasets.encoding import EncodedRows
from app.payouts.policies import Claim, Policy, Terms, make_plan
from app.valuations.inputs import InputFile, used_rows
from app.valuations.seating import Member, seat
from benchmarks.attacks.plays import ATTACKER, ATTACKS, Play, honest
from worker.engine.evaluator import Evaluator
from worker.engine.harm import Revaluation, without_harm
from worker.engine.problem import LearnerSpec, PlayerData, Problem, Rows
from worker.engine.spec import ValuationSpec
from worker.engine.valuation import Valuation, value

POOL = 1_000_000
COPIES = ("separate", "group", "first")
POLICIES = {
    "proportional": Terms(),
    "significant": Terms(policy=Policy.SIGNIFICANT),
    "interval_aware": Terms(policy=Policy.INTERVAL_AWARE, dispute_window_seconds=86_400),
}
# the same rows are the same game, whatever the rule for copies; valued once
_VALUED: dict[tuple[str, ...], tuple[Valuation, Revaluation | None]] = {}
_START = datetime(2026, 1, 1, tzinfo=UTC)
_OUT = Path(__file__).parents[2] / "docs" / "attacks.md"


def members_of(play: Play) -> tuple[list[Member], dict[uuid.UUID, datetime]]:
    """The files as the admission of a job sees them, uploaded one minute after the other."""
    members, uploaded = [], {}
    for index, file in enumerate(play.files):
        name = uuid.UUID(int=index + 1)
        rows = EncodedRows(np.asarray(file.X, dtype=np.float32), np.asarray(file.y, dtype=np.int64))
        inputs = (InputFile(file.owner, str(index), "npz", "y"),)
        members.append(Member(name.hex, file.owner, name, (name,), inputs, (rows,), 0))
        uploaded[name] = _START + timedelta(minutes=index)
    return members, uploaded


def payouts_of(play: Play, copies: str) -> dict[str, dict[str, float]]:
    """Each owner's part of the pool, by policy, under one rule for copies."""
    members, uploaded = members_of(play)
    test = EncodedRows(np.asarray(play.test_X, dtype=np.float32), np.asarray(play.test_y, dtype=np.int64))
    seating = seat(members, copies, test, uploaded)
    by_file = {member.files[0].digest: member.encoded[0] for member in members}
    players = []
    for each in seating.seats:
        parts = [used_rows(by_file[file.digest], file.drop) for file in each.files]
        X, y = np.concatenate([p.X for p in parts]), np.concatenate([p.y for p in parts])
        players.append(PlayerData(each.name, X, y, each.digest))
    key = (test.digest, *(each.digest for each in seating.seats))
    if key not in _VALUED:
        problem = Problem(players, Rows(test.X, test.y), 10, LearnerSpec("logistic", {"l2": 0.01}), seed=0)
        game, spec = Evaluator(problem, threads=1), ValuationSpec(seed=0)
        game.prepare()
        found = value(game, spec)
        _VALUED[key] = found, without_harm(game, spec, found)
    found, again = _VALUED[key]
    paid = list(found.players)
    if again is not None:
        for column, player in zip(again.kept, again.valuation.players, strict=True):
            paid[column] = player
    result = {}
    for policy, terms in POLICIES.items():
        claims = [_claim(member, seating, index, paid, again) for index, member in enumerate(members)]
        plan = make_plan(uuid.UUID(int=99), "EUR", POOL, terms, claims)
        sums: dict[str, float] = {}
        for member, line in zip(members, plan.lines, strict=True):
            sums[member.shown] = sums.get(member.shown, 0.0) + line.amount / POOL
        result[policy] = sums
    return result


def _claim(member: Member, seating: Any, index: int, paid: list[Any], again: Any) -> Claim:
    at, part = seating.seat_of[index], float(seating.parts[index])
    if at is None:
        return Claim(member.provider_id, member.provider_id, 0.0, (0.0, 0.0), (0.0, 0.0))
    player, harmful = paid[at], again is not None and at in again.excluded
    band = (-1.0, -1e-9) if harmful else tuple(end * part for end in player.value_band)
    share = tuple(end * part for end in player.share_band)
    amount = min(player.value, 0.0) if harmful else player.value * part
    return Claim(member.provider_id, member.provider_id, amount, band, share)  # type: ignore[arg-type]  # pairs


def attackers_part(amounts: dict[str, float]) -> float:
    return sum(part for owner, part in amounts.items() if owner.startswith(ATTACKER))


def measure(seeds: list[int]) -> dict[str, dict[str, list[float]]]:
    """Gains in percent of the pool: {attack: {"copies / policy": one for each seed}}."""
    gains: dict[str, dict[str, list[float]]] = {}
    for seed in seeds:
        start = honest(seed)
        for copies in COPIES:
            before = payouts_of(start, copies)
            for name, attack in ATTACKS.items():
                after = payouts_of(attack(start, np.random.default_rng([seed, 5])), copies)
                for policy in POLICIES:
                    gain = 100.0 * (attackers_part(after[policy]) - attackers_part(before[policy]))
                    gains.setdefault(name, {}).setdefault(f"{copies} / {policy}", []).append(gain)
            print(f"seed {seed}, {copies}: done", flush=True)
    return gains


def table(gains: dict[str, dict[str, list[float]]]) -> str:
    """Mean gain and, in brackets, the largest over the seeds."""
    columns = list(next(iter(gains.values())))
    lines = ["| attack | " + " | ".join(columns) + " |", "|---|" + "---|" * len(columns)]
    for name, row in gains.items():
        cells = [f"{np.mean(row[column]):+.1f} ({max(row[column]):+.1f})" for column in columns]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--json", type=Path, help="where to write all gains")
    parser.add_argument("--write", action="store_true", help="put the table into docs/attacks.md")
    asked = parser.parse_args()
    gains = measure(list(range(asked.seeds)))
    found = table(gains)
    print(found)
    if asked.json:
        asked.json.write_text(json.dumps(gains, indent=1) + "\n")
    if asked.write:
        page = _OUT.read_text()
        head, _, rest = page.partition("<!-- table -->\n")
        _, _, tail = rest.partition("<!-- end -->")
        _OUT.write_text(f"{head}<!-- table -->\n{found}\n<!-- end -->{tail}")


if __name__ == "__main__":
    main()
