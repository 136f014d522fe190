"""Merkle trees by RFC 6962: one root over many leaves, and proofs that a leaf is under it. Pure; SHA-256, hex outside.

Leaves and inner nodes are hashed with different first bytes, so that neither passes for the other.
"""

import hashlib
from collections.abc import Sequence
from functools import cache

_LEAF, _NODE = b"\x00", b"\x01"


class MerkleTree:
    """The tree over ``leaves``, in their order; its hashes are computed once."""

    def __init__(self, leaves: Sequence[bytes]) -> None:
        self._hashes = [leaf_hash(leaf) for leaf in leaves]
        self._of = cache(self._hash_of)

    @property
    def root(self) -> str:
        """Hex root; that of no leaves is the hash of nothing."""
        if not self._hashes:
            return hashlib.sha256(b"").hexdigest()
        return self._of(0, len(self._hashes)).hex()

    def path(self, index: int) -> tuple[str, ...]:
        """The inclusion proof of a leaf: the hashes beside its way to the root, from the leaf up."""
        if not 0 <= index < len(self._hashes):
            raise IndexError(f"leaf {index} of a tree with {len(self._hashes)}")
        begin, end, beside = 0, len(self._hashes), []
        while end - begin > 1:
            middle = begin + _split(end - begin)
            if index < middle:
                beside.append(self._of(middle, end).hex())
                end = middle
            else:
                beside.append(self._of(begin, middle).hex())
                begin = middle
        return tuple(reversed(beside))

    def _hash_of(self, begin: int, end: int) -> bytes:
        """The hash of the subtree over leaves ``begin`` up to ``end``."""
        if end - begin == 1:
            return self._hashes[begin]
        middle = begin + _split(end - begin)
        return node_hash(self._of(begin, middle), self._of(middle, end))


def merkle_root(leaves: Sequence[bytes]) -> str:
    """Hex root of the tree over ``leaves``."""
    return MerkleTree(leaves).root


def leaf_hash(leaf: bytes) -> bytes:
    return hashlib.sha256(_LEAF + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(_NODE + left + right).digest()


def root_by(leaf: bytes, index: int, count: int, path: Sequence[str]) -> str | None:
    """The hex root that an inclusion proof leads to, for leaf ``index`` of ``count`` (RFC 9162, 2.1.3.2); None where
    the path is no proof of that place in such a tree."""
    if not 0 <= index < count:
        return None
    number, last, digest = index, count - 1, leaf_hash(leaf)
    for text in path:
        if last == 0:
            return None
        try:
            beside = bytes.fromhex(text)
        except ValueError:
            return None
        if number & 1 or number == last:
            digest = node_hash(beside, digest)
            while number and not number & 1:
                number, last = number >> 1, last >> 1
        else:
            digest = node_hash(digest, beside)
        number, last = number >> 1, last >> 1
    return digest.hex() if last == 0 else None


def _split(count: int) -> int:
    """The largest power of two under a count of two or more."""
    return 1 << (count - 1).bit_length() - 1
