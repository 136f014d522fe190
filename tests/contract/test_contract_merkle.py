"""Merkle trees by RFC 6962: roots, and proofs that hold for one leaf at one place of one tree alone."""

import hashlib

import pytest

from contract.merkle import MerkleTree, leaf_hash, merkle_root, node_hash, root_by


def test_the_root_is_that_of_the_rfc() -> None:
    a, b, c = (leaf_hash(each) for each in (b"a", b"b", b"c"))
    assert merkle_root([b"a", b"b", b"c"]) == node_hash(node_hash(a, b), c).hex()
    assert merkle_root([]) == hashlib.sha256(b"").hexdigest()
    # a published vector: the tree over one empty leaf
    assert merkle_root([b""]) == "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
    # a leaf cannot pass for a node
    assert merkle_root([a + b]) != merkle_root([b"a", b"b"])


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 7, 8, 9, 31, 33])
def test_a_proof_leads_to_the_root_for_its_leaf_at_its_place_and_no_other(count: int) -> None:
    leaves = [str(number).encode() for number in range(count)]
    tree = MerkleTree(leaves)
    for index, leaf in enumerate(leaves):
        path = tree.path(index)
        assert root_by(leaf, index, count, path) == tree.root
        assert root_by(b"another", index, count, path) != tree.root
        assert root_by(leaf, (index + 1) % count, count, path) != tree.root or count == 1
        assert root_by(leaf, index, count, [*path, "00" * 32]) is None
        if path:
            assert root_by(leaf, index, count, path[:-1]) is None
            assert root_by(leaf, index, count, ["not hex", *path[1:]]) is None
    assert root_by(leaves[0], count, count, tree.path(0)) is None
    with pytest.raises(IndexError):
        tree.path(count)
