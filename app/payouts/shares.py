"""From values to shares, and from shares to whole cents. Pure; exact integers and fractions, never floats or rounding.

A share is ``max(phi_i, 0) / sum of max(phi_j, 0)``: never the absolute value, which would pay saboteurs. Values come
as float64 and enter as the exact fraction each float stands for, so that equal values have equal shares and nothing
depends on the order of a sum.

``apportion`` splits a pool of minor units by the largest remainder (Hamilton's method; Balinski and Young, *Fair
Representation*, 1982): everybody gets the floor of the exact quota, and the units left over go, one each, to the
largest fractional parts. Two rules are added. First, EQUAL WEIGHTS ARE PAID ALIKE whenever some apportionment within
the quota does that: the plain method splits a group of equals when the last unit falls inside it, and then a copy of
a data set would earn a cent less than its original. Second, what is still tied after that is decided by the tie-break
keys (SHA-256 of job and player), so that the answer never depends on the order of the players.
"""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from contract.results.shares import Weight, exact


def tie_key(job_id: UUID, player_id: UUID) -> bytes:
    """SHA-256(job id, player id): the order of what is otherwise equal. No player can choose it for a coming job."""
    return hashlib.sha256(job_id.bytes + player_id.bytes).digest()


@dataclass(frozen=True)
class _Group:
    """Players of exactly equal weight: how many, what each has left over its floor (in 1/total units), and who."""

    weight: int
    floor: int
    remainder: int
    members: tuple[int, ...]  # in the order of their tie keys

    @property
    def gain(self) -> int:
        return self.remainder * len(self.members)


def apportion(weights: Sequence[Weight], pool_minor: int, tie_break: Sequence[bytes]) -> list[int]:
    """Whole units for each of [n] players, adding up to ``pool_minor`` exactly, each the floor or ceiling of its quota.

    ``weights``: [n], finite and >= 0, any scale. ``tie_break``: [n] distinct keys, see ``tie_key``. The units left
    over after the floors go to the largest remainders, unless that splits a group of equal weights; then, to the first
    of these that exists:
    1. a selection of whole groups in which nobody is paid less than somebody of smaller weight,
    2. a selection of whole groups (a smaller weight may then get one unit more than a larger one),
    3. the largest remainders with exactly one group split, inside it by tie key: three equal players and 100 cents.
    Within 1 and 2 the selection has the largest total remainder of its kind. The answer does not depend on the order
    of the players. ``ValueError`` for negative weights, repeated keys, or a pool that nobody has a claim to.
    """
    if len(weights) != len(tie_break):
        raise ValueError(f"{len(weights)} weights but {len(tie_break)} tie-break keys; give one key for each player")
    if len(set(tie_break)) != len(tie_break):
        raise ValueError("tie-break keys repeat; each player needs its own, so that ties have one answer")
    if pool_minor < 0:
        raise ValueError(f"the pool is {pool_minor}; it cannot be negative")
    scaled, total = _integers(weights)
    if pool_minor == 0:
        return [0] * len(weights)
    if total == 0:
        raise ValueError(
            f"no player has a positive weight, so nobody has a claim to the {pool_minor} in the pool; refund it"
        )
    groups = _groups(scaled, total, pool_minor, tie_break)
    amounts = [weight * pool_minor // total for weight in scaled]
    for player in _extra(groups, pool_minor - sum(amounts)):
        amounts[player] += 1
    return amounts


def _integers(weights: Sequence[Weight]) -> tuple[list[int], int]:
    """Weights over their common denominator, and their sum: whole numbers, so that comparisons are exact."""
    fractions = [exact(weight) for weight in weights]
    if any(fraction < 0 for fraction in fractions):
        raise ValueError("a weight is negative; clip values at zero first (see shares)")
    denominator = math.lcm(*(fraction.denominator for fraction in fractions))
    scaled = [fraction.numerator * (denominator // fraction.denominator) for fraction in fractions]
    return scaled, sum(scaled)


def _groups(scaled: list[int], total: int, pool: int, keys: Sequence[bytes]) -> list[_Group]:
    """Groups of equals that could still get a unit, largest remainder first, then by key."""
    members: dict[int, list[int]] = {}
    for player in sorted(range(len(scaled)), key=lambda i: keys[i]):
        members.setdefault(scaled[player], []).append(player)
    groups = [_Group(weight, *divmod(weight * pool, total), tuple(players)) for weight, players in members.items()]
    # a whole quota is its own floor and ceiling: it never gets more
    # the sort is stable: equal remainders stay in the order of their least tie keys, in which they were found
    return sorted((g for g in groups if g.remainder), key=lambda g: -g.remainder)


def _extra(groups: list[_Group], units: int) -> list[int]:
    """Who gets one of the ``units`` left over."""
    taken, left = _largest(groups, units)
    if left:
        by_floor: dict[int, list[_Group]] = {}
        for group in groups:
            by_floor.setdefault(group.floor, []).append(group)
        # within one floor, taking groups from the largest weight down keeps pay in the order of weights
        whole = _whole_groups(list(by_floor.values()), units)
        if whole is None:
            whole = _whole_groups([[group] for group in groups], units)
        if whole is not None:
            return [player for group in whole for player in group.members]
    split = next(group for group in groups if group not in taken) if left else None
    players = [player for group in taken for player in group.members]
    return players + (list(split.members[:left]) if split else [])


def _largest(groups: list[_Group], units: int) -> tuple[list[_Group], int]:
    """Whole groups from the largest remainder down until one no longer fits, and the units then left for it."""
    taken: list[_Group] = []
    for group in groups:
        if len(group.members) > units:
            break
        taken.append(group)
        units -= len(group.members)
    return taken, units


def _whole_groups(classes: list[list[_Group]], units: int) -> list[_Group] | None:
    """Whole groups with exactly ``units`` members in all and the largest total remainder, or None where there are none.

    From each class a prefix is taken (none of it up to all). Exact dynamic programming over the number of members:
    O(groups * units) steps, units < players.
    """
    best: dict[int, tuple[int, tuple[int, ...]]] = {0: (0, ())}  # members taken -> total remainder, prefix per class
    for groups in classes:
        grown: dict[int, tuple[int, tuple[int, ...]]] = {}
        size = gain = 0
        for prefix in range(len(groups) + 1):
            if prefix:
                size, gain = size + len(groups[prefix - 1].members), gain + groups[prefix - 1].gain
            for count, (total, prefixes) in best.items():
                reached = count + size
                # on equal totals the first found stays; classes and prefixes come in an order that players cannot set
                if reached <= units and (reached not in grown or total + gain > grown[reached][0]):
                    grown[reached] = (total + gain, (*prefixes, prefix))
        best = grown
    if units not in best:
        return None
    return [group for groups, prefix in zip(classes, best[units][1], strict=True) for group in groups[:prefix]]
