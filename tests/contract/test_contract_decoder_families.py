"""Families of decoders as data: kinds of projections have names of their own, and numbers that never change."""

from contract.architectures.adapters import is_part
from contract.architectures.decoder_families import FAMILIES, KINDS, kind_of


def test_the_number_of_a_family_is_for_good() -> None:
    titles = [family.title for family in FAMILIES]
    assert titles == ["Llama", "Phi-3", "OLMo 2", "Gemma 2", "Gemma 3", "GPT-2", "GPT-NeoX"]


def test_no_two_matrices_of_a_layer_are_of_one_kind() -> None:
    for family in FAMILIES:
        kinds = [kind_of(matrix) for matrix in family.matrices.values()]
        assert len(set(kinds)) == len(kinds)
        assert set(kinds) <= set(KINDS)
    assert (kind_of("attn.c_proj"), kind_of("mlp.c_proj")) == ("attn_c_proj", "mlp_c_proj")


def test_hyper_parameters_can_name_every_kind_of_one_layer_or_of_all() -> None:
    assert all(is_part(kind) and is_part(f"3.{kind}") for kind in KINDS)
    assert not is_part("c_proj")
