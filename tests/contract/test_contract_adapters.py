"""Where adapters stand, as hyper-parameters: the narrowest counts, and a placement comes back as it was said."""

import pytest
from hypothesis import given
from hypothesis import strategies as some

from contract.architectures.adapters import AdapterSize, adapter_shapes, hyper_of, placement
from contract.architectures.decoder import DecoderSizes
from contract.errors import InvalidProblem
from contract.learning.learners import LM, MLP

SIZES = DecoderSizes(layers=2, width=64, heads=4, kv_heads=2, inner=96)
NAMES = [name for name, _ in SIZES.projections()]


def test_without_more_adapters_are_beside_every_projection_and_key_value_heads_are_narrower() -> None:
    shapes = dict(adapter_shapes(SIZES, placement(SIZES, {"rank": 3, "alpha": 8.0})))
    assert len(shapes) == 2 * len(SIZES.projections()) == 2 * 2 * 7
    assert shapes["model.layers.1.self_attn.k_proj.lora_A.weight"] == (3, 64)
    assert shapes["model.layers.1.self_attn.k_proj.lora_B.weight"] == (32, 3)
    assert shapes["model.layers.0.mlp.down_proj.lora_A.weight"] == (3, 96)


def test_one_kind_counts_before_all_and_one_layer_before_its_kind() -> None:
    hyper = {"rank": 4, "alpha": 8.0, "rank@k_proj": 0, "rank@1.k_proj": 2, "alpha@1.k_proj": 3.0}
    placed = placement(SIZES, hyper)
    assert "model.layers.0.self_attn.k_proj" not in placed
    assert placed["model.layers.1.self_attn.k_proj"] == AdapterSize(2, 3.0)
    assert placed["model.layers.1.self_attn.k_proj"].scale == 1.5
    assert placed["model.layers.1.self_attn.q_proj"].scale == 2.0


@given(
    some.dictionaries(
        some.sampled_from(NAMES), some.tuples(some.integers(1, 3), some.sampled_from([1.0, 8.0])), min_size=1
    )
)
def test_a_placement_comes_back_from_the_hyper_parameters_that_say_it(said: dict[str, tuple[int, float]]) -> None:
    placed = {name: AdapterSize(*said[name]) for name in NAMES if name in said}
    hyper = hyper_of(SIZES, placed, 2, 8.0)
    assert placement(SIZES, hyper) == placed
    assert LM.faults(hyper) == {}
    assert LM.checked(hyper).items() >= hyper.items()


def test_a_projection_that_is_none_is_refused_with_the_way_to_write_it() -> None:
    assert "rank@PROJECTION" in LM.faults({"rank@q": 2})["rank@q"]
    assert "rank@PROJECTION" in LM.faults({"rank@01.q_proj": 2})["rank@01.q_proj"]
    assert "whole number" in LM.faults({"rank@q_proj": 1.5})["rank@q_proj"]
    assert "one number for all" in LM.faults({"steps@q_proj": 2})["steps@q_proj"]
    assert "no hyper-parameter" in MLP.faults({"rank@q_proj": 2})["rank@q_proj"]
    with pytest.raises(InvalidProblem, match="layers 0 to 1"):
        placement(SIZES, {"rank": 2, "alpha": 1.0, "rank@2.q_proj": 1})
    with pytest.raises(InvalidProblem, match="leave one an adapter"):
        placement(SIZES, {"rank": 2, "alpha": 1.0} | {f"rank@{name}": 0 for name in _kinds()})


def _kinds() -> list[str]:
    return [part.split(".")[-1] for part in SIZES.matrices()]
