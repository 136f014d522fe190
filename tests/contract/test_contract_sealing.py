"""The seal of a result file: any change of its bytes shows, and its Merkle root is that of RFC 6962."""

import hashlib
import json

import pytest

from contract.proof.sealing import merkle_root, seal_fault, sealed, spelled

DOCUMENT = {"worths": [{"worth": 0.1 + 0.2, "coalition": ("a",)}, {"worth": 1.0, "coalition": ()}], "notes": ["é"]}


def node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def test_the_root_hashes_leaves_and_nodes_apart_and_splits_at_the_largest_power_of_two() -> None:
    leaves = [hashlib.sha256(b"\x00" + each).digest() for each in (b"a", b"b", b"c")]
    assert merkle_root([b"a", b"b", b"c"]) == node(node(leaves[0], leaves[1]), leaves[2]).hex()
    assert merkle_root([b"a"]) == leaves[0].hex()
    assert merkle_root([]) == hashlib.sha256(b"").hexdigest()
    assert merkle_root([b"a", b"b"]) != merkle_root([b"b", b"a"])


def test_a_sealed_document_is_whole_and_sealing_it_again_changes_nothing() -> None:
    whole = sealed(DOCUMENT)
    assert seal_fault(spelled(whole)) is None
    assert sealed(whole) == whole


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"notes": []}, "its digest is"),
        ({"worths": []}, "its worths_root is"),
        ({"digest": "0" * 64}, "its digest is 0000"),
        ({"more": 1}, "its digest is"),
    ],
)
def test_whatever_is_changed_after_sealing_shows(change: dict[str, object], told: str) -> None:
    assert told in str(seal_fault(spelled(sealed(DOCUMENT) | change)))


def test_another_spelling_of_the_same_document_shows() -> None:
    content = spelled(sealed(DOCUMENT))
    twice = content.replace(b' "notes"', b' "notes": [],\n "notes"', 1)
    for other in (twice, content.replace(b"\n ", b"\n  "), json.dumps(json.loads(content)).encode()):
        assert other != content
        assert "not spelled" in str(seal_fault(other))


def test_a_file_without_a_seal_is_told_so() -> None:
    assert "no seal" in str(seal_fault(b'{"worths": []}'))
