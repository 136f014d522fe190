"""Evidence: its leaves commit to worths without telling them, and every member counts for root or digest."""

import pytest

from contract.metrics import Predicts
from contract.orders.job import PayeePart, SourceCost
from contract.proof.division import DividedPayee, Division
from contract.proof.evidence import (
    AnswersLeaf,
    Evidence,
    EvidencePlayer,
    InclusionProof,
    SourceWorths,
    WorthLeaf,
    commitment,
    holds,
    proofs,
    proven,
)


def evidence(**changes: object) -> Evidence:
    whole = {
        "game": "5f" * 32,
        "salt": "01" * 32,
        "players": tuple(EvidencePlayer(name=f"p{at}", rows=9, digest=f"{at}" * 64) for at in range(3)),
        "costs": (SourceCost(name="unlearn:tangent", cost=0.1), SourceCost(name="retrain", cost=0.6)),
        "unit_seconds": 0.5,
        "metric": "accuracy",
        "predicts": Predicts.CLASS,
        "partial": False,
        "moved": (),
        "worths": (
            SourceWorths(source="retrain", coalitions=("00", "07", "05"), worths=(0.2, 0.9, 0.7), seconds=(0, 1, 1)),
            SourceWorths(source="unlearn:tangent", coalitions=("02",), worths=(0.5,), seconds=(0.1,)),
        ),
        "answers_kept": True,
        "answers": (AnswersLeaf(source="retrain", coalitions=("05",), digest="ab" * 32),),
    }
    return Evidence.model_validate(whole | changes)


def test_a_leaf_tells_the_coalition_and_not_the_worth() -> None:
    leaves = list(evidence().leaves())
    assert len(leaves) == evidence().seal().leaves == 5
    first = leaves[0]
    assert isinstance(first, WorthLeaf)
    assert set(first.plain()) == {"kind", "source", "coalition", "commitment"}
    # whoever knows every possible worth finds none without the salt
    assert first.commitment == commitment("01" * 32, "retrain", "00", 0.2, 0)
    assert all(commitment("02" * 32, "retrain", "00", k / 10, 0) != first.commitment for k in range(11))
    # equal worths of two coalitions have commitments of their own
    alike = evidence(worths=(SourceWorths(source="s", coalitions=("01", "02"), worths=(0.5, 0.5), seconds=(0, 0)),))
    one, two, *_ = alike.leaves()
    assert isinstance(one, WorthLeaf)
    assert isinstance(two, WorthLeaf)
    assert one.commitment != two.commitment


def test_a_changed_worth_coalition_source_or_file_is_another_root() -> None:
    root = evidence().seal().root
    one = evidence().worths[1]
    for changed in ({"worths": (0.5000001,)}, {"coalitions": ("03",)}, {"source": "retrain:r1"}, {"seconds": (0.2,)}):
        other = evidence(worths=(evidence().worths[0], one.model_copy(update=changed)))
        assert other.seal().root != root
    assert evidence(answers=()).seal().root != root
    assert evidence(salt="02" * 32).seal().root != root
    # what is no leaf is in the document's digest
    assert evidence(unit_seconds=0.6).seal().root == root
    assert evidence(unit_seconds=0.6).seal().document != evidence().seal().document


def test_a_provider_is_proven_the_coalitions_that_hold_its_player() -> None:
    whole = evidence()
    seal, tree = whole.seal(), whole.tree()
    own = proofs(whole, [0])
    assert [leaf.coalition for _, leaf in own] == ["07", "05"]
    for index, leaf in own:
        proof = InclusionProof(index=index, leaf=leaf, path=tree.path(index))
        assert proven(proof, seal.root, seal.leaves)
        assert not proven(proof.model_copy(update={"index": index + 1}), seal.root, seal.leaves)
        other = leaf.model_copy(update={"coalition": "01"})
        assert not proven(proof.model_copy(update={"leaf": other}), seal.root, seal.leaves)
    assert holds("0001", 8)
    assert not holds("0001", 0)
    assert not holds("01", 9)


def test_evidence_reads_back_as_it_was_and_ragged_columns_are_refused() -> None:
    whole = evidence()
    assert Evidence.model_validate_json(whole.content) == whole
    with pytest.raises(ValueError, match="as many worths and seconds as coalitions"):
        SourceWorths(source="retrain", coalitions=("00",), worths=(0.1, 0.2), seconds=(0.0,))


def test_a_masked_division_tells_who_left_for_a_reserve_and_no_reserve() -> None:
    payees = tuple(
        DividedPayee(
            position=at, player_id="0" * 31 + str(at), provider_id="1" * 32, datasets=(), digest="ab", rows=3,
            part=PayeePart(at, 1, 1), reserve=700 + at,
        )
        for at in range(3)
    )  # fmt: skip
    division = Division(
        valuation="val_1", currency="EUR", pool_minor=1000, fee_basis_points=0, compute=None, metered=0, edition=3,
        reserves=True, tops_up=None, payees=payees,
    )  # fmt: skip
    assert [payee.reserve for payee in division.masked({1}).payees] == [0, 1001, 0]
