"""A Merkle tree whose nodes carry sums: its root commits to a whole number for every leaf, and to what they add up to.

A leaf has an amount of two parts, what it adds and what it takes away, neither below zero. A node's amount is that of
its children together, and its hash covers their hashes and amounts; so a path from a leaf to the root shows the leaf's
amount, its place, and how much lies before it, and no part can be hidden behind a negative one (Maxwell's proof of
liabilities; Chalkias, Lewi, Mohassel and Nikolaenko 2020). Pure; SHA-256, hex outside.
"""

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

from contract.document import canonical_json


class Amount(NamedTuple):
    """What a leaf or a subtree adds and takes away, whole numbers of at least zero."""

    plus: int
    minus: int

    @property
    def size(self) -> int:
        return self.plus + self.minus

    @property
    def net(self) -> int:
        return self.plus - self.minus

    def __add__(self, other: object) -> "Amount":
        if not isinstance(other, Amount):
            return NotImplemented
        return Amount(self.plus + other.plus, self.minus + other.minus)


class SumNode(NamedTuple):
    """A node: hex hash and amount."""

    hash: str
    amount: Amount


ZERO = Amount(0, 0)


def leaf_node(amount: Amount) -> SumNode:
    return SumNode(_hash("leaf", *map(str, amount)), amount)


def inner_node(left: SumNode, right: SumNode) -> SumNode:
    said = [left.hash, *map(str, left.amount), right.hash, *map(str, right.amount)]
    return SumNode(_hash("node", *said), left.amount + right.amount)


def _hash(*said: str) -> str:
    return hashlib.sha256(canonical_json(list(said))).hexdigest()


class SumTree:
    """The tree over amounts [n], n at least one. A node without a sibling moves up as it is."""

    def __init__(self, amounts: Sequence[Amount]) -> None:
        levels = [[leaf_node(amount) for amount in amounts]]
        while len(levels[-1]) > 1:
            below = levels[-1]
            pairs = [inner_node(below[at], below[at + 1]) for at in range(0, len(below) - 1, 2)]
            levels.append(pairs + below[len(pairs) * 2 :])
        self._levels = levels

    @property
    def root(self) -> SumNode:
        return self._levels[-1][0]

    def amount(self, place: int) -> Amount:
        """The amount of leaf ``place``."""
        return self._levels[0][place].amount

    def path(self, place: int) -> tuple[SumNode, ...]:
        """The nodes beside the way of leaf ``place`` to the root, from the leaf up."""
        beside = []
        for level in self._levels[:-1]:
            if (sibling := place ^ 1) < len(level):
                beside.append(level[sibling])
            place //= 2
        return tuple(beside)

    def place_of(self, position: int) -> int:
        """The leaf in whose amount a position lies, 0 <= position < the size of the root's amount."""
        place = 0
        for level in reversed(self._levels[:-1]):
            place *= 2
            if place + 1 < len(level) and position >= level[place].amount.size:
                position -= level[place].amount.size
                place += 1
        return place


class Proven(NamedTuple):
    """What a path leads to: the root, and the size of all that lies before the leaf."""

    root: SumNode
    before: int


def proven_by(amount: Amount, place: int, count: int, path: Sequence[SumNode]) -> Proven | None:
    """What a leaf's path shows in a tree of ``count`` leaves; None where it is no path of that place, or an amount in
    it is below zero."""
    if not 0 <= place < count or min(amount) < 0 or any(min(node.amount) < 0 for node in path):
        return None
    node, before, beside = leaf_node(amount), 0, list(reversed(path))
    while count > 1:
        if place ^ 1 < count:
            if not beside:
                return None
            sibling = beside.pop()
            if place & 1:
                node, before = inner_node(sibling, node), before + sibling.amount.size
            else:
                node = inner_node(node, sibling)
        place, count = place // 2, (count + 1) // 2
    return None if beside else Proven(node, before)
